"""What one source says at one moment, and what reading it must not do: raise, wait for long, or tell a secret."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from leadbook.monitor.readings import Reading, ReadingSource, apply, rates
from leadbook.watch.records import Event
from leadbook.watch.sources.access import EACH_S, Access

Numbers = dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """When a snapshot is taken. number: of the series.  at: by the sprint's clock, UTC.  real: seconds on the monotonic
    clock.  server: by MongoDB's own clock, UTC.  speed: how many times as fast as the real clock the sprint's goes."""

    number: int
    at: datetime
    real: float
    server: datetime
    speed: float = 1.0


@dataclass(kw_only=True)
class SourceReading:
    """What a source gives to a snapshot; see `LiveSnapshot`."""

    readings: Numbers = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def add(self, other: SourceReading) -> None:
        """Take what another source gave."""
        self.readings |= other.readings
        self.unmeasured |= other.unmeasured
        self.details |= other.details
        self.events += other.events


class SourcePart(ABC):
    """A source of a snapshot. name: under which its cost is told.  server: that it asks: `mongodb`, `redis` or none.

    covers: what of a snapshot is not measured where it fails: readings, tables of `details`, or a whole source.
    needs: keys of `rights.RIGHTS` without which the DBA's user cannot read it.  patience_s: longest that MongoDB is
    waited for.
    """

    name: ClassVar[str]
    server: ClassVar[str] = "mongodb"
    covers: ClassVar[tuple[str, ...]]
    needs: ClassVar[tuple[str, ...]] = ()
    patience_s: ClassVar[float] = EACH_S

    def __init__(self, access: Access) -> None:
        self._access = access

    @abstractmethod
    def read(self, moment: Moment) -> SourceReading:
        """Read once. Raises what the driver raises."""


class Rated:
    """A source of `monitor`, read again and again: its gauges, and the rates since the reading before.

    grown: by how much each counter grew since then; empty where the two cannot be compared."""

    def __init__(self, source: ReadingSource) -> None:
        self._source = source
        self._last: Reading | None = None
        self.grown: Mapping[str, float] = {}

    def read(self) -> tuple[Numbers, bool]:
        """The numbers, and whether the server was started again since the reading before. Raises as the source does."""
        before, now = self._last, self._source.read()
        self._last = now
        grown = (rates(before, now) if before is not None else None) or {}
        seconds = now.at - before.at if before is not None else 0.0
        self.grown = {name.removesuffix("_per_s"): rate * seconds for name, rate in grown.items()}
        values = {**now.values, **grown}
        return values | apply(self._source.derived, values), before is not None and _restarted(before, now)


def _restarted(before: Reading, now: Reading) -> bool:
    """The same server with another process or a younger life. Another server is no restart: the primary moved."""
    if before.identity[:1] != now.identity[:1] and len(now.identity) > 1:
        return False
    younger = before.uptime_s is not None and now.uptime_s is not None and now.uptime_s < before.uptime_s
    return younger or before.identity != now.identity


class Growth:
    """Counts of the sprint that only grow, and how fast, by the sprint's clock."""

    def __init__(self) -> None:
        self._last: tuple[float, Mapping[str, float]] | None = None

    def per_second(self, moment: Moment, counts: Mapping[str, float]) -> Numbers:
        """`NAME_per_s` of each count that was there before and did not fall (somebody deleted records)."""
        before, self._last = self._last, (moment.real, dict(counts))
        if before is None or moment.real <= before[0]:
            return {}
        seconds = (moment.real - before[0]) * moment.speed
        return {
            f"{name}_per_s": (count - before[1][name]) / seconds
            for name, count in counts.items()
            if name in before[1] and count >= before[1][name]
        }


def named(values: Mapping[str, float], source: str, names: Mapping[str, str]) -> Numbers:
    """Readings of a source by the names of `watch.names`, from what `monitor` calls them."""
    return {f"{source}.{ours}": float(values[theirs]) for ours, theirs in names.items() if theirs in values}
