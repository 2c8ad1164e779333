"""The hourly report: notebook 08 run beside the watch, in a process of its own, whose end nobody waits for."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from leadbook.core import files
from leadbook.core.settings import Settings
from leadbook.rehearsal.locks import FOR
from leadbook.watch.records import Event, LiveSnapshot

COMMAND = (sys.executable, "-m", "leadbook.cli", "run", "--stage", "live")
LONGEST_S = 1_800.0
"""A report that takes longer is ended."""


class Hourly:
    """Reports of one watch: at each full hour of the sprint's clock, and at its end. At most one at a time.

    folder: private, where the process's profile and output are kept.  command: what makes a report of `--profile FILE`.
    """

    def __init__(self, folder: Path, settings: Settings, command: Sequence[str] = COMMAND) -> None:
        self.folder, self.settings, self.command = folder, settings, command
        self.reported: datetime | None = None
        """Up to when the sprint has been reported."""
        self._process: subprocess.Popen[bytes] | None = None
        self._began, self._skipped, self._for = 0.0, 0, ""

    def turn(self, snapshot: LiveSnapshot) -> None:
        """Begin a report where this snapshot is the first one of an hour. Raises OSError."""
        if self.reported is None:
            self.reported = snapshot.at
        if _hour(snapshot.at) <= _hour(self.reported):
            return
        self.reported = snapshot.at
        if self._process is not None and self._process.poll() is None:
            self._skipped += 1
            return
        self._begin(snapshot.at)

    def last(self, snapshot: LiveSnapshot | None) -> bool:
        """Begin the report of what came since the last one, at the end; whether there is one. Raises OSError."""
        if snapshot is None or self.reported is None or snapshot.at <= self.reported:
            return False
        self.reported = snapshot.at
        self._begin(snapshot.at)
        return True

    def _begin(self, at: datetime) -> None:
        profile = self.folder / "report.yaml"
        files.write(profile, yaml.safe_dump(self.settings.model_dump()), mode=0o600)
        argv = [*self.command, "--profile", str(profile)]
        with (self.folder / "report.log").open("wb") as log:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, FOR: "the report of leadbook watch"},
            )
        self._began, self._for = time.monotonic(), at.isoformat()

    @property
    def running(self) -> bool:
        """Whether a report is being made."""
        return self._process is not None and self._process.poll() is None

    def ended(self, now: datetime) -> Event | None:
        """What became of a report, once after it has ended; one that hangs is ended here."""
        if self._process is None:
            return None
        took = time.monotonic() - self._began
        if self._process.poll() is None:
            if took < LONGEST_S:
                return None
            self.abandon()
        status, self._process = self._process.returncode, None
        told: dict[str, Any] = {"status": status, "hour": self._for, "skipped": self._skipped} | self._said()
        self._skipped = 0
        return Event(at=now, kind="report", source="watch", seconds=round(took, 1), told=told)

    def _said(self) -> dict[str, str]:
        """The verdict and the page, from what the process printed."""
        try:
            text = (self.folder / "report.log").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return {}
        verdict = re.search(r"^(HEALTHY|ATTENTION|CRITICAL|BROKEN)\b", text, re.M)
        page = re.search(r"^report: (.+)$", text, re.M)
        return {"verdict": verdict[1] if verdict else "BROKEN", "page": page[1] if page else ""}

    def abandon(self) -> None:
        """End a report that is being made, with all that it started."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)
