"""Metrics and the Grafana dashboard: they parse, they are named as Prometheus wants, all that is asked for exists."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests import live_series as made

from leadbook.core.settings import PROJECT
from leadbook.report.live.grafana import dashboard, dashboard_json
from leadbook.report.live.metrics import OTHERS, exporting, metric_of, metrics_text
from leadbook.watch.names import READINGS


@pytest.fixture(scope="module")
def view():
    return made.made_view()


def families(view):
    return {one.name: one for one in text_string_to_metric_families(metrics_text(view))}


def value(family):
    return {tuple(sorted(sample.labels.items())): sample.value for sample in family.samples}


def test_all_that_was_read_is_there_in_base_units(view):
    found = families(view)
    read = {metric_of(name)[0] for name in READINGS if name in view.snapshot.readings}
    assert read <= set(found) and set(found) <= read | set(OTHERS)
    assert value(found["leadbook_sprint_leads"])[()] == view.snapshot.readings["sprint.leads"]
    assert value(found["leadbook_probe_mongodb_seconds"])[()] == pytest.approx(
        view.snapshot.readings["probe.mongodb_ms"] / 1000
    )
    assert value(found["leadbook_redis_memory_ratio"])[()] == pytest.approx(0.121)
    assert found["leadbook_sprint_leads"].documentation == "unique leads stored"


def test_names_follow_prometheus(view):
    names = [metric_of(name)[0] for name in READINGS]
    assert len(set(names)) == len(names)
    for name in [*names, *OTHERS]:
        assert re.fullmatch(r"leadbook_[a-z][a-z0-9_]*", name)
        assert not name.endswith(("_s", "_ms", "_us", "_h", "_percent", "_total", "_count")), name


def test_judgement_and_forecast_are_told(view):
    found = families(view)
    assert value(found["leadbook_verdict"])[(("verdict", "CRITICAL"),)] == 1
    assert sum(value(found["leadbook_verdict"]).values()) == 1
    assert value(found["leadbook_findings"])[(("level", "critical"), ("rule", "LIVE-DISK-001"))] == 1
    assert value(found["leadbook_milestone_probability_ratio"])[(("leads", "20000"),)] == 0.93
    assert value(found["leadbook_headroom_seconds"])[(("limit", "disk"),)] == pytest.approx(3.3 * 3600)
    assert value(found["leadbook_collector_silent"])[(("vendor", "phantom"), ("workflow", "phantom-2"))] == 1


def test_what_was_not_read_has_no_sample(view):
    bare = replace(view, snapshot=replace(view.snapshot, readings={"sprint.leads": float("nan")}, details={}))
    assert not [name for name in families(bare) if name in {metric_of(one)[0] for one in READINGS}]


def test_odd_names_of_collectors_parse(view):
    rows = [{"workflow": 'a"b\\c\nd', "staged": 1}, {"workflow": 'a"b\\c\nd', "staged": 2}, "none"]
    odd = replace(view, snapshot=replace(view.snapshot, details={"collectors": rows}))
    assert list(value(families(odd)["leadbook_collector_staged"])) == [
        (("vendor", "–"), ("workflow", 'a"b\\c\nd'))
    ]  # fmt: skip


def test_metrics_are_served_on_loopback(view):
    with exporting(0) as take:
        server = take.__closure__[0].cell_contents
        assert httpx.get(server.url).status_code == 503
        take(view)
        answer = httpx.get(server.url)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "leadbook_sprint_leads 13291.0" in answer.text


def test_the_dashboard_asks_for_nothing_that_is_not_there():
    known = {metric_of(name)[0] for name in READINGS} | set(OTHERS)
    panels = dashboard()["panels"]
    asked = {name for panel in panels for target in panel.get("targets", ())
             for name in re.findall(r"leadbook_\w+", target["expr"])}  # fmt: skip
    assert asked <= known
    assert {metric_of(name)[0] for name in READINGS} <= asked, "each reading has a panel"


def test_the_dashboard_can_be_imported():
    made_of = json.loads(dashboard_json())
    assert made_of["schemaVersion"] >= 36 and made_of["__inputs"][0]["pluginId"] == "prometheus"
    panels = made_of["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & taken and place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["title"]
        if panel["type"] != "row":
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert all(target["datasource"]["uid"] == "${DS_PROMETHEUS}" for target in panel["targets"])


def test_the_dashboard_in_docs_is_of_today():
    assert (PROJECT / "docs" / "grafana-dashboard.json").read_text(encoding="utf-8") == dashboard_json()
