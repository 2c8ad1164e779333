"""What earlier phases left, in this run or in an earlier stage's on the same target: checks, facts, and the performance
metrics among them. Reads records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from leadbook.analysis.losses import BackupCount
from leadbook.core.checks import Check, Verdict
from leadbook.core.provenance import ago
from leadbook.page.tables import target_text
from leadbook.phases.proven import restored, unproven

PHASES = ("01", "02", "03", "04", "05", "06", "07", "08")
AREAS = {"inserts": "Insert rate", "duplicates": "Duplicate checks", "queries": "Queries", "pool": "Connection pool"}
"""Areas of performance that the task book wants documented."""

_TOPICS = {
    "INS": "inserts", "RATE": "inserts", "WC": "inserts", "THR": "inserts", "DUP": "duplicates",
    "FND": "queries", "CNT": "queries", "FIND": "queries", "QUERY": "queries", "QRY": "queries", "POOL": "pool",
    "CONN": "pool",
}  # fmt: skip
PERFORMANCE = ("03", "05", "08")
"""Phases that measure performance."""
TRENDS = {
    "inserts_per_s": "inserts, documents/s (server)", "write_latency_ms": "write latency, ms (server, mean)",
    "read_latency_ms": "read latency, ms (server, mean)", "cache_dirty_percent": "dirty part of the cache, %",
    "pool_used_percent": "connections in use, % of the pool", "pool_wait_ms": "wait for a connection, ms (mean)",
    "redis_memory_percent": "Redis memory in use, % of maxmemory",
}  # fmt: skip
"""Readings of phase 08's trend in words."""
_MEASURING = ("03", "04", "05", "08")
_UNITS = ("documents/s", "leads/hour", "ms", "us", "%")


@dataclass(frozen=True, kw_only=True)
class RunEvidence:
    """Checks and facts by phase, and when it closed; a phase whose record does not count here has none."""

    checks: Mapping[str, Sequence[Check]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    closed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, book: Any) -> RunEvidence:
        """Records of phases 01 to 08 that count in the open phase `book`."""
        return cls(
            checks={phase: book.checks(phase) for phase in PHASES},
            facts={phase: book.facts(phase) for phase in PHASES},
            closed={phase: said["closed_at"] for phase, said in book.records.used.items()},
        )  # fmt: skip

    @property
    def backup(self) -> BackupCount:
        """What phase 06 said of its backup of the leads; without the time of the dump it counts as none."""
        leads, taken = self.fact("06", "backup_leads"), self.fact("06", "backup_taken_at")
        if type(leads) is not int or not isinstance(taken, str):
            return BackupCount()
        told = {check.id: check.verdict for check in self.checks.get("06", ())}
        return BackupCount(
            leads=leads, began=datetime.fromisoformat(taken), unproven=unproven(told), restored=restored(told)
        )

    def named(self, phase: str) -> str:
        """A phase by name and age: `phase 03 of 2026-05-01 12:00 UTC, 5 h old`."""
        if not (at := self.closed.get(phase)):
            return f"phase {phase}"
        return f"phase {phase} of {datetime.fromisoformat(at):%Y-%m-%d %H:%M} UTC, {ago(at)}"

    def fact(self, phase: str, name: str) -> Any:
        """A fact of a phase; None where it was not left."""
        return self.facts.get(phase, {}).get(name)

    def number(self, phase: str, name: str) -> float | None:
        """A fact of a phase that is a number; None where it left none."""
        value = self.fact(phase, name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def finished(self) -> list[str]:
        """Phases whose records count here, by name and age."""
        return [self.named(phase) for phase in PHASES if self.checks.get(phase)]

    def troubled(self) -> list[Check]:
        """Checks of earlier phases that failed, raised or warned."""
        bad = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)
        return [check for checks in self.checks.values() for check in checks if check.verdict in bad]


def _area(check: Check) -> str | None:
    """The area that a check tells of; None for counts, configured values and yes-or-no checks."""
    if not check.unit.split(",")[0].startswith(_UNITS):
        return None
    family, topic, _ = check.id.split("-")
    if topic == "RDS" and family in ("BCH", "LOAD"):
        return "duplicates"
    return _TOPICS.get(topic) or ("inserts" if check.unit == "documents/s" else None)


def metrics(evidence: RunEvidence) -> pd.DataFrame:
    """A row a performance metric of phases 03, 04, 05 and 08, with its target and verdict."""
    rows = [
        {"area": area, "metric": check.title, "measured": check.measured, "unit": check.unit,
         "target": target_text(check), "verdict": check.verdict.value, "phase": phase, "check": check.id}
        for phase in _MEASURING for check in evidence.checks.get(phase, ())
        if (area := _area(check)) and isinstance(check.measured, int | float) and not isinstance(check.measured, bool)
    ]  # fmt: skip
    columns = ["area", "metric", "measured", "unit", "target", "verdict", "phase", "check"]
    order = list(AREAS)
    return pd.DataFrame(sorted(rows, key=lambda row: order.index(str(row["area"]))), columns=columns)


def slow_end(evidence: RunEvidence, name: str) -> tuple[float, str] | None:
    """The slow end of a time: under load, by the percentile that phase 08's samples bear, so that it is of the same
    times as phase 08's median; phase 03's p99 at rest where 08 left none. None without any."""
    found = [(phase, which, evidence.number(phase, f"{name}_{which}_ms"))
             for phase, which in (("08", "p99"), ("08", "p95"), ("08", "worst"), ("03", "p99"))]  # fmt: skip
    for phase, which, value in found:
        if value is not None:
            count = evidence.number(phase, f"{name}_samples")
            word = "slowest" if which == "worst" else which
            return value, f"{word}{f' of {count:,.0f}' if count else ''}, {evidence.named(phase)}"
    return None


def trends(evidence: RunEvidence) -> pd.DataFrame:
    """A row a reading of phase 08: mean of the first third and of the last third of the snapshot, and change in %.

    The server's own means, of everybody's operations; phase 08's degradation is of its probes' medians.
    """
    trend = evidence.fact("08", "trend") or {}
    rows = []
    for name, parts in trend.items():
        first, last = parts.get("first_third"), parts.get("last_third")
        change = 100 * (last - first) / first if first and last is not None else None
        rows.append({"reading": TRENDS.get(name, name), "first third": first, "last third": last, "change %": change})
    return pd.DataFrame(rows, columns=["reading", "first third", "last third", "change %"])
