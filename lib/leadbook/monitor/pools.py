"""The driver's connection pool from the inside: in use, idle, waiting times."""

from __future__ import annotations

import time
from typing import Any

from redis import Redis

from leadbook.core.traces import PoolUse
from leadbook.monitor.readings import Formulas, Reading

DERIVED: Formulas = {"wait_ms": lambda values: values["wait_ms_sum_per_s"] / values["checkouts_per_s"]}
"""Mean waiting time for a connection, ms."""


class PoolSource:
    """The pool of one MongoClient (`maximum`: its maxPoolSize), and of a Redis client where there is one."""

    name = "pool"
    derived = DERIVED

    def __init__(self, use: PoolUse, maximum: int, redis: Redis | None = None) -> None:
        self._use, self._maximum, self._redis = use, maximum, redis

    def read(self) -> Reading:
        """What the driver holds now; asks no server."""
        used, checkouts = self._use.in_use, self._use.checkouts
        values = {
            "in_use": float(used),
            "idle": float(max(0, self._use.open - used)),
            "waiting": float(self._use.waiting),
            "maximum": float(self._maximum),
            "used_percent": 100 * used / self._maximum if self._maximum else 0.0,
            "checkouts": float(len(checkouts)),
            "checkout_failures": float(len(self._use.failures)),
            "wait_ms_sum": 1000 * sum(checkouts),
        }
        counters = frozenset({"checkouts", "checkout_failures", "wait_ms_sum"})
        pool: Any = self._redis.connection_pool if self._redis is not None else None
        if pool is not None and hasattr(pool, "_connections"):
            values["redis_open"] = float(len(pool._connections))
        return Reading(at=time.monotonic(), identity=("pool",), values=values, counters=counters)
