"""A batch and its report: what workers are sent, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from leadbook.ingest.store.cache import CacheTruth
from leadbook.lead.ledger import Ledger
from leadbook.lead.vendors import RawRecord

__all__ = ["Batch", "BatchReport", "Undecided", "nothing"]


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A staged record that was worked on and not ended for certain.

    id: its `_id`.  sent: its lead may be stored.
    """

    id: Any
    sent: bool


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Raw records of one source.

    ids: `_id`s of staged records, which their leads take over; None for files.  since: when each staged record was
    first claimed: a lead made earlier is another record's.  attempts: how often it was claimed.  called: a vendor's
    name that no file of params/vendors knows, kept with the rejects.  keep_outcomes: the report tells each record's
    outcome (staged records always).
    """

    index: int
    source: str
    vendor: str
    records: Sequence[RawRecord]
    ids: Sequence[Any] | None = None
    since: Sequence[datetime | None] = ()
    attempts: Sequence[int] = ()
    called: str = ""
    keep_outcomes: bool = False

    def part(self, positions: slice) -> Batch:
        """Some of its records as a batch of their own."""
        ids = None if self.ids is None else self.ids[positions]
        return replace(
            self, records=self.records[positions], ids=ids, since=self.since[positions],
            attempts=self.attempts[positions],
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """What a batch did.

    stages: seconds by stage.  after: valid leads that have each field.  reasons: all reasons of
    rejects, not only the first.  flags: of valid leads.  enriched: leads that a vendor gave something;
    answers, questions, spent_usd: see Enrichment.  outcomes: one per record, where the batch asks for them.
    in_doubt: positions of failed records that were sent and not acknowledged: they may be stored.
    undecided: staged records that went back, or of which nobody knows whether they ended.  taken_over: records of
    expired claims.  problem: why the server could not be used, empty when it could.
    """

    index: int
    source: str
    ledger: Ledger
    stages: Mapping[str, float]
    cache: CacheTruth
    valid: int
    after: Mapping[str, int]
    reasons: Mapping[str, int]
    flags: Mapping[str, int]
    enriched: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)
    questions: Mapping[str, int] = field(default_factory=dict)
    spent_usd: float = 0.0
    outcomes: tuple[str, ...] = ()
    in_doubt: tuple[int, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    taken_over: int = 0
    problem: str = ""

    def __add__(self, other: BatchReport) -> BatchReport:
        """Both as one report, of the batch whose first part is this one."""
        counts = ("stages", "after", "reasons", "flags", "answers", "questions")
        added: dict[str, Any] = {name: dict(_sum(getattr(self, name), getattr(other, name))) for name in counts}
        shift = len(self.outcomes) or self.ledger.read
        return replace(
            self, ledger=self.ledger + other.ledger, cache=self.cache + other.cache, valid=self.valid + other.valid,
            enriched=self.enriched + other.enriched, spent_usd=self.spent_usd + other.spent_usd,
            outcomes=self.outcomes + other.outcomes, problem=self.problem or other.problem,
            in_doubt=self.in_doubt + tuple(position + shift for position in other.in_doubt), **added,
        )  # fmt: skip


def _sum(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def nothing(source: str, problem: str = "", *, taken_over: int = 0) -> BatchReport:
    """A report of no records. problem: why there are none."""
    return BatchReport(
        index=0, source=source, ledger=Ledger(), stages={}, cache=CacheTruth(), valid=0, after={}, reasons={}, flags={},
        problem=problem, taken_over=taken_over,
    )  # fmt: skip
