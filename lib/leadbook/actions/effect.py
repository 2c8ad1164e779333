"""What an action changed: readings of the watch before it against after it, a canary beside.

Readings of neighbouring moments are alike, so each side is cut into blocks and a block counts once; the intervals of
the blocks' means decide (`measure.intervals`). Where the machine itself changed meanwhile, no difference is laid to the
action. The minutes end where another action, an outage, a restart or an election begins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from leadbook.measure.intervals import Difference, difference, interval
from leadbook.watch.history import History
from leadbook.watch.names import READINGS

MINUTES = 10.0
"""Longest time looked at on each side, by the sprint's clock: what an hour's report can show six times."""
SETTLE_S = 30.0
"""What follows an action at once belongs to the change: a follower obeys within 15 s, an interval is 30 s."""
TOGETHER_S = 60.0
"""Actions so close together are one change: no series tells them apart."""
BLOCKS = 5
"""Independent rounds of each side, as a benchmark has; below LEAST an interval says nothing."""
LEAST = 3
CANARY = "probe.canary_ms"
_BREAKS = ("restarted", "elected", "away", "back")


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

    minutes: of each side.  host: the canary's change, empty where it shows none.  beside: other actions that were done
    together with it.
    """

    state: str
    why: str = ""
    minutes: tuple[float, float] = (0.0, 0.0)
    moved: Sequence[Moved] = field(default_factory=tuple)
    host: str = ""
    beside: int = 0


def effect(
    entry: Mapping[str, Any], others: Sequence[Mapping[str, Any]], history: History, readings: Sequence[str]
) -> Effect:
    """The effect of an action of the journal on `readings`. others: the other actions of the journal."""
    if not len(history):
        return Effect(state="not measurable", why="no series: `leadbook watch` was not running")
    at, apart = _moment(entry, history), [_moment(one, history) for one in others]
    lasted = (entry["at"] - entry["began"]).total_seconds() if entry.get("began") else 0.0
    began = at - max(0.0, lasted)
    beside = [one for one in apart if began - TOGETHER_S <= one <= at + TOGETHER_S]
    span = min([began, *beside]), max([at, *beside])
    before, after, is_over = _windows(span, [one for one in apart if one not in beside], history)
    minutes = (_minutes(history, before), _minutes(history, after))
    if len(before) < LEAST:
        why = "the series has too few snapshots before it"
        return Effect(state="not measurable", why=why, minutes=minutes, beside=len(beside))
    if len(after) < LEAST:
        state, why = ("not yet measured", "too few snapshots since")
        if is_over:
            state, why = ("not measurable", "too few snapshots between it and what came next")
        return Effect(state=state, why=why, minutes=minutes, beside=len(beside))
    host = _moved(CANARY, history, before, after)
    moved = tuple(one for name in readings if (one := _moved(name, history, before, after)) is not None)
    unread = "" if moved else "its readings were not read on both sides"
    state = "not measurable" if unread else "measured"
    told = host.text if host is not None and host.shown else ""
    return Effect(state=state, why=unread, minutes=minutes, moved=moved, host=told, beside=len(beside))


def _minutes(history: History, positions: np.ndarray) -> float:
    """How long these snapshots span, each with the interval that it ends."""
    seconds = history.seconds[positions]
    return (
        round(float(seconds[-1] - seconds[0]) / 60 * len(seconds) / (len(seconds) - 1), 1) if len(seconds) > 1 else 0.0
    )


def _moment(entry: Mapping[str, Any], history: History) -> float:
    """When it happened by the sprint's clock, s since 1970: as the watch told it, else as the journal does."""
    told = (event.at for event in history.events if event.kind == "acted" and _is_of(event.told, entry))
    return float(next(told, entry["at"]).timestamp())


def _is_of(told: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether an event tells of this entry, by its `_id`: the same plan, done twice, has the same hash. An older series
    knows the hash alone."""
    if told.get("entry"):
        return bool(told["entry"] == str(entry.get("_id", "")))
    return bool(entry.get("hash")) and told.get("hash") == entry.get("hash")


def _windows(
    span: tuple[float, float], others: Sequence[float], history: History
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Positions of the snapshots before and after, as far as nothing else happened; whether no more will come."""
    first, last = span
    seconds = history.seconds
    broken = [event.at.timestamp() for event in history.events if event.kind in _BREAKS]
    begin = max([first - 60 * MINUTES, *(one for one in [*others, *broken] if one < first)])
    own = last if last - first > TOGETHER_S else first  # what lasts, such as Atlas's scaling, has its own elections
    end = min([last + 60 * MINUTES, *(one for one in others if one > last), *(one for one in broken if one >= own)])
    return (
        np.flatnonzero((seconds >= begin) & (seconds < first)),
        np.flatnonzero((seconds > last + SETTLE_S) & (seconds <= end)), bool(seconds[-1] > end),
    )  # fmt: skip


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
