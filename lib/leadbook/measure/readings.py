"""What the servers say of themselves while they are under load, four times a second."""

from __future__ import annotations

import time
from typing import Any, Self

import pandas as pd
import psutil
import redis as redis_py
from pymongo.errors import PyMongoError

from leadbook.core.ticker import Ticker
from leadbook.measure.session import BenchmarkSession

EVERY_SECONDS = 0.25
COLUMNS = {
    "at": "seconds on the monotonic clock",
    "inserts": "documents inserted so far (opcounters, this primary)",
    "queued": "operations that wait for a lock",
    "connections": "client connections open",
    "dirty_percent": "changed pages in the WiredTiger cache, % of its size",
    "cache_percent": "WiredTiger cache in use, %",
    "evicted_by_application": "pages that application threads had to evict so far",
    "redis_commands": "commands done by Redis so far",
    "host_cpu_percent": "CPU of this machine, all cores, %",
}
"""Columns of `Sampler.frame`. A reading that a server does not tell is NaN."""


class Sampler:
    """Reads the servers from a thread while entered; `frame` afterwards, one row a reading."""

    def __init__(self, place: BenchmarkSession) -> None:
        self._place = place
        self._rows: list[dict[str, Any]] = []
        self._ticker = Ticker(lambda: self._rows.append(self._read()), EVERY_SECONDS)

    def __enter__(self) -> Self:
        psutil.cpu_percent()
        self._ticker.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._ticker.__exit__(*exception)

    def _read(self) -> dict[str, Any]:
        row: dict[str, Any] = {"at": time.monotonic(), "host_cpu_percent": psutil.cpu_percent()}
        try:
            status = self._place.admin.admin.command("serverStatus")
            cache = status.get("wiredTiger", {}).get("cache", {})
            limit = cache.get("maximum bytes configured")
            row |= {
                "inserts": status["opcounters"]["insert"],
                "queued": status["globalLock"]["currentQueue"]["total"],
                "connections": status["connections"]["current"],
                "dirty_percent": 100 * cache["tracked dirty bytes in the cache"] / limit if limit else None,
                "cache_percent": 100 * cache["bytes currently in the cache"] / limit if limit else None,
                "evicted_by_application": cache.get("pages evicted by application threads"),
            }
        except (PyMongoError, KeyError):
            pass
        if self._place.redis is not None:
            try:
                stats: Any = self._place.redis.info("stats")
                row["redis_commands"] = stats["total_commands_processed"]
            except (redis_py.RedisError, KeyError):
                pass
        return row

    def frame(self) -> pd.DataFrame:
        """All readings; columns as in `COLUMNS`."""
        return pd.DataFrame(self._rows, columns=list(COLUMNS)).astype(float)


def by_second(ends: list[tuple[float, int, float]], *, width: float = 0.5) -> pd.DataFrame:
    """Load over time from the ends of calls: second (start of each slice), rate (documents or keys/s), worst_ms.

    `ends`: (seconds since the start, documents, latency in s), as `workers.TaskOutcome.ends`. `width`: seconds a slice.
    A last slice that was hardly begun has no rate: it would look like a collapse.
    """
    frame = pd.DataFrame(ends, columns=["second", "documents", "latency"])
    slices = (frame["second"] // width) * width
    grouped = frame.groupby(slices)
    made = pd.DataFrame({"rate": grouped["documents"].sum() / width, "worst_ms": grouped["latency"].max() * 1_000})
    if len(made) > 1 and frame["second"].max() - made.index[-1] < width / 2:
        made.loc[made.index[-1], "rate"] = float("nan")
    return made.reset_index()
