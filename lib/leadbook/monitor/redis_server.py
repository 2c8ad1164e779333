"""Redis's INFO as readings. Read-only."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from redis import Redis

from leadbook.monitor.readings import Formulas, Reading, dig, pick

_SECTIONS = ("server", "clients", "memory", "persistence", "stats", "cpu", "commandstats", "errorstats", "latencystats")

_GAUGES = {
    "used_memory_bytes": "used_memory",
    "maxmemory_bytes": "maxmemory",
    "clients": "connected_clients",
    "maxclients": "maxclients",
    "blocked_clients": "blocked_clients",
    "fragmentation_ratio": "mem_fragmentation_ratio",
    "fragmentation_bytes": "mem_fragmentation_bytes",
    "latest_fork_us": "latest_fork_usec",
    "aof_bytes": "aof_current_size",
}
_COUNTERS = {
    "commands": "total_commands_processed",
    "evicted": "evicted_keys",
    "expired": "expired_keys",
    "hits": "keyspace_hits",
    "misses": "keyspace_misses",
    "rejected": "rejected_connections",
    "error_replies": "total_error_replies",
    "cpu_user_s": "used_cpu_user",
    "cpu_system_s": "used_cpu_sys",
    "bytes_in": "total_net_input_bytes",
    "bytes_out": "total_net_output_bytes",
}
DERIVED: Formulas = {
    "memory_percent": lambda values: 100 * values["used_memory_bytes"] / values["maxmemory_bytes"],
    "hit_percent": lambda values: 100 * values["hits_per_s"] / (values["hits_per_s"] + values["misses_per_s"]),
    "cpu_cores": lambda values: values["cpu_user_s_per_s"] + values["cpu_system_s_per_s"],
}
_CALLS = {"gets": ("get", "exists", "mget"), "sets": ("set", "setex", "mset")}


class RedisSource:
    """INFO of the server behind `client`."""

    name = "redis"
    derived = DERIVED

    def __init__(self, client: Redis) -> None:
        self._client = client

    def read(self) -> Reading:
        """One INFO. Raises RedisError."""
        info: Any = self._client.info(*_SECTIONS)
        return Reading(
            at=time.monotonic(),
            identity=(info.get("run_id"),),
            uptime_s=dig(info, "uptime_in_seconds"),
            values=redis_values(info),
            counters=frozenset((*_COUNTERS, *_CALLS, "oom_errors")),
        )


def redis_values(info: Mapping[str, Any]) -> dict[str, float]:
    """Gauges and counters of an INFO reply with its commandstats, errorstats and latencystats."""
    values = pick(info, {name: (key,) for name, key in {**_GAUGES, **_COUNTERS}.items()})
    if any(key.startswith("cmdstat_") for key in info):
        for name, commands in _CALLS.items():
            values[name] = sum(dig(info, f"cmdstat_{command}.calls") or 0.0 for command in commands)
    if "error_replies" in values:
        values["oom_errors"] = dig(info, "errorstat_OOM.count") or 0.0
    slowest = {}
    for command in ("get", "set", "exists"):
        p99 = dig({"found": info.get(f"latency_percentiles_usec_{command}", {})}, "found.p99")
        if p99 is not None:
            slowest[f"{command}_p99_us"] = p99
    if slowest:
        values |= {**slowest, "command_p99_us": max(slowest.values())}
    return values
