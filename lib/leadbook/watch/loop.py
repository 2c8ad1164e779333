"""The loop of a watch: a snapshot each interval of the sprint's clock, kept, told, and what was missed marked."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from leadbook.core import write_errors
from leadbook.core.errors import LeadbookError
from leadbook.watch.clock import SprintClock
from leadbook.watch.records import Event, LiveSnapshot
from leadbook.watch.series import Series

LOOK_S = 0.1
"""So often a sleeping watch looks whether it is to stop, s."""
PAUSE = 2.2
"""Intervals between two snapshots beyond which the time between them is told as a gap: one turn missed is none,
two are."""


class Reader(Protocol):
    """Who reads a snapshot (`watch.snapshot.SnapshotReader`)."""

    def read(self, number: int, interval_s: float) -> LiveSnapshot:
        """The snapshot of this moment."""


OnSnapshot = Callable[[LiveSnapshot, bool], None]
"""Called with each snapshot, its gaps marked, and whether it is on the disk."""


def me() -> str:
    """This watching process, for people."""
    return f"{platform.node()}, process {os.getpid()}"


def watch(
    reader: Reader, series: Series, every_s: float, until: datetime | None, clock: SprintClock, on_snapshot: OnSnapshot,
    stop: Callable[[], object], *, most: int | None = None,
) -> int:  # fmt: skip
    """Read, keep and tell a snapshot each `every_s` seconds of the sprint's clock; how many.

    Until that moment of the sprint's clock, until `stop()` is true, or `most` snapshots. A slow snapshot delays the
    next one to the next full interval: nothing is caught up, and what was missed is told as a `gap`. An error of the
    reader is a snapshot that measured nothing. Raises what `on_snapshot` raises.
    """
    interval, taken, missed = clock.real_seconds(every_s), 0, 0
    due = time.monotonic()
    while not stop() and (until is None or clock.now() < until) and (most is None or taken < most):
        snapshot = _marked(_read(reader, series.next_number, every_s, clock), series.last, taken, missed)
        on_snapshot(snapshot, series.append(snapshot))
        taken += 1
        late = int((time.monotonic() - due) / interval)
        missed, due = late, due + (late + 1) * interval
        if most is None or taken < most:
            _sleep(due, until, clock, stop)
    return taken


def _read(reader: Reader, number: int, every_s: float, clock: SprintClock) -> LiveSnapshot:
    try:
        return reader.read(number, every_s)
    except Exception as error:  # noqa: BLE001  who watches must not stop because one reading broke
        said = str(error) if isinstance(error, LeadbookError) else write_errors.described(error)
        return LiveSnapshot(at=clock.now(), number=number, watch=me(), interval_s=every_s,
                            unmeasured={"snapshot": said})  # fmt: skip


def _marked(snapshot: LiveSnapshot, last: LiveSnapshot | None, taken: int, missed: int) -> LiveSnapshot:
    """The snapshot with what the loop knows: that a watch began, and for how long nothing was read before it."""
    events = []
    if not taken:
        events.append(Event(at=snapshot.at, kind="begun", source="watch", told={"watch": snapshot.watch}))
    if last is not None and snapshot.at <= last.at:  # a machine's clock that was put back
        told: dict[str, Any] = {
            "why": "the clock was put back",
            "from": last.at.isoformat(),
            "to": snapshot.at.isoformat(),
        }
        snapshot = replace(snapshot, at=last.at + timedelta(milliseconds=1))
        events.append(Event(at=snapshot.at, kind="gap", source="watch", told=told))
    elif last is not None:
        lasted = (snapshot.at - last.at).total_seconds()
        if lasted > PAUSE * last.interval_s:
            told = {"since": last.at.isoformat(), "missed": max(missed, round(lasted / last.interval_s) - 1)}
            events.append(Event(at=snapshot.at, kind="gap", source="watch", seconds=lasted, told=told))
    return replace(snapshot, events=(*events, *snapshot.events)) if events else snapshot


def _sleep(due: float, until: datetime | None, clock: SprintClock, stop: Callable[[], object]) -> None:
    while not stop() and (left := due - time.monotonic()) > 0 and (until is None or clock.now() < until):
        time.sleep(min(left, LOOK_S))
