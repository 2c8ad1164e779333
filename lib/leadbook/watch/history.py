"""The numbers of a series in memory, of bounded size: what rules, forecast and pages look back at."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from math import nan

import numpy as np

from leadbook.watch.records import Event, LiveSnapshot

MOST = 20_000
"""Snapshots that are kept at most: a week at 30 s. Beyond it every second one of the older half goes."""
MOST_EVENTS = 500


class History:
    """Columns by reading, a row a snapshot, in the order of time."""

    def __init__(self, most: int = MOST) -> None:
        self._most, self._at = most, array("d")
        self._columns: dict[str, array[float]] = {}
        self.last: LiveSnapshot | None = None
        self.events: list[Event] = []

    def __len__(self) -> int:
        return len(self._at)

    def add(self, snapshot: LiveSnapshot) -> None:
        """Take the next snapshot; one that is not later than the last is left out (two watches wrote one series)."""
        if self.last is not None and snapshot.at <= self.last.at:
            return
        rows = len(self._at)
        self._at.append(snapshot.at.timestamp())
        for name in snapshot.readings.keys() - self._columns.keys():
            self._columns[name] = array("d", [nan]) * rows
        for name, column in self._columns.items():
            column.append(snapshot.readings.get(name, nan))
        self.last = snapshot
        self.events = [*self.events, *snapshot.events][-MOST_EVENTS:]
        if len(self._at) > self._most:
            self._thin()

    def _thin(self) -> None:
        half = len(self._at) // 2
        self._at = self._at[0:half:2] + self._at[half:]
        self._columns = {name: column[0:half:2] + column[half:] for name, column in self._columns.items()}

    @property
    def seconds(self) -> np.ndarray:
        """When each snapshot was taken, s since 1970."""
        return np.array(self._at)

    def column(self, name: str) -> np.ndarray:
        """What was read of one reading, NaN where nothing was; all NaN where it never was."""
        found = self._columns.get(name)
        return np.array(found) if found is not None else np.full(len(self._at), nan)

    def newest(self, name: str) -> float | None:
        """What was last read of one reading; None where it never was."""
        values = self.column(name)
        known = values[np.isfinite(values)]
        return float(known[-1]) if len(known) else None

    @property
    def names(self) -> Iterator[str]:
        """Readings that were read at least once."""
        return iter(sorted(self._columns))
