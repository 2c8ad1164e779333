"""The readiness gate: what phases 01 to 06 measured, held against the targets. Reads records, never a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leadbook.core.checks import BLOCKING, Check, blockers, judge, not_measured
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings

__all__ = [
    "Evidence",
    "collect",
    "gate_checks",
    "infrastructure_document",
    "metrics_document",
    "phase_rows",
]

PHASES = ("01", "02", "03", "04", "05", "06")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one earlier phase left. Where `closed` is False nothing else counts, and `problem` says why.

    at: when it closed, ISO 8601. otherwise: which settings or code were not those of the gate.
    """

    phase: str
    closed: bool
    checks: Sequence[Check]
    facts: Mapping[str, Any]
    problem: str = ""
    otherwise: str = ""
    at: str = ""


def collect(book: Any) -> list[Evidence]:
    """The records of phases 01 to 06 that count here, through the open phase `book`; why the others do not."""
    return [
        Evidence(
            phase=p, closed=book.closed(p), checks=book.checks(p), facts=book.facts(p),
            problem=book.records.refused.get(p, ""), otherwise=book.records.otherwise.get(p, ""),
            at=book.records.used.get(p, {}).get("closed_at", ""),
        )
        for p in PHASES
    ]  # fmt: skip


def missing(evidence: Evidence) -> list[str]:
    """Ids of the catalogue that a closed phase did not record: not measured, so they block."""
    recorded = {check.id for check in evidence.checks}
    return [entry.id for entry in catalogue().values() if entry.phase == evidence.phase and entry.id not in recorded]


def _fact(evidence: Sequence[Evidence], phase: str, name: str) -> Any:
    return next((item.facts.get(name) for item in evidence if item.phase == phase), None)


def _from_fact(
    check_id: str, evidence: Sequence[Evidence], phase: str, name: str, settings: Settings, scale: float = 1.0
) -> Check:
    value = _fact(evidence, phase, name)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return not_measured(check_id, _left_nothing(evidence, phase, name), settings=settings)
    at = next(item.at for item in evidence if item.phase == phase)
    return judge(check_id, value * scale, settings=settings, evidence=f"{name} of phase {phase}, {at}".rstrip(", "))


def _left_nothing(evidence: Sequence[Evidence], phase: str, name: str) -> str:
    problem = next((item.problem for item in evidence if item.phase == phase), "")
    return f"phase {phase} does not count: {problem}" if problem else f"phase {phase} left no {name}"


def gate_checks(evidence: Sequence[Evidence], settings: Settings) -> list[Check]:
    """Each gate with its measured value; a phase that did not end, or a missing fact, is `not measured`."""
    ledger = _fact(evidence, "04", "ledger") or {}
    stored = ledger.get("stored")
    return [
        judge("GATE-E2E-001", stored, settings=settings, evidence="stored leads in phase 04's ledger"),
        _from_fact("GATE-RATE-001", evidence, "04", "leads_per_second", settings, 3600.0),
        _from_fact("GATE-INS-001", evidence, "03", "insert_rate", settings),
        _from_fact("GATE-DUP-001", evidence, "03", "duplicate_check_redis_p99_ms", settings),
        _from_fact("GATE-DUP-002", evidence, "03", "duplicate_check_mongodb_p99_ms", settings),
        _from_fact("GATE-ACC-001", evidence, "04", "duplicate_accuracy_percent", settings),
        _from_fact("GATE-POOL-001", evidence, "03", "checkout_p99_ms", settings),
        _no_blockers("GATE-BKP-001", evidence, ("06",)),
        _no_blockers("GATE-INF-001", evidence, ("01", "02", "06")),
        _no_blockers("GATE-GO-001", evidence, PHASES),
    ]


def _no_blockers(check_id: str, evidence: Sequence[Evidence], phases: Sequence[str]) -> Check:
    asked = [item for item in evidence if item.phase in phases]
    missed = [f"phase {item.phase}: {item.problem or 'it did not run to its end'}" for item in asked if not item.closed]
    if missed:
        return not_measured(check_id, "; ".join(missed))
    found = [check.id for item in asked for check in blockers(item.checks)]
    found += [check_id for item in asked for check_id in missing(item)]
    counted = sum(len(item.checks) for item in asked)
    what = f"{counted} checks of phases {', '.join(phases)}"
    return judge(
        check_id, not found, evidence=f"{what}: blocking {', '.join(found)}" if found else f"{what}, none blocks"
    )


def _counts(item: Evidence) -> str:
    if not item.closed:
        return f"no: {item.problem or 'it did not run to its end'}"
    return f"yes, measured with {item.otherwise}" if item.otherwise else "yes"


def phase_rows(evidence: Sequence[Evidence]) -> pd.DataFrame:
    """One row a phase: whether its record counts and why not, checks, blocking ones, not recorded ones."""
    rows = [
        {
            "phase": item.phase,
            "counts here": _counts(item),
            "closed at": item.at or "–",
            "checks": len(item.checks),
            "blocking": sum(check.verdict in BLOCKING for check in item.checks),
            "not recorded": len(missing(item)) if item.closed else "–",
        }
        for item in evidence
    ]
    return pd.DataFrame(rows)


def metrics_document(checks: Sequence[Check]) -> str:
    """The final performance metrics (task book 3.3.1.5) as Markdown: target, actual, validation."""
    lines = ["# Final performance metrics", ""]
    for check in checks:
        actual = "not measured" if check.measured is None else f"{_short(check.measured)} {check.unit}".strip()
        lines += [
            f"## {check.title}", "", f"- Target: {check.target}", f"- Actual: {actual}",
            f"- Validation: {check.verdict.value}", f"- Evidence: {check.evidence}", "",
        ]  # fmt: skip
    return "\n".join(lines)


def infrastructure_document(evidence: Sequence[Evidence]) -> str:
    """The infrastructure configuration (task book 3.3.1.7) as Markdown, from phase 01's facts; no credentials."""
    facts = _fact(evidence, "01", "infrastructure")
    if not isinstance(facts, Mapping):
        return "# Infrastructure configuration\n\nNot measured: phase 01 left no configuration.\n"
    lines = ["# Infrastructure configuration", ""]
    for topic, values in facts.items():
        lines += [f"## {str(topic).replace('_', ' ').capitalize()}", "", "| setting | value |", "|---|---|"]
        pairs = values.items() if isinstance(values, Mapping) else [(topic, values)]
        lines += [f"| {name} | {_short(value)} |" for name, value in pairs] + [""]
    return "\n".join(lines)


def _short(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def document_checks(checks: Sequence[Check], evidence: Sequence[Evidence]) -> list[Check]:
    """Whether the documents hold measured values: every gate has one, and phase 01 left the configuration."""
    unmeasured = [check.id for check in checks if check.measured is None]
    configured = isinstance(_fact(evidence, "01", "infrastructure"), Mapping)
    return [
        judge(
            "GATE-DOC-001",
            not unmeasured,
            evidence=f"written, but without {', '.join(unmeasured)}" if unmeasured else "every gate has its value",
        ),
        judge(
            "GATE-DOC-002",
            configured,
            evidence="from phase 01's facts" if configured else "phase 01 left no configuration",
        ),
    ]
