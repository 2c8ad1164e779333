"""Does it answer, and how fast: pings and round trips of MongoDB and Redis."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from leadbook.core import connect
from leadbook.core.checks import Check, judge, not_measured
from leadbook.core.connect import Client
from leadbook.core.errors import UnreachableError
from leadbook.core.settings import Settings
from leadbook.provision.judging import REDIS_AWAY, guarded

__all__ = [
    "PINGS",
    "Latency",
    "mongodb_connectivity",
    "mongodb_latency",
    "redis_connectivity",
    "redis_latency",
    "samples",
]

PINGS = 50
WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Round trips of one service over an open connection, in ms, in the order they were taken."""

    service: str
    samples_ms: tuple[float, ...]

    @property
    def p50_ms(self) -> float:
        """Median: what is judged, since one late ping of a busy machine is not the network."""
        return statistics.median(self.samples_ms)

    @property
    def p99_ms(self) -> float:
        """99th percentile by nearest rank; of 50 samples that is the largest."""
        ordered = sorted(self.samples_ms)
        return ordered[max(0, -(-99 * len(ordered) // 100) - 1)]

    def __str__(self) -> str:
        return f"median {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms of {len(self.samples_ms)} pings"


def mongodb_latency(client: Client, pings: int = PINGS) -> Latency:
    """Time `ping` on an open connection; the first few, which open it, are left out."""
    return Latency(service="MongoDB", samples_ms=_timed(lambda: client.admin.command("ping"), pings))


def redis_latency(client: Redis, pings: int = PINGS) -> Latency:
    """Time PING on an open connection; the first few, which open it, are left out."""
    return Latency(service="Redis", samples_ms=_timed(client.ping, pings))


def samples(*latencies: Latency | None) -> dict[str, tuple[float, ...]]:
    """Round trips by service, for a plot."""
    return {each.service: each.samples_ms for each in latencies if each is not None}


def _timed(call: Callable[[], object], times: int) -> tuple[float, ...]:
    samples = []
    for _ in range(WARM_UP + times):
        begun = time.perf_counter()
        call()
        samples.append((time.perf_counter() - begun) * 1000)
    return tuple(samples[WARM_UP:])


def mongodb_connectivity(client: Client, latency: Latency, settings: Settings) -> list[Check]:
    """Ping with the application's credentials, and the round trip."""

    def answers() -> Check:
        connect.ping_mongodb(client)
        return judge("MDB-CON-001", True, evidence=f"ping answered by {connect.mongodb_address(client)}")

    return [
        guarded("MDB-CON-001", answers, settings),
        judge("MDB-CON-002", latency.p50_ms, settings=settings, evidence=str(latency)),
    ]


def redis_connectivity(client: Redis | None, problem: str, settings: Settings) -> tuple[Latency | None, list[Check]]:
    """PING and round trip. `client` None: Redis is away, and `problem` says why."""
    ids = ("RDS-CON-001", "RDS-CON-002")
    if client is None:
        first = judge(ids[0], False, evidence=problem)
        return None, [first, not_measured(ids[1], problem, settings=settings, remedy=REDIS_AWAY)]
    try:
        connect.ping_redis(client)
    except UnreachableError as error:
        return redis_connectivity(None, str(error), settings)
    latency = redis_latency(client)
    return latency, [
        judge(ids[0], True, evidence=f"PONG from {connect.redis_address(client)}"),
        judge(ids[1], latency.p50_ms, settings=settings, evidence=str(latency)),
    ]
