"""How fast documents go in: one at a time, and in batches of several sizes, ordered and unordered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import bson
import pandas as pd
from pymongo.errors import BulkWriteError

from leadbook.core.canary import Canary
from leadbook.core.checks import Check, judge, warned
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.measure.intervals import Difference, Interval, difference, interval
from leadbook.measure.rounds import calls_a_round, interleaved
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.measure.workers import CLIENT_BOUND

__all__ = ["BATCHES", "COLUMNS", "Inserts", "Series", "Trial", "bars", "checks", "insert_batches", "measure", "table"]

BATCHES = (100, 250, 500, 1_000)
"""Documents a batch: the task book's three (step 1.4.1.3), and one beyond to see whether more would help."""
SINGLES_IN_ALL = (1_000, 250)
"""Single inserts in all rounds, and in each, at least: a p99 is told from 1,000 on."""
ASKED = 10_000
"""Documents asked for at once when they are read back."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One variant in one round.

    seconds: wall time inside insert calls.  cpu_seconds: of this process meanwhile.  calls: seconds of each call.
    sent, acknowledged: documents.  stored: those found afterwards (read back).
    """

    seconds: float
    cpu_seconds: float
    calls: tuple[float, ...]
    sent: int
    acknowledged: int
    stored: int

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.sent / self.seconds


@dataclass(frozen=True, kw_only=True)
class Series:
    """All rounds of one variant. batch 1 is `insert_one`."""

    batch: int
    ordered: bool
    trials: tuple[Trial, ...]

    @property
    def name(self) -> str:
        """`insert_many 500 unordered`."""
        return "insert_one" if self.batch == 1 else f"insert_many {self.batch} {_order(self.ordered)}"

    @property
    def rates(self) -> list[float]:
        """Documents a second, round by round."""
        return [trial.rate for trial in self.trials]

    @property
    def rate(self) -> Interval:
        """Documents a second with interval."""
        return interval(self.rates)

    @property
    def latencies(self) -> Latencies:
        """Of whole calls (one document or one batch), all rounds merged."""
        return Latencies().merge(*(Latencies(trial.calls) for trial in self.trials))

    @property
    def client_share(self) -> float:
        """CPU time of this process over wall time: 1.0 is a whole core."""
        return sum(trial.cpu_seconds for trial in self.trials) / sum(trial.seconds for trial in self.trials)

    @property
    def missing(self) -> int:
        """Documents sent and not found afterwards."""
        return sum(trial.sent - trial.stored for trial in self.trials)


@dataclass(frozen=True, kw_only=True)
class Inserts:
    """Result of `measure`. encode_rate: documents/s of the no-op control, BSON encoding alone in this process."""

    series: tuple[Series, ...]
    canary: Canary
    encode_rate: float
    documents_after: int
    concern: Mapping[str, Any] = field(default_factory=dict)

    def get(self, batch: int, *, ordered: bool = False) -> Series:
        """The series of one batch size. Raises KeyError."""
        for series in self.series:
            if series.batch == batch and (batch == 1 or series.ordered == ordered):
                return series
        raise KeyError(batch)

    @property
    def best(self) -> Series:
        """The unordered batch size with the highest mean rate."""
        return max((one for one in self.series if one.batch > 1 and not one.ordered), key=lambda one: one.rate.middle)

    def against_best(self, batch: int) -> Difference:
        """That batch size (unordered) against the best one."""
        return difference(self.get(batch).rates, self.best.rates)

    def nearest(self, batch: int) -> int:
        """The measured batch size that is nearest to `batch`."""
        return min((one.batch for one in self.series if one.batch > 1), key=lambda size: abs(size - batch))

    def recommended(self, batch: int) -> int:
        """`batch`, which is set now, or the best size where that is shown to be better."""
        nearest = self.nearest(batch)
        return self.best.batch if nearest != self.best.batch and self.against_best(nearest).shown else batch


def insert_batches(collection: Leads, documents: Sequence[Document], batch: int, *, ordered: bool) -> Trial:
    """Insert `documents` in batches of `batch` (1: `insert_one`), each call timed, and count those that arrived.

    The driver gives each document its `_id`, by which it is found again.
    """
    calls, acknowledged = [], 0
    cpu = time.process_time()
    for at in range(0, len(documents), batch):
        part = list(documents[at : at + batch])
        started = time.perf_counter()
        acknowledged += _insert(collection, part, batch, ordered)
        calls.append(time.perf_counter() - started)
    cpu = time.process_time() - cpu
    return Trial(
        seconds=sum(calls),
        cpu_seconds=cpu,
        calls=tuple(calls),
        sent=len(documents),
        acknowledged=acknowledged,
        stored=_arrived(collection, [document["_id"] for document in documents]),
    )


