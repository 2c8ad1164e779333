"""Which process of which machine left something, and whether it is gone: who sweeps must know both."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from leadbook.rehearsal.servers import leash
from leadbook.rehearsal.servers.state import default_folder

BEAT_S = 60.0
"""How often a session that lives renews its mark, s."""
PATIENCE = timedelta(minutes=10)
"""A process of another machine cannot be asked: it is taken for dead when it has not renewed its mark for so long."""
LONGEST = timedelta(days=1)
"""And where nobody renews a mark, so long after it was left: longer than any run."""


def digits(*told: str) -> str:
    """Eight hexadecimal digits that stand for these words."""
    return hashlib.sha256(" ".join(told).encode()).hexdigest()[:8]


def lives(pid: int, start: str) -> bool:
    """Whether the process that had this number, and whose start these `digits` stand for, still runs."""
    born = leash.created_at(pid)
    return digits(born) == start and leash.alive(pid, born)


@cache
def machine() -> str:
    """Eight digits for this machine: its name, the id of its installation and, in a container, its space of process
    numbers: a process that is asked for by its number must be the very one."""
    told = [platform.node()]
    with suppress(OSError):
        told.append(str(Path("/proc/self/ns/pid").readlink()))
    with suppress(OSError):
        told.append(Path("/etc/machine-id").read_text(encoding="ascii").strip())
    return digits(*told)


def me() -> dict[str, Any]:
    """What a mark says of this process: machine, host (for people), pid, born (see `leash.created_at`), at."""
    return {
        "machine": machine(), "host": platform.node(), "pid": os.getpid(), "born": leash.created_at(os.getpid()),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def is_gone(mark: Mapping[str, Any]) -> bool:
    """Whether the process that left this mark (of `me`) has ended; a mark that cannot be read is nobody's to sweep.

    `idle_s`: seconds since it was renewed, by one clock; without it nobody renews this mark.
    """
    try:
        if mark["machine"] == machine():
            return not leash.alive(int(mark["pid"]), str(mark["born"]))
        if mark.get("idle_s") is not None:
            return float(mark["idle_s"]) > PATIENCE.total_seconds()
        return datetime.now(UTC) - datetime.fromisoformat(mark["at"]) > LONGEST
    except (KeyError, TypeError, ValueError):
        return False


def has_ended(mark: Mapping[str, Any]) -> bool:
    """Whether the process that left this mark has ended for certain: it was one of this machine, since its last start.

    Cloned machines share name, installation and space of process numbers, never the id of their start; so a mark of
    another start, or of another machine, is never called ended. Nor is a process that this user may not look at
    (proc(5), hidepid): it is there as long as a signal could be sent.
    """
    try:
        pid, born = int(mark["pid"]), str(mark["born"])
        start, colon, _ = born.partition(":")
        ours = leash.created_at(os.getpid()).partition(":")[0]
        if mark["machine"] != machine() or not colon or start != ours or leash.alive(pid, born):
            return False
        return bool(leash.created_at(pid)) or not psutil.pid_exists(pid)
    except (KeyError, TypeError, ValueError, OverflowError):
        return False


def passing_folder() -> Path:
    """A private folder for files that this process needs for a while; those of processes that have ended are swept."""
    root = default_folder() / "passing"
    for left in root.glob(f"{machine()}.*"):
        _, pid, born = left.name.split(".", 2)
        if not leash.alive(int(pid), born):
            shutil.rmtree(left, ignore_errors=True)
    mine = root / f"{machine()}.{os.getpid()}.{leash.created_at(os.getpid())}"
    mine.mkdir(parents=True, exist_ok=True, mode=0o700)
    return mine
