"""What happens while the watch runs: on rehearsal a writer inserts batches; everywhere a prober checks for duplicates.

The prober only reads. The writer writes to the scratch collection that it is given, and its Redis keys begin with what
it is given; both are gone afterwards.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.core.ticker import Repeater
from leadbook.lead.clock import now_ms
from leadbook.measure.inserts import InsertCall, insert

Document = dict[str, Any]
BATCH_SIZES = (100, 250, 500)
FILTERED = {"is_qualified": True, "crm_synced": False}
KEY_LIFE_S = 120
STOCK = 2_000
STRIDE = 7919
"""A prime: the stored leads are asked for in a scattered order."""
PAUSE_S = 0.02
"""Rest between two rounds of look-ups, s."""


@dataclass(frozen=True, kw_only=True)
class BatchInsert(InsertCall):
    """One insert of the writer. at: seconds since the watch began."""

    at: float


@dataclass(frozen=True, kw_only=True)
class Lookup:
    """One look-up. kind: `redis`, `mongodb` or `filtered`.  right: the answer known beforehand; None: not known."""

    at: float
    kind: str
    ms: float
    right: bool | None
    failure: str = ""


class Writer(Repeater):
    """Inserts unordered batches of 100, 250 and 500 in turn, at most `per_second` documents a second.

    A key is written to Redis only after its batch was acknowledged, as the pipeline does. make: gives so many new lead
    documents.  keys: what its keys begin with.
    """

    def __init__(
        self, collection: Collection[Document], make: Callable[[int], list[Document]], *, redis: Redis | None,
        per_second: float, keys: str,
    ) -> None:  # fmt: skip
        super().__init__()
        self.collection, self._make, self._redis = collection, make, redis
        self._per_second, self._keys = per_second, keys
        self._stock: list[Document] = []
        self._uncached: set[str] = set()
        self.batches: list[BatchInsert] = []
        self.first_batch: list[Document] = []
        self.written: list[str] = []

    def stock_up(self, count: int) -> None:
        """Make `count` documents beforehand, so that making them costs nothing while inserts are timed."""
        self._stock.extend(self._make(count))

    def key(self, url: str) -> str:
        """The Redis key of a lead that this writer stored."""
        return f"{self._keys}{url}"

    def step(self) -> float:
        """One batch."""
        size = BATCH_SIZES[len(self.batches) % len(BATCH_SIZES)]
        if len(self._stock) < size:
            self.stock_up(STOCK)
        documents, self._stock = self._stock[:size], self._stock[size:]
        now = now_ms()
        for document in documents:
            document |= {"created_at": now, "updated_at": now}
        started = time.monotonic()
        try:
            call = insert(self.collection, documents)
        except PyMongoError as error:
            seconds, errors = time.monotonic() - started, {type(error).__name__: 1}
            call = InsertCall(sent=size, acknowledged=0, seconds=seconds, errors=errors)
        self.batches.append(BatchInsert(at=started - self.began, **vars(call)))
        if not call.errors:
            self._remember(documents)
        return max(0.0, size / self._per_second - (time.monotonic() - started))

    def _remember(self, documents: list[Document]) -> None:
        if not self.first_batch:
            self.first_batch = [dict(document) for document in documents]
        urls = [document["linkedin_url"] for document in documents]
        if self._redis is not None:
            try:
                with self._redis.pipeline(transaction=False) as pipe:
                    for url in urls:
                        pipe.set(self.key(url), 1, ex=KEY_LIFE_S)
                    pipe.execute()
            except RedisError:  # Redis only saves work: what is stored is stored
                self._uncached.update(urls)
        self.written.extend(urls)

    def cached(self, url: str) -> bool:
        """Whether the key of a stored lead was acknowledged by Redis."""
        return self._redis is not None and url not in self._uncached

    def clean_up(self) -> None:
        """Remove this writer's Redis keys; a Redis that is away loses them by itself, in two minutes at most.

        The collection belongs to the caller.
        """
        if self._redis is None:
            return
        with contextlib.suppress(RedisError, OSError):
            for start in range(0, len(self.written), 1_000):
                self._redis.unlink(*map(self.key, self.written[start : start + 1_000]))


class Prober(Repeater):
    """Looks leads up as a duplicate check does, known and unknown ones in turn, and runs one filtered find.

    known: URLs that are stored, which may grow meanwhile; key: the Redis key of one; cached: whether Redis certainly
    holds it.
    """

    def __init__(
        self, collection: Collection[Document], redis: Redis | None, *, known: Sequence[str],
        key: Callable[[str], str], cached: Callable[[str], bool],
    ) -> None:  # fmt: skip
        super().__init__()
        self._collection, self._redis = collection, redis
        self._known, self._key, self._cached, self._turn = known, key, cached, 0
        self.lookups: list[Lookup] = []

    def step(self) -> float:
        """One look-up of each kind."""
        self._turn += 1
        expected = bool(self._turn % 2 and self._known)
        url = f"https://www.linkedin.com/in/leadbook-nobody-{secrets.token_hex(8)}"
        if expected:
            url = self._known[self._turn * STRIDE % len(self._known)]
        if self._redis is not None:
            redis, key = self._redis, self._key(url)
            wanted = expected if not expected or self._cached(url) else None
            self._time("redis", lambda: bool(redis.exists(key)), wanted)
        find = {"linkedin_url": url}
        self._time("mongodb", lambda: self._collection.find_one(find, {"_id": 1}) is not None, expected)
        if self._turn % 5 == 0 and not self.lookups[-1].failure:
            self._time("filtered", lambda: bool(list(self._collection.find(FILTERED, {"_id": 1}).limit(100))), None)
        return PAUSE_S

    def _time(self, kind: str, look: Callable[[], bool], expected: bool | None) -> None:
        started, failure, right = time.monotonic(), "", None
        try:
            found = look()
            right = None if expected is None else found is expected
        except (PyMongoError, RedisError, OSError) as error:
            failure = type(error).__name__
        ms = 1000 * (time.monotonic() - started)
        self.lookups.append(Lookup(at=started - self.began, kind=kind, ms=ms, right=right, failure=failure))
