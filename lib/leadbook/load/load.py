"""The load test: many writers, duplicate checks and finds at once, made by processes, every document counted after."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pandas as pd
import redis as redis_py

from leadbook.core.checks import Check
from leadbook.core.errors import ParameterError
from leadbook.core.settings import Settings
from leadbook.measure import trials
from leadbook.measure.arrivals import poisson
from leadbook.measure.operations import LoadTarget, Task
from leadbook.measure.readings import Sampler
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.measure.workers import Crew, TaskOutcome

__all__ = ["InsertLoad", "Loader", "Mixed", "Sources", "numbers"]

T = TypeVar("T")
SOURCES, SOURCE_LEADS, SHARED = 10, 200, 20
"""Ten collectors of 200 leads each; each shares 20 with the next one."""
INSERTS_PER_SECOND, MIX_BATCH, CHECKS_PER_SECOND, LEAST_SECONDS = 1_000, 50, 2_000, 1.0
CHECK_SIZE, FINDS_PER_SECOND = 10, 40
"""Keys a duplicate check: collectors ask for a handful at a time; 10,000 keys are then enough calls for a p99."""
NOBODY = "redis://127.0.0.1:1/0"
REFUSED = "the load test is not approved for this profile"
SIZES, SIZE_WRITERS = (1_000, 5_000, 10_000), 10
"""Records of the batch tests, task book 3.1.1.3, and how many write them at once."""


def numbers(name: str, text: str) -> list[int]:
    """`10000, 20000` as whole numbers. Raises ParameterError naming the parameter."""
    try:
        found = [int(part) for part in text.replace("_", "").split(",") if part.strip()]
    except ValueError:
        found = []
    if not found or min(found) < 1:
        raise ParameterError(name, f"must be whole numbers separated by commas, got {text!r}")
    return found


@dataclass(frozen=True, kw_only=True)
class InsertLoad:
    """One closed-loop load: writers that insert as fast as they can. stored: counted afterwards."""

    records: int
    writers: int
    batch: int
    outcome: TaskOutcome
    stored: int

    @property
    def missing(self) -> int:
        """Documents sent and not found."""
        return self.outcome.sent - self.stored


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Ten collectors at once. expected: different leads among those sent.  stored, per_source: counted afterwards."""

    redis: bool
    outcome: TaskOutcome
    expected: int
    stored: int
    per_source: dict[str, int]

    @property
    def duplicates(self) -> int:
        """Repeats found by Redis or refused by MongoDB."""
        return sum(count for reason, count in self.outcome.errors.items() if reason.startswith("duplicate"))

    @property
    def failures(self) -> dict[str, int]:
        """Errors other than duplicates."""
        return {reason: count for reason, count in self.outcome.errors.items() if not reason.startswith("duplicate")}


@dataclass(frozen=True, kw_only=True)
class Mixed:
    """Several kinds of work at once. stored: how many documents came in meanwhile.  readings: of the servers.

    seconds: of the arrivals.  checks: duplicate checks asked for.  took: seconds with all preparations.
    """

    outcomes: dict[str, TaskOutcome]
    stored: int
    readings: pd.DataFrame
    seconds: float
    checks: int
    took: float


