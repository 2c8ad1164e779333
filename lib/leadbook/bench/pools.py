"""Connection check-out: cold, warm and saturated pools under threads, read from the drivers' own events."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pandas as pd
import redis as redis_py

from leadbook.core import connect
from leadbook.core.checks import Check, Verdict, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.measure.workers import SWITCH_SECONDS

__all__ = [
    "COLUMNS",
    "MONGODB_THREADS",
    "REDIS_THREADS",
    "Pool",
    "checks",
    "first_burst",
    "measure",
    "mongodb_pool",
    "redis_pool",
    "table",
]

State = Literal["cold", "warm", "saturated"]
MONGODB_THREADS, REDIS_THREADS = (10, 50, 100), (10, 20)
STATES: tuple[State, ...] = ("cold", "warm", "saturated")
SATURATION = 5
"""Threads for each connection of the saturated pool."""
CHECKOUTS_IN_ALL = 1_000
PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool under one number of threads.

    service: MongoDB or Redis.  size: maxPoolSize.  checkouts: how long each took.  queries: whole operations, check-out
    included.  created: connections opened.  failures: check-outs given up.
    """

    service: str
    state: State
    threads: int
    size: int
    checkouts: Latencies
    queries: Latencies
    created: int
    failures: int

    @property
    def reuse(self) -> float | None:
        """Check-outs a connection; None where none was opened in this state (a warm pool opens none)."""
        return self.checkouts.count / self.created if self.created else None

    @property
    def never_queued(self) -> bool:
        """Warm, a connection for each thread, none opened or refused meanwhile: no thread can have waited for one.

        What a check-out then takes beyond microseconds is this process's: threads waiting for Python's lock.
        """
        return self.state == "warm" and self.size >= self.threads and not self.created and not self.failures


def measure(place: BenchmarkSession, collection: Leads) -> tuple[Pool, ...]:
    """Every state at 10, 50 and 100 threads for MongoDB, and at 10 and 20 for Redis where it answers."""
    shapes = [(threads, state) for threads in MONGODB_THREADS for state in STATES]
    with contextlib.ExitStack() as stack:  # all pools fill at the same time, since the driver takes a second for each
        opened = [stack.enter_context(_opened_pool(place, threads, state)) for threads, state in shapes]
        pools = [_use(pool, collection) for pool in opened]
    if place.redis is not None:
        pools += [redis_pool(place, threads, state) for threads in REDIS_THREADS for state in STATES]
    return tuple(pools)


def mongodb_pool(place: BenchmarkSession, collection: Leads, threads: int, state: State) -> Pool:
    """Threads that find one lead each by URL, from check-out events.

    cold: an empty pool, all threads at once, one check-out each.  warm: sized by max_pool_size, as many connections
    open as threads.  saturated: a fifth as many connections as threads, so that many wait; waits are bounded by
    waitQueueTimeoutMS. The client speaks to the primary alone: each member has a pool of its own, this is its.
    """
    with _opened_pool(place, threads, state) as opened:
        return _use(opened, collection)


@dataclass(frozen=True, kw_only=True)
class _Opened:
    client: connect.Client
    trace: connect.PoolTrace
    threads: int
    state: State
    size: int
    filled: int


