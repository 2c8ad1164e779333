"""Kernels of this very interpreter, over IPC sockets in a private folder; and that none of them outlives the run."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import Popen
from typing import IO, Any

import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

RUN_ID = "LEADBOOK_RUN_ID"
"""Environment variable that marks every process of a run (and tells a notebook that a runner judges it)."""

_LONGEST_SOCKET_PATH = 80
"""A Unix socket's path holds about 104 characters (`sun_path`); the rest is for the kernel's own suffix."""


class Kernels:
    """Starts and ends the kernels of one run.

    A kernel speaks over IPC sockets that only this user can open, is marked with the run's id, and is ended together
    with whatever it started in its own session.
    """

    def __init__(self, run_id: str, log: IO[bytes] | None = None) -> None:
        self.run_id, self._log = run_id, log
        parent = tempfile.gettempdir()
        short = parent if len(parent) < _LONGEST_SOCKET_PATH - 25 else "/tmp"  # noqa: S108
        self.folder = Path(tempfile.mkdtemp(prefix="leadbook-", dir=short))
        self._count = 0
        self._process: Popen[bytes] | None = None
        self._born: psutil.Process | None = None

    def manager(self) -> AsyncKernelManager:
        """A manager whose kernel is not started yet."""
        self._count += 1
        stem = self.folder / f"k{self._count}"
        made = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=str(stem),
                                  connection_file=f"{stem}.json")  # fmt: skip
        # The notebooks' kernelspec says `python3`; whichever one the machine has by that name, this one is meant.
        made._kernel_spec = KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3", language="python", metadata={"debugger": False},
        )  # fmt: skip
        return made

    def launch_options(self) -> dict[str, Any]:
        """Keyword arguments for `start_kernel`: environment, and where the process's own words go."""
        env = {**os.environ, RUN_ID: self.run_id, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        return {"env": env, **({"stdout": self._log, "stderr": self._log} if self._log else {})}

    def started(self, manager: AsyncKernelManager) -> None:
        """Remember the process of the kernel now at work."""
        self._process = getattr(manager.provisioner, "process", None)
        with suppress(psutil.Error, AttributeError):
            self._born = psutil.Process(self._process.pid)  # type: ignore[union-attr]

    @property
    def exit_status(self) -> int | None:
        """How the latest kernel ended (a negative number is a signal); None while it lives or when there was none."""
        return self._process.poll() if self._process else None

    def kill_all(self) -> None:
        """End the kernel, if alive, and the processes of its session, at once. Safe in a signal handler."""
        if self._process is None:
            return
        for process in _family(self._process.pid, self._born):
            with suppress(psutil.Error, OSError):
                process.kill()

    def sweep(self) -> int:
        """At the end of a run: end everything that bears the run's mark. Returns how many processes were left."""
        self.kill_all()
        left = [process for process in psutil.process_iter() if _marked(process, self.run_id)]
        for process in left:
            with suppress(psutil.Error, OSError):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        return len(left)

    def close(self) -> None:
        """End what is left and remove the sockets."""
        self.kill_all()
        shutil.rmtree(self.folder, ignore_errors=True)


def _family(pid: int, born: psutil.Process | None) -> list[psutil.Process]:
    """The kernel `pid` and every process of the session that it opened, also those orphaned by its death."""
    with suppress(psutil.Error):
        if psutil.Process(pid) != born:  # by its start since boot: the number was given to another process since
            return []
    found = []
    for process in psutil.process_iter():
        with suppress(OSError):
            if process.pid == pid or os.getsid(process.pid) == pid:
                found.append(process)
    return found


def _marked(process: psutil.Process, run_id: str) -> bool:
    if process.pid == os.getpid():
        return False
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE and process.environ().get(RUN_ID) == run_id)
    except (psutil.Error, OSError):
        return False


def exit_reason(status: int | None) -> str:
    """What the exit status of a dead kernel says."""
    if status is None:
        return "the kernel died"
    if status < 0:
        with suppress(ValueError):
            name = signal.Signals(-status).name
            hint = " (out of memory? see the system's log)" if name == "SIGKILL" else ""
            return f"the kernel was killed by {name}{hint}"
    return f"the kernel exited with status {status}"
