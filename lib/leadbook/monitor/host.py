"""The machine under the servers: CPU, memory and disk. Only where the servers run on this very machine."""

from __future__ import annotations

import time
from typing import Any

import psutil
from pymongo import MongoClient

from leadbook.monitor.readings import Reading

__all__ = ["HostSource", "server_pid_here"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class HostSource:
    """CPU, memory, swap and disk of this machine, and of the processes `pids` on it (name -> process id)."""

    name = "host"

    def __init__(self, pids: dict[str, int]) -> None:
        self._servers = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._processes = {**self._servers, "client": psutil.Process()}

    def read(self) -> Reading:
        """One look. Raises psutil.Error where a watched process is gone."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
        values = {
            "busy_s": _busy_seconds(),
            "memory_percent": float(memory.percent),
            "swap_used_mb": psutil.swap_memory().used / 1e6,
            "disk_percent": float(disk.percent),
            "disk_free_gb": disk.free / 1e9,
        }
        io = psutil.disk_io_counters()
        if io is not None:
            values |= {"disk_read_bytes": float(io.read_bytes), "disk_write_bytes": float(io.write_bytes)}
        for name, process in self._processes.items():
            values[f"{name}_cpu_s"] = sum(process.cpu_times()[:2])
        for name, process in self._servers.items():
            values[f"{name}_rss_mb"] = process.memory_info().rss / 1e6
        counters = [name for name in values if name.endswith(("_s", "_bytes"))]
        return Reading(at=time.monotonic(), identity=("host",), values=values, counters=frozenset(counters))

    def derive(self, values: dict[str, float]) -> dict[str, float]:
        """CPU of the host in percent of all its cores, and of each process in percent of one core."""
        ending = "_cpu_s_per_s"
        shares = {
            f"{name.removesuffix(ending)}_cpu_percent": 100 * value
            for name, value in values.items()
            if name.endswith(ending)
        }
        if "busy_s_per_s" in values:
            shares["cpu_percent"] = min(100.0, 100 * values["busy_s_per_s"] / (psutil.cpu_count() or 1))
        return shares


def _busy_seconds() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
                 - getattr(times, "guest_nice", 0.0))  # fmt: skip


def server_pid_here(client: MongoClient[dict[str, Any]]) -> int | None:
    """The process id of the server that `client` talks to, if it is a mongod of this machine; else None.

    Both must hold: the address is a loopback one, and that process id is a mongod here (not one behind a tunnel).
    """
    addresses = client.nodes or {client.address or ("", 0)}
    if not {host for host, _ in addresses} <= _LOOPBACK:
        return None
    pid = client.admin.command({"serverStatus": 1, "metrics": 0, "wiredTiger": 0}).get("pid")
    try:
        return int(pid) if pid and "mongod" in psutil.Process(int(pid)).name() else None
    except psutil.Error:
        return None
