"""Health thresholds as data (thresholds.yaml), and the checks that follow from a timeline."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from leadbook.core.checks import Check, judge, not_applicable, not_measured, warned
from leadbook.monitor.loop import Timeline

__all__ = ["Level", "Threshold", "judge_level", "judge_timeline", "levels_frame", "thresholds"]

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip

_BEYOND = {"<": "≥", "<=": ">", ">": "≤", ">=": "<"}


class Level(StrEnum):
    """Where a value stands."""

    GOOD = "good"
    WARN = "warn"
    CRITICAL = "critical"
    NOT_MEASURABLE = "not measurable"
    DOES_NOT_MATTER = "does not matter"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One row of thresholds.yaml; warn and critical hold the last good value in `unit`; critical None never fails."""

    reading: str
    title: str
    check: str
    statistic: str
    compare: str
    warn: float
    unit: str
    source: str
    critical: float | None = None
    since: str = ""
    only_where: str = ""
    at_least: float = 0.0

    def level(self, value: float | None) -> Level:
        """Level of a value; None is not measurable, never good."""
        if value is None or value != value:
            return Level.NOT_MEASURABLE
        good = _COMPARE[self.compare]
        if good(value, self.warn):
            return Level.GOOD
        return Level.WARN if self.critical is None or good(value, self.critical) else Level.CRITICAL


@cache
def thresholds() -> tuple[Threshold, ...]:
    """All of them, in the file's order."""
    text = (Path(__file__).parent / "thresholds.yaml").read_text(encoding="utf-8")
    return tuple(Threshold(**entry) for entry in yaml.safe_load(text))


def judge_level(
    check_id: str, value: float | None, *, compare: str, warn: float, critical: float | None, evidence: str,
    settings: Any = None,
) -> Check:  # fmt: skip
    """A check with two limits: beyond `warn` it warns, beyond `critical` it fails; no value is not measured."""
    rule = Threshold(reading="", title="", check=check_id, statistic="", compare=compare, warn=warn, critical=critical,
                     unit="", source="")  # fmt: skip
    match rule.level(value):
        case Level.WARN:
            limit = f"; critical at {critical:g}" if critical is not None else ""
            return warned(check_id, value, evidence=f"{evidence}{limit}", settings=settings, target=warn)
        case Level.CRITICAL:
            return judge(check_id, value, settings=settings, target=critical, evidence=evidence)
        case _:
            return judge(check_id, value, settings=settings, target=warn, evidence=evidence)


def judge_timeline(timeline: Timeline, versions: dict[str, str], absent: dict[str, str]) -> list[Check]:
    """A check for each threshold.

    versions: of `mongodb` and `redis`, to tell a field that is newer than the server (not applicable) from one that a
    tier trims (not measured).  absent: source -> why it is not watched at all, such as `host` on another machine.
    """
    return [_judge(threshold, timeline, versions, absent) for threshold in thresholds()]


def _judge(rule: Threshold, timeline: Timeline, versions: dict[str, str], absent: dict[str, str]) -> Check:
    source = rule.reading.partition(".")[0]
    value = timeline.statistic(rule.reading, rule.statistic)
    if value is None:
        if source in absent:
            return not_measured(rule.check, absent[source])
        version = versions.get(source, "")
        if rule.since and version and _parts(version) < _parts(rule.since):
            return not_applicable(rule.check, f"reported since {rule.since}; the server is {version}")
        return not_measured(rule.check, f"not measurable on this tier: the server does not report {rule.reading}")
    if rule.only_where:
        weight = timeline.statistic(rule.only_where, rule.statistic)
        if weight is not None and weight < rule.at_least:
            why = f"{value:.3g}, of {weight / 1e6:,.0f} MB: below {rule.at_least / 1e6:,.0f} MB it does not matter"
            return not_applicable(rule.check, why)
    count = len(timeline.values(rule.reading))
    peak = timeline.statistic(rule.reading, "max")
    evidence = f"{rule.statistic} of {count} samples, peak {peak:.4g} {rule.unit}".rstrip() + f". {rule.source}"
    return judge_level(
        rule.check, round(value, 4), compare=rule.compare, warn=rule.warn, critical=rule.critical, evidence=evidence
    )


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split(".")[:2] if part.isdigit())


def levels_frame(timeline: Timeline) -> pd.DataFrame:
    """A row for each threshold: reading, what was judged, peak, limits, level."""
    rows = []
    for rule in thresholds():
        value = timeline.statistic(rule.reading, rule.statistic)
        rows.append({
            "reading": rule.title, "value": value, "unit": rule.unit, "of the samples": rule.statistic,
            "peak": timeline.statistic(rule.reading, "max"), "warn": _beyond(rule, rule.warn),
            "critical": "–" if rule.critical is None else _beyond(rule, rule.critical),
            "level": _shown_level(rule, value, timeline).value,
        })  # fmt: skip
    return pd.DataFrame(rows)


def _beyond(rule: Threshold, limit: float) -> str:
    """The values that are no longer good: `≥ 95` where `< 95` is."""
    return f"{_BEYOND[rule.compare]} {limit:,.10g}"


def _shown_level(rule: Threshold, value: float | None, timeline: Timeline) -> Level:
    weight = timeline.statistic(rule.only_where, rule.statistic) if rule.only_where else None
    if weight is not None and weight < rule.at_least:
        return Level.DOES_NOT_MATTER
    return rule.level(value)
