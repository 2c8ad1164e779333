"""The dead-man's switch: a file renewed after each snapshot that was read, written and judged, and who looks at it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from leadbook.core import allowed
from leadbook.core.files import write
from leadbook.watch.moments import LONGEST_S

NAME = "heartbeat.json"
GRACE_S, INTERVALS = 10.0, 3
"""A heartbeat is stale after three intervals and 10 s: two snapshots may be slow, a third one tells of a fault."""
AHEAD_S = 120.0
"""Two machines' clocks under NTP differ by less."""
FULL_BYTES = 1_000_000
"""Less room than this on the disk of the series is a full disk."""
VERDICTS = ("HEALTHY", "ATTENTION", "CRITICAL")
FRESH, CRITICAL, STALE = 0, 1, 2
"""What `leadbook watch --check` ends with."""


@dataclass(frozen=True, kw_only=True)
class Pulse:
    """How a watch is. status: FRESH, CRITICAL or STALE.  line: for people."""

    status: int
    line: str


class Heart:
    """Who beats. interval_s: seconds of the real clock between two snapshots."""

    def __init__(self, folder: Path, interval_s: float) -> None:
        self.path, self.interval_s = folder / NAME, interval_s
        self._verdict, self._since = "", datetime.now(UTC)

    def beat(self, number: int, verdict: str, *, unknown: int = 0, rules: int = 0) -> None:
        """Snapshot `number` is written and judged, but for `unknown` of so many rules. Raises OSError."""
        now = datetime.now(UTC)
        if verdict != self._verdict:
            self._verdict, self._since = verdict, now
        told = {
            "at": now.isoformat(), "number": number, "verdict": verdict, "since": self._since.isoformat(),
            "interval_s": self.interval_s, "pid": os.getpid(), "ended": "",
            "unknown": unknown, "rules": rules,
        }  # fmt: skip
        write(self.path, json.dumps(told) + "\n", mode=0o600)

    def end(self, why: str) -> None:
        """The watch ends in order: nobody is told from now on that all is well. Raises OSError."""
        try:
            told = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if isinstance(told, dict):
            write(self.path, json.dumps(told | {"ended": why}) + "\n", mode=0o600)


def check(folder: Path, now: datetime | None = None) -> Pulse:
    """How the watch of this folder is, in one line. Reads only."""
    now = now or datetime.now(UTC)
    path = folder / NAME
    try:
        told = json.loads(allowed.text_of(path))
        at, since = datetime.fromisoformat(told["at"]), datetime.fromisoformat(told["since"])
        age, interval = (now - at).total_seconds(), float(told["interval_s"])
        limit = INTERVALS * interval + GRACE_S
        verdict, number, ended = str(told["verdict"]), int(told["number"]), str(told.get("ended") or "")
        unknown, rules = int(told.get("unknown", 0)), int(told.get("rules", 0))
        if not 0 < interval <= LONGEST_S or verdict not in VERDICTS:
            raise ValueError("no watch writes this")
    except FileNotFoundError:
        return _stale(folder, f"no watch has told anything in {folder}: start `leadbook watch`")
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        return _stale(folder, f"{path} cannot be read ({type(error).__name__}): is the watch alive?")
    when = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    if ended:
        return _stale(folder, f"the watch ended at {when} ({ended}): nobody watches since")
    if age > limit:
        return _stale(folder, f"stale: no news from the watch since {when}, {age:,.0f} s ago (at most {limit:.0f} s)")
    if age < -AHEAD_S:
        return _stale(folder, f"the heartbeat is of {when}, which is in the future: compare the machines' clocks")
    line = f"{verdict} since {since:%Y-%m-%d %H:%M:%S} UTC; snapshot {number:,}, {max(age, 0):.0f} s ago"
    line += f"; {unknown} of {rules} rules not judged" if unknown else ""
    return Pulse(status=CRITICAL if verdict == "CRITICAL" else FRESH, line=line)


def _stale(folder: Path, line: str) -> Pulse:
    there = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
    try:
        full = there is not None and shutil.disk_usage(there).free < FULL_BYTES
    except OSError:
        full = False
    return Pulse(status=STALE, line=f"{line}; the disk of {there} is full: make room" if full else line)