@dataclass(kw_only=True)
class Loader:
    """Runs loads from a crew of processes. problems: what could not be measured, and why, by name of the load."""

    place: BenchmarkSession
    crew: Crew | None
    batch: int
    problems: trials.Problems = field(default_factory=dict)

    @classmethod
    def of(cls, place: BenchmarkSession, *, batch: int | None = None) -> Loader:
        """A loader whose processes are on their way; none where the profile does not approve the load test.

        `batch`: documents a batch at most, the settings' batch_size by default.
        """
        settings = place.settings
        approved = settings.approves("load_test")
        processes = settings.load_processes or min(os.cpu_count() or 1, 8)
        return cls(place=place, crew=Crew(processes) if approved else None, batch=batch or settings.batch_size)

    def close(self) -> None:
        """End the processes."""
        if self.crew is not None:
            self.crew.close()

    def attempt(self, name: str, call: Callable[..., T], *given: Any, **named: Any) -> T | None:
        """`call(*given, **named)`, or None with the reason kept in `problems`. Raises UnreachableError: no MongoDB."""
        if self.crew is None:
            self.problems[name] = REFUSED
            return None
        return trials.attempt(self.place, self.problems, name, lambda: call(*given, **named))

    def take(
        self, name: str, call: Callable[..., T], judge: Callable[[T | None, trials.Problems, Settings], list[Check]],
        *given: Any,
    ) -> trials.Measured[T]:  # fmt: skip
        """`attempt`, judged; a missed time is measured once more (see `canary`)."""
        settings = self.place.settings

        def judged(found: T | None) -> list[Check]:
            return judge(found, self.problems, settings)

        if self.crew is None:
            self.problems[name] = REFUSED
            return trials.Measured(found=None, checks=judged(None))
        return trials.take(self.place, self.problems, name, lambda: call(*given), judged)

    def target(self, collection: Leads, *, redis: bool = True, direct: bool = False) -> LoadTarget:
        """Where the processes send their work; without `redis` to a Redis that refuses connections.

        `direct`: to the primary alone, so that one pool is opened and not one for every member.
        """
        ends, settings = self.place.endpoints, self.place.settings
        uri = self.place.primary_uri if direct else ends.mongodb_uri
        known = {name: value for name, value in settings.__dict__.items() if not name.startswith("_")}
        there = redis and self.place.redis is not None
        return LoadTarget(mongodb_uri=uri, redis_url=ends.redis_url if there else NOBODY, settings=known,
                      database=settings.database, collection=collection.name, seed=settings.sample_seed,
                      keys=self.place.undo.keys)  # fmt: skip

    def run(self, target: LoadTarget, tasks: Sequence[Task], *, processes: int | None = None) -> dict[str, TaskOutcome]:
        """Each task's threads and calls shared out over the processes (or the first few of them)."""
        if self.crew is None:
            raise RuntimeError(REFUSED)
        count = min(processes or self.crew.processes, self.crew.processes)
        dealt = [[share(task, (at + turn) % count, count) for turn, task in enumerate(tasks)] for at in range(count)]
        return self.crew.run(target, [[part for part in parts if part is not None] for parts in dealt])

    # --------------------------------------------------------------------------------------------------- loads

    def insert(self, records: int, writers: int, *, processes: int | None = None) -> InsertLoad:
        """`records` documents by `writers` at once into an empty scratch collection; two calls a writer at least."""
        each = -(-records // writers)
        calls = max(2, -(-each // self.batch))
        batch = -(-each // calls)
        task = Task(name="insert", kind="insert", threads=writers, size=batch, calls=-(-records // batch))
        with self.place.scratch("load") as collection:
            outcome = self.run(self.target(collection), [task], processes=processes)["insert"]
            return InsertLoad(records=outcome.sent, writers=writers, batch=batch, outcome=outcome,
                              stored=collection.count_documents({}))  # fmt: skip

    def matrix(self) -> tuple[InsertLoad, ...]:
        """Every number of records with the first number of writers of the settings, and the largest with all."""
        records = numbers("load_records", self.place.settings.load_records)
        first, *others = numbers("load_writers", self.place.settings.load_writers)
        pairs = [(count, first) for count in records] + [(max(records), writers) for writers in others]
        return tuple(self.insert(count, writers) for count, writers in pairs)

    def control(self) -> TaskOutcome:
        """The no-op control: the same processes and threads encode documents and send nothing."""
        task = Task(name="control", kind="encode", threads=10, size=100, calls=200)
        with self.place.scratch("control") as collection:
            return self.run(self.target(collection), [task])["control"]

    def sizes(self, matrix: Sequence[InsertLoad] | None = None) -> tuple[InsertLoad, ...]:
        """1,000, 5,000 and 10,000 records by ten writers; what the matrix has measured already is taken from there."""
        known = {load.records: load for load in matrix or () if load.writers == SIZE_WRITERS}
        return tuple(known.get(records) or self.insert(records, SIZE_WRITERS) for records in SIZES)

    def pool(self, *, threads: int = 50, calls: int = 1_000) -> InsertLoad:
        """Bulk inserts of five by `threads` of one process through one filled pool: enough check-outs for a p99."""
        task = Task(name="insert", kind="insert", threads=threads, size=5, calls=calls, options={"filled": True})
        with self.place.scratch("pool") as collection:
            outcome = self.run(self.target(collection, direct=True), [task], processes=1)["insert"]
            return InsertLoad(
                records=outcome.sent, writers=threads, batch=5, outcome=outcome, stored=collection.count_documents({})
            )

    def sources(self, *, redis: bool = True) -> Sources:
        """Ten collectors at once, each asking Redis, inserting what is new and then telling Redis."""
        redis = redis and self.place.redis is not None
        tasks = [
            Task(name=f"source {number + 1}", kind="source", threads=1, size=50, calls=SOURCE_LEADS // 50,
                 first=number * (SOURCE_LEADS - SHARED), options={"source": f"workflow-{number + 1}"})
            for number in range(SOURCES)
        ]  # fmt: skip
        with self.place.scratch("sources") as collection, self.keys([]):
            outcomes = self.run(self.target(collection, redis=redis), tasks)
            whole = TaskOutcome(name="sources", processes=0)
            for outcome in outcomes.values():
                whole.join(outcome)
            grouped = collection.aggregate([{"$group": {"_id": "$data_source", "n": {"$sum": 1}}}])
            return Sources(redis=redis, outcome=whole, expected=SOURCES * (SOURCE_LEADS - SHARED) + SHARED,
                           stored=collection.count_documents({}),
                           per_source={str(one["_id"]): int(one["n"]) for one in grouped})  # fmt: skip

    def without_redis(self) -> Sources:
        """`sources` with a Redis that refuses connections."""
        return self.sources(redis=False)

    def mixed(self, *, known: int = 5_000) -> Mixed:
        """Everything at once at the target rates, open loop: inserts, duplicate checks by Redis and MongoDB, finds.

        Latency targets are judged at the rates that are asked for: 1,000 documents/s, and 2,000 keys/s of each store
        until `duplicate_checks` are done. What happens beyond them is the closed loop's and the knee's subject.
        """
        settings = self.place.settings
        first, start = self.place.upcoming, time.monotonic()
        with self.place.scratch("mixed", documents=known) as collection:
            urls = [str(one["linkedin_url"]) for one in collection.find({}, {"linkedin_url": 1, "_id": 0})]
            lead = collection.find_one({"location_state": {"$exists": True}}) or {}
            tasks = self._mix(first, known, {"location_state": lead.get("location_state")})
            with self.keys(urls), Sampler(self.place) as sampler:
                outcomes = self.run(self.target(collection), tasks)
            readings = sampler.frame()
            return Mixed(
                outcomes=outcomes,
                stored=collection.count_documents({}) - known,
                readings=readings,
                seconds=self._seconds,
                checks=settings.duplicate_checks,
                took=time.monotonic() - start,
            )

    @property
    def _seconds(self) -> float:
        return max(LEAST_SECONDS, self.place.settings.duplicate_checks / CHECKS_PER_SECOND)

    def _mix(self, first: int, known: int, query: dict[str, Any]) -> list[Task]:
        checks, seconds = self.place.settings.duplicate_checks, self._seconds
        inserts = poisson(INSERTS_PER_SECOND / MIX_BATCH, seconds, seed=1)
        tasks = [
            Task(
                name="insert",
                kind="insert",
                threads=10,
                size=MIX_BATCH,
                arrivals=inserts,
                first=self.place.reserve(len(inserts) * MIX_BATCH),
            ),
            Task(
                name="duplicate check by Redis",
                kind="redis check",
                threads=10,
                first=first,
                size=CHECK_SIZE,
                arrivals=poisson(checks / CHECK_SIZE / seconds, seconds, seed=2),
                options={"known": known},
            ),
            Task(
                name="duplicate check by MongoDB",
                kind="mongodb check",
                threads=10,
                first=first,
                size=CHECK_SIZE,
                arrivals=poisson(checks / CHECK_SIZE / seconds, seconds, seed=3),
                options={"known": known},
            ),
            Task(
                name="find",
                kind="find",
                threads=4,
                arrivals=poisson(FINDS_PER_SECOND, seconds, seed=4),
                options={"query": query},
            ),
        ]
        return [task for task in tasks if self.place.redis is not None or task.kind != "redis check"]

    @contextlib.contextmanager
    def keys(self, urls: Sequence[str]) -> Iterator[None]:
        """Scratch keys of these leads in Redis; all scratch keys of this session are removed at the end."""
        client = self.place.redis
        if client is None:
            yield
            return
        try:
            for at in range(0, len(urls), 1_000):
                pipe = client.pipeline(transaction=False)
                for url in urls[at : at + 1_000]:
                    pipe.set(f"{self.place.undo.keys}lead:linkedin:{url}", b"1", ex=600)
                pipe.execute()
            yield
        finally:
            with contextlib.suppress(redis_py.RedisError):
                for found in client.scan_iter(match=f"{self.place.undo.keys}*", count=1_000):
                    client.unlink(found)


def share(task: Task, place: int, processes: int) -> Task | None:
    """The part of a task that the process in that place (0 to processes - 1) does; None where nothing is left for it.

    Threads, calls and arrivals are dealt out; documents are consecutive, so that no two processes insert the same one.
    """
    owners = min(processes, task.threads)
    if place >= owners:
        return None
    calls = [_dealt(task.calls, one, owners) for one in range(owners)]
    arrivals = task.arrivals[place::owners] if task.arrivals is not None else None
    if task.arrivals is not None:
        calls = [len(task.arrivals[one::owners]) for one in range(owners)]
    first = task.first if "check" in task.kind else task.first + sum(calls[:place]) * task.size
    return replace(
        task, threads=_dealt(task.threads, place, owners), calls=calls[place], arrivals=arrivals, first=first
    )


def _dealt(whole: int, place: int, owners: int) -> int:
    return whole // owners + (1 if place < whole % owners else 0)