def _arrived(collection: Leads, ids: Sequence[Any]) -> int:
    """How many of these documents are there; asked in parts, since a command holds 16 MB at most."""
    parts = (ids[at : at + ASKED] for at in range(0, len(ids), ASKED))
    return sum(collection.count_documents({"_id": {"$in": list(part)}}) for part in parts)


def _insert(collection: Leads, part: list[Document], batch: int, ordered: bool) -> int:
    try:
        if batch == 1:
            collection.insert_one(part[0])
            return 1
        return len(collection.insert_many(part, ordered=ordered).inserted_ids)
    except BulkWriteError as error:
        return int(error.details["nInserted"])


def measure(place: BenchmarkSession, *, batches: Sequence[int] = BATCHES, seed: int = 1) -> Inserts:
    """Single inserts and every batch size, ordered and unordered, in interleaved rounds into one growing collection.

    Uses the application's own client and write concern, the leads' validator and all their indexes.
    """
    settings, canary = place.settings, Canary()
    singles = calls_a_round(settings.bench_rounds, *SINGLES_IN_ALL)
    shapes = [(1, True), *((batch, ordered) for batch in batches for ordered in (False, True))]
    with place.scratch("inserts") as collection:

        def trial(batch: int, ordered: bool) -> Trial:
            documents = place.documents(singles if batch == 1 else max(settings.bench_documents, batch))
            canary.sing()
            return insert_batches(collection, documents, batch, ordered=ordered)

        _warm_up(place, collection)

        variants: dict[str, Callable[[], Trial]] = {
            f"{batch}/{ordered}": partial(trial, batch, ordered) for batch, ordered in shapes
        }
        found = interleaved(variants, rounds=settings.bench_rounds, warm_up=0, seed=seed, before=place.settle)
        return Inserts(
            series=tuple(
                Series(batch=batch, ordered=ordered, trials=tuple(found[f"{batch}/{ordered}"]))
                for batch, ordered in shapes
            ),
            canary=canary,
            encode_rate=_encode_rate(place),
            documents_after=collection.count_documents({}),
            concern=collection.write_concern.document,
        )


def _warm_up(place: BenchmarkSession, collection: Leads) -> None:
    """Connections, caches and the planner are touched once in each way before anything is timed."""
    for batch, count in ((1, 30), (100, 500), (500, 500)):
        for ordered in (False, True):
            insert_batches(collection, place.documents(count), batch, ordered=ordered)


def _encode_rate(place: BenchmarkSession) -> float:
    documents = place.documents(500)
    started = time.perf_counter()
    for document in documents:
        bson.encode(document)
    return len(documents) / (time.perf_counter() - started)


def _order(ordered: bool) -> str:
    return "ordered" if ordered else "unordered"


COLUMNS = {
    "variant": "call, batch size, ordered or not",
    "documents_per_s": "documents/s, mean over rounds with 95 % bootstrap interval",
    "against_best": "the best unordered size against this one; overlapping intervals show no difference",
    "p50_ms": "median of whole calls, ms (a batch is one call)",
    "p99_ms": "99th percentile of calls, ms; empty below 1,000 calls",
    "worst_ms": "slowest call, ms",
    "calls": "calls timed in all rounds",
    "client_cpu": "CPU of this Python process, share of one core; near 1.0 Python is the limit",
    "sent": "documents sent in all rounds",
    "missing": "documents sent and not found afterwards",
}


def table(inserts: Inserts | None) -> pd.DataFrame:
    """One row a variant; columns as in `COLUMNS`."""
    rows = [_row(inserts, series) for series in inserts.series] if inserts else []
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(inserts: Inserts, series: Series) -> Document:
    told = series.latencies.summary()
    best = inserts.best
    return {
        "variant": series.name,
        "documents_per_s": series.rate.text(),
        "against_best": ""
        if series.batch == 1
        else "best"
        if series is best
        else difference(series.rates, best.rates).text(),
        "p50_ms": told.p50_ms,
        "p99_ms": told.p99_ms,
        "worst_ms": told.worst_ms,
        "calls": told.count,
        "client_cpu": round(series.client_share, 2),
        "sent": sum(trial.sent for trial in series.trials),
        "missing": series.missing,
    }


