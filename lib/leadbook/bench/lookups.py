"""Duplicate checks: by Redis and by MongoDB's index, one at a time and a hundred at once, and with Redis away."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, cycle, islice
from typing import Any

import redis as redis_py

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.measure.rounds import calls_a_round, interleaved
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.schema.explain import PlanFacts, explain_query
from leadbook.schema.indexes import INDEXES
from leadbook.schema.state import actual

BATCH = 100
SINGLES_IN_ALL, BATCHES_IN_ALL = (1_000, 250), (200, 50)
"""Calls in all rounds, and in each, at least: p99 of single keys and p95 of batches are told from these numbers on."""
KEY_SECONDS = 600
URL_ONLY = {"linkedin_url": 1, "_id": 0}
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
    """Result of `measure`. redis_problem: why Redis was not measured, or empty.  plan: of the MongoDB check.
    arbiter: what the unique index on linkedin_url is called there; empty without one."""

    operations: dict[str, Operation]
    plan: PlanFacts
    stored: int
    arbiter: str
    redis_problem: str = ""


@dataclass(frozen=True, kw_only=True)
class _Check:
    """How one call checks some leads. prepare: from their URLs what `call` takes; only `call` is timed.
    answers: from the URLs and what it gave, for each lead whether it is known.
    sets: it writes keys, of known leads only."""

    calls: int
    call: Callable[[Any], Any]
    answers: Callable[[list[str], Any], list[bool]]
    prepare: Callable[[list[str]], Any] = lambda urls: urls[0]
    size: int = 1
    sets: bool = False


def measure(session: BenchmarkSession, collection: Leads, *, seed: int = 3) -> LookupTimes:
    """Time every kind of check in interleaved rounds; half of the keys are known, and every answer is verified."""
    urls = [str(one["linkedin_url"]) for one in collection.find({}, {"linkedin_url": 1}).limit(BATCH * 10)]
    known, others = urls[: len(urls) // 2], [f"{url}-nobody" for url in urls[len(urls) // 2 :]]
    singles = calls_a_round(session.settings.bench_rounds, *SINGLES_IN_ALL)
    batches = calls_a_round(session.settings.bench_rounds, *BATCHES_IN_ALL)
    with contextlib.ExitStack() as stack:
        checks = _by_mongodb(collection, singles, batches)
        if session.redis is not None and session.settings.approves(session.action):
            prefix = stack.enter_context(_keys(session, session.redis, known))
            checks |= _by_redis(session.redis, prefix, singles, batches)
            away = stack.enter_context(_away(session.settings))
            checks["Redis away, then MongoDB"] = _fallback(away, prefix, collection, singles)
        variants = {name: partial(_round, check, known, [] if check.sets else others) for name, check in checks.items()}
        rounds = interleaved(variants, rounds=session.settings.bench_rounds, seed=seed)
    operations = {
        name: Operation(
            name=name, size=checks[name].size, wrong=sum(wrong for _, wrong in found),
            latencies=Latencies(chain.from_iterable(times for times, _ in found)),
        )
        for name, found in rounds.items()
    }  # fmt: skip
    return LookupTimes(
        operations=operations,
        plan=explain_query(collection, {"linkedin_url": urls[0]}),
        stored=collection.estimated_document_count(),
        arbiter=next((one.name for one in actual(collection).indexes if not INDEXES[0].differences(one)), ""),
        redis_problem=session.redis_problem if session.redis is None else "",
    )


def _round(check: _Check, known: Sequence[str], others: Sequence[str]) -> tuple[list[float], int]:
    """Seconds of each call, and how many answers were wrong; known leads and others are asked for in turn."""
    mixed = list(chain.from_iterable(zip(known, others, strict=False))) or [*known, *others]
    leads, truth, times, wrong = cycle(mixed), set(known), [], 0
    for _ in range(check.calls):
        urls = list(islice(leads, check.size))
        prepared = check.prepare(urls)
        started = time.perf_counter()
        given = check.call(prepared)
        times.append(time.perf_counter() - started)
        answers = check.answers(urls, given)
        wrong += sum(answer != (url in truth) for url, answer in zip(urls, answers, strict=True))
    return times, wrong


@contextlib.contextmanager
def _keys(session: BenchmarkSession, client: redis_py.Redis, urls: Sequence[str]) -> Iterator[str]:
    """The prefix of keys in the leads' format; they are set for `urls`, removed at the end, short-lived anyway."""
    session.begin()
    prefix = f"{session.undo.keys}lead:linkedin:"
    pipe = client.pipeline(transaction=False)
    for url in urls:
        pipe.set(prefix + url, b"1", ex=KEY_SECONDS)
    pipe.execute()
    try:
        yield prefix
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


def _by_redis(client: redis_py.Redis, prefix: str, singles: int, batches: int) -> dict[str, _Check]:
    def key(urls: list[str]) -> str:
        return prefix + urls[0]

    def pipeline(urls: list[str]) -> Any:
        pipe = client.pipeline(transaction=False)
        for url in urls:
            pipe.set(prefix + url, b"1", ex=KEY_SECONDS)
        return pipe

    def there(_: list[str], values: list[Any]) -> list[bool]:
        return [value is not None for value in values]

    return {
        "Redis GET": _Check(
            calls=singles, prepare=key, call=client.get, answers=lambda urls, value: there(urls, [value])
        ),
        "Redis MGET 100": _Check(
            calls=batches, size=BATCH, prepare=lambda urls: [prefix + url for url in urls], call=client.mget,
            answers=there,
        ),
        "Redis SET": _Check(
            calls=singles, prepare=key, call=lambda name: client.set(name, b"1", ex=KEY_SECONDS),
            answers=lambda _, done: [done is True], sets=True,
        ),
        "Redis SET 100 in a pipeline": _Check(
            calls=batches, size=BATCH, prepare=pipeline, call=lambda pipe: pipe.execute(),
            answers=lambda _, done: [one is True for one in done], sets=True,
        ),
    }  # fmt: skip


def _by_mongodb(collection: Leads, singles: int, batches: int) -> dict[str, _Check]:
    def known(query: Document) -> set[str]:
        return {one["linkedin_url"] for one in collection.find(query, URL_ONLY)}

    return {
        "MongoDB find": _Check(
            calls=singles, call=lambda url: collection.find_one({"linkedin_url": url}, URL_ONLY),
            answers=lambda _, lead: [lead is not None],
        ),
        "MongoDB find $in 100": _Check(
            calls=batches, size=BATCH, prepare=lambda urls: {"linkedin_url": {"$in": urls}}, call=known,
            answers=lambda urls, found: [url in found for url in urls],
        ),
    }  # fmt: skip


def _fallback(client: redis_py.Redis, prefix: str, collection: Leads, count: int) -> _Check:
    """The check of a caller whose Redis is away: one refused attempt, then MongoDB; the refusal is timed too."""

    def check(url: str) -> bool:
        with contextlib.suppress(redis_py.RedisError, OSError):
            return client.get(prefix + url) is not None
        return collection.find_one({"linkedin_url": url}, URL_ONLY) is not None

    return _Check(calls=count, call=check, answers=lambda _, answer: [answer])
