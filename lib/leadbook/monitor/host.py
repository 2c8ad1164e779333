"""The machine under the servers: looked at itself where they run on this machine, else as MongoDB records it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import psutil
from pymongo import MongoClient

from leadbook.monitor.readings import Formulas, Reading

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


DERIVED: Formulas = {
    "client_cpu_percent": lambda values: 100 * values["client_cpu_s_per_s"],
    "mongod_cpu_percent": lambda values: 100 * values["mongod_cpu_s_per_s"],
    "cpu_percent": lambda values: min(100.0, 100 * values["busy_s_per_s"] / (psutil.cpu_count() or 1)),
}
"""CPU of the two processes in percent of one core, and of the host in percent of all its cores."""


class HostSource:
    """CPU, memory, swap and disk of this machine, of this process, and of the mongod on it whose `pid` is given."""

    name = "host"
    derived = DERIVED

    def __init__(self, pid: int | None = None) -> None:
        self._mongod, self._client = psutil.Process(pid) if pid is not None else None, psutil.Process()

    def read(self) -> Reading:
        """One look. Raises psutil.Error where mongod is gone."""
        memory, disk, io = psutil.virtual_memory(), psutil.disk_usage("/"), psutil.disk_io_counters()
        values = {
            "busy_s": _busy_seconds(),
            "memory_percent": float(memory.percent),
            "swap_used_mb": psutil.swap_memory().used / 1e6,
            "disk_percent": float(disk.percent),
            "disk_free_gb": disk.free / 1e9,
            "client_cpu_s": sum(self._client.cpu_times()[:2]),
        }
        if self._mongod is not None:
            values["mongod_cpu_s"] = sum(self._mongod.cpu_times()[:2])
            values["mongod_rss_mb"] = self._mongod.memory_info().rss / 1e6
        if io is not None:
            values |= {"disk_read_bytes": float(io.read_bytes), "disk_write_bytes": float(io.write_bytes)}
        counters = frozenset(name for name in values if name.endswith(("_s", "_bytes")))
        return Reading(at=time.monotonic(), identity=("host",), values=values, counters=counters)


REMOTE: Formulas = {"client_cpu_percent": DERIVED["client_cpu_percent"]}


class RemoteHost:
    """CPU and memory of the server's machine as the server itself records them, once a second (`getDiagnosticData`)."""

    name = "host"
    derived = REMOTE

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client, self._process = client, psutil.Process()
        self._last: tuple[datetime, float] | None = None
        self._busy: float | None = None

    def read(self) -> Reading:
        """One look. Raises PyMongoError (not authorised, not reachable), OSError where the server records no host."""
        data = self._client.admin.command("getDiagnosticData")["data"]
        cpu, memory = data.get("systemMetrics", {}).get("cpu", {}), data.get("systemMetrics", {}).get("memory", {})
        cores = cpu.get("num_logical_cores") or cpu.get("num_cpus")
        if not cores or not memory.get("MemTotal_kb"):
            raise OSError("the server records nothing of its machine")
        free = memory.get("MemAvailable_kb") or sum(memory.get(name, 0) for name in _SPARE)
        values = {
            "client_cpu_s": float(sum(self._process.cpu_times()[:2])),
            "memory_percent": 100 * (1 - free / memory["MemTotal_kb"]),
        }
        busy, at = sum(cpu.get(name, 0) for name in _BUSY) / 1000, data["start"]
        if self._last is not None and at > self._last[0]:
            self._busy = (busy - self._last[1]) / (at - self._last[0]).total_seconds() / cores
        self._last = (at, busy)
        if self._busy is not None:
            values["cpu_percent"] = min(100.0, 100 * self._busy)
        return Reading(
            at=time.monotonic(), identity=("remote",), values=values, counters=frozenset({"client_cpu_s"})
        )  # fmt: skip


_BUSY = ("user_ms", "nice_ms", "system_ms", "irq_ms", "softirq_ms", "steal_ms")
_SPARE = ("MemFree_kb", "Cached_kb", "Buffers_kb")


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
