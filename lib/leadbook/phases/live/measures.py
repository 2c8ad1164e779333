"""The number that a rule looks at, made of one snapshot and the series before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np

from leadbook.core.errors import LeadbookError
from leadbook.phases.live.rules import Part, RuleSource
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot

FEWEST = 10
"""Readings of a part of the series from which it is a baseline; its median then moves by little with one more."""
HOUR_S = 3600.0
LONGEST = 60
"""Letters of a subject, at most."""
Values = Mapping[str, float]
"""A number by subject; the subject is empty where there is only one. Nothing: nothing happened that could be judged."""


class UnreadableError(LeadbookError):
    """A number cannot be made now; says why."""


class LiveMoment:
    """One snapshot and the series up to it; whatever is later in `history` is left out, so that a replay sees the same.

    away: sources that do not answer.
    """

    def __init__(self, snapshot: LiveSnapshot, history: History, away: frozenset[str] = frozenset()) -> None:
        self.snapshot, self.away, self._history = snapshot, away, history
        at, seconds = snapshot.at.timestamp(), history.seconds
        self._before = int(np.searchsorted(seconds, at, "left"))
        self.seconds = np.append(seconds[: self._before], at)
        self._columns: dict[str, np.ndarray] = {}

    def column(self, name: str) -> np.ndarray:
        """A reading over the series, this snapshot's last; NaN where it was not read."""
        if name not in self._columns:
            now = self.snapshot.readings.get(name, np.nan)
            self._columns[name] = np.append(self._history.column(name)[: self._before], now)
        return self._columns[name]

    def now(self, name: str) -> float:
        """A reading of this snapshot. Raises UnreadableError with the reason that the snapshot gives."""
        value = self.snapshot.readings.get(name)
        if value is None or not isfinite(value):
            raise UnreadableError(self._why(name))
        return float(value)

    def _why(self, name: str) -> str:
        if found := self.snapshot.why(name):
            return found
        if len(self.seconds) == 1 and name.endswith("_per_s"):
            return f"{name} is growth since the snapshot before: this is the first"
        return f"{name} was not read"

    @property
    def durations(self) -> np.ndarray:
        """Seconds from each snapshot of the series to the one before, by the sprint's clock."""
        return np.diff(self.seconds, prepend=self.seconds[0] - self.snapshot.interval_s)

    @property
    def age_s(self) -> float:
        """Seconds since the series began, by the sprint's clock."""
        return float(self.seconds[-1] - self.seconds[0])

    def values(self, source: RuleSource) -> Values:
        """The number that `source` describes. Raises UnreadableError where it was not read."""
        if source.event:
            return self._events(source)
        if source.away:
            return {"": float(source.away in self.away)}
        if source.unread:
            return self._unread(source)
        if source.rows:
            return self._rows(source)
        value = self._value(source)
        return {} if value is None else {"": value * source.scale}

    def _value(self, source: RuleSource) -> float | None:
        now = [self.now(name) for name in source.names]
        if source.is_plain:
            return now[0]
        if source.still:
            return self._still(source.reading)
        if source.per:
            return self.ratio(source, self.window(source))
        value = float(np.nanmean(self.series(source)[self.window(source)]))
        return value if source.above is None else value - self.part(source, source.above)

    def series(self, source: RuleSource) -> np.ndarray:
        """The reading, less `minus`, over the series."""
        found = self.column(source.reading)
        return found - self.column(source.minus) if source.minus else found

    def window(self, source: RuleSource) -> slice:
        """The latest rows over which a mean or a ratio is taken."""
        if source.window_s:
            first = int(np.searchsorted(self.seconds, self.seconds[-1] - source.window_s, "right"))
            return slice(first - len(self.seconds), None)
        if not source.pooled:
            return slice(-source.window, None)
        counts = np.nan_to_num(self.column(source.per) * self.durations)
        enough = np.flatnonzero(np.cumsum(counts[::-1]) >= source.pooled)
        return slice(-(int(enough[0]) + 1) if enough.size else -len(counts), None)

    def ratio(self, source: RuleSource, rows: slice) -> float | None:
        """Share of the sums over these rows, counts and not rates; None where there is nothing to divide by."""
        above, below = self.series(source)[rows], self.column(source.per)[rows]
        read, weights = np.isfinite(above) & np.isfinite(below), self.durations[rows]
        total = float(np.sum((below * weights)[read]))
        if total <= 0 or (source.pooled and total < source.pooled):
            return None
        return float(np.sum((above * weights)[read])) / total

    def part(self, source: RuleSource, part: Part) -> float:
        """What the source was in a part of the series. Raises UnreadableError where too little was read of it."""
        values = self.series(source)[self._part(source, part)]
        if source.per:
            below = self.column(source.per)[self._part(source, part)]
            values = np.divide(values, below, out=np.full(len(values), np.nan), where=below > 0)
        values = values[np.isfinite(values)]
        if len(values) < FEWEST:
            raise UnreadableError(f"too early: its own baseline needs {FEWEST} readings, there are {len(values)}")
        return float(np.max(values) if part == "peak_hour" else np.median(values))

    def _part(self, source: RuleSource, part: Part) -> slice:
        rows = len(self.seconds)
        if part == "first_third":
            return slice(0, rows // 3)
        if part == "usual":
            return slice(0, max(0, rows + (self.window(source).start or 0)))
        return slice(int(np.searchsorted(self.seconds, self.seconds[-1] - HOUR_S)), rows)

    def _still(self, name: str) -> float:
        column = self.column(name)
        others = np.flatnonzero(np.isfinite(column) & (column != column[-1]))
        since = self.seconds[int(others[-1]) + 1] if others.size else self.seconds[0]
        return float(self.seconds[-1] - since)

    def _events(self, source: RuleSource) -> Values:
        found: dict[str, float] = {}
        for event in self.snapshot.events:
            if event.kind == source.event:
                more = (event.seconds or 0.0) if source.lasted else 1.0
                found[event.source] = found.get(event.source, 0.0) + more
        return found

    def lasted(self, kind: str, source: str) -> float | None:
        """Seconds that an event of this snapshot lasted; None where there was none or nobody knows."""
        found = [event.seconds for event in self.snapshot.events if (event.kind, event.source) == (kind, source)]
        return found[-1] if found else None

    def rows(self, table: str, where: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Rows of a table of the details that are as `where` says. Raises UnreadableError where it was not read."""
        told = self.snapshot.details.get(table)
        if not isinstance(told, Sequence) or isinstance(told, str):
            raise UnreadableError(self.snapshot.why(table) or self._why(f"sprint.{table}"))
        return [row for row in told if isinstance(row, Mapping)
                and all(row.get(key) == value for key, value in where.items())]  # fmt: skip

    def _unread(self, source: RuleSource) -> Values:
        """Where MongoDB itself is away, that is told already."""
        told = {} if "mongodb" in self.away else self.snapshot.unmeasured
        return {name if len(source.unread) > 1 else "": 1.0 for name in source.unread if name in told}

    def _rows(self, source: RuleSource) -> Values:
        found: dict[str, float] = {}
        for row in self.rows(source.rows, source.where):
            value = row.get(source.field)
            if isinstance(value, int | float) and isfinite(value):
                found[subject_of(row, source.subject)] = float(value) * source.scale
        return found


def subject_of(row: Mapping[str, Any], field: str) -> str:
    """What names a row of a table, such as a collector; cut, since whoever writes to the staging collection chose."""
    return str(row.get(field, ""))[:LONGEST]
