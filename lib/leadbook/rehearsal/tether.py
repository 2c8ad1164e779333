"""Processes of leadbook that end with whoever started them, even by SIGKILL.

Also runs as a module, `python -m leadbook.rehearsal.tether MODULE [ARGUMENT …]`: runs that module while standard input,
whose other end the starter holds, stays open. Then it asks itself to end, and after a while ends its whole session.
"""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from leadbook.core.errors import LeadbookError

GRACE_S = 10.0
"""So long a process may take to end once it was asked to."""


class Tethered:
    """A module at work in a process of its own: `with Tethered("the follower", folder, "leadbook.cli", …)`.

    With the end of the `with` it and its workers are gone. folder: private, where its output is kept; `more`: further
    environment variables. Addresses and passwords reach it by the environment, never by its arguments.
    """

    def __init__(self, name: str, folder: Path, *argv: str, more: dict[str, str] | None = None) -> None:
        self.name, self.argv, self.environment = name, argv, {**os.environ, **(more or {})}
        self.out, self.err = (folder / f"{name}.{kind}".replace(" ", "-") for kind in ("out", "err"))

    def __enter__(self) -> Self:
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "leadbook.rehearsal.tether", *self.argv], stdin=subprocess.PIPE, stdout=out,
                stderr=err, env=self.environment, start_new_session=True,
            )  # fmt: skip
        return self

    @property
    def running(self) -> bool:
        """Whether it is at work still."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end."""
        self._process.terminate()

    def kill(self) -> None:
        """End it and its workers by SIGKILL, as an accident does."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def result(self, timeout_s: float) -> str:
        """What it printed, once it has ended. Raises LeadbookError, with its last line, where it did not end well or
        not in time."""
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise LeadbookError(f"{self.name} had not ended after {timeout_s:.0f} s") from None
        if status:
            raise LeadbookError(f"{self.name} ended with status {status}: {self._last_words()}")
        return self.out.read_text(encoding="utf-8")

    def _last_words(self) -> str:
        lines = self.err.read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.removeprefix("leadbook: ") for line in reversed(lines) if line.strip()), "it said nothing")

    def __exit__(self, *exc: object) -> None:
        if self.running:
            self.stop()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_S)
        self.kill()  # its workers, and itself where it did not end
        if self._process.stdin is not None:
            self._process.stdin.close()


def _end_with_starter() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, name="leadbook-tether", daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
