"""Duplicate look-ups of one batch of stored leads, timed in Redis and MongoDB."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pandas as pd
from pymongo.collection import Collection
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from leadbook.core.provenance import collection_uuid
from leadbook.ingest.site import Site
from leadbook.ingest.store.cache import LeadCache
from leadbook.lead.keys import decode, linkedin_key

Lead = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class BatchLookups:
    """Duplicate look-ups of one batch, in ms: median of the rounds, and the slowest. None where not measured.

    leads: in the batch.  one_by_one_ms: the same keys by one GET each, as n8n asks; answered: leads whose value named
    them then.  known: leads that had a key before.  memory_per_key: bytes.  round_trips: to ask and to tell about the
    batch.  away: why Redis was not measured.
    """

    leads: int
    mongodb_ms: float | None = None
    mongodb_slowest_ms: float | None = None
    redis_ms: float | None = None
    redis_slowest_ms: float | None = None
    one_by_one_ms: float | None = None
    memory_per_key: int | None = None
    known: int = 0
    answered: int = 0
    round_trips: int | None = None
    away: str = ""

    def table(self) -> pd.DataFrame:
        """Way, ms for the batch, ms a lead."""
        rows = [
            ("Redis, one MGET for the batch", self.redis_ms), ("Redis, one GET a lead", self.one_by_one_ms),
            ("MongoDB, one $in find for the batch", self.mongodb_ms),
        ]  # fmt: skip
        frame = pd.DataFrame(rows, columns=["way", "ms a batch"]).astype({"ms a batch": float})
        return frame.assign(**{"ms a lead": frame["ms a batch"] / max(self.leads, 1)})


def look_up(
    site: Site, redis: Redis | None, leads: Collection[Lead], *, away: str = "Redis is away", rounds: int = 15
) -> BatchLookups:
    """Time look-ups of one batch of stored leads. Writes nothing but that batch's keys again. away: why there is no
    `redis`; one that dies meanwhile is away too."""
    batch = list(leads.find().limit(site.settings.batch_size))
    if not batch:
        return BatchLookups(leads=0, away=away if redis is None else "")
    tools = site.tools()
    tools.merger.find(batch)  # opens the connection
    mongodb = [_ms(lambda: tools.merger.find(batch)) for _ in range(rounds)]
    found = BatchLookups(leads=len(batch), mongodb_ms=median(mongodb), mongodb_slowest_ms=max(mongodb))
    if redis is None:
        return replace(found, away=away)
    try:
        return replace(found, **_in_redis(tools.cache, redis, batch, collection_uuid(leads), site.keys, rounds))
    except RedisError as error:
        return replace(found, away=f"Redis stopped answering ({type(error).__name__})")


def _in_redis(
    cache: LeadCache, redis: Redis, batch: list[Lead], collection: str, prefix: str, rounds: int
) -> dict[str, Any]:  # fmt: skip
    """Redis's part. Raises RedisError unless every look-up was answered."""
    redis.ping()
    before = cache.truth.asked
    known = sum(1 for sighting in cache.look_up(batch) if sighting.lead)
    times = [_ms(lambda: cache.look_up(batch)) for _ in range(rounds)]
    if cache.truth.asked - before < (rounds + 1) * len(batch):  # the cache gives up at once, which would look fast
        raise RedisTimeoutError("look-ups were not answered in time")
    keys = [prefix + linkedin_key(lead["linkedin_url"]) for lead in batch]
    values: list[Any] = []
    one_by_one = _ms(lambda: values.extend(redis.get(key) for key in keys))
    said = [decode(value, collection) for value in values]
    trips = cache.round_trips(batch)  # writes the keys again: they were read as the pipeline left them
    memory = None
    with suppress(ResponseError):  # a user may lack the right
        memory = redis.memory_usage(keys[0])
    return {
        "redis_ms": median(times), "redis_slowest_ms": max(times), "one_by_one_ms": one_by_one, "known": known,
        "memory_per_key": memory, "round_trips": trips,
        "answered": sum(entry is not None and entry.id == lead["_id"] for entry, lead in zip(said, batch, strict=True)),
    }  # fmt: skip


def _ms(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
