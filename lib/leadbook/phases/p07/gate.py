"""The readiness gate: what phases 01 to 06 measured, held against the targets. Reads records; of the servers it asks
only what is collected now.

Each section reads the records anew and needs no other, so that the notebook's cells run in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from leadbook.analysis.collecting import Collecting, read_collecting
from leadbook.core.checks import Check, Inapplicable, Unmeasured, Verdict, accepted, blockers, unrecorded
from leadbook.core.provenance import ago
from leadbook.core.settings import Settings
from leadbook.lead.ledger import Ledger
from leadbook.page.prose import when, words
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.collected import in_last_hour
from leadbook.phases.console import alerting
from leadbook.phases.console.asked import by_api
from leadbook.phases.console.atlas import atlas_of, shown_by
from leadbook.phases.console.provider import told_of
from leadbook.phases.documents import render
from leadbook.phases.judging import Answered, Answers, attempt, checks_of
from leadbook.phases.p07.figures import headroom
from leadbook.phases.phase import Phase
from leadbook.phases.section import Document, Plot, Section, Table

PHASES = ("01", "02", "03", "04", "05", "06")
FACTS: Mapping[str, tuple[str, str]] = {
    "GATE-INS-001": ("03", "insert_rate"),
    "GATE-DUP-001": ("03", "duplicate_check_redis_p99_ms"),
    "GATE-DUP-002": ("03", "duplicate_check_mongodb_p99_ms"),
    "GATE-ACC-001": ("04", "duplicate_accuracy_percent"),
    "GATE-POOL-001": ("03", "checkout_p99_ms"),
}
"""Check -> the phase and the fact that it judges."""
LOWER_ENDS = ("insert_rate",)
"""Facts that are the lower end of a 95 % interval, and are called so."""
BEFORE = Answered(Inapplicable("before the sprint nothing is collected"))
NOTHING_BLOCKS: Mapping[str, Sequence[str]] = {
    "GATE-BKP-001": ("06",),
    "GATE-INF-001": ("01", "02", "06"),
    "GATE-GO-001": PHASES,
}
"""Check -> phases that must have run to their end, and of whose checks none may block."""


@dataclass(frozen=True, kw_only=True)
class EarlierPhase:
    """What one earlier phase left. Where there is a `problem`, that is why nothing else of it counts here.

    at: when it closed, ISO 8601.  run: in which run; empty for a notebook that was run by hand.  otherwise: which
    settings or code were not those of the gate.
    """

    phase: str
    checks: Sequence[Check] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    otherwise: str = ""
    at: str = ""
    run: str = ""

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
            run=book.records.used.get(phase, {}).get("run", ""),
        )
        for phase in PHASES
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ judging


def gate_checks(records: Records, settings: Settings, collected: Answered = BEFORE) -> tuple[Check, ...]:
    """Each gate with its measured value; a phase that did not end, or a missing fact, is `not measured`.

    collected: the rate of collecting now.
    """
    return checks_of({
        **_end_to_end(records["04"]),
        "GATE-RATE-001": collected,
        **{check_id: _of_fact(records[phase], fact) for check_id, (phase, fact) in FACTS.items()},
        **{check_id: _nothing_blocks([records[one] for one in phases]) for check_id, phases in NOTHING_BLOCKS.items()},
    }, settings)  # fmt: skip


def _end_to_end(record: EarlierPhase) -> Answers:
    """Of phase 04's end-to-end trial: leads stored, and records lost on the way."""
    found = attempt(lambda: _counted(record))
    stored, lost, evidence = found if isinstance(found, tuple) else (found, found, "")
    return {"GATE-E2E-001": (stored, evidence), "GATE-E2E-002": (lost, evidence)}


def _counted(record: EarlierPhase) -> tuple[int, int, str] | Unmeasured:
    trial = record.facts.get("end_to_end")
    if not trial:
        return record.left_nothing("end-to-end trial")
    ledger, sent = Ledger.from_dict(trial["ledger"]), sum(trial["sent"].values())
    evidence = (
        f"{len(trial['sent'])} collectors sent {sent:,} = stored {ledger.stored:,} + filled {ledger.filled:,} + known "
        f"{ledger.duplicates:,} + rejected {ledger.rejects:,} + failed {ledger.failed:,} + lost {trial['lost']:,}"
    )
    return ledger.stored, max(trial["lost"], ledger.failed + abs(sent - ledger.accounted)), evidence


def _collected(book: Phase) -> Answered:
    """The rate of the last hour; it does not apply before the sprint."""
    found = attempt(lambda: read_collecting(book.staging))
    return in_last_hour(found, book.settings) if isinstance(found, Collecting) else Answered(found)