def bars(inserts: Inserts | None) -> pd.DataFrame:
    """For the plot: batch, ordered, mean, low, high (documents/s); batches only."""
    return pd.DataFrame(
        {
            "batch": one.batch,
            "ordered": one.ordered,
            "mean": one.rate.middle,
            "low": one.rate.low,
            "high": one.rate.high,
        }
        for one in (inserts.series if inserts else ())
        if one.batch > 1
    ).reindex(columns=["batch", "ordered", "mean", "low", "high"])


def checks(inserts: Inserts, settings: Settings) -> list[Check]:
    """The gates of steps 1.1.4.2, 1.4.1.1 to 1.4.1.3 and 1.4.1.6."""
    single, hundred, best = inserts.get(1), inserts.get(100), inserts.best
    name, value = single.latencies.summary().judged
    slowest = hundred.latencies.summary()
    found = [
        judge(
            "BCH-INS-001",
            value,
            settings=settings,
            evidence=f"{name} of {single.latencies.count:,} single inserts; median "
            f"{single.latencies.summary().p50_ms} ms",
        ),
        judge(
            "BCH-INS-002",
            slowest.worst_ms,
            settings=settings,
            evidence=f"slowest of {slowest.count} batches of 100 (too few for a p99); median {slowest.p50_ms} ms",
        ),
        judge(
            "BCH-INS-003",
            best.rate.low,
            settings=settings,
            evidence=f"lower end of the interval of {best.name}: {best.rate.text('documents/s')}, "
            f"{best.rate.rounds} rounds, write concern {dict(inserts.concern) or 'of the server'}",
        ),
    ]
    found += [_size(inserts, batch, settings) for batch in (100, 250, 500)]
    missing = sum(series.missing for series in inserts.series)
    sent = sum(trial.sent for series in inserts.series for trial in series.trials)
    found.append(judge("BCH-INS-007", missing, evidence=f"{sent:,} documents sent, counts read back after every trial"))
    return [*found, _configured(inserts, settings), *_quality(inserts)]


def _size(inserts: Inserts, batch: int, settings: Settings) -> Check:
    series = inserts.get(batch)
    number = {100: "004", 250: "005", 500: "006"}[batch]
    return judge(
        f"BCH-INS-{number}",
        series.rate.low,
        settings=settings,
        evidence=f"lower end of the interval: {series.rate.text('documents/s')}",
    )


def _configured(inserts: Inserts, settings: Settings) -> Check:
    best, nearest = inserts.best, inserts.nearest(settings.batch_size)
    evidence = (
        f"batch_size {settings.batch_size} (measured at {nearest}): {inserts.get(nearest).rate.text('documents/s')}; "
        f"highest mean at {best.batch}: {best.rate.text('documents/s')}"
    )
    if inserts.recommended(settings.batch_size) != settings.batch_size:
        return warned(
            "BCH-INS-008",
            False,
            evidence=f"{evidence}; {best.batch} is better by {inserts.against_best(nearest).text()}",
            remedy=f"set batch_size: {best.batch}",
        )
    return judge("BCH-INS-008", True, evidence=f"{evidence}; no better size shown")


def _quality(inserts: Inserts) -> list[Check]:
    """Warnings about the measurement itself: a noisy host, a client that is the limit."""
    noise, share = inserts.canary.noise, inserts.best.client_share
    seen = None if noise is None else round(100 * noise, 1)
    evidence = (
        f"{len(inserts.canary.seconds)} runs of a constant workload beside the trials, none of it touching a server"
    )
    control = (
        f"{inserts.best.name}: {share:.2f} of a core; encoding alone reaches {inserts.encode_rate:,.0f} documents/s"
    )
    quiet = (
        warned("BCH-ENV-001", seen, evidence=evidence)
        if inserts.canary.noisy
        else judge("BCH-ENV-001", seen, evidence=evidence)
    )
    bound = (
        warned("BCH-ENV-002", round(share, 2), evidence=control)
        if share > CLIENT_BOUND
        else judge("BCH-ENV-002", round(share, 2), evidence=control)
    )
    return [quiet, bound]
