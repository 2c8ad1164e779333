"""The series of a sprint on disk: snapshots in order, a line each, none lost that was said to be written.

A folder holds files `snapshots-NUMBER.jsonl`, named by the number of their first snapshot. A line is a checksum
(CRC-32) and the snapshot's JSON; it is written at once and forced to the disk. What a crash cut off is set aside in
`torn.jsonl`.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Self, TextIO

from leadbook.core.errors import RefusedError
from leadbook.watch.records import Event, LiveSnapshot

LONGEST = 1_000_000
"""Bytes of a line. A longer snapshot keeps its numbers and loses its tables."""
MOST_IN_FILE = 16_000_000
"""Bytes from which the next snapshot begins a new file: about a day at 30 s."""
MOST_WAITING = 500
"""Snapshots that wait in memory for room on the disk: four hours at 30 s."""
PATTERN, TORN, LOCK = "snapshots-*.jsonl", "torn.jsonl", "lock"


@dataclass
class _Waiting:
    """A snapshot that is not on the disk yet, and how many before it never came there."""

    snapshot: LiveSnapshot
    lost: int = 0
    lost_since: datetime | None = None


class Series:
    """The series in a folder. Anybody may `read`; one watch writes: `with Series(folder) as series: series.append(…)`.

    waiting: snapshots that the disk could not take yet; problem: why.  torn: lines that could not be read, so far.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problem, self.torn, self.next_number = "", 0, 1
        self.last: LiveSnapshot | None = None
        self._waiting: deque[_Waiting] = deque()
        self._lock: TextIO | None = None
        self._file: int | None = None

    # ------------------------------------------------------------------------------------------------------ reading

    def read(self, since: datetime | None = None) -> Iterator[LiveSnapshot]:
        """Every snapshot in order, those from `since` on; a line that is none is left out and counted in `torn`."""
        self.torn = 0
        for path in self._files():
            for snapshot in self._snapshots(path):
                if since is None or snapshot.at >= since:
                    yield snapshot

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob(PATTERN) if path.is_file())

    def _snapshots(self, path: Path) -> Iterator[LiveSnapshot]:
        with suppress(FileNotFoundError), path.open("rb") as file:
            while line := file.readline(2 * LONGEST):
                if not line.endswith(b"\n"):  # cut off by a crash, or being written just now
                    self.torn += 1
                    continue
                found = parsed(line)
                self.torn += found is None
                if found is not None:
                    yield found

    # ------------------------------------------------------------------------------------------------------ writing

    def __enter__(self) -> Self:
        """Begin to write. Raises RefusedError where another watch does, and OSError."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(self.folder / LOCK)
        for path in reversed(self._files()):
            self._mend(path)
            for found in self._snapshots(path):
                self.last = found
            if self.last is not None:
                self.next_number = self.last.number + 1
                break
        self.torn = 0
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self._write_all()
        if self._file is not None:
            os.close(self._file)
        if self._lock is not None:
            self._lock.close()
        self._file = self._lock = None

    def set_aside(self) -> Path | None:
        """Begin anew; the folder where the series until now is kept, None where there was none. Raises OSError."""
        found = self._files()
        self.last, self.next_number = None, 1
        if not found:
            return None
        kept = (path.name.removeprefix("earlier-") for path in self.folder.glob("earlier-*"))
        number = 1 + max((int(name) for name in kept if name.isdigit()), default=0)
        aside = self.folder / f"earlier-{number:03d}"
        aside.mkdir(mode=0o700)
        for path in found:
            path.rename(aside / path.name)
        return aside

    def append(self, snapshot: LiveSnapshot) -> bool:
        """Whether the snapshot, and all that waited before it, is on the disk now, for good.

        Else it waits in memory and `problem` says why. When more wait than MOST_WAITING the oldest are lost, and the
        first one after them tells it as a `gap`.
        """
        self._waiting.append(_Waiting(snapshot))
        self.last, self.next_number = snapshot, snapshot.number + 1
        try:
            self._write_all()
        except OSError as error:
            self.problem = error.strerror or type(error).__name__
            self._forget()
            return False
        self.problem = ""
        return True

    @property
    def waiting(self) -> int:
        """Snapshots that wait in memory for room on the disk."""
        return len(self._waiting)

    def _forget(self) -> None:
        if len(self._waiting) > MOST_WAITING:
            gone, heir = self._waiting.popleft(), self._waiting[0]
            heir.lost, heir.lost_since = gone.lost + 1, gone.lost_since or gone.snapshot.at

    def _write_all(self) -> None:
        while self._waiting:
            self._write(_told(self._waiting[0]))
            self._waiting.popleft()

    def _write(self, snapshot: LiveSnapshot) -> None:
        """One line, whole and on the disk, or not at all. Raises OSError."""
        line = _line(snapshot)
        file = self._opened(snapshot.number)
        end = os.lseek(file, 0, os.SEEK_END)
        try:
            if os.write(file, line) != len(line):
                raise OSError(None, "only a part of a line could be written: the disk is full")
            os.fsync(file)
        except OSError:
            with suppress(OSError):
                os.ftruncate(file, end)
            self._reopen()
            raise
        if end + len(line) >= MOST_IN_FILE:
            self._reopen()

    def _opened(self, number: int) -> int:
        """The file that takes the next line: the newest one with room, else a new one named by the line's number."""
        if self._file is None:
            found = self._files()
            path = found[-1] if found else self.folder / _name(number)
            if found:
                self._mend(path)
                path = path if path.stat().st_size < MOST_IN_FILE else self.folder / _name(number)
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            _sync_folder(self.folder)
        return self._file

    def _reopen(self) -> None:
        """Look at the file anew before the next line."""
        if self._file is not None:
            os.close(self._file)
        self._file = None

    def _mend(self, path: Path) -> None:
        """Set aside what a crash left behind the last whole line. Raises OSError."""
        with path.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * LONGEST))
            start = file.tell()
            tail = file.read(2 * LONGEST)
            whole = tail.rfind(b"\n") + 1
            if whole == len(tail):
                return
            with (self.folder / TORN).open("ab") as kept:
                kept.write(tail[whole:] + b"\n")
                kept.flush()
                os.fsync(kept.fileno())
            file.truncate(start + whole)
            os.fsync(file.fileno())


