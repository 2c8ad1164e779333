"""A stretch of a series: what was read in it, what it came to, and which part of the sprint it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from leadbook.watch.history import History
from leadbook.watch.loop import PAUSE
from leadbook.watch.records import Event, LiveSnapshot

HOUR = timedelta(hours=1)
STAGES = (("launch", 0.0), ("sustained", 0.1), ("scaling", 0.5), ("final push", 0.9))
"""The task book's 4.1 to 4.4, and the share of the wanted leads with which each begins: it names no times."""
FEWEST = 5
"""Snapshots in a third of a period, from which its median is told."""
FEWEST_FOR_A_RATE, SHORTEST_S = 10, 600.0
"""Snapshots and seconds below which a period tells no rate."""
LATENCIES = ("probe.redis_ms", "probe.mongodb_ms", "mongodb.write_ms", "mongodb.read_ms")
"""Readings whose last third is compared with their first."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What a reading was over a period. count: snapshots in which it was read."""

    first: float
    middle: float
    most: float
    last: float
    count: int


class Period:
    """Snapshots in the order of time, one at least. Raises ValueError where there is none."""

    def __init__(self, snapshots: Iterable[LiveSnapshot]) -> None:
        given = list(snapshots)
        self.history, self.snapshots = History(most=len(given) + 1), list[LiveSnapshot]()
        for snapshot in given:
            self.history.add(snapshot)
            if self.history.last is snapshot:
                self.snapshots.append(snapshot)
        if not self.snapshots:
            raise ValueError("no snapshot lies in this period")
        self.first, self.last = self.snapshots[0], self.snapshots[-1]

    @property
    def seconds(self) -> float:
        """From the first snapshot to the last."""
        return (self.last.at - self.first.at).total_seconds()

    @property
    def expected(self) -> int:
        """Snapshots that were due by their own intervals."""
        return round(self.seconds / self.last.interval_s) + 1

    @property
    def events(self) -> list[Event]:
        """What happened, in order; of the first snapshot what happened at it, not before it."""
        return [event for one in self.snapshots for event in one.events if event.at >= self.first.at]

    @property
    def gaps(self) -> list[tuple[datetime, datetime]]:
        """Spans in which nothing was read for more than PAUSE intervals, and those that the watch told of."""
        found = []
        for before, after in zip(self.snapshots, self.snapshots[1:], strict=False):
            told = any(event.kind == "gap" for event in after.events)
            if told or (after.at - before.at).total_seconds() > PAUSE * before.interval_s:
                found.append((before.at, after.at))
        return found

    @property
    def unread_s(self) -> float:
        """How long nothing was read."""
        return sum((end - begin).total_seconds() for begin, end in self.gaps)

    def spread(self, name: str) -> Spread | None:
        """A reading over the period; None where it was never read."""
        column = self.history.column(name)
        known = column[np.isfinite(column)]
        if not len(known):
            return None
        return Spread(first=float(known[0]), middle=float(np.median(known)), most=float(known.max()),
                      last=float(known[-1]), count=len(known))  # fmt: skip

    def growth(self, name: str) -> tuple[float, float] | None:
        """By how much a count grew, and in how many seconds; None where it was read less than twice. Gaps do no harm:
        what is counted from the data is not lost by them."""
        column = self.history.column(name)
        known = np.flatnonzero(np.isfinite(column))
        if len(known) < 2:
            return None
        seconds = self.history.seconds
        return float(column[known[-1]] - column[known[0]]), float(seconds[known[-1]] - seconds[known[0]])

    def per_hour(self, name: str) -> float | None:
        """Growth of a count, an hour; None where the period is too short to tell."""
        grown = self.growth(name)
        if grown is None or grown[1] < SHORTEST_S or len(self.snapshots) < FEWEST_FOR_A_RATE:
            return None
        return grown[0] / grown[1] * 3_600

    def degradation(self) -> dict[str, float]:
        """Median of the last third over that of the first, by latency. 1 = no change."""
        ratios, seconds = {}, self.history.seconds - self.first.at.timestamp()
        for name in LATENCIES:
            column = self.history.column(name)
            known = np.isfinite(column)
            begin, end = column[known & (seconds < self.seconds / 3)], column[known & (seconds > self.seconds * 2 / 3)]
            if min(len(begin), len(end)) >= FEWEST and np.median(begin) > 0:
                ratios[name] = float(np.median(end) / np.median(begin))
        return ratios

    def collectors(self) -> list[dict[str, object]]:
        """A row a collector of the last table told: workflow, vendor, staged (within the period, None where unknown),
        waiting, last_s, silent."""
        tables = [rows for one in self.snapshots if isinstance(rows := one.details.get("collectors"), list)]
        if not tables:
            return []
        before = {row.get("workflow"): row.get("staged") for row in tables[0]}
        return [
            {
                "workflow": row.get("workflow"), "vendor": row.get("vendor"),
                "staged": _less(row.get("staged"), before.get(row.get("workflow"), 0)),
                "waiting": row.get("waiting"), "last_s": row.get("last_s"), "silent": bool(row.get("silent")),
            }
            for row in tables[-1]
        ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SprintStage:
    """A part of the sprint by its progress. goes_on: whether the series ends in it."""

    name: str
    period: Period
    goes_on: bool


def last_hour(snapshots: Sequence[LiveSnapshot]) -> Period:
    """The hour that ends with the last snapshot. Raises ValueError where there is none."""
    end = snapshots[-1].at if snapshots else datetime.now(UTC)
    return Period(one for one in snapshots if one.at > end - HOUR)


def stages(snapshots: Sequence[LiveSnapshot], wanted: int) -> list[SprintStage]:
    """Launch, sustained, scaling and final push, as far as the sprint has come. wanted: leads in all."""
    parts: dict[str, list[LiveSnapshot]] = {}
    reached = 0
    for snapshot in snapshots:
        leads = snapshot.readings.get("sprint.leads", 0.0)
        while reached + 1 < len(STAGES) and leads >= STAGES[reached + 1][1] * wanted:
            if before := parts.get(STAGES[reached][0]):
                before.append(snapshot)  # the part ends where the next begins
            reached += 1
        parts.setdefault(STAGES[reached][0], []).append(snapshot)
    last = STAGES[reached][0]
    return [SprintStage(name=name, period=Period(found), goes_on=name == last) for name, found in parts.items()]


def _less(last: object, first: object) -> int | None:
    return int(last - first) if isinstance(last, int | float) and isinstance(first, int | float) else None
