"""Connection pools as the clients really hold them, and whether threads can share them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.core import connect, write_errors
from leadbook.core.connect import Client
from leadbook.core.settings import Settings

THREADS, CALLS = 20, 5


@dataclass(frozen=True, kw_only=True)
class Held:
    """One setting. asked: the profile's value. value: what the client holds. None means none or no limit."""

    service: str
    setting: str
    asked: Any
    value: Any
    unit: str

    @property
    def differs(self) -> bool:
        """True where the address overrode the profile."""
        return bool(self.asked != self.value)


def held(client: Client, redis: Redis | None, settings: Settings) -> list[Held]:
    """Pool, time-out and write concern settings of both clients, read from the clients themselves."""
    pool = client.options.pool_options
    concern, asked = client.write_concern.document, connect.write_concern(settings)
    rows: list[tuple[str, Any, Any, str]] = [
        ("maxPoolSize", settings.max_pool_size, _whole(pool.max_pool_size), "connections"),
        ("minPoolSize", settings.min_pool_size, pool.min_pool_size, "connections"),
        ("maxConnecting", settings.max_connecting, pool.max_connecting, "connections"),
        ("maxIdleTimeMS", settings.max_idle_time_ms or None, _ms(pool.max_idle_time_seconds), "ms"),
        ("connectTimeoutMS", settings.connect_timeout_ms, _ms(pool.connect_timeout), "ms"),
        ("socketTimeoutMS", settings.socket_timeout_ms or None, _ms(pool.socket_timeout), "ms"),
        (
            "serverSelectionTimeoutMS",
            settings.server_selection_timeout_ms,
            _ms(client.options.server_selection_timeout),
            "ms",
        ),
        ("waitQueueTimeoutMS", settings.wait_queue_timeout_ms, _ms(pool.wait_queue_timeout), "ms"),
        ("w", asked["w"], concern.get("w", 1), ""),
        ("wTimeoutMS", asked.get("wtimeout"), concern.get("wtimeout"), "ms"),
        ("journal", asked.get("j"), concern.get("j"), ""),
    ]
    found = [Held(service="MongoDB", setting=s, asked=a, value=v, unit=u) for s, a, v, u in rows]
    return found + (_redis_held(redis, settings) if redis is not None else [])


def _redis_held(redis: Redis, settings: Settings) -> list[Held]:
    pool = redis.connection_pool
    options = pool.connection_kwargs
    rows = [
        ("max_connections", settings.redis_max_connections, pool.max_connections, "connections"),
        ("timeout", settings.redis_connect_timeout_s, getattr(pool, "timeout", None), "s"),
        ("socket_connect_timeout", settings.redis_connect_timeout_s, options.get("socket_connect_timeout"), "s"),
        ("socket_timeout", settings.redis_socket_timeout_s, options.get("socket_timeout"), "s"),
    ]
    return [Held(service="Redis", setting=s, asked=a, value=v, unit=u) for s, a, v, u in rows]


def _whole(value: float) -> int | None:
    return int(value) if math.isfinite(value) else None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


@dataclass(frozen=True, kw_only=True)
class Shared:
    """Threads that used one pool at once. connections: distinct ones that served them. failures: calls that raised."""

    threads: int
    calls: int
    connections: int
    failures: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.threads} threads made {self.calls} calls over {self.connections} connections in "
            f"{self.seconds:.2f} s" + (f"; first failure: {self.failures[0]}" if self.failures else "")
        )


def share(connection_id: Callable[[], Any], threads: int = THREADS, calls: int = CALLS) -> Shared:
    """Let threads call `connection_id`, which returns the server's id of the connection used, all beginning at once."""
    ids: set[Any] = set()
    failures: list[str] = []
    gate = threading.Barrier(threads)

    def work(_: int) -> None:
        gate.wait(timeout=30)
        for _ in range(calls):
            try:
                ids.add(connection_id())
            except (PyMongoError, RedisError, OSError) as error:
                failures.append(write_errors.described(error))

    begun = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return Shared(
        threads=threads, calls=threads * calls, connections=len(ids), failures=tuple(failures),
        seconds=time.perf_counter() - begun,
    )  # fmt: skip
