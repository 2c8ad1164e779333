"""Faults of Redis: it loses all keys, it is killed, it has no room. Only on a Redis of the rehearsal's own."""

from __future__ import annotations

import os
import signal
from typing import cast

from leadbook.rehearsal.faults import undo
from leadbook.rehearsal.faults.fault import Fault

ROOM = 0.8
"""Share of the memory in use that Redis may use then: it has to evict keys at once, and with each new one."""


class CacheLoss(Fault):
    """All keys are gone; the pipeline fills the cache again."""

    name = "cache-loss"
    told = "Redis loses all keys (FLUSHALL)"
    needs = frozenset({"redis"})

    def inject(self) -> None:
        """Once; nothing is to be undone."""
        with self.scene.redis() as redis:
            redis.flushall()


class RedisKilled(Fault):
    """Redis is killed, and comes back with what it had written."""

    name = "redis-killed"
    told = "redis-server is killed"
    needs = frozenset({"redis"})

    def inject(self) -> None:
        """By SIGKILL."""
        process = self.scene.servers().redis
        if process is not None and process.alive:
            os.kill(process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Start it again."""
        self.scene.start_servers()


class Evictions(Fault):
    """Redis has less room than the keys need."""

    name = "evictions"
    told = f"Redis's maxmemory is set to {ROOM:.0%} of what it uses"
    needs = frozenset({"redis"})

    def inject(self) -> None:
        """Set maxmemory; what it was is written down first."""
        folder = self.scene.servers().folder
        with self.scene.redis() as redis:
            before = cast("dict[str, str]", redis.config_get("maxmemory"))["maxmemory"]
            used = int(cast("dict[str, int]", redis.info("memory"))["used_memory"])
            undo.remember(folder, maxmemory=str(before))
            redis.config_set("maxmemory", max(1_000_000, round(used * ROOM)))

    def end(self) -> None:
        """Set it back."""
        with self.scene.redis() as redis:
            undo.put_back(self.scene.servers().folder, redis)
