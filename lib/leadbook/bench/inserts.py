"""How fast documents go in: one at a time, and in batches of several sizes, ordered and unordered."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bson

from leadbook.measure.canary import Canary
from leadbook.measure.histograms import Latencies
from leadbook.measure.inserts import InsertTiming, arrived, insert_batches
from leadbook.measure.intervals import Difference, Interval, difference, interval
from leadbook.measure.rounds import calls_a_round, interleaved
from leadbook.measure.session import BenchmarkSession, Leads

BATCHES = (100, 250, 500, 1_000)
"""Documents a batch: the task book's three (step 1.4.1.3), and one beyond to see whether more would help."""
SINGLES_IN_ALL = (1_000, 250)
"""Single inserts in all rounds, and in each, at least: a p99 is told from 1,000 on."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class InsertSeries:
    """All rounds of one variant. batch 1 is `insert_one`.  stored: documents found afterwards (read back)."""

    batch: int
    ordered: bool
    trials: tuple[InsertTiming, ...]
    stored: int

    @property
    def name(self) -> str:
        """`insert_many 500 unordered`."""
        return (
            "insert_one"
            if self.batch == 1
            else f"insert_many {self.batch} {'ordered' if self.ordered else 'unordered'}"
        )

    @property
    def rates(self) -> list[float]:
        """Documents a second, round by round."""
        return [trial.rate for trial in self.trials]

    @property
    def rate(self) -> Interval:
        """Documents a second with interval."""
        return interval(self.rates)

    @property
    def timing(self) -> InsertTiming:
        """All rounds together."""
        return InsertTiming.joined(self.trials)

    @property
    def latencies(self) -> Latencies:
        """Of whole calls (one document or one batch), all rounds merged."""
        return Latencies(call.seconds for trial in self.trials for call in trial.calls)

    @property
    def client_share(self) -> float:
        """CPU time of this process over wall time: 1.0 is a whole core."""
        return self.timing.cpu_seconds / self.timing.seconds

    @property
    def missing(self) -> int:
        """Documents sent and not found afterwards."""
        return self.timing.sent - self.stored


@dataclass(frozen=True, kw_only=True)
class Inserts:
    """Result of `measure`. encode_rate: documents/s of the no-op control, BSON encoding alone in this process."""

    series: tuple[InsertSeries, ...]
    canary: Canary
    encode_rate: float
    concern: Mapping[str, Any] = field(default_factory=dict)

    def get(self, batch: int, *, ordered: bool = False) -> InsertSeries:
        """The series of one batch size. Raises KeyError."""
        for series in self.series:
            if series.batch == batch and (batch == 1 or series.ordered == ordered):
                return series
        raise KeyError(batch)

    @property
    def best(self) -> InsertSeries:
        """The unordered batch size with the highest mean rate."""
        return max((one for one in self.series if one.batch > 1 and not one.ordered), key=lambda one: one.rate.middle)


@dataclass(frozen=True, kw_only=True)
class BatchSize:
    """What the batch size should be, for all documents that name one. configured: as set.  measured: the size nearest
    to it that was.  best: the unordered size with the highest mean rate.  effect: of the best against the measured."""

    configured: int
    measured: int
    best: int
    effect: Difference

    @property
    def proposed(self) -> int:
        """The best size where it is shown to be better, else what is configured."""
        return self.best if self.best != self.measured and self.effect.shown else self.configured


def batch_size(inserts: Inserts, configured: int) -> BatchSize:
    """The one decision on the batch size: another one only where a difference was shown."""
    best = inserts.best
    nearest = min((one.batch for one in inserts.series if one.batch > 1), key=lambda size: abs(size - configured))
    effect = difference(inserts.get(nearest).rates, best.rates)
    return BatchSize(configured=configured, measured=nearest, best=best.batch, effect=effect)


def measure(session: BenchmarkSession, *, batches: Sequence[int] = BATCHES, seed: int = 1) -> Inserts:
    """Single inserts and every batch size, ordered and unordered, in interleaved rounds into one growing collection.

    Uses the application's own client and write concern, the leads' validator and all their indexes.
    """
    settings, canary = session.settings, Canary()
    singles = calls_a_round(settings.bench_rounds, *SINGLES_IN_ALL)
    shapes = [(1, True), *((batch, ordered) for batch in batches for ordered in (False, True))]
    with session.scratch("inserts") as collection:

        def trial(batch: int, ordered: bool) -> tuple[InsertTiming, int]:
            documents = session.documents(singles if batch == 1 else max(settings.bench_documents, batch))
            canary.sing()
            timing = insert_batches(collection, documents, batch, ordered=ordered)
            return timing, arrived(collection, documents)

        _warm_up(session, collection)

        variants = {shape: partial(trial, *shape) for shape in shapes}
        found = interleaved(variants, rounds=settings.bench_rounds, warm_up=0, seed=seed, before=session.settle)
        return Inserts(
            series=tuple(
                InsertSeries(
                    batch=batch,
                    ordered=ordered,
                    trials=tuple(timing for timing, _ in made),
                    stored=sum(stored for _, stored in made),
                )
                for (batch, ordered), made in found.items()
            ),
            canary=canary,
            encode_rate=_encode_rate(session),
            concern=collection.write_concern.document,
        )


def _warm_up(session: BenchmarkSession, collection: Leads) -> None:
    """Connections, caches and the planner are touched once in each way before anything is timed."""
    for batch, count in ((1, 30), (100, 500), (500, 500)):
        for ordered in (False, True):
            insert_batches(collection, session.documents(count), batch, ordered=ordered)


def _encode_rate(session: BenchmarkSession) -> float:
    documents = session.documents(500)
    started = time.perf_counter()
    for document in documents:
        bson.encode(document)
    return len(documents) / (time.perf_counter() - started)
