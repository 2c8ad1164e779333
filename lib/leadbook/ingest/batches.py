"""A batch and its report: what workers are sent, and what they answer, in counts that add up."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from leadbook.core.traces import PoolCounts
from leadbook.ingest.store.cache import CacheTruth
from leadbook.ingest.store.rejects import Reject
from leadbook.lead.ledger import Ledger
from leadbook.lead.vendors import RawRecord


class Seconds(dict[str, float]):
    """Seconds by stage; they add up."""

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds({name: self.get(name, 0.0) + other.get(name, 0.0) for name in {**self, **other}})


@dataclass(kw_only=True)
class Counts:
    """What was done, by a batch or by a whole run.

    stages: seconds by stage, summed over workers.  reasons: all reasons of rejects, not only the first.  flags: of
    valid leads.  enriched: leads that a vendor gave something; questions, spent_usd: see Enrichment.  in_doubt: failed
    records that were sent and not acknowledged, so that they may be stored; the next run tells.  taken_over: records
    of expired claims.  problem: why the work stopped early, empty when it did not.
    """

    ledger: Ledger = field(default_factory=Ledger)
    stages: Seconds = field(default_factory=Seconds)
    cache: CacheTruth = field(default_factory=CacheTruth)
    reasons: Counter[str] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    enriched: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    spent_usd: float = 0.0
    in_doubt: int = 0
    taken_over: int = 0
    problem: str = ""

    def count(self, other: Counts) -> None:
        """Add what `other` counted; the first problem is the one that is told."""
        for one in fields(Counts):
            mine, theirs = getattr(self, one.name), getattr(other, one.name)
            setattr(self, one.name, mine or theirs if one.name == "problem" else mine + theirs)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages += Seconds({name: time.perf_counter() - started})


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A staged record that was worked on and not ended for certain.

    id: its `_id`.  sent: its lead may be stored.
    """

    id: Any
    sent: bool


@dataclass(frozen=True, kw_only=True)
class RecordBatch:
    """Raw records of one source.

    ids: `_id`s of staged records, which their leads take over; None for files.  since: when each staged record was
    first claimed: a lead made earlier is another record's.  attempts: how often it was claimed.  called: a vendor's
    name that no file of params/vendors knows, kept with the rejects.  kept: its records are among the rejects already.
    content: of a file, see `FileMark`.
    """

    source: str
    vendor: str
    records: Sequence[RawRecord]
    ids: Sequence[Any] | None = None
    since: Sequence[datetime | None] = ()
    attempts: Sequence[int] = ()
    called: str = ""
    kept: bool = False
    content: str = ""

    def part(self, positions: slice) -> RecordBatch:
        """Some of its records as a batch of their own."""
        ids = None if self.ids is None else self.ids[positions]
        return replace(
            self, records=self.records[positions], ids=ids, since=self.since[positions],
            attempts=self.attempts[positions],
        )  # fmt: skip

    def reject(self, position: int, reasons: tuple[str, ...], detail: str = "") -> Reject:
        """One of its records as it is kept where it is no lead."""
        record = self.records[position]
        return Reject(
            source=self.source, vendor=self.vendor or self.called, number=record.number, payload=record.payload,
            reasons=reasons, detail=detail, staged_id=None if self.ids is None else self.ids[position],
            content=self.content,
        )  # fmt: skip


@dataclass(kw_only=True)
class BatchReport(Counts):
    """What a batch did.

    outcomes: one per record.  sent: positions of the records in doubt.  undecided: staged records that went back, or
    of which nobody knows whether they ended.  pool: what the worker's connection pool did meanwhile.
    """

    source: str
    outcomes: tuple[str, ...] = ()
    sent: tuple[int, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    pool: PoolCounts = PoolCounts()  # noqa: RUF009  (frozen)

    @classmethod
    def alike(cls, batch: RecordBatch, outcome: str, problem: str = "", *, sent: bool = False) -> BatchReport:
        """Of records that all have one outcome, and were not worked on. sent: they are in doubt."""
        made = cls(source=batch.source, problem=problem)
        made.settle([outcome] * len(batch.records), range(len(batch.records)) if sent else ())
        made.reasons = Counter(made.ledger.rejected)
        return made

    def settle(self, outcomes: Sequence[str | None], sent: Sequence[int] = ()) -> None:
        """The outcomes are known. Raises UnbalancedError when one is missing."""
        self.ledger = Ledger.of(outcomes, read=len(outcomes))
        self.outcomes, self.sent, self.in_doubt = tuple(map(str, outcomes)), tuple(sent), len(sent)

    def append(self, other: BatchReport) -> None:
        """Add the report of the batch's next records."""
        self.count(other)
        self.sent += tuple(position + len(self.outcomes) for position in other.sent)
        self.outcomes += other.outcomes
        self.pool += other.pool
