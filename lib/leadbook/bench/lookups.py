"""Duplicate checks: by Redis and by MongoDB's index, one at a time and a hundred at once, and with Redis away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pandas as pd
import redis as redis_py

from leadbook.core import connect
from leadbook.core.checks import Check, judge, not_measured
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.measure.rounds import calls_a_round, interleaved
from leadbook.measure.session import BenchmarkSession, Leads

__all__ = ["COLUMNS", "LookupTimes", "Operation", "checks", "curves", "measure", "plan_of", "table"]

BATCH = 100
SINGLES_IN_ALL, BATCHES_IN_ALL = (1_000, 250), (200, 50)
"""Calls in all rounds, and in each, at least: p99 of single keys and p95 of batches are told from these numbers on."""
KEY_SECONDS = 600
NOT_APPROVED = "needs keys of its own in Redis, and benchmarks are not approved here"
Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One kind of check. size: keys a call.  wrong: answers that differ from the truth (hits and misses known)."""

    name: str
    size: int
    latencies: Latencies
    wrong: int


@dataclass(frozen=True, kw_only=True)
class LookupTimes:
    """Result of `measure`. redis_problem: why Redis was not measured, or empty.  plan: of the MongoDB check."""

    operations: dict[str, Operation]
    plan: Document
    stored: int
    redis_problem: str = ""


