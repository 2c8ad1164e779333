"""The readiness gate: what phases 01 to 06 measured, held against the targets. Reads records, never a server.

Each section reads the records anew and needs no other, so that the notebook's cells run in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from leadbook.core.checks import Check, Unmeasured, accepted, blockers, judge, unrecorded
from leadbook.core.settings import Settings
from leadbook.lead.ledger import Ledger
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.judging import attempt
from leadbook.phases.p07.figures import headroom
from leadbook.phases.phase import Phase
from leadbook.phases.section import Document, Plot, Section, Table
from leadbook.phases.templates import render

PHASES = ("01", "02", "03", "04", "05", "06")
FACTS: Mapping[str, tuple[str, str, float]] = {
    "GATE-RATE-001": ("04", "leads_per_second", 3600.0),
    "GATE-INS-001": ("03", "insert_rate", 1.0),
    "GATE-DUP-001": ("03", "duplicate_check_redis_p99_ms", 1.0),
    "GATE-DUP-002": ("03", "duplicate_check_mongodb_p99_ms", 1.0),
    "GATE-ACC-001": ("04", "duplicate_accuracy_percent", 1.0),
    "GATE-POOL-001": ("03", "checkout_p99_ms", 1.0),
}
"""Check -> the phase and the fact that it judges, and by what the fact is multiplied."""
NOTHING_BLOCKS: Mapping[str, Sequence[str]] = {
    "GATE-BKP-001": ("06",),
    "GATE-INF-001": ("01", "02", "06"),
    "GATE-GO-001": PHASES,
}
"""Check -> phases that must have run to their end, and of whose checks none may block."""


@dataclass(frozen=True, kw_only=True)
class EarlierPhase:
    """What one earlier phase left. Where there is a `problem`, that is why nothing else of it counts here.

    at: when it closed, ISO 8601. otherwise: which settings or code were not those of the gate.
    """

    phase: str
    checks: Sequence[Check] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    otherwise: str = ""
    at: str = ""

    @property
    def left_out(self) -> list[str]:
        """Ids of the catalogue that the phase did not record: not measured, so they block."""
        return [] if self.problem else unrecorded(self.phase, self.checks)

    @property
    def counts(self) -> str:
        """Whether it counts here, in words."""
        if self.problem:
            return f"no: {self.problem}"
        return f"yes, measured with {self.otherwise}" if self.otherwise else "yes"

    def left_nothing(self, fact: str) -> Unmeasured:
        """Why there is no such fact."""
        why = f"does not count: {self.problem}" if self.problem else f"left no {fact}"
        return Unmeasured(f"phase {self.phase} {why}")


Records = Mapping[str, EarlierPhase]
"""By phase."""


def collect(book: Phase) -> Records:
    """The records of phases 01 to 06 that count here, through the open phase `book`; why the others do not."""
    return {
        phase: EarlierPhase(
            phase=phase, checks=book.checks(phase), facts=book.facts(phase),
            problem=book.records.refused.get(phase, ""), otherwise=book.records.otherwise.get(phase, ""),
            at=book.records.used.get(phase, {}).get("closed_at", ""),
        )
        for phase in PHASES
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ judging


def gate_checks(records: Records, settings: Settings) -> list[Check]:
    """Each gate with its measured value; a phase that did not end, or a missing fact, is `not measured`."""
    return [
        *_end_to_end(records["04"]),
        *(_of_fact(check_id, records[phase], fact, factor, settings) for check_id, (phase, fact, factor)
          in FACTS.items()),
        *(_nothing_blocks(check_id, [records[phase] for phase in phases]) for check_id, phases
          in NOTHING_BLOCKS.items()),
    ]  # fmt: skip


def _end_to_end(record: EarlierPhase) -> list[Check]:
    """Of phase 04's ledger: how many leads were stored, and how many records have no outcome, two, or failed."""
    found = attempt(lambda: _counted(record))
    stored, lost, evidence = found if isinstance(found, tuple) else (found, found, "")
    return [judge("GATE-E2E-001", stored, evidence=evidence), judge("GATE-E2E-002", lost, evidence=evidence)]


