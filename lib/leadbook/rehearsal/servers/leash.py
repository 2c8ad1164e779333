"""Processes of the rehearsal servers: who is alive, who is ours, and how they end.

Also runs as a script, `python -I leash.py FOLDER`: a watchdog that ends the servers of that folder once their owner is
gone, even by SIGKILL. For its sake this module needs only the standard library and psutil.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 0.5
START_TICKS = 19
"""Place of `starttime` in /proc/PID/stat, counted after the command's closing parenthesis; see proc(5), field 22."""


def state_path(folder: Path) -> Path:
    """Where a set of servers is written down."""
    return folder / "state.json"


def lock_path(folder: Path) -> Path:
    """The lock file; it stays when everything else is removed, so that nobody locks a deleted file."""
    return folder / "lock"


def read_state(folder: Path) -> dict[str, Any] | None:
    """The written state, or None where there is none or it is unreadable."""
    try:
        values = json.loads(state_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


@contextlib.contextmanager
def locked(folder: Path, timeout_s: float = 90.0) -> Iterator[None]:
    """Hold the folder's lock. The kernel frees it when its holder dies. Raises TimeoutError."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    deadline = time.monotonic() + timeout_s
    with lock_path(folder).open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{lock_path(folder)} is held by another process") from None
                time.sleep(0.05)
        yield


def created_at(pid: int) -> str:
    """What tells this process from any other that has or had its pid; empty when it is gone.

    On Linux the boot's id and the clock ticks from boot to its start: a time of day would change with every step of
    the clock, and a step would make each process another one.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}:{fields[START_TICKS]}"
    except (OSError, IndexError):
        pass
    if Path("/proc/self/stat").exists():
        return ""
    try:
        return f"{psutil.Process(pid).create_time():.0f}"
    except psutil.Error:
        return ""


def alive(pid: int, created: str) -> bool:
    """True while this very process (not another one with a reused pid) runs, or still holds its port while dying."""
    if not created or created_at(pid) != created:
        return False
    try:
        process = psutil.Process(pid)
        if process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return True
        return bool(process.num_threads() > 1)  # a zombie whose other threads have not ended yet
    except psutil.Error:
        return False


def listens(pid: int, port: int) -> bool:
    """True if this process itself listens there; a connection alone could be answered by somebody else."""
    try:
        sockets = psutil.Process(pid).net_connections("tcp4")
    except psutil.Error:
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in sockets)


def strays(folder: Path) -> list[psutil.Process]:
    """Servers and watchdogs whose command line names a file of `folder`: also those no state tells of."""
    prefix = f"{folder / 'set'}{os.sep}"
    found = []
    for process in psutil.process_iter(["pid", "name", "cmdline"]):
        words = process.info["cmdline"] or []
        configured = any(word.startswith(prefix) and word.endswith(".conf") for word in words[1:])
        ours = configured and any(name in Path(words[0]).name for name in ("mongod", "redis"))
        leash = len(words) > 2 and words[-1] == str(folder) and Path(words[-2]).name == "leash.py"
        if ours or leash:
            found.append(process)
    return found


def end(folder: Path, spare: int | None = None) -> int:
    """Kill the recorded processes that are still themselves, and all strays but `spare`; wait until gone; how many."""
    recorded = (read_state(folder) or {}).get("processes", ())
    doomed = {process.pid: created_at(process.pid) for process in strays(folder) if process.pid != spare}
    doomed |= {entry["pid"]: entry["created"] for entry in recorded if alive(entry["pid"], entry["created"])}
    doomed.pop(os.getpid(), None)
    for pid, created in doomed.items():
        with contextlib.suppress(ProcessLookupError):
            if alive(pid, created):
                os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while any(alive(pid, created) for pid, created in doomed.items()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(doomed)


def remove(folder: Path) -> None:
    """Delete state and data of `folder`; the lock file stays."""
    state_path(folder).unlink(missing_ok=True)
    shutil.rmtree(folder / "set", ignore_errors=True)


def owned(state: Mapping[str, Any]) -> bool:
    """True while the servers were started to stay, or one of their owners lives."""
    return bool(state["kept"]) or any(alive(owner["pid"], owner["created"]) for owner in state["owners"])


def watch(folder: Path) -> None:
    """Until the servers are gone or another watchdog has taken over: end them once nobody owns them."""
    while True:
        time.sleep(POLL_SECONDS)
        state = read_state(folder)
        if state is None or state["leash"] not in (None, os.getpid()):
            return
        if owned(state):
            continue
        with locked(folder):
            state = read_state(folder)
            if state is not None and not owned(state):
                end(folder)
                remove(folder)
                return


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
