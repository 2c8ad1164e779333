"""A Grafana dashboard of the metrics, made of `watch.names` so that it asks for nothing that is not there.

Grafana: Dashboards, New, Import; it asks which Prometheus to read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from leadbook.report.live.metrics import metric_of
from leadbook.watch.names import READINGS

SOURCE = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
SCHEMA = 39
"""Of Grafana 11; later ones migrate it."""
ROWS = {
    "sprint": "The sprint", "ingest": "The ingester", "probe": "Duplicate checks and canary", "mongodb": "MongoDB",
    "redis": "Redis", "host": "Host", "atlas": "Atlas", "backup": "Backup", "watch": "The watch itself",
}  # fmt: skip
UNITS = {"_seconds": "s", "_bytes": "bytes", "_ratio": "percentunit", "_usd": "currencyUSD"}
COLUMNS, WIDE, HIGH = 24, 8, 7
FIRST: tuple[tuple[str, str, str, str, str], ...] = (
    ("stat", "Verdict", "leadbook_verdict == 1", "{{verdict}}", "none"),
    ("stat", "Leads stored", "leadbook_sprint_leads", "leads", "none"),
    ("stat", "Left to the leads wanted", "leadbook_wanted_leads - leadbook_sprint_leads", "leads", "none"),
    (
        "stat",
        "Milestones, when",
        "1000 * leadbook_milestone_timestamp_seconds{percentile='50'}",
        "{{leads}}",
        "dateTimeAsIso",
    ),
    ("stat", "Milestones, likely by the deadline", "leadbook_milestone_probability_ratio", "{{leads}}", "percentunit"),
    ("stat", "Age of these numbers", "time() - leadbook_drawn_timestamp_seconds", "age", "s"),
    ("table", "Rules that have fired", "leadbook_findings > 0", "{{rule}}, {{level}}", "none"),
    ("timeseries", "Rate, leads/hour, 80 %", "leadbook_forecast_leads_per_hour", "{{percentile}}", "none"),
    ("bargauge", "Until a limit is hit", "leadbook_headroom_seconds", "{{limit}}", "s"),
    ("timeseries", "Staged by collector", "leadbook_collector_staged", "{{workflow}}", "none"),
    ("table", "Collectors that fell silent", "leadbook_collector_silent > 0", "{{workflow}}", "none"),
    ("stat", "Not judged, not read", "leadbook_rules_unknown + leadbook_readings_unmeasured", "unknown", "none"),
)
"""Panels of the first row: kind, title, what is asked, legend, unit."""


def dashboard_json() -> str:
    """docs/grafana-dashboard.json."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def dashboard() -> dict[str, Any]:
    """The dashboard: what matters first, then a row for each source, a panel for each unit of it."""
    panels = list(_placed([("", [_panel(kind, title, [(asked, legend)], unit, "")
                                 for kind, title, asked, legend, unit in FIRST]), *_sources()]))  # fmt: skip
    return {
        "__inputs": [{"name": "DS_PROMETHEUS", "label": "Prometheus", "description": "what scrapes leadbook's metrics",
                      "type": "datasource", "pluginId": "prometheus", "pluginName": "Prometheus"}],
        "__requires": [{"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"}],
        "id": None, "uid": "leadbook-sprint", "title": "leadbook: the live sprint", "tags": ["leadbook"],
        "description": "Made by `leadbook docs` of leadbook's readings; do not edit.",
        "editable": True, "graphTooltip": 1, "refresh": "30s", "schemaVersion": SCHEMA, "version": 1,
        "time": {"from": "now-8h", "to": "now"}, "timezone": "utc", "templating": {"list": []},
        "annotations": {"list": []}, "panels": panels,
    }  # fmt: skip


def _sources() -> Iterable[tuple[str, list[dict[str, Any]]]]:
    for source, names in groupby(READINGS, key=lambda name: name.partition(".")[0]):
        panels: dict[str, list[str]] = {}
        for name in names:
            panels.setdefault(_unit_of(name), []).append(name)
        title = ROWS.get(source, source)
        yield title, [_of_readings(title, unit, found) for unit, found in panels.items()]


def _unit_of(name: str) -> str:
    metric, _ = metric_of(name)
    ending = next((ending for ending in UNITS if metric.endswith(ending)), "")
    return ending or READINGS[name][0]


def _of_readings(row: str, unit: str, names: list[str]) -> dict[str, Any]:
    shown = {"_seconds": "times", "_bytes": "bytes", "_ratio": "shares", "_usd": "USD"}.get(unit, unit)
    meaning = "\n".join(f"- {name}: {READINGS[name][1]}" for name in names)
    asked = [(metric_of(name)[0], name.partition(".")[2].replace("_", " ")) for name in names]
    return _panel("timeseries", f"{row}: {shown}", asked, UNITS.get(unit, "short"), meaning)


def _panel(kind: str, title: str, asked: list[tuple[str, str]], unit: str, meaning: str) -> dict[str, Any]:
    targets = [
        {"refId": f"Q{number}", "datasource": SOURCE, "expr": expression, "legendFormat": legend,
         "instant": kind == "table", **({"format": "table"} if kind == "table" else {})}
        for number, (expression, legend) in enumerate(asked)
    ]  # fmt: skip
    options = {"textMode": "value_and_name", "reduceOptions": {"calcs": ["lastNotNull"]}} if kind == "stat" else {}
    return {
        "type": kind, "title": title, "description": meaning, "datasource": SOURCE, "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, "custom": {"spanNulls": False} if kind == "timeseries" else {}},
                        "overrides": []},
        "options": options,
    }  # fmt: skip


def _placed(rows: Iterable[tuple[str, list[dict[str, Any]]]]) -> Iterable[dict[str, Any]]:
    down, number = 0, 0
    for title, panels in rows:
        if title:
            number += 1
            yield {"type": "row", "id": number, "title": title, "collapsed": False, "panels": [],
                   "gridPos": {"x": 0, "y": down, "w": COLUMNS, "h": 1}}  # fmt: skip
            down += 1
        for at, panel in enumerate(panels):
            number += 1
            place = {"x": at * WIDE % COLUMNS, "y": down + at * WIDE // COLUMNS * HIGH, "w": WIDE, "h": HIGH}
            yield {"id": number, **panel, "gridPos": place}
        down += -(-len(panels) * WIDE // COLUMNS) * HIGH