def _counted(record: EarlierPhase) -> tuple[int, int, str] | Unmeasured:
    told = record.facts.get("ledger")
    if not told:
        return record.left_nothing("ledger")
    ledger = Ledger(**{one.name: told[one.name] for one in fields(Ledger)})
    evidence = (
        f"phase 04's ledger: read {ledger.read:,} = stored {ledger.stored:,} + filled {ledger.filled:,} + known "
        f"{ledger.duplicates:,} + rejected {ledger.rejects:,} + failed {ledger.failed:,}"
    )
    missing = ledger.read - ledger.accounted
    unbalanced = f"; {abs(missing):,} records have {'no outcome' if missing > 0 else 'two outcomes'}" if missing else ""
    return ledger.stored, ledger.failed + abs(missing), evidence + unbalanced


def _of_fact(check_id: str, record: EarlierPhase, fact: str, factor: float, settings: Settings) -> Check:
    value: Any = record.facts.get(fact)
    told = isinstance(value, int | float) and not isinstance(value, bool)
    evidence = f"{fact} of phase {record.phase}, {record.at}".rstrip(", ")
    answer = value * factor if told else record.left_nothing(fact)
    return judge(check_id, answer, settings=settings, evidence=evidence)


def _nothing_blocks(check_id: str, asked: Sequence[EarlierPhase]) -> Check:
    if missed := [f"phase {record.phase}: {record.problem}" for record in asked if record.problem]:
        return judge(check_id, Unmeasured("; ".join(missed)))
    found = [check.id for record in asked for check in blockers(record.checks)]
    found += [left_out for record in asked for left_out in record.left_out]
    counted = sum(len(record.checks) for record in asked)
    what = f"{counted} checks of phases {', '.join(record.phase for record in asked)}"
    how = f"blocking {', '.join(found)}" if found else "none blocks"
    if risks := [check.id for record in asked for check in accepted(record.checks)]:
        how += f", {len(risks)} accepted ({', '.join(risks)})"
    return judge(check_id, not found, evidence=f"{what}: {how}")


# ----------------------------------------------------------------------------------------------------------- sections


def earlier(book: Phase) -> Section:
    """7.1: whether each phase's record counts and why not, its checks, blocking ones, and those that it left out."""
    columns = {
        "phase": "number of the notebook",
        "counts here": "its record is of this target and profile and young enough; if not, why",
        "closed at": "when it reached its verdict, UTC",
        "checks": "checks recorded",
        "blocking": "checks that failed, broke, were not measured, or wait for a person",
        "not recorded": "checks of the catalogue that the phase left out",
    }
    rows = [
        (one.phase, one.counts, one.at or None, len(one.checks), len(blockers(one.checks)),
         None if one.problem else len(one.left_out))
        for one in collect(book).values()
    ]  # fmt: skip
    return Section(tables=(Table(pd.DataFrame(rows, columns=list(columns)), "Phases 01 to 06 of this run", columns),))


def targets(book: Phase) -> Section:
    """7.2: each gate with the value that this run measured."""
    checks = tuple(gate_checks(collect(book), book.settings))
    caption = "Measured value as a multiple of its target: right of the line is within target"
    return Section(plots=(Plot(headroom(checks), caption),), checks=checks)


def monitoring() -> Section:
    """7.3: what only the provider's console shows."""
    return Section(attested=("GATE-MON-001",))


def documents(book: Phase) -> Section:
    """7.4: the final metrics and the infrastructure's configuration, as documents."""
    records = collect(book)
    return written(gate_checks(records, book.settings), records["01"].facts.get("infrastructure"))


def written(checks: Sequence[Check], infrastructure: Any) -> Section:
    """Both documents, and whether they hold measured values: every gate has one, phase 01 left the configuration."""
    told = infrastructure if isinstance(infrastructure, Mapping) else {}
    topics = [
        (
            str(topic).replace("_", " ").capitalize().replace("Mongodb", "MongoDB"),
            values.items() if isinstance(values, Mapping) else [(topic, values)],
        )
        for topic, values in told.items()
    ]
    unmeasured = [check.id for check in checks if check.measured is None]
    valued = f"written, but without {', '.join(unmeasured)}" if unmeasured else "every gate has its value"
    source = "from phase 01's facts" if told else "phase 01 left no configuration"
    return Section(
        documents=(
            _document("Final performance metrics", checks=checks, target=target_text, measured=measured_text),
            _document("Infrastructure configuration", topics=topics),
        ),
        checks=(
            judge("GATE-DOC-001", not unmeasured, evidence=valued),
            judge("GATE-DOC-002", bool(told), evidence=source),
        ),
    )


def _document(title: str, **values: Any) -> Document:
    slug = title.lower().replace(" ", "-")
    return Document(slug, title, render(__file__, slug, **values), ("Technical Lead", "Project Manager"))
