"""How fast the server takes prepared leads: the measure beside which the pipeline's own rate is read."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.core import connect
from leadbook.core.traces import CommandTrace, concern_text
from leadbook.ingest.site import Site
from leadbook.measure.inserts import InsertTiming, insert_batches
from leadbook.rehearsal import sample
from leadbook.schema.scratch import SCRATCH_PREFIX, scratch

BATCHES = (100, 250, 500)
SINGLES = 50
"""Documents that are sent one by one, to be read back; how fast that goes is phase 03's subject."""


@dataclass(frozen=True, kw_only=True)
class BatchRate:
    """Prepared leads inserted by `insert_many`, unordered, by so many writers. timing: of all trials together."""

    batch: int
    writers: int
    timing: InsertTiming

    @property
    def documents(self) -> int:
        """Documents in all trials."""
        return self.timing.sent

    @property
    def rate(self) -> float:
        """Documents a second."""
        return self.timing.rate

    @property
    def batch_ms(self) -> float:
        """Mean time of a batch, ms."""
        return 1_000 * fmean(call.seconds for call in self.timing.calls)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Rates by batch size with one writer, and at the settings' batch size with more. sent: what the driver really
    sent: (ordered, write concern) of each insert, as text.

    wrong: documents that were missing or differed when they were read back; singles: those of them sent one by one.
    """

    rates: tuple[BatchRate, ...]
    sent: tuple[str, ...]
    wrong: int
    singles: int = 0

    @property
    def read_back(self) -> str:
        """What was read back, in words."""
        batched = sum(one.documents for one in self.rates)
        return (
            f"{batched:,} documents of batches and {self.singles:,} sent one by one, each compared with what was sent"
        )

    @property
    def best(self) -> BatchRate:
        """The fastest of all: the raw limit."""
        return max(self.rates, key=lambda rate: rate.rate)

    def single(self, batch: int) -> BatchRate:
        """One writer's rate at a batch size. Raises KeyError."""
        for rate in self.rates:
            if (rate.batch, rate.writers) == (batch, 1):
                return rate
        raise KeyError(batch)

    def table(self) -> pd.DataFrame:
        """Batch size, writers, documents/s, ms a batch."""
        return pd.DataFrame(
            [(one.batch, one.writers, round(one.rate), round(one.batch_ms, 1)) for one in self.rates],
            columns=["batch size", "writers", "documents/s", "ms a batch"],
        )


def measure(site: Site, *, documents: int = 2_000, batches: Sequence[int] = BATCHES, rounds: int = 3) -> Limits:
    """Insert prepared leads into scratch collections with the leads' validator and indexes, `documents` a trial.

    Trials of all batch sizes and writers alternate over `rounds`, and each adds its documents and seconds up: the best
    of single short trials would be the luckiest one, and no limit that anything can be read beside. Between trials all
    documents are read back and compared, and SINGLES more that were sent one by one.
    """
    settings, trace = site.settings, CommandTrace()
    plans = [(batch, 1) for batch in dict.fromkeys((*batches, settings.batch_size))]
    plans += [(settings.batch_size, writers) for writers in (2,) if writers <= max(2, settings.writers)]
    trials: dict[tuple[int, int], list[InsertTiming]] = {plan: [] for plan in plans}
    start = wrong = 0
    with ExitStack() as stack:
        stack.enter_context(trace)
        client = stack.enter_context(connect.mongodb(site.endpoints.mongodb_uri, settings, listeners=[trace]))
        into = {plan: stack.enter_context(scratch(site.database(client), "limit", settings)) for plan in plans}
        for number in range(rounds):
            for batch, writers in plans if number % 2 else reversed(plans):
                made = sample.documents(documents, seed=settings.sample_seed, start=start)
                start += documents
                trials[batch, writers].append(insert_batches(into[batch, writers], made, batch, writers=writers))
                wrong += _differing(into[batch, writers], made)
        wrong += _one_by_one(into[plans[0]], sample.documents(SINGLES, seed=settings.sample_seed, start=start))
    sent = sorted({
        f"ordered: {str(command.ordered).lower()}, writeConcern {concern_text(command.write_concern)}"
        for command in trace.named("insert") if command.collection.startswith(SCRATCH_PREFIX) and command.documents > 1
    })  # fmt: skip
    rates = tuple(
        BatchRate(batch=batch, writers=writers, timing=InsertTiming.joined(made))
        for (batch, writers), made in trials.items()
    )
    return Limits(rates=rates, sent=tuple(sent), wrong=wrong, singles=SINGLES)


def _differing(collection: Collection[dict[str, Any]], sent: Sequence[dict[str, Any]]) -> int:
    """Documents that are not stored as they were sent; `insert_many` has given them their `_id`s."""
    found = {one["_id"]: one for one in collection.find({"_id": {"$in": [one["_id"] for one in sent]}})}
    return sum(found.get(one["_id"]) != one for one in sent)


def _one_by_one(collection: Collection[dict[str, Any]], documents: Sequence[dict[str, Any]]) -> int:
    """Documents that are not stored as they were sent, each by an insert of its own."""
    for one in documents:
        collection.insert_one(one)
    return sum(collection.find_one({"_id": one["_id"]}) != one for one in documents)
