"""A real redis-server with the task book's settings: 1.6 GiB (80 % of 2 GiB), allkeys-lru, RDB and AOF, a password."""

from __future__ import annotations

from pathlib import Path

from leadbook.core.connect import REHEARSAL_MARK
from leadbook.rehearsal.servers.replica_set import HOST, private
from leadbook.rehearsal.servers.state import Process, spawn

MAXMEMORY_BYTES = 2 * 1024**3 * 80 // 100 + 1
"""80 % of the task book's 2 GB of RAM (it asks for 80-90 %): the rest is for fork, buffers and fragmentation."""


def configure(data: Path, port: int, password: str) -> None:
    """Write `redis.conf` (0600: it holds the password) and the folder of the data."""
    (data / "redis").mkdir(exist_ok=True)
    lines = {
        "bind": HOST, "port": port, "protected-mode": "yes", "requirepass": password,
        "daemonize": "no", "set-proc-title": "no", "proc-title-template": f'"{{title}} {REHEARSAL_MARK}"',
        "dir": f'"{data / "redis"}"', "logfile": f'"{data / "redis.log"}"',
        "maxmemory": MAXMEMORY_BYTES, "maxmemory-policy": "allkeys-lru",
        "save": "900 1 300 10 60 10000", "appendonly": "yes", "appendfsync": "everysec",
        "latency-monitor-threshold": 100, "slowlog-log-slower-than": 10_000, "maxclients": 1000,
    }  # fmt: skip
    private(data / "redis.conf", "".join(f"{key} {value}\n" for key, value in lines.items()))


def start(binary: Path, data: Path, port: int) -> Process:
    """Start Redis from its configuration file; does not wait until it listens."""
    argv = (str(binary), str(data / "redis.conf"))
    pid, created = spawn(argv, data / "redis.out")
    return Process(name="redis", pid=pid, created=created, port=port, argv=argv)


def address(port: int, password: str) -> str:
    """The URL clients use."""
    return f"redis://:{password}@{HOST}:{port}/0"
