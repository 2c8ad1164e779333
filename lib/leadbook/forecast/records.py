"""A forecast as plain records: milestones, limits, and how sure each is. Intervals are 80 %."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """Some number of leads. reached_at: when it was reached.

    early, at, late: else the 10th, 50th and 90th percentile of when it comes, None where it does not come within the
    horizon.  probability: that it comes by the deadline, 0 to 1; None without a deadline or without enough history.
    """

    leads: int
    reached_at: datetime | None = None
    early: datetime | None = None
    at: datetime | None = None
    late: datetime | None = None
    probability: float | None = None


@dataclass(frozen=True, kw_only=True)
class Headroom:
    """A limit that the sprint may hit. used, capacity: in `unit`.  per_h: growth per hour.

    early_h, hours, late_h: until it is hit, None where it is never hit at this pace.  unmeasured: why nothing is known
    of it, empty where it is.
    """

    name: str
    used: float | None = None
    capacity: float | None = None
    unit: str = ""
    per_h: float | None = None
    early_h: float | None = None
    hours: float | None = None
    late_h: float | None = None
    unmeasured: str = ""


@dataclass(frozen=True, kw_only=True)
class ForecastAccuracy:
    """How often the 80 % interval of the 20,000 leads held, over made sprints (docs/forecast-accuracy.md).

    held_percent: of so many forecasts, made at a quarter, half and three quarters of so many sprints.
    measured_on: the day.
    """

    held_percent: float
    forecasts: int
    sprints: int
    measured_on: str


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What the series says of what comes. rate, low, high: leads/hour, now, with its 80 % interval; None where there is
    too little history (`unmeasured` says why).  headroom: the limit that is hit first stands first.  accuracy: of the
    milestones' intervals, as measured."""

    at: datetime
    leads: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    deadline: datetime | None = None
    milestones: Sequence[Milestone] = ()
    headroom: Sequence[Headroom] = ()
    unmeasured: str = ""
    accuracy: ForecastAccuracy | None = None
