"""What the threads of a load process do: insert, check duplicates, find, or nothing at all."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import bson
import redis as redis_py
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError

from leadbook.core import connect, traces
from leadbook.core.settings import Settings
from leadbook.measure.inserts import insert
from leadbook.rehearsal import sample

FILL_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """What some threads of one process do.

    kind: a call of `Operations`.  name: under which results are joined.  threads: at once, which also
    bounds what is in flight.  calls: calls in all (closed loop).  arrivals: intended starts in seconds (open loop).
    first: number of the first document of this task.  size: documents or keys a call.
    skip_after: an arrival later than this many seconds is skipped and counted, never caught up.
    """

    name: str
    kind: str
    threads: int
    size: int = 1
    calls: int = 0
    arrivals: tuple[float, ...] | None = None
    first: int = 0
    skip_after: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def planned(self) -> int:
        """Calls or arrivals in all."""
        return self.calls if self.arrivals is None else len(self.arrivals)


@dataclass(frozen=True, kw_only=True)
class LoadTarget:
    """Where the load goes. Holds addresses with passwords: travels by pipe, is never shown.

    settings: as a mapping.  seed: of the sample's documents.  keys: what its scratch keys in Redis begin with.
    """

    mongodb_uri: str = field(repr=False)
    redis_url: str = field(repr=False)
    settings: Mapping[str, Any] = field(repr=False)
    database: str
    collection: str
    seed: int
    keys: str = "leadbook_scratch:load:"

    def key(self, url: str) -> str:
        """The scratch key of a lead in Redis."""
        return f"{self.keys}lead:linkedin:{url}"


class Operations:
    """The calls of one task on clients of its own. `call` is safe in any number of threads."""

    def __init__(self, target: LoadTarget, task: Task, client: connect.Client, redis: redis_py.Redis,
                 trace: traces.PoolTrace) -> None:  # fmt: skip
        self.target, self.task, self.redis, self.trace = target, task, redis, trace
        self.collection = client[target.database][target.collection]
        self._client = client
        self._lock = threading.Lock()
        self.sent = self.wrong = 0
        self.errors: Counter[str] = Counter()
        self.lost: ServerSelectionTimeoutError | None = None
        self.documents = self._make()
        self._call = {
            "insert": self._insert, "source": self._source, "redis check": self._redis_check,
            "mongodb check": self._mongodb_check, "find": self._find, "encode": self._encode,
            "ping": self._ping,
        }[task.kind]  # fmt: skip

    @classmethod
    @contextlib.contextmanager
    def open(cls, target: LoadTarget, task: Task) -> Iterator[Operations]:
        """Clients opened and documents made before anything is timed; closed at the end."""
        filled = task.threads if task.options.get("filled") else 0
        changed = {"max_pool_size": max(task.threads, 1), "min_pool_size": filled, **task.options.get("settings", {})}
        settings = Settings.from_mapping({**target.settings, **changed})
        trace = traces.PoolTrace()
        client = connect.mongodb(target.mongodb_uri, settings, listeners=[trace])
        redis = connect.redis(target.redis_url, settings)
        try:
            made = cls(target, task, client, redis, trace)
            made._warm_up()
            yield made
        finally:
            client.close()
            redis.close()

    def call(self, number: int) -> int:
        """Do the work of that number; gives how many documents or keys were done. Errors are counted, not raised.

        `lost` is set where MongoDB is away for as long as serverSelectionTimeoutMS: no further call can do anything.
        """
        try:
            return self._call(number)
        except ServerSelectionTimeoutError as error:
            self.lost = error
            return 0
        except (PyMongoError, redis_py.RedisError, OSError) as error:
            self._count_error(type(error).__name__)
            return 0

    def _warm_up(self) -> None:
        """Open connections by as many pings at once as there are threads; a `filled` pool is waited for, all of it."""
        if self.task.options.get("filled"):
            self._client.admin.command("ping")
            until = time.monotonic() + FILL_SECONDS
            while len(self.trace.ready) < self.task.threads * len(self._client.nodes) and time.monotonic() < until:
                time.sleep(0.02)
            self.trace.reset()
            return
        self._client.admin.command("ping")  # raises here, where it is heard, when nobody answers
        gate = threading.Barrier(self.task.threads)

        def ping(_: int) -> None:
            gate.wait()
            for _ in range(3):
                self._client.admin.command("ping")

        with ThreadPoolExecutor(self.task.threads) as pool:
            list(pool.map(ping, range(self.task.threads)))
        self.trace.reset()

    def _make(self) -> list[dict[str, Any]]:
        """Documents to insert, or the leads whose keys are asked for."""
        if self.task.kind in ("find", "ping"):
            return []
        count = max(1, self.task.planned * self.task.size)
        asked = "check" in self.task.kind
        wanted = min(count, int(self.task.options.get("known", count))) if asked else count
        made = sample.documents(wanted, seed=self.target.seed, start=self.task.first)
        source = self.task.options.get("source")
        if source:
            for document in made:
                document["data_source"] = source
        return made

    def _part(self, number: int) -> list[dict[str, Any]]:
        return self.documents[number * self.task.size : (number + 1) * self.task.size]

    def _insert(self, number: int) -> int:
        return self._insert_part(self._part(number))

    def _insert_part(self, part: list[dict[str, Any]]) -> int:
        with self._lock:
            self.sent += len(part)
        if not part:
            return 0
        done = insert(self.collection, part)
        for reason, count in done.errors.items():
            self._count_error(reason, count)
        return done.acknowledged

    def _source(self, number: int) -> int:
        """One collector's batch: ask Redis, insert what it does not know, then tell Redis. Redis may be away."""
        part = self._part(number)
        fresh, redis_up = part, True
        try:
            known = self.redis.mget([self.target.key(one["linkedin_url"]) for one in part])
            fresh = [one for one, answer in zip(part, known, strict=True) if answer is None]  # type: ignore[arg-type]
            self._count_error("duplicate (redis)", len(part) - len(fresh))
        except (redis_py.RedisError, OSError):
            redis_up = False
        stored = self._insert_part(fresh)
        with self._lock:
            self.sent += len(part) - len(fresh)
        if redis_up:
            pipe = self.redis.pipeline(transaction=False)
            for one in fresh:
                pipe.set(self.target.key(one["linkedin_url"]), b"1", ex=600)
            with contextlib.suppress(redis_py.RedisError, OSError):  # stored it is, whether Redis hears of it or not
                pipe.execute()
        return stored

    def _asked(self, number: int) -> list[tuple[str, bool]]:
        """Keys of one check, every other one unknown."""
        asked = []
        for at in range(number * self.task.size, (number + 1) * self.task.size):
            url = self.documents[at % len(self.documents)]["linkedin_url"]
            asked.append((url, True) if at % 2 == 0 else (f"{url}-nobody", False))
        return asked

    def _redis_check(self, number: int) -> int:
        asked = self._asked(number)
        answers: Any = self.redis.mget([self.target.key(url) for url, _ in asked])
        return self._verified([answer is not None for answer in answers], asked)

    def _mongodb_check(self, number: int) -> int:
        asked = self._asked(number)
        query = {"linkedin_url": {"$in": [url for url, _ in asked]}}
        seen = {one["linkedin_url"] for one in self.collection.find(query, {"linkedin_url": 1, "_id": 0})}
        return self._verified([url in seen for url, _ in asked], asked)

    def _verified(self, answers: list[bool], asked: list[tuple[str, bool]]) -> int:
        wrong = sum(answer != known for answer, (_, known) in zip(answers, asked, strict=True))
        with self._lock:
            self.sent += len(asked)
            self.wrong += wrong
        return len(asked)

    def _find(self, number: int) -> int:
        list(self.collection.find(self.task.options["query"]).limit(100))
        return 1

    def _encode(self, number: int) -> int:
        """The no-op control: everything but the server."""
        part = self._part(number)
        for document in part:
            bson.encode(document)
        return len(part)

    def _ping(self, number: int) -> int:
        self._client.admin.command("ping")
        return 1

    def _count_error(self, reason: str, count: int = 1) -> None:
        with self._lock:
            if count:
                self.errors[reason] += count
