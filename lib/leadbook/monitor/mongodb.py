"""MongoDB's serverStatus as readings. Read-only. What a tier or version does not report stays absent, never zero."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient

from leadbook.monitor.readings import Reading, dig, drop_missing

__all__ = ["COUNTERS", "GAUGES", "MongoSource", "server_values"]

_CACHE = "wiredTiger.cache."

GAUGES: dict[str, tuple[str, ...]] = {
    "cache_used_bytes": (f"{_CACHE}bytes currently in the cache",),
    "cache_dirty_bytes": (f"{_CACHE}tracked dirty bytes in the cache",),
    "cache_maximum_bytes": (f"{_CACHE}maximum bytes configured",),
    "connections_current": ("connections.current",),
    "connections_available": ("connections.available",),
    "connections_active": ("connections.active",),
    "lock_queue": ("globalLock.currentQueue.total",),
    "active_clients": ("globalLock.activeClients.total",),
    "write_tickets_out": ("queues.execution.write.out", "wiredTiger.concurrentTransactions.write.out"),
    "write_tickets_available": (
        "queues.execution.write.available",
        "wiredTiger.concurrentTransactions.write.available",
    ),
    "read_tickets_out": ("queues.execution.read.out", "wiredTiger.concurrentTransactions.read.out"),
    "read_tickets_available": ("queues.execution.read.available", "wiredTiger.concurrentTransactions.read.available"),
    "write_queue_length": ("queues.execution.write.normalPriority.queueLength",),
    "read_queue_length": ("queues.execution.read.normalPriority.queueLength",),
    "flow_control_lagged": ("flowControl.isLagged",),
    "resident_mb": ("mem.resident",),
}
"""Readings that are levels: name -> paths in serverStatus, the newer server's first (8.0 moved the tickets)."""

COUNTERS: dict[str, tuple[str, ...]] = {
    "inserts": ("metrics.document.inserted", "opcounters.insert"),
    "queries": ("opcounters.query",),
    "updates": ("opcounters.update",),
    "deletes": ("opcounters.delete",),
    "commands": ("opcounters.command",),
    "read_latency_us": ("opLatencies.reads.latency",),
    "read_ops": ("opLatencies.reads.ops",),
    "write_latency_us": ("opLatencies.writes.latency",),
    "write_ops": ("opLatencies.writes.ops",),
    "command_latency_us": ("opLatencies.commands.latency",),
    "command_ops": ("opLatencies.commands.ops",),
    "application_evictions": (f"{_CACHE}pages evicted by application threads",),
    "page_faults": ("extra_info.page_faults",),
    "cpu_user_us": ("extra_info.user_time_us",),
    "cpu_system_us": ("extra_info.system_time_us",),
    "bytes_in": ("network.bytesIn",),
    "bytes_out": ("network.bytesOut",),
    "requests": ("network.numRequests",),
    "connections_created": ("connections.totalCreated",),
    "connections_rejected": ("connections.rejected",),
    "scanned_objects": ("metrics.queryExecutor.scannedObjects",),
    "returned": ("metrics.document.returned",),
    "regular_asserts": ("asserts.regular",),
    "user_asserts": ("asserts.user",),
    "write_conflicts": ("metrics.operation.writeConflicts",),
    "flow_control_lags": ("flowControl.isLaggedCount",),
}
"""Readings that only grow since the server started: name -> paths in serverStatus."""

_LEFT_OUT = (
    "locks",
    "tcmalloc",
    "repl",
    "indexStats",
    "batchedDeletes",
    "tenantMigrations",
    "transactions",
    "security",
)


class MongoSource:
    """serverStatus of the server that `client` writes to (the primary)."""

    name = "mongodb"

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client

    def read(self) -> Reading:
        """One serverStatus, without its long sections. Raises PyMongoError (not authorised, not reachable)."""
        status = self._client.admin.command({"serverStatus": 1, **dict.fromkeys(_LEFT_OUT, 0)})
        uptime = dig(status, "uptimeMillis")
        return Reading(
            at=time.monotonic(),
            identity=(status.get("host"), status.get("pid")),
            uptime_s=uptime / 1000 if uptime is not None else dig(status, "uptime"),
            values=server_values(status),
            counters=frozenset(COUNTERS),
        )

    def derive(self, values: dict[str, float]) -> dict[str, float]:
        """Percentages and means of one moment; only those whose parts were all reported."""
        get = values.get
        evictable = get("cache_maximum_bytes")
        current, available = get("connections_current"), get("connections_available")
        return drop_missing(
            (
                ("cache_used_percent", _percent(get("cache_used_bytes"), evictable)),
                ("cache_dirty_percent", _percent(get("cache_dirty_bytes"), evictable)),
                ("connections_used_percent", _percent(current, _sum(current, available))),
                ("read_latency_ms", _mean_ms(get("read_latency_us_per_s"), get("read_ops_per_s"))),
                ("write_latency_ms", _mean_ms(get("write_latency_us_per_s"), get("write_ops_per_s"))),
                ("command_latency_ms", _mean_ms(get("command_latency_us_per_s"), get("command_ops_per_s"))),
                ("cpu_cores", _cores(get("cpu_user_us_per_s"), get("cpu_system_us_per_s"))),
                ("tickets_waiting", _waiting(values)),
                ("targeting", _ratio(get("scanned_objects_per_s"), get("returned_per_s"))),
            )
        )


def server_values(status: Mapping[str, Any]) -> dict[str, float]:
    """Gauges and counters of a serverStatus document; what it lacks is absent."""
    return drop_missing((name, dig(status, *paths)) for name, paths in {**GAUGES, **COUNTERS}.items())


def _percent(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else 100 * part / whole


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _ratio(part: float | None, whole: float | None) -> float | None:
    return None if part is None or not whole else part / whole


def _mean_ms(latency_us: float | None, operations: float | None) -> float | None:
    mean = _ratio(latency_us, operations)
    return None if mean is None else mean / 1000


def _cores(user_us: float | None, system_us: float | None) -> float | None:
    both = _sum(user_us, system_us)
    return None if both is None else both / 1e6


def _waiting(values: Mapping[str, float]) -> float | None:
    """Operations waiting for a ticket: 8.0 reports the queue; before, the lock queue while no ticket is left.

    Few tickets are no finding by themselves: 7.0 and later size the pool by themselves.
    """
    lengths = [values[name] for name in ("read_queue_length", "write_queue_length") if name in values]
    if lengths:
        return sum(lengths)
    left = [values[name] for name in ("read_tickets_available", "write_tickets_available") if name in values]
    if len(left) < 2 or "lock_queue" not in values:
        return None
    return values["lock_queue"] if min(left) == 0 else 0.0
