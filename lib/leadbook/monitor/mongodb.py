"""MongoDB's serverStatus as readings. Read-only. What a tier or version does not report stays absent, never zero."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pymongo import MongoClient

from leadbook.monitor.readings import Formulas, Reading, dig, pick

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


def _mean_ms(values: Mapping[str, float], kind: str) -> float:
    return values[f"{kind}_latency_us_per_s"] / values[f"{kind}_ops_per_s"] / 1_000


def _waiting(values: Mapping[str, float]) -> float:
    """Operations waiting for a ticket: 8.0 reports the queue; before, the lock queue while no ticket is left.

    Few tickets are no finding by themselves: 7.0 and later size the pool by themselves.
    """
    lengths = [values[name] for name in ("read_queue_length", "write_queue_length") if name in values]
    if lengths:
        return sum(lengths)
    left = min(values["read_tickets_available"], values["write_tickets_available"])
    queue = values["lock_queue"]
    return queue if left == 0 else 0.0


DERIVED: Formulas = {
    "cache_used_percent": lambda values: 100 * values["cache_used_bytes"] / values["cache_maximum_bytes"],
    "cache_dirty_percent": lambda values: 100 * values["cache_dirty_bytes"] / values["cache_maximum_bytes"],
    "connections_used_percent": lambda values: (
        100 * values["connections_current"] / (values["connections_current"] + values["connections_available"])
    ),
    "read_latency_ms": lambda values: _mean_ms(values, "read"),
    "write_latency_ms": lambda values: _mean_ms(values, "write"),
    "command_latency_ms": lambda values: _mean_ms(values, "command"),
    "cpu_cores": lambda values: (values["cpu_user_us_per_s"] + values["cpu_system_us_per_s"]) / 1e6,
    "tickets_waiting": _waiting,
    "targeting": lambda values: values["scanned_objects_per_s"] / values["returned_per_s"],
}
"""Percentages, means and queues of one moment."""


class MongoSource:
    """serverStatus of the server that `client` writes to (the primary)."""

    name = "mongodb"
    derived = DERIVED

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


def server_values(status: Mapping[str, Any]) -> dict[str, float]:
    """Gauges and counters of a serverStatus document; what it lacks is absent."""
    return pick(status, {**GAUGES, **COUNTERS})