def _of_fact(record: EarlierPhase, fact: str) -> Answered:
    value: Any = record.facts.get(fact)
    told = isinstance(value, int | float) and not isinstance(value, bool)
    name = words(fact).partition(",")[0]
    what = f"{name}, lower end of its 95 % interval," if fact in LOWER_ENDS else name
    evidence = f"{what} of phase {record.phase}, {when(record.at)}".rstrip(", ")
    return Answered(value if told else record.left_nothing(fact), evidence)


def _nothing_blocks(asked: Sequence[EarlierPhase]) -> Answered:
    if missed := [f"phase {record.phase}: {record.problem}" for record in asked if record.problem]:
        return Answered(Unmeasured("; ".join(missed)))
    found = [check.id for record in asked for check in blockers(record.checks)]
    found += [left_out for record in asked for left_out in record.left_out]
    counted = sum(len(record.checks) for record in asked)
    what = f"{counted} checks of phase{'s' * (len(asked) > 1)} {', '.join(record.phase for record in asked)}"
    how = f"blocking {', '.join(found)}" if found else "none blocks"
    if risks := [check.id for record in asked for check in accepted(record.checks)]:
        how += f", {len(risks)} accepted ({', '.join(risks)})"
    return Answered(not found, f"{what}: {how}")


# ----------------------------------------------------------------------------------------------------------- sections


def earlier(book: Phase) -> Section:
    """7.1: whether each phase's record counts and why not, its checks, blocking ones, and those that it left out."""
    columns = {
        "phase": "number of the notebook",
        "counts here": "its record is of this target and profile and young enough; if not, why",
        "run": "run that left it; – for a notebook run by hand",
        "closed at": "when it reached its verdict",
        "age": "how long ago that was",
        "checks": "checks recorded",
        "blocking": "checks that failed, broke, were not measured, or wait for a person, and that nobody accepted",
        "not recorded": "checks of the catalogue that the phase left out",
    }
    rows = [
        (one.phase, one.counts, one.run or None, when(one.at) if one.at else None, ago(one.at) if one.at else None,
         len(one.checks), len(blockers(one.checks)), None if one.problem else len(one.left_out))
        for one in collect(book).values()
    ]  # fmt: skip
    return Section(tables=(Table(pd.DataFrame(rows, columns=list(columns)), "What phases 01 to 06 left", columns),))


def targets(book: Phase) -> Section:
    """7.2: each gate with the value that was measured."""
    checks = gate_checks(collect(book), book.settings, _collected(book))
    caption = "Measured value as a multiple of its target: right of the line is within target"
    return Section(plots=(Plot(headroom(checks), caption),), checks=checks)


def monitoring(book: Phase) -> Section:
    """7.3: alerts at the provider, as its API shows them, else as somebody attests them."""
    atlas = atlas_of(book)
    return Section(tables=shown_by(atlas, alerting.table), checks=by_api(alerting.monitored(atlas), book.settings))


def documents(book: Phase) -> Section:
    """7.4: the final metrics and the infrastructure's configuration, as documents."""
    records = collect(book)
    told = records["01"].facts.get("infrastructure")
    if isinstance(told, Mapping):
        seen = [check for check in book.recorded if check.id in alerting.monitored(atlas_of(book))]
        told = {**told, "monitoring": {check.title: told_of(check) for check in seen}}
    return written(gate_checks(records, book.settings, _collected(book)), told)


def written(checks: Sequence[Check], infrastructure: Any) -> Section:
    """Both documents, and whether they hold measured values: every gate has one, phase 01 left the configuration."""
    told = infrastructure if isinstance(infrastructure, Mapping) else {}
    topics = [
        (
            _topic(str(topic)),
            [(words(str(name)), value) for name, value in values.items()]
            if isinstance(values, Mapping)
            else [(topic, values)],
        )
        for topic, values in told.items()
    ]
    asked = [check for check in checks if check.verdict is not Verdict.NOT_APPLICABLE]
    unmeasured = [check.id for check in asked if check.measured is None]
    valued = f"written, but without {', '.join(unmeasured)}" if unmeasured else "every gate has its value"
    source = "from phase 01's facts" if told else "phase 01 left no configuration"
    return Section(
        documents=(
            _document("Final performance metrics", checks=checks, target=target_text, measured=measured_text),
            _document("Infrastructure configuration", topics=topics),
        ),
        checks=checks_of({"GATE-DOC-001": (not unmeasured, valued), "GATE-DOC-002": (bool(told), source)}),
    )


def _topic(name: str) -> str:
    told = words(name)
    return f"{told[:1].upper()}{told[1:]}"


def _document(title: str, **values: Any) -> Document:
    slug = title.lower().replace(" ", "-")
    return Document(slug, title, render(__file__, slug, **values), ("Technical Lead", "Project Manager"))
