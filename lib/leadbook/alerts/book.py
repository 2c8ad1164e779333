"""The file that alerting's state lies in: entries appended and flushed before anything is done that they say, so that
SIGKILL at any moment loses none; read by every process that appends or shows."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import IO, Any

from bson import ObjectId

from leadbook.alerts.states import Situation

NAME = "alerts.jsonl"
MOST_HELD = 10_000
"""Entries that wait in memory while the disk is full."""


class AlertBook:
    """The state of one watch folder. Safe for threads and processes.

    problem: why entries could not be written, while they cannot; they are kept in memory and written later.
    """

    def __init__(self, folder: Path) -> None:
        self.path, self.state, self.problem, self.skipped = folder / NAME, Situation(), "", 0
        self._read_to, self._held, self._lock = 0, list[str](), RLock()

    def refresh(self) -> None:
        """Take what others appended. A torn line, which a crash cut off before it counted, is skipped."""
        with self._lock, suppress(OSError), self.path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            self._take(file)

    def _take(self, file: IO[bytes]) -> None:
        """Apply what stands behind `_read_to`; whole lines only, the last one may be in the making."""
        file.seek(self._read_to)
        read = file.read()
        whole = read[: read.rfind(b"\n") + 1]
        self._read_to += len(whole)
        for line in whole.splitlines():
            try:
                if line.strip():
                    self.state.apply(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                self.skipped += 1

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write entries, all in one write, and take them. Never raises OSError: see `problem`."""
        if not entries:
            return
        lines = [json.dumps(entry, separators=(",", ":")) for entry in entries]
        with self._lock:
            try:
                self._write([*self._held, *lines], len(self._held))
                self._held, self.problem = [], ""
            except OSError as error:
                self.problem = error.strerror or type(error).__name__
                self._held = [*self._held, *lines][-MOST_HELD:]
                for entry in entries:
                    self.state.apply(entry)

    def _write(self, lines: list[str], applied: int) -> None:
        """Append under the lock; of `lines` the first `applied` were taken before, while the disk was full."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._take(file)
            end = file.seek(0, os.SEEK_END)
            torn = b"\n" if end > self._read_to else b""
            data = torn + "".join(f"{line}\n" for line in lines).encode()
            try:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, "the disk is full")
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):
                    file.truncate(end)
                raise
            self._read_to = end + len(data)
        for line in lines[applied:]:
            self.state.apply(json.loads(line))

    def acknowledge(self, key: str, *, by: str, now: datetime, until: datetime | None) -> None:
        """Record an answer. Raises OSError where the disk does not take it: nobody must believe that it counts."""
        entry = {"e": "ack", "at": now.isoformat(), "key": key, "by": by, "oid": str(ObjectId()),
                 "until": until.isoformat() if until else None}  # fmt: skip
        self.append([entry])
        if self.problem:
            raise OSError(errno.ENOSPC, self.problem, str(self.path))
