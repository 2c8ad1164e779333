"""The processes of a rehearsal sprint: a follower that may be killed and started again, and the watch."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from leadbook.core.errors import LeadbookError
from leadbook.rehearsal.tether import Tethered
from leadbook.watch import heartbeat

OF_A_RUN = {"LEADBOOK_RUN_ID": "rehearsal sprint"}
"""The rehearsal, or the run, holds the servers for itself, and these processes belong to it."""
FOLLOWER = ("ingest", "--staged", "--follow", "--json")
WATCH = ("watch", "--no-reports", "--json")
BEGIN_S = 60.0
STOP_S = 60.0
LOOK_S = 0.05


def of_sprint(name: str, folder: Path, profile: Path, *words: str) -> Tethered:
    """A command of leadbook at work in a rehearsed sprint, by the settings of this file."""
    return Tethered(name, folder, "leadbook.cli", *words, "--profile", str(profile), more=OF_A_RUN)


class Following:
    """The follower of the sprint, `leadbook ingest --staged --follow`, in a process of its own; gone after the `with`.

    kills: how often it was killed, so that its own ledger does not tell all.
    """

    def __init__(self, folder: Path, profile: Path) -> None:
        self.folder, self.profile, self.kills, self._started = folder, profile, 0, 0
        self._process: Tethered | None = None

    def start(self) -> None:
        """Start one where none runs."""
        if self._process is not None:
            return
        self._started += 1
        self._process = of_sprint(f"the follower {self._started}", self.folder, self.profile, *FOLLOWER)
        self._process.__enter__()

    def kill(self) -> None:
        """End it and its workers by SIGKILL."""
        if self._process is not None:
            self.kills += 1
            self._process.kill()
            self._close()

    @property
    def running(self) -> bool:
        """Whether one is at work."""
        return self._process is not None and self._process.running

    def result(self, timeout_s: float) -> str:
        """As of `Tethered`. Raises LeadbookError."""
        if self._process is None:
            raise LeadbookError("no follower runs")
        return self._process.result(timeout_s)

    def ledger(self) -> dict[str, Any]:
        """End it in order; its ledger. Raises LeadbookError."""
        if self._process is not None:
            self._process.stop()
        found: dict[str, Any] = json.loads(self.result(STOP_S).splitlines()[-1])
        return found

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.__exit__(None, None, None)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()


class Watching(Tethered):
    """`leadbook watch` over the sprint, with a page and without reports. series: the folder of its series."""

    def __init__(self, folder: Path, profile: Path, every_s: float, series: Path, page: Path) -> None:
        super().__init__(
            "the watch", folder, "leadbook.cli", *WATCH, "--profile", str(profile), "--every", f"{every_s:g}s",
            "--page", str(page), more=OF_A_RUN,
        )  # fmt: skip
        self.series = series

    def newest(self) -> int:
        """Number of the newest snapshot that was written and judged; 0 where there is none."""
        try:
            return int(json.loads((self.series / heartbeat.NAME).read_text(encoding="utf-8"))["number"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def wait(self, number: int) -> None:
        """Wait until snapshot `number` is there. Raises LeadbookError where the watch ended, or takes too long."""
        until = time.monotonic() + BEGIN_S
        while self.newest() < number:
            if not self.running:
                self.result(0)
                raise LeadbookError("the watch ended before the sprint did")
            if time.monotonic() > until:
                raise LeadbookError(f"the watch had not come to snapshot {number} within {BEGIN_S:.0f} s")
            time.sleep(LOOK_S)