def parsed(line: bytes) -> LiveSnapshot | None:
    """The snapshot of a line with its checksum; None where it is none, or was changed."""
    checksum, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if int(checksum, 16) != zlib.crc32(text):
            return None
        return LiveSnapshot.from_json(text.decode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _line(snapshot: LiveSnapshot) -> bytes:
    text = snapshot.as_json().encode()
    if len(text) > LONGEST:
        why = {**snapshot.unmeasured, "details": f"left out: {len(text):,} bytes are more than {LONGEST:,}"}
        text = replace(snapshot, details={}, unmeasured=why).as_json().encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _told(one: _Waiting) -> LiveSnapshot:
    """The snapshot, with what was lost before it."""
    if not one.lost or one.lost_since is None:
        return one.snapshot
    lasted = (one.snapshot.at - one.lost_since).total_seconds()
    told = {"why": "the disk was full for too long", "lost": one.lost}
    gap = Event(at=one.snapshot.at, kind="gap", source="watch", seconds=lasted, told=told)
    return replace(one.snapshot, events=(*one.snapshot.events, gap))


def _name(number: int) -> str:
    return f"snapshots-{number:09d}.jsonl"


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _locked(path: Path) -> TextIO:
    """The lock of a folder, with our process number in it. Raises RefusedError naming who holds it, and OSError."""
    file = path.open("a+", encoding="utf-8", errors="replace")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        who = file.read(200).strip()
        file.close()
        holder = "another process"
        with suppress(ValueError, KeyError, TypeError):
            holder = f"process {json.loads(who)['pid']}"
        raise RefusedError(
            f"{path.parent}: {holder} watches this sprint already; look at its page, or end it first"
        ) from None
    file.truncate(0)
    json.dump({"pid": os.getpid()}, file)
    file.flush()
    return file
