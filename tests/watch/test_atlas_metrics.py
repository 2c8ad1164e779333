"""What Atlas measures of the primary's machine: asked beside the snapshots, once a minute, and never in their way."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from atlas_server import AtlasServer
from leadbook.core import addresses
from leadbook.watch.clock import SprintClock
from leadbook.watch.names import READINGS
from leadbook.watch.snapshot import SnapshotReader
from leadbook.watch.sources import atlas as source
from leadbook.watch.sources.atlas import AtlasMetrics, stand_in
from leadbook.watch.sources.base import Moment, SourceReading


@pytest.fixture
def server(endpoints, monkeypatch):
    with AtlasServer(hosts=addresses.parse(endpoints.mongodb_uri).shown.split(",")) as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made
        assert not made.wrong


@pytest.fixture
def metrics(server, settings, endpoints):
    asking = settings.model_copy(update={"atlas_project": server.state.project})
    return AtlasMetrics(SimpleNamespace(settings=asking, endpoints=endpoints))


def moment(real):
    return Moment(number=1, at=datetime.now(UTC), real=real, server=datetime.now(UTC))


def settled(metrics, real):
    """Read until the answer of the question of that moment is there."""
    metrics.read(moment(real))
    metrics._thread.join(5)
    return metrics.read(moment(real))


def test_processors_memory_and_disk_of_the_primary_are_told_with_what_they_cost(server, metrics):
    found = metrics.read(moment(1000.0))
    assert not found.unmeasured and found.readings.keys() <= READINGS.keys()
    assert found.readings["atlas.cpu_percent"] == pytest.approx(21.5 + 3.1 + 0.4)
    assert found.readings["atlas.memory_percent"] == pytest.approx(100 * 3.9 / 8.0)
    assert found.readings["atlas.disk_used_percent"] == pytest.approx(100 * 9 / 43)
    assert (found.readings["atlas.disk_iops"], found.readings["atlas.connections"]) == (210.0, 42.0)
    assert found.readings["atlas.requests"] == 5 and found.readings["atlas.asked_ms"] > 0  # token, cluster, three


def test_it_is_asked_once_a_minute(server, metrics):
    for real in (1000.0, 1010.0, 1059.0):
        assert "atlas.cpu_percent" in settled(metrics, real).readings
    asked = len(server.requests)
    server.state.measures["SYSTEM_NORMALIZED_CPU_USER"] = ("PERCENT", 90.0)
    assert settled(metrics, 1061.0).readings["atlas.cpu_percent"] == pytest.approx(93.5)
    assert len(server.requests) == 2 * asked


def test_an_atlas_that_refuses_is_away_or_says_nothing_is_a_reason_and_no_failure(server, metrics, monkeypatch):
    server.fault("/disks/", 403)
    found = settled(metrics, 1000.0)
    assert "atlas.cpu_percent" in found.readings and "Project Read Only" in found.unmeasured["atlas.disk_used_percent"]
    server.mend()
    server.state.measures["SYSTEM_MEMORY_USED"] = ("KILOBYTES", None)
    assert "atlas.memory_percent" not in settled(metrics, 1100.0).readings
    server.state.tier = "M0"
    assert "no process" in settled(metrics, 1200.0).unmeasured["atlas"]
    monkeypatch.setenv("ATLAS_CLIENT_SECRET", "wrong-word-of-nobody")
    found = settled(metrics, 1300.0)
    assert "refuses the service account" in found.unmeasured["atlas"] and "wrong-word" not in str(found)
    assert "atlas.cpu_percent" not in found.readings


def test_an_atlas_that_is_slow_holds_up_nothing(server, metrics, monkeypatch):
    monkeypatch.setattr(source, "EACH_S", 0.1)
    server.fault("/processes", "slow", seconds=0.6)
    began = time.monotonic()
    assert "has not answered yet" in metrics.read(moment(1000.0)).unmeasured["atlas"]
    assert time.monotonic() - began < 0.5
    metrics._thread.join(10)
    assert "atlas.cpu_percent" in metrics.read(moment(1001.0)).readings


def test_points_that_are_old_tell_nothing_of_now(server, metrics, monkeypatch):
    monkeypatch.setattr(source, "STALE_S", -1.0)
    assert "atlas.cpu_percent" not in settled(metrics, 1000.0).readings


def test_it_stands_in_only_where_the_machine_was_not_looked_at():
    told = {"atlas.cpu_percent": 90.0, "atlas.disk_used_percent": 80.0, "host.cpu_percent": 5.0}
    found = SourceReading(readings=told, unmeasured={"mongodb.disk_used_percent": "the tier keeps it"})
    stand_in(found)
    assert (found.readings["host.cpu_percent"], found.readings["mongodb.disk_used_percent"]) == (5.0, 80.0)
    assert not found.unmeasured


def test_a_snapshot_holds_it_where_a_project_is_set_and_else_says_nothing_of_atlas(server, settings, endpoints):
    asking = settings.model_copy(update={"atlas_project": server.state.project})
    for chosen, is_there in ((asking, True), (settings, False)):
        with SnapshotReader(chosen, endpoints, SprintClock(), watch="test") as watch:
            found = watch.read(0, 30.0)
        assert ("atlas.cpu_percent" in found.readings) is is_there and "atlas" not in found.unmeasured
        assert "atlas" in found.cost_ms