@contextlib.contextmanager
def _opened_pool(place: BenchmarkSession, threads: int, state: State, filled: int | None = None) -> Iterator[_Opened]:
    size = max(1, threads // SATURATION) if state == "saturated" else max(threads, place.settings.max_pool_size)
    if filled is None:
        filled = 0 if state == "cold" else min(size, threads)
    trace = connect.PoolTrace()
    with place.client(trace, direct=True, max_pool_size=size, min_pool_size=filled) as client:
        client.admin.command("ping")  # finds the server; its connection is the pool's first
        yield _Opened(client=client, trace=trace, threads=threads, state=state, size=size, filled=filled)


def _use(opened: _Opened, collection: Leads, *, calls: int | None = None) -> Pool:
    leads: Leads = opened.client[collection.database.name][collection.name]
    call = partial(leads.find_one, {"linkedin_url": _some_url(collection)}, {"_id": 1})
    _wait_until(lambda: len(opened.trace.ready) >= opened.filled)
    opened.trace.reset()
    queries = _together(opened.threads, calls or _calls(opened.threads, opened.state), call)
    return Pool(
        service="MongoDB",
        state=opened.state,
        threads=opened.threads,
        size=opened.size,
        queries=queries,
        checkouts=Latencies(opened.trace.checkouts),
        created=opened.trace.created,
        failures=len(opened.trace.failures),
    )


def first_burst(
    place: BenchmarkSession, collection: Leads, *, threads: int, filled: tuple[int, ...], rounds: int
) -> list[list[float]]:
    """The slowest check-out (ms) of a first burst, round by round, for pools filled with so many connections each."""
    with contextlib.ExitStack() as stack:
        opened = [
            [stack.enter_context(_opened_pool(place, threads, "warm", count)) for _ in range(rounds)]
            for count in filled
        ]
        worst: list[list[float]] = [[] for _ in filled]
        for number in range(rounds):
            for place_, pools in enumerate(opened):
                burst = _use(pools[number], collection, calls=1)
                worst[place_].append(burst.checkouts.worst_ms or 0.0)
        return worst


def redis_pool(place: BenchmarkSession, threads: int, state: State) -> Pool:
    """Threads that check a connection out, send one GET and give it back; states as for MongoDB."""
    if place.redis is None:
        raise ValueError("Redis is away")
    configured = place.settings.redis_max_connections
    size = max(1, threads // SATURATION) if state == "saturated" else max(threads, configured)
    settings = place.settings.model_copy(update={"redis_max_connections": size})
    client = connect.redis(place.endpoints.redis_url, settings)
    try:
        pool = client.connection_pool
        if state != "cold":
            held = [pool.get_connection() for _ in range(min(size, threads))]
            for connection in held:
                pool.release(connection)
        made = _RedisCheckouts(pool, opened=_opened(pool))
        queries = _together(threads, _calls(threads, state), made.once)
        return Pool(
            service="Redis",
            state=state,
            threads=threads,
            size=size,
            queries=queries,
            checkouts=Latencies(made.waits),
            created=_opened(pool) - made.opened,
            failures=made.failures,
        )
    finally:
        client.close()


class _RedisCheckouts:
    """redis-py's pools send no events: the check-out is timed around `get_connection`, as its own client calls it."""

    def __init__(self, pool: Any, opened: int) -> None:
        self.pool, self.opened = pool, opened
        self.waits: list[float] = []
        self.failures = 0

    def once(self) -> None:
        started = time.perf_counter()
        try:
            connection = self.pool.get_connection()
        except redis_py.ConnectionError:
            self.failures += 1
            return
        self.waits.append(time.perf_counter() - started)
        try:
            connection.send_command("GET", "leadbook_scratch:nothing")
            connection.read_response()
        finally:
            self.pool.release(connection)


def _opened(pool: Any) -> int:
    return len(pool._connections)


def _calls(threads: int, state: State) -> int:
    """Calls a thread: one where the first is the subject, else enough for a p99 over all threads."""
    return 1 if state == "cold" else -(-CHECKOUTS_IN_ALL // threads)


def _together(threads: int, calls: int, call: Callable[[], Any]) -> Latencies:
    """Latencies of `calls` calls in each of `threads` threads that begin at the same moment."""
    gate = threading.Barrier(threads)

    def work() -> list[float]:
        times = []
        gate.wait()
        for _ in range(calls):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        return times

    with _quick_switching(), ThreadPoolExecutor(threads) as pool:
        return Latencies().merge(*(Latencies(done.result()) for done in [pool.submit(work) for _ in range(threads)]))


@contextlib.contextmanager
def _quick_switching() -> Iterator[None]:
    """Threads give Python's lock away after 0.5 ms, not 5, so that waiting for it is not taken for the pool's time."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _wait_until(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not reached() and time.monotonic() < until:
        time.sleep(0.01)


def _some_url(collection: Leads) -> str:
    lead = collection.find_one({}, {"linkedin_url": 1})
    return str(lead["linkedin_url"]) if lead else "https://www.linkedin.com/in/nobody"


COLUMNS = {
    "pool": "driver and state: cold (empty), warm (filled), saturated (five threads a connection)",
    "threads": "threads at once",
    "size": "connections allowed",
    "check-outs": "check-outs seen in the pool's events",
    "p50_ms": "median wait for a connection, ms",
    "p99_ms": "99th percentile of the wait, ms; empty below 1,000",
    "worst_ms": "longest wait, ms",
    "query_p50_ms": "median of whole operations, the wait included, ms",
    "opened": "connections opened meanwhile",
    "failed": "check-outs given up (time-out)",
}


def table(pools: tuple[Pool, ...] | None) -> pd.DataFrame:
    """One row a pool; columns as in `COLUMNS`."""
    return pd.DataFrame(
        [
            {
                "pool": f"{pool.service} {pool.state}",
                "threads": pool.threads,
                "size": pool.size,
                "check-outs": (told := pool.checkouts.summary()).count,
                "p50_ms": told.p50_ms,
                "p99_ms": told.p99_ms,
                "worst_ms": told.worst_ms,
                "query_p50_ms": pool.queries.percentile(50),
                "opened": pool.created,
                "failed": pool.failures,
            }
            for pool in pools or ()
        ],
        columns=list(COLUMNS),
    )


def bars(pools: tuple[Pool, ...] | None) -> pd.DataFrame:
    """For the plot: service, state, threads, median_ms, worst_ms."""
    return pd.DataFrame(
        {
            "service": pool.service,
            "state": pool.state,
            "threads": pool.threads,
            "median_ms": pool.checkouts.percentile(50),
            "worst_ms": pool.checkouts.worst_ms,
        }
        for pool in pools or ()
    ).reindex(columns=["service", "state", "threads", "median_ms", "worst_ms"])


def targets(settings: Settings) -> dict[str, float]:
    """Target of each driver, ms."""
    return {"MongoDB": settings.target_mongodb_checkout_ms, "Redis": settings.target_redis_checkout_ms}


_GATES = {
    ("MongoDB", 10): "BCH-POOL-001",
    ("MongoDB", 50): "BCH-POOL-002",
    ("MongoDB", 100): "BCH-POOL-003",
    ("Redis", 10): "BCH-POOL-004",
    ("Redis", 20): "BCH-POOL-005",
}


def checks(pools: tuple[Pool, ...], settings: Settings) -> list[Check]:
    """Steps 1.3.1.3, 1.3.1.4 and 1.4.1.8. The warm pool is judged: it is the state of all but the first seconds.

    Cold opens one TLS connection a thread, once; saturated is what too small a pool would do. Both are shown, and a
    cold start beyond the target is a warning.
    """
    found = [
        _gate(
            check_id,
            next((one for one in pools if (one.service, one.threads, one.state) == (*key, "warm")), None),
            settings,
        )
        for key, check_id in _GATES.items()
    ]
    failures = sum(pool.failures for pool in pools)
    found.append(
        judge("BCH-POOL-006", failures, evidence=f"{sum(pool.checkouts.count for pool in pools):,} check-outs")
    )
    warm = [pool for pool in pools if pool.state == "warm" and pool.service == "MongoDB"]
    served, opened = sum(pool.checkouts.count for pool in warm), sum(pool.created for pool in warm)
    reused = 100 * (served - opened) / served if served else None
    evidence = f"warm MongoDB pools: {served:,} check-outs, {opened} connections opened meanwhile"
    found.append(judge("BCH-POOL-007", reused, evidence=evidence))
    return [*found, _cold(pools, settings), _size(settings)]


def _gate(check_id: str, pool: Pool | None, settings: Settings) -> Check:
    if pool is None:
        return not_measured(check_id, "Redis does not answer", settings=settings)
    told = pool.checkouts.summary()
    name, value = told.judged
    evidence = (
        f"warm pool, {name} of {told.count:,} check-outs by {pool.threads} threads; median {told.p50_ms} ms, "
        f"slowest {told.worst_ms} ms"
    )
    check = judge(check_id, value, settings=settings, evidence=evidence)
    if check.verdict is Verdict.FAIL and pool.never_queued:
        return warned(
            check_id,
            value,
            settings=settings,
            evidence=f"{evidence}; client-bound: every thread had a connection and none was opened, so the wait was "
            "for Python's lock in this process, not for the pool",
            remedy="use processes instead of more threads, or measure with fewer other programs on this host",
        )
    return check


def _cold(pools: tuple[Pool, ...], settings: Settings) -> Check:
    cold = [pool for pool in pools if pool.state == "cold" and pool.service == "MongoDB"]
    worst = max((pool.checkouts.worst_ms or 0 for pool in cold), default=None)
    evidence = "; ".join(
        f"{pool.threads} threads: slowest {pool.checkouts.worst_ms} ms, {pool.created} opened" for pool in cold
    )
    if worst is not None and worst >= settings.target_mongodb_checkout_ms:
        return warned(
            "BCH-POOL-008",
            worst,
            settings=settings,
            evidence=evidence,
            remedy="set min_pool_size to the number of writers, so that connections are open before they come",
        )
    return judge("BCH-POOL-008", worst, settings=settings, evidence=evidence)


def _size(settings: Settings) -> Check:
    return judge(
        "BCH-POOL-009",
        settings.max_pool_size,
        settings=settings,
        evidence=f"maxPoolSize {settings.max_pool_size}, minPoolSize {settings.min_pool_size}, maxConnecting "
        f"{settings.max_connecting}, maxIdleTimeMS {settings.max_idle_time_ms:,} "
        f"({settings.max_idle_time_ms / 60_000:g} minutes)",
    )
