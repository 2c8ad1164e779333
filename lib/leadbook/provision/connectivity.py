"""How far away the servers are: round trips of MongoDB and Redis over an open connection."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis

from leadbook.core import connect
from leadbook.core.connect import Client

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
    def slowest_ms(self) -> float:
        """The slowest; fifty pings bear no 99th percentile."""
        return max(self.samples_ms)

    def __str__(self) -> str:
        return f"median {self.p50_ms:.2f} ms, slowest {self.slowest_ms:.2f} ms of {len(self.samples_ms)} pings"


def mongodb_latency(client: Client, pings: int = PINGS) -> Latency:
    """Time `ping`; the first few, which open the connection, are left out. Raises UnreachableError."""
    connect.ping_mongodb(client)
    return Latency(service="MongoDB", samples_ms=_timed(lambda: client.admin.command("ping"), pings))


def redis_latency(client: Redis, pings: int = PINGS) -> Latency:
    """Time PING; the first few, which open the connection, are left out. Raises UnreachableError."""
    connect.ping_redis(client)
    return Latency(service="Redis", samples_ms=_timed(client.ping, pings))


def _timed(call: Callable[[], object], times: int) -> tuple[float, ...]:
    samples = []
    for _ in range(WARM_UP + times):
        begun = time.perf_counter()
        call()
        samples.append((time.perf_counter() - begun) * 1000)
    return tuple(samples[WARM_UP:])
