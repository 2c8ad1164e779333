"""Readings of real servers, and what is left when a tier trims them."""

import contextlib
import copy
import time

import psutil
import pytest

from leadbook.monitor.host import RemoteHost
from leadbook.monitor.loop import Watcher, lay_out
from leadbook.monitor.mongodb import COUNTERS, MongoSource, server_values
from leadbook.monitor.readings import Reading, apply
from leadbook.monitor.redis_server import RedisSource, redis_values


@pytest.fixture(scope="module")
def status(admin):
    return admin.admin.command("serverStatus")


def frame_of(status):
    """Two readings of a serverStatus document, a second apart, laid out as a timeline."""
    made = [
        Reading(at=float(at), identity=("h", 1), uptime_s=10.0 + at, values=server_values(status),
                counters=frozenset(COUNTERS))
        for at in range(2)
    ]  # fmt: skip
    return lay_out(
        [(reading.at, {"mongodb": reading}) for reading in made], {"mongodb": MongoSource.derived}, expected=2
    )


def test_a_real_server_reports_what_the_thresholds_ask_for(admin, redis_client):
    with Watcher([MongoSource(admin), RedisSource(redis_client)], interval_s=0.05) as watcher:
        redis_client.set("leadbook_scratch_readings", 1, ex=5)
        redis_client.get("leadbook_scratch_readings")
        admin.admin.command("ping")
    timeline = watcher.timeline()
    assert not timeline.problems
    for reading in ("mongodb.cache_dirty_percent", "mongodb.connections_used_percent", "mongodb.page_faults_per_s",
                    "mongodb.tickets_waiting", "mongodb.cpu_cores", "redis.used_memory_bytes", "redis.sets_per_s",
                    "redis.evicted_per_s", "redis.command_p99_us", "redis.memory_percent"):  # fmt: skip
        assert timeline.statistic(reading, "last") is not None, reading
    assert timeline.growth("redis.sets") >= 1


def test_the_newer_place_of_tickets_is_read_first(status):
    newer = dict(status) | {"queues": {"execution": {
        "write": {"out": 1, "available": 9, "normalPriority": {"queueLength": 4}},
        "read": {"out": 0, "available": 10, "normalPriority": {"queueLength": 3}},
    }}}  # fmt: skip
    assert frame_of(newer).statistic("mongodb.tickets_waiting", "last") == 7.0
    assert server_values(newer)["write_tickets_available"] == 9.0


def test_few_tickets_alone_are_no_queue(status):
    older = copy.deepcopy(dict(status))
    older["wiredTiger"]["concurrentTransactions"]["write"]["available"] = 0
    older["globalLock"]["currentQueue"]["total"] = 0
    assert frame_of(older).statistic("mongodb.tickets_waiting", "last") == 0.0
    older["globalLock"]["currentQueue"]["total"] = 12
    assert frame_of(older).statistic("mongodb.tickets_waiting", "last") == 12.0


def test_redis_without_a_limit_has_no_memory_percentage():
    values = redis_values({"used_memory": 4_000_000, "maxmemory": 0, "total_error_replies": 0})
    assert "memory_percent" not in apply(RedisSource.derived, values)
    assert values["oom_errors"] == 0.0, "Redis counts errors, and none is of this kind"


def test_redis_that_does_not_count_errors_says_nothing_of_them():
    assert "oom_errors" not in redis_values({"used_memory": 1})


@pytest.fixture
def recording(admin):
    """A server that records its machine, as servers do unless told otherwise."""
    admin.admin.command("setParameter", 1, diagnosticDataCollectionEnabled=True)
    yield admin
    admin.admin.command("setParameter", 1, diagnosticDataCollectionEnabled=False)


def test_a_server_elsewhere_tells_of_its_machine(recording):
    host, values, until = RemoteHost(recording), {}, time.monotonic() + 15
    while "cpu_percent" not in values and time.monotonic() < until:
        with contextlib.suppress(OSError):  # nothing is recorded yet
            values = host.read().values
        time.sleep(0.3)
    assert 0 <= values["cpu_percent"] <= 100
    assert abs(values["memory_percent"] - psutil.virtual_memory().percent) < 15
