"""What an action changed: readings of the watch before it against after it, a canary beside.

Readings of neighbouring moments are alike, so each side is cut into blocks and a block counts once; the intervals of
the blocks' means decide (`measure.intervals`). Where the machine itself changed meanwhile, no difference is laid to the
action. The minutes end where another action, a restart or an election begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from leadbook.measure.intervals import Difference, difference, interval
from leadbook.watch.history import History
from leadbook.watch.names import READINGS

MINUTES = 10.0
"""Longest time looked at on each side, by the sprint's clock: what an hour's report can show six times."""
SETTLE_S = 30.0
"""What follows an action at once belongs to the change: a follower obeys within 15 s, an interval is 30 s."""
BLOCKS = 5
"""Independent rounds of each side, as a benchmark has; below LEAST an interval says nothing."""
LEAST = 3
CANARY = "probe.canary_ms"
_BREAKS = ("restarted", "elected", "away", "acted")


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One reading before and after. text: `+12 % (+8 % to +15 %)` or `no difference shown`; `shown` tells which.

    before, after: means.  snapshots: of each side.
    """

    reading: str
    unit: str
    before: float
    after: float
    text: str
    shown: bool
    snapshots: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Effect:
    """state: `measured`, `not yet measured` or `not measurable`; why, where it is not.  moved: the action's readings.

    minutes: of each side.  host: the canary's change, empty where it shows none.
    """

    state: str
    why: str = ""
    minutes: tuple[float, float] = (0.0, 0.0)
    moved: Sequence[Moved] = field(default_factory=tuple)
    host: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def effect(entry: Mapping[str, Any], others: Sequence[datetime], history: History, readings: Sequence[str]) -> Effect:
    """The effect of an action of the journal on `readings`. others: when other actions happened."""
    if not len(history.seconds):
        return Effect(state="not measurable", why="no series: `leadbook watch` was not running")
    at = _moment(entry, history)
    before, after = _windows(at, others, history)
    begun, ended_at = history.seconds[before], history.seconds[after]
    spans = at - begun[0] if len(begun) else 0.0, ended_at[-1] - at if len(ended_at) else 0.0
    minutes = (round(float(spans[0]) / 60, 1), round(float(spans[1]) / 60, 1))
    if len(before) < LEAST:
        return Effect(state="not measurable", why="the series has too few snapshots before it", minutes=minutes)
    if len(after) < LEAST:
        ended = any(_seconds(one) > at for one in others) or history.seconds[-1] > at + 60 * MINUTES
        state, why = ("not measurable", "too few snapshots between it and what came next") if ended else (
            "not yet measured", "too few snapshots since"
        )  # fmt: skip
        return Effect(state=state, why=why, minutes=minutes)
    host = _moved(CANARY, history, before, after)
    moved = [one for name in readings if (one := _moved(name, history, before, after)) is not None]
    if not moved:
        return Effect(state="not measurable", why="none of its readings was read on both sides", minutes=minutes)
    told = host.text if host is not None and host.shown else ""
    return Effect(state="measured", minutes=minutes, moved=tuple(moved), host=told)


def _seconds(at: datetime) -> float:
    return at.timestamp()


def _moment(entry: Mapping[str, Any], history: History) -> float:
    """When it happened by the sprint's clock: as the watch told it, else as the journal does."""
    for event in history.events:
        if event.kind == "acted" and event.told.get("hash") == entry.get("hash") and entry.get("hash"):
            return _seconds(event.at)
    return _seconds(entry["at"])


def _windows(at: float, others: Sequence[datetime], history: History) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the snapshots before and after, as far as nothing else happened."""
    seconds = history.seconds
    apart = [_seconds(one) for one in others]
    apart += [_seconds(event.at) for event in history.events if event.kind in _BREAKS]
    begin = max([at - 60 * MINUTES, *(one for one in apart if one < at - 1)])
    end = min([at + 60 * MINUTES, *(one for one in apart if one > at + 1)])
    return (
        np.flatnonzero((seconds >= begin) & (seconds < at)),
        np.flatnonzero((seconds > at + SETTLE_S) & (seconds <= end)),
    )


def _moved(name: str, history: History, before: np.ndarray, after: np.ndarray) -> Moved | None:
    """One reading's change; None where it was not read often enough."""
    column = history.column(name)
    sides = [values[np.isfinite(values)] for values in (column[before], column[after])]
    if min(map(len, sides)) < LEAST:
        return None
    count = min(BLOCKS, *(len(side) for side in sides))
    blocks = [[float(part.mean()) for part in np.array_split(side, count)] for side in sides]
    text, shown = _difference(*blocks)
    return Moved(
        reading=name, unit=READINGS[name][0], before=float(sides[0].mean()), after=float(sides[1].mean()), text=text,
        shown=shown, snapshots=(len(sides[0]), len(sides[1])),
    )  # fmt: skip


def _difference(before: Sequence[float], after: Sequence[float]) -> tuple[str, bool]:
    """In words, and whether one is shown. A ratio needs blocks above zero; else the two intervals are told."""
    if all(before):
        found: Difference = difference(before, after)
        return found.text(), found.shown
    first, second = interval(before), interval(after)
    if first.overlaps(second):
        return "no difference shown", False
    return f"{first.text(digits=2)} before, {second.text(digits=2)} after", True
