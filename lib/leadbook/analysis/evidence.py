"""What earlier phases of this run left: checks, facts, and the performance metrics among them. Reads records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from leadbook.core.checks import Check, Verdict, judge, not_measured
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings

__all__ = ["AREAS", "Evidence", "collect", "metric_checks", "metrics_frame", "trends_frame"]

PHASES = ("01", "02", "03", "04", "05", "06", "07", "08")
AREAS = {"inserts": "Insert rate", "duplicates": "Duplicate checks", "queries": "Queries", "pool": "Connection pool"}
"""Areas of performance that the task book wants documented."""

_TOPICS = {
    "INS": "inserts", "RATE": "inserts", "WC": "inserts", "THR": "inserts", "DUP": "duplicates",
    "FND": "queries", "CNT": "queries", "FIND": "queries", "QUERY": "queries", "QRY": "queries", "POOL": "pool",
    "CONN": "pool",
}  # fmt: skip
_PERFORMANCE = ("03", "05", "08")
_MEASURING = ("03", "04", "05", "08")
_UNITS = ("documents/s", "leads/hour", "ms", "us", "%", "connections")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Checks and facts by phase; a phase that did not run to its end in this run has neither."""

    checks: Mapping[str, Sequence[Check]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def fact(self, phase: str, name: str) -> Any:
        """A fact of a phase; None where it was not left."""
        return self.facts.get(phase, {}).get(name)

    def number(self, *places: tuple[str, str]) -> tuple[float | None, str]:
        """The first fact among (phase, name) that is a number, and the phase it is from; (None, "") without one."""
        for phase, name in places:
            value = self.fact(phase, name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value), phase
        return None, ""

    def finished(self) -> list[str]:
        """Phases that ran to their end in this run."""
        return [phase for phase in PHASES if self.checks.get(phase)]

    def troubled(self) -> list[Check]:
        """Checks of earlier phases that failed, raised or warned."""
        bad = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)
        return [check for checks in self.checks.values() for check in checks if check.verdict in bad]


def collect(book: Any) -> Evidence:
    """Records of phases 01 to 08 of this run, through the open phase `book`."""
    return Evidence(
        checks={phase: book.checks(phase) for phase in PHASES}, facts={phase: book.facts(phase) for phase in PHASES}
    )


def _area(check: Check) -> str | None:
    """The area that a check tells of; None for counts and yes-or-no checks, which are no performance numbers."""
    if not check.unit.split(",")[0].startswith(_UNITS):
        return None
    parts = check.id.split("-")
    topic = _TOPICS.get(parts[1]) if len(parts) > 1 else None
    if topic is None and check.id.startswith(("BCH-RDS", "LOAD-RDS")):
        topic = "duplicates"
    if topic is None and check.unit == "documents/s":
        topic = "inserts"
    return topic


def metrics_frame(evidence: Evidence) -> pd.DataFrame:
    """A row a performance metric of phases 03, 04, 05 and 08, with its target and verdict."""
    rows = [
        {"area": area, "metric": check.title, "measured": check.measured, "unit": check.unit, "target": check.target,
         "verdict": check.verdict.value, "phase": phase, "check": check.id}
        for phase in _MEASURING for check in evidence.checks.get(phase, ())
        if (area := _area(check)) and isinstance(check.measured, int | float) and not isinstance(check.measured, bool)
    ]  # fmt: skip
    columns = ["area", "metric", "measured", "unit", "target", "verdict", "phase", "check"]
    order = list(AREAS)
    return pd.DataFrame(sorted(rows, key=lambda row: order.index(str(row["area"]))), columns=columns)


def trends_frame(evidence: Evidence) -> pd.DataFrame:
    """A row a reading of phase 08: mean of the first third and of the last third of the snapshot, and change in %."""
    trend = evidence.fact("08", "trend") or {}
    rows = []
    for name, parts in trend.items():
        first, last = parts.get("first_third"), parts.get("last_third")
        change = 100 * (last - first) / first if first and last is not None else None
        rows.append({"reading": name, "first third": first, "last third": last, "change %": change})
    return pd.DataFrame(rows, columns=["reading", "first third", "last third", "change %"])


def metric_checks(evidence: Evidence, metrics: pd.DataFrame, settings: Settings) -> list[Check]:
    """All four areas are covered, and the four headline numbers stand beside their targets."""
    covered = [area for area in AREAS if (metrics["area"] == area).any()]
    if not covered:
        compiled = not_measured("FIN-METRIC-001", "phases 03, 05 and 08 left nothing in this run")
    else:
        missing = ", ".join(AREAS[area] for area in AREAS if area not in covered)
        from_phases = ", ".join(sorted(set(metrics["phase"])))
        shown = f"{len(metrics)} metrics of phases {from_phases}" + (f"; none on {missing}" if missing else "")
        compiled = judge("FIN-METRIC-001", len(covered), evidence=shown)
    return [
        compiled,
        _headline("FIN-METRIC-002", evidence, settings, ("08", "insert_rate"), ("03", "insert_rate")),
        _headline("FIN-METRIC-003", evidence, settings, ("08", "duplicate_check_redis_p99_ms"),
                  ("03", "duplicate_check_redis_p99_ms")),
        _headline("FIN-METRIC-004", evidence, settings, ("08", "duplicate_check_mongodb_p99_ms"),
                  ("03", "duplicate_check_mongodb_p99_ms")),
        _headline("FIN-METRIC-005", evidence, settings, ("08", "checkout_p99_ms"), ("03", "checkout_p99_ms")),
        _performance(evidence),
    ]  # fmt: skip


def _headline(check_id: str, evidence: Evidence, settings: Settings, *places: tuple[str, str]) -> Check:
    value, phase = evidence.number(*places)
    if value is None:
        asked = " and ".join(dict.fromkeys(place for place, _ in places))
        return not_measured(check_id, f"phases {asked} of this run left no such number", settings=settings)
    others = [(place, evidence.number((place, name))[0]) for place, name in places if place != phase]
    also = "".join(f"; phase {place}: {other:,.2f}" for place, other in others if other is not None)
    return judge(check_id, round(value, 3), settings=settings, evidence=f"measured by phase {phase} of this run{also}")


def _performance(evidence: Evidence) -> Check:
    """Failed checks of the phases that measure performance. Where a phase, or a check of one, is missing, what was
    not looked at may have failed: then nothing is measured, unless something is known to have failed."""
    seen = [check for phase in _PERFORMANCE for check in evidence.checks.get(phase, ())]
    bad = [check for check in seen if check.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if bad:
        return judge("FIN-PERF-001", len(bad), evidence="; ".join(f"{check.id} {check.title}" for check in bad))
    absent = [phase for phase in _PERFORMANCE if not evidence.checks.get(phase)]
    if absent:
        return not_measured("FIN-PERF-001", f"phase {', '.join(absent)} left nothing that counts here")
    recorded = {check.id for check in seen if check.verdict is not Verdict.NOT_MEASURED}
    known = [entry.id for entry in catalogue().values() if entry.phase in _PERFORMANCE and entry.kind == "measured"]
    if missing := [check_id for check_id in known if check_id not in recorded]:
        return not_measured("FIN-PERF-001", f"{len(missing)} checks not measured: {', '.join(missing[:6])}")
    return judge("FIN-PERF-001", 0, evidence=f"{len(seen)} checks of phases {', '.join(_PERFORMANCE)}")
