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

import redis as redis_py

from leadbook.core import connect, traces
from leadbook.measure.histograms import Latencies
from leadbook.measure.rounds import timed
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.measure.workers import SWITCH_SECONDS

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
    def never_queued(self) -> bool:
        """Warm, a connection for each thread, none opened or refused meanwhile: no thread can have waited for one.

        What a check-out then takes beyond microseconds is this process's: threads waiting for Python's lock.
        """
        return self.state == "warm" and self.size >= self.threads and not self.created and not self.failures


def measure(session: BenchmarkSession, collection: Leads) -> tuple[Pool, ...]:
    """Every state at 10, 50 and 100 threads for MongoDB, and at 10 and 20 for Redis where it answers."""
    shapes = [(threads, state) for threads in MONGODB_THREADS for state in STATES]
    with contextlib.ExitStack() as stack:  # all pools fill at the same time, since the driver takes a second for each
        opened = [stack.enter_context(_opened_pool(session, threads, state)) for threads, state in shapes]
        pools = [_use(pool, collection) for pool in opened]
    if session.redis is not None:
        pools += [redis_pool(session, threads, state) for threads in REDIS_THREADS for state in STATES]
    return tuple(pools)


@dataclass(frozen=True, kw_only=True)
class _Opened:
    """A pool of MongoDB's driver. cold: empty, all threads at once, one check-out each.  warm: sized by max_pool_size,
    as many connections open (`filled`) as threads.  saturated: a fifth as many connections as threads, so that many
    wait; waits are bounded by waitQueueTimeoutMS. The client speaks to the primary alone: each member has a pool of its
    own, this is its."""

    client: connect.Client
    trace: traces.PoolTrace
    threads: int
    state: State
    size: int
    filled: int


@contextlib.contextmanager
def _opened_pool(session: BenchmarkSession, threads: int, state: State, filled: int | None = None) -> Iterator[_Opened]:
    size = max(1, threads // SATURATION) if state == "saturated" else max(threads, session.settings.max_pool_size)
    if filled is None:
        filled = 0 if state == "cold" else min(size, threads)
    trace = traces.PoolTrace()
    with session.client(trace, direct=True, max_pool_size=size, min_pool_size=filled) as client:
        client.admin.command("ping")  # finds the server; its connection is the pool's first
        yield _Opened(client=client, trace=trace, threads=threads, state=state, size=size, filled=filled)


def _use(opened: _Opened, collection: Leads, *, calls: int | None = None) -> Pool:
    """Threads that find one lead each by URL, from check-out events."""
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
    session: BenchmarkSession, collection: Leads, *, threads: int, filled: tuple[int, ...], rounds: int
) -> list[list[float]]:
    """The slowest check-out (ms) of a first burst, round by round, for pools filled with so many connections each."""
    with contextlib.ExitStack() as stack:
        opened = [
            [stack.enter_context(_opened_pool(session, threads, "warm", count)) for _ in range(rounds)]
            for count in filled
        ]
        worst: list[list[float]] = [[] for _ in filled]
        for number in range(rounds):
            for slowest, pools in zip(worst, opened, strict=True):
                burst = _use(pools[number], collection, calls=1)
                slowest.append(burst.checkouts.worst_ms or 0.0)
        return worst


def redis_pool(session: BenchmarkSession, threads: int, state: State) -> Pool:
    """Threads that check a connection out, send one GET and give it back; states as for MongoDB."""
    if session.redis is None:
        raise ValueError("Redis is away")
    configured = session.settings.redis_max_connections
    size = max(1, threads // SATURATION) if state == "saturated" else max(threads, configured)
    settings = session.settings.model_copy(update={"redis_max_connections": size})
    client = connect.redis(session.endpoints.redis_url, settings)
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
        gate.wait()
        return timed(call, calls)

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
