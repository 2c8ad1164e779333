"""What earlier phases of this run left: checks, facts, and the performance metrics among them. Reads records only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from leadbook.analysis.losses import EarlierPhases
from leadbook.core.checks import Check, Verdict
from leadbook.page.prose import number
from leadbook.page.tables import target_text

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
_MEASURING = ("03", "04", "05", "08")
_UNITS = ("documents/s", "leads/hour", "ms", "us", "%")


@dataclass(frozen=True, kw_only=True)
class RunEvidence:
    """Checks and facts by phase; a phase that did not run to its end in this run has neither."""

    checks: Mapping[str, Sequence[Check]] = field(default_factory=dict)
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, book: Any) -> RunEvidence:
        """Records of phases 01 to 08 that count in the open phase `book`."""
        return cls(
            checks={phase: book.checks(phase) for phase in PHASES}, facts={phase: book.facts(phase) for phase in PHASES}
        )

    @property
    def said(self) -> EarlierPhases:
        """What phases 04 and 06 said of the leads."""
        ledger, backup = self.fact("04", "ledger"), self.fact("06", "backup_leads")
        return EarlierPhases(
            ledger=ledger if isinstance(ledger, Mapping) else {}, began=self._began("04"),
            backup_leads=backup if type(backup) is int else None, backup_began=self._began("06"),
        )  # fmt: skip

    def _began(self, phase: str) -> datetime | None:
        """A moment before the phase brought or counted its leads: when its first check was made."""
        return min((datetime.fromisoformat(check.taken_at) for check in self.checks.get(phase, ())), default=None)

    def fact(self, phase: str, name: str) -> Any:
        """A fact of a phase; None where it was not left."""
        return self.facts.get(phase, {}).get(name)

    def number(self, phase: str, name: str) -> float | None:
        """A fact of a phase that is a number; None where it left none."""
        value = self.fact(phase, name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def finished(self) -> list[str]:
        """Phases that ran to their end in this run."""
        return [phase for phase in PHASES if self.checks.get(phase)]

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


def tail(evidence: RunEvidence, name: str) -> str | None:
    """The slow end of a time: phase 08's by the percentile that its samples bear, then phase 03's. None without any."""
    told = []
    measured = {which: evidence.number("08", f"{name}_{which}_ms") for which in ("p99", "p95", "worst")}
    which = next((which for which, value in measured.items() if value is not None), None)
    if which is not None:
        count = evidence.number("08", f"{name}_samples") or 0
        word = "slowest" if which == "worst" else which
        told.append(f"{word} of {count:,.0f}: {number(measured[which], 'ms')} (phase 08)")
    if (benchmark := evidence.number("03", f"{name}_p99_ms")) is not None:
        told.append(f"{number(benchmark, 'ms')} (phase 03)")
    return "; ".join(told) or None


def trends(evidence: RunEvidence) -> pd.DataFrame:
    """A row a reading of phase 08: mean of the first third and of the last third of the snapshot, and change in %."""
    trend = evidence.fact("08", "trend") or {}
    rows = []
    for name, parts in trend.items():
        first, last = parts.get("first_third"), parts.get("last_third")
        change = 100 * (last - first) / first if first and last is not None else None
        rows.append({"reading": name, "first third": first, "last third": last, "change %": change})
    return pd.DataFrame(rows, columns=["reading", "first third", "last third", "change %"])