@dataclass(kw_only=True)
class _Round:
    calls: list[float] = field(default_factory=list)
    wrong: int = 0

    def time(self, call: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        answer = call()
        self.calls.append(time.perf_counter() - started)
        return answer


def measure(place: BenchmarkSession, collection: Leads, *, seed: int = 3) -> LookupTimes:
    """Time every kind of check in interleaved rounds; half of the keys are known, and every answer is verified."""
    urls = [str(one["linkedin_url"]) for one in collection.find({}, {"linkedin_url": 1}).limit(BATCH * 10)]
    asked = [(url, True) for url in urls[: len(urls) // 2]]
    asked += [(f"{url}-nobody", False) for url in urls[len(urls) // 2 :]]
    singles = calls_a_round(place.settings.bench_rounds, *SINGLES_IN_ALL)
    batches = calls_a_round(place.settings.bench_rounds, *BATCHES_IN_ALL)
    with contextlib.ExitStack() as stack:
        variants: dict[str, Callable[[], _Round]] = {
            "MongoDB find": partial(_mongodb_single, collection, asked, singles),
            "MongoDB find $in 100": partial(_mongodb_batch, collection, asked, batches),
        }
        if place.redis is not None and place.settings.approves(place.action):
            keys = stack.enter_context(_keys(place, place.redis, [url for url, known in asked if known]))
            variants |= {
                "Redis GET": partial(_redis_get, place.redis, keys, asked, singles),
                "Redis MGET 100": partial(_redis_mget, place.redis, keys, asked, batches),
                "Redis SET": partial(_redis_set, place.redis, keys, asked, singles),
                "Redis SET 100 in a pipeline": partial(_redis_bulk, place.redis, keys, asked, batches),
            }
            away = stack.enter_context(_away(place.settings))
            variants["Redis away, then MongoDB"] = partial(_fallback, away, keys, collection, asked, singles)
        rounds = interleaved(variants, rounds=place.settings.bench_rounds, seed=seed)
    operations = {
        name: Operation(
            name=name,
            size=BATCH if "100" in name else 1,
            wrong=sum(one.wrong for one in found),
            latencies=Latencies().merge(*(Latencies(one.calls) for one in found)),
        )
        for name, found in rounds.items()
    }
    return LookupTimes(
        operations=operations,
        plan=plan_of(collection, {"linkedin_url": urls[0]}),
        stored=collection.estimated_document_count(),
        redis_problem=place.redis_problem if place.redis is None else "",
    )


@contextlib.contextmanager
def _keys(place: BenchmarkSession, client: redis_py.Redis, urls: Sequence[str]) -> Iterator[Callable[[str], str]]:
    """Keys in the leads' format under a prefix of their own; set for `urls`, removed at the end, short-lived anyway."""
    place.begin()
    prefix = f"{place.undo.keys}lead:linkedin:"
    pipe = client.pipeline(transaction=False)
    for url in urls:
        pipe.set(prefix + url, b"1", ex=KEY_SECONDS)
    pipe.execute()
    try:
        yield lambda url: prefix + url
    finally:
        with contextlib.suppress(redis_py.RedisError):
            for found in client.scan_iter(match=f"{prefix}*", count=1_000):
                client.unlink(found)


@contextlib.contextmanager
def _away(settings: Settings) -> Iterator[redis_py.Redis]:
    """A client of a Redis that refuses connections: port 1 of this machine."""
    client = connect.redis("redis://127.0.0.1:1/0", settings)
    client.connection_pool.connection_kwargs["retry"] = None
    try:
        yield client
    finally:
        client.close()


def _redis_get(
    client: redis_py.Redis, key: Callable[[str], str], asked: Sequence[tuple[str, bool]], count: int
) -> _Round:
    made = _Round()
    for url, known in _cycle(asked, count):
        made.wrong += (made.time(partial(client.get, key(url))) is not None) != known
    return made


def _redis_mget(
    client: redis_py.Redis, key: Callable[[str], str], asked: Sequence[tuple[str, bool]], count: int
) -> _Round:
    made = _Round()
    for part in _parts(asked, count):
        answers = made.time(partial(client.mget, [key(url) for url, _ in part]))
        made.wrong += sum((answer is not None) != known for answer, (_, known) in zip(answers, part, strict=True))
    return made


def _redis_set(
    client: redis_py.Redis, key: Callable[[str], str], asked: Sequence[tuple[str, bool]], count: int
) -> _Round:
    made = _Round()
    for url, _ in _cycle([one for one in asked if one[1]], count):
        made.wrong += made.time(partial(client.set, key(url), b"1", ex=KEY_SECONDS)) is not True
    return made


def _redis_bulk(
    client: redis_py.Redis, key: Callable[[str], str], asked: Sequence[tuple[str, bool]], count: int
) -> _Round:
    made = _Round()
    for part in _parts([one for one in asked if one[1]], count):
        pipe = client.pipeline(transaction=False)
        for url, _ in part:
            pipe.set(key(url), b"1", ex=KEY_SECONDS)
        made.wrong += sum(answer is not True for answer in made.time(pipe.execute))
    return made


def _mongodb_single(collection: Leads, asked: Sequence[tuple[str, bool]], count: int) -> _Round:
    made = _Round()
    for url, known in _cycle(asked, count):
        answer = made.time(partial(collection.find_one, {"linkedin_url": url}, {"linkedin_url": 1, "_id": 0}))
        made.wrong += (answer is not None) != known
    return made


def _mongodb_batch(collection: Leads, asked: Sequence[tuple[str, bool]], count: int) -> _Round:
    made = _Round()
    for part in _parts(asked, count):
        query = {"linkedin_url": {"$in": [url for url, _ in part]}}
        found = made.time(partial(_known, collection, query))
        made.wrong += sum((url in found) != known for url, known in part)
    return made


def _known(collection: Leads, query: Document) -> set[str]:
    return {one["linkedin_url"] for one in collection.find(query, {"linkedin_url": 1, "_id": 0})}


def _fallback(
    client: redis_py.Redis, key: Callable[[str], str], collection: Leads, asked: Sequence[tuple[str, bool]], count: int
) -> _Round:
    """The check of a caller whose Redis is away: one refused attempt, then MongoDB; the refusal is timed too."""

    def check(url: str) -> bool:
        with contextlib.suppress(redis_py.RedisError, OSError):
            return client.get(key(url)) is not None
        return collection.find_one({"linkedin_url": url}, {"linkedin_url": 1, "_id": 0}) is not None

    made = _Round()
    for url, known in _cycle(asked, count):
        made.wrong += made.time(partial(check, url)) != known
    return made


def _cycle(asked: Sequence[tuple[str, bool]], count: int) -> list[tuple[str, bool]]:
    """`count` keys, known and unknown in turn."""
    half = len(asked) // 2
    return [asked[(number // 2 + (number % 2) * half) % len(asked)] for number in range(count)]


def _parts(asked: Sequence[tuple[str, bool]], count: int) -> list[list[tuple[str, bool]]]:
    mixed = _cycle(asked, len(asked))
    return [[mixed[(number * BATCH + at) % len(mixed)] for at in range(BATCH)] for number in range(count)]


def plan_of(collection: Leads, query: Document) -> Document:
    """How the server answers `query`: stages, index names, keys and documents examined, documents returned."""
    explained = collection.database.command(
        "explain", {"find": collection.name, "filter": query}, verbosity="executionStats"
    )
    planner, stats = explained["queryPlanner"]["winningPlan"], explained["executionStats"]
    stages: list[str] = []
    indexes: list[str] = []
    _walk(planner, stages, indexes)
    return {
        "stages": stages,
        "indexes": indexes,
        "keys": stats["totalKeysExamined"],
        "documents": stats["totalDocsExamined"],
        "returned": stats["nReturned"],
        "milliseconds": stats["executionTimeMillis"],
    }


def _walk(node: Any, stages: list[str], indexes: list[str]) -> None:
    if isinstance(node, list):
        for one in node:
            _walk(one, stages, indexes)
    elif isinstance(node, dict):
        if isinstance(node.get("stage"), str):
            stages.append(node["stage"])
        if isinstance(node.get("indexName"), str):
            indexes.append(node["indexName"])
        for value in node.values():
            _walk(value, stages, indexes)


COLUMNS = {
    "operation": "what was called",
    "keys a call": "leads checked by one call",
    "calls": "calls timed in all rounds",
    "p50_ms": "median of whole calls, ms",
    "p95_ms": "95th percentile, ms",
    "p99_ms": "99th percentile, ms; empty below 1,000 calls",
    "worst_ms": "slowest call, ms",
    "keys_per_s": "leads checked a second by one caller",
    "wrong": "answers that differ from the truth",
}


def table(lookups: LookupTimes | None) -> pd.DataFrame:
    """One row an operation; columns as in `COLUMNS`."""
    rows = []
    for operation in lookups.operations.values() if lookups else ():
        told = operation.latencies.summary()
        rows.append(
            {
                "operation": operation.name,
                "keys a call": operation.size,
                "calls": told.count,
                "p50_ms": told.p50_ms,
                "p95_ms": told.p95_ms,
                "p99_ms": told.p99_ms,
                "worst_ms": told.worst_ms,
                "keys_per_s": round(operation.size * 1_000 / mean_ms)
                if (mean_ms := operation.latencies.mean_ms)
                else None,
                "wrong": operation.wrong,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def curves(lookups: LookupTimes | None) -> dict[str, list[tuple[float, float]]]:
    """For the plot: (percentile, ms) of each operation."""
    operations = lookups.operations if lookups else {}
    return {name: operation.latencies.curve() for name, operation in operations.items()}


_JUDGED = {
    "BCH-RDS-001": "Redis GET",
    "BCH-RDS-002": "Redis MGET 100",
    "BCH-RDS-003": "Redis SET",
    "BCH-RDS-004": "Redis SET 100 in a pipeline",
    "BCH-DUP-001": "MongoDB find",
    "BCH-DUP-002": "MongoDB find $in 100",
    "BCH-DUP-004": "Redis away, then MongoDB",
}


def checks(lookups: LookupTimes, settings: Settings) -> list[Check]:
    """Steps 1.1.4.2, 1.2.2.2, 1.2.2.3 and 1.4.1.7."""
    found = []
    for check_id, name in _JUDGED.items():
        operation = lookups.operations.get(name)
        if operation is None:
            why = lookups.redis_problem
            remedy = "make Redis reachable, then run phase 03 again" if why else settings.how_to_approve("benchmarks")
            found.append(not_measured(check_id, why or NOT_APPROVED, settings=settings, remedy=remedy))
            continue
        told = operation.latencies.summary()
        judged, value = told.judged
        found.append(
            judge(
                check_id,
                value,
                settings=settings,
                evidence=f"{judged} of {told.count:,} calls; median {told.p50_ms} ms",
            )
        )
    indexed = "COLLSCAN" not in lookups.plan["stages"] and "idx_linkedin_url_unique" in lookups.plan["indexes"]
    found.append(
        judge(
            "BCH-DUP-003",
            indexed,
            evidence=(
                f"stages {' < '.join(lookups.plan['stages'])}, index {', '.join(lookups.plan['indexes']) or 'none'}, "
                f"{lookups.plan['keys']} keys, {lookups.plan['documents']} documents examined among {lookups.stored:,}"
            ),
        )
    )
    wrong = sum(operation.wrong for operation in lookups.operations.values())
    asked = sum(operation.size * operation.latencies.count for operation in lookups.operations.values())
    found.append(
        judge(
            "BCH-DUP-005",
            100 * (asked - wrong) / asked if asked else None,
            settings=settings,
            evidence=f"{wrong} wrong answers among {asked:,}; half of the keys were known",
        )
    )
    return found
