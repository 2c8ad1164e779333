"""How fast the server takes prepared leads: the measure beside which the pipeline's own rate is read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leadbook import connect
from leadbook.connect import CommandTrace
from leadbook.leads import sample
from leadbook.leads.site import Site
from leadbook.schema.scratch import SCRATCH_PREFIX, scratch

__all__ = ["BatchRate", "Limits", "measure"]

BATCHES = (100, 250, 500)


@dataclass(frozen=True, kw_only=True)
class BatchRate:
    """Prepared leads inserted by `insert_many`, unordered. rate: documents/s.  batch_ms: mean time of a batch, ms."""

    batch: int
    writers: int
    documents: int
    seconds: float
    batch_ms: float

    @property
    def rate(self) -> float:
        """Documents per second."""
        return self.documents / self.seconds


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Rates by batch size with one writer, and at the settings' batch size with more. sent: what the driver really
    sent: (ordered, write concern) of each insert, as text."""

    rates: tuple[BatchRate, ...]
    sent: tuple[str, ...]
    lost: int

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


def measure(site: Site, *, documents: int = 2_000, batches: Sequence[int] = BATCHES) -> Limits:
    """Insert prepared leads into scratch collections with the leads' validator and indexes; each run starts empty."""
    settings, trace = site.settings, CommandTrace()
    rates, lost, start = [], 0, 0
    plans = [(batch, 1) for batch in dict.fromkeys((*batches, settings.batch_size))]
    plans += [(settings.batch_size, writers) for writers in (2,) if writers <= max(2, settings.writers)]
    with connect.mongodb(site.endpoints.mongodb_uri, settings, listeners=[trace]) as client, trace:
        for batch, writers in plans:
            made = sample.documents(documents, seed=settings.sample_seed, start=start)
            start += documents
            with scratch(client[settings.database], "limit", settings) as collection:
                rates.append(_timed(collection, made, batch, writers))
                lost += documents - collection.count_documents({})
    sent = sorted({
        f"ordered: {str(command.ordered).lower()}, writeConcern: {dict(command.write_concern or {})}"
        for command in trace.named("insert") if command.collection.startswith(SCRATCH_PREFIX)
    })  # fmt: skip
    return Limits(rates=tuple(rates), sent=tuple(sent), lost=lost)


def _timed(collection: Any, documents: Sequence[dict[str, Any]], batch: int, writers: int) -> BatchRate:
    parts = [documents[at : at + batch] for at in range(0, len(documents), batch)]

    def insert(part: Sequence[dict[str, Any]]) -> float:
        began = time.perf_counter()
        collection.insert_many(part, ordered=False)
        return time.perf_counter() - began

    started = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        took = list(pool.map(insert, parts))
    seconds = time.perf_counter() - started
    return BatchRate(
        batch=batch, writers=writers, documents=len(documents), seconds=seconds, batch_ms=1000 * sum(took) / len(took)
    )
