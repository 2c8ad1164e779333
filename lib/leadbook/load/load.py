"""The load test: many writers, duplicate checks and finds at once, made by processes, every document counted after."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from leadbook.measure.operations import LoadTarget, Task
from leadbook.measure.rounds import poisson
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.measure.workers import Crew, TaskOutcome
from leadbook.monitor.host import HostSource
from leadbook.monitor.loop import Timeline, Watcher
from leadbook.monitor.mongodb import MongoSource

SOURCES, SOURCE_LEADS, SHARED = 10, 200, 20
"""Ten collectors of 200 leads each; each shares 20 with the next one."""
MIX_BATCH, CHECKS_PER_SECOND, LEAST_SECONDS = 50, 2_000, 1.0
CHECK_SIZE, FINDS_PER_SECOND = 10, 40
"""Keys a duplicate check: collectors ask for a handful at a time; 10,000 keys are then enough calls for a p99."""
READ_EVERY_S = 0.25
NOBODY = "redis://127.0.0.1:1/0"
SIZES, SIZE_WRITERS = (1_000, 5_000, 10_000), 10
"""Records of the batch tests, task book 3.1.1.3, and how many write them at once."""


def numbers(text: str) -> list[int]:
    """A parameter such as `10000, 20000` as whole numbers; the settings have checked that it is."""
    return [int(part) for part in text.split(",")]


@dataclass(frozen=True, kw_only=True)
class InsertLoad:
    """One closed-loop load: writers that insert as fast as they can. stored: counted afterwards."""

    writers: int
    batch: int
    outcome: TaskOutcome
    stored: int

    @property
    def records(self) -> int:
        """Documents sent."""
        return self.outcome.sent

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
    """Several kinds of work at once. stored: how many documents came in meanwhile.  readings: of the servers."""

    outcomes: dict[str, TaskOutcome]
    stored: int
    readings: Timeline


@dataclass(kw_only=True)
class Loader:
    """Runs loads from a crew of processes, which starts with the first load."""

    place: BenchmarkSession
    _crew: Crew | None = None

    @property
    def crew(self) -> Crew:
        """The processes, started where there are none."""
        if self._crew is None:
            self._crew = Crew(self.place.settings.load_processes or min(os.cpu_count() or 1, 8))
        return self._crew

    def close(self) -> None:
        """End the processes; a later load starts new ones."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None

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
        crew = self.crew
        count = min(processes or crew.processes, crew.processes)
        dealt = [[share(task, (at + turn) % count, count) for turn, task in enumerate(tasks)] for at in range(count)]
        return crew.run(target, [[part for part in parts if part is not None] for parts in dealt])

    # --------------------------------------------------------------------------------------------------- loads

    def insert(self, records: int, writers: int) -> InsertLoad:
        """`records` documents by `writers` at once into an empty scratch collection; two calls a writer at least."""
        each = -(-records // writers)
        calls = max(2, -(-each // self.place.settings.batch_size))
        batch = -(-each // calls)
        return self._insert(Task(name="insert", kind="insert", threads=writers, size=batch, calls=-(-records // batch)))

    def _insert(self, task: Task, *, direct: bool = False, processes: int | None = None) -> InsertLoad:
        with self.place.scratch("load") as collection:
            outcome = self.run(self.target(collection, direct=direct), [task], processes=processes)[task.name]
            return InsertLoad(writers=task.threads, batch=task.size, outcome=outcome,
                              stored=collection.count_documents({}))  # fmt: skip

    def matrix(self) -> tuple[InsertLoad, ...]:
        """Every number of records with the first number of writers of the settings, and the largest with all."""
        records = numbers(self.place.settings.load_records)
        first, *others = numbers(self.place.settings.load_writers)
        pairs = [(count, first) for count in records] + [(max(records), writers) for writers in others]
        return tuple(self.insert(count, writers) for count, writers in pairs)

    def control(self) -> TaskOutcome:
        """The no-op control: the same processes and threads encode documents and send nothing."""
        task = Task(name="control", kind="encode", threads=10, size=100, calls=200)
        with self.place.scratch("control") as collection:
            return self.run(self.target(collection), [task])["control"]

    def sizes(self, matrix: Sequence[InsertLoad] | None) -> tuple[InsertLoad, ...]:
        """1,000, 5,000 and 10,000 records by ten writers; what the matrix has measured already is taken from there."""
        known = {load.records: load for load in matrix or () if load.writers == SIZE_WRITERS}
        return tuple(known.get(records) or self.insert(records, SIZE_WRITERS) for records in SIZES)

    def pool(self) -> InsertLoad:
        """1,000 bulk inserts of five by 50 threads of one process through one filled pool: check-outs for a p99."""
        task = Task(name="insert", kind="insert", threads=50, size=5, calls=1_000, options={"filled": True})
        return self._insert(task, direct=True, processes=1)

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

    def mixed(self, *, known: int = 5_000) -> Mixed:
        """Everything at once at the target rates, open loop: inserts, duplicate checks by Redis and MongoDB, finds.

        Latency targets are judged at the rates that are asked for: the target of documents/s, and 2,000 keys/s of each
        store until `duplicate_checks` are done. What happens beyond them is the closed loop's and the knee's subject.
        """
        first = self.place.upcoming
        with self.place.scratch("mixed", documents=known) as collection:
            urls = [str(one["linkedin_url"]) for one in collection.find({}, {"linkedin_url": 1, "_id": 0})]
            lead = collection.find_one({"location_state": {"$exists": True}}) or {}
            tasks = self._mix(first, known, {"location_state": lead.get("location_state")})
            watcher = Watcher([MongoSource(self.place.admin), HostSource()], interval_s=READ_EVERY_S)
            with self.keys(urls), watcher:
                outcomes = self.run(self.target(collection), tasks)
            return Mixed(outcomes=outcomes, stored=collection.count_documents({}) - known, readings=watcher.timeline())

    def _mix(self, first: int, known: int, query: dict[str, Any]) -> list[Task]:
        checks = self.place.settings.duplicate_checks
        seconds = max(LEAST_SECONDS, checks / CHECKS_PER_SECOND)
        inserts = poisson(self.place.settings.target_insert_rate / MIX_BATCH, seconds, seed=1)

        def checking(store: str, seed: int) -> Task:
            arrivals = poisson(checks / CHECK_SIZE / seconds, seconds, seed=seed)
            return Task(name=f"duplicate check by {store}", kind=f"{store.lower()} check", threads=10, first=first,
                        size=CHECK_SIZE, arrivals=arrivals, options={"known": known})  # fmt: skip

        tasks = [
            Task(name="insert", kind="insert", threads=10, size=MIX_BATCH, arrivals=inserts,
                 first=self.place.reserve(len(inserts) * MIX_BATCH)),
            checking("Redis", 2),
            checking("MongoDB", 3),
            Task(name="find", kind="find", threads=4, arrivals=poisson(FINDS_PER_SECOND, seconds, seed=4),
                 options={"query": query}),
        ]  # fmt: skip
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
            self.place.undo.forget(client)


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
