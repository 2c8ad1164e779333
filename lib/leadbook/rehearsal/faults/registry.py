"""All faults by name, and when each comes in a sprint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from leadbook.core import connect
from leadbook.core.errors import RefusedError, UsageError, did_you_mean
from leadbook.core.settings import Settings
from leadbook.rehearsal.faults.caches import CacheLoss, Evictions, RedisKilled
from leadbook.rehearsal.faults.clients import Connections, Runaway, SlowQuery
from leadbook.rehearsal.faults.fault import Fault
from leadbook.rehearsal.faults.members import DiskFull, Failover, MemberKilled
from leadbook.rehearsal.faults.senders import (
    DuplicateStorm,
    FollowerKilled,
    NothingCollected,
    RejectStorm,
    SilentCollector,
)

FAULTS: dict[str, type[Fault]] = {
    fault.name: fault
    for fault in (
        SlowQuery, CacheLoss, Evictions, DuplicateStorm, Connections, SilentCollector, RejectStorm, Failover,
        MemberKilled, RedisKilled, Runaway, FollowerKilled, NothingCollected, DiskFull,
    )
}  # fmt: skip
"""In the order in which `--faults all` puts them in: the gravest come late."""
FIRST_AT = 0.15
"""Before this share of the sprint no fault of `--faults all` comes: what is usual must be known first."""
QUIET = 20
"""Intervals of quiet after each fault, in which it must be told to be over."""


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A fault and its time, in seconds of the sprint from its begin."""

    name: str
    at_s: float
    lasts_s: float

    @property
    def ends_s(self) -> float:
        """When it is undone."""
        return self.at_s + self.lasts_s


def named(name: str) -> type[Fault]:
    """The fault of this name. Raises UsageError."""
    if name not in FAULTS:
        hint = did_you_mean(name, FAULTS) or f"there are {', '.join(FAULTS)}"
        raise UsageError(f"there is no fault {name!r}; {hint}")
    return FAULTS[name]


def at(name: str, at_s: float, lasts_s: float, every_s: float) -> Planned:
    """This fault then; for as long as it needs where `lasts_s` is 0. Raises UsageError."""
    return Planned(name=name, at_s=at_s, lasts_s=lasts_s or named(name).intervals * every_s)


def every(names: Sequence[str], hours: float, every_s: float) -> Iterator[Planned]:
    """These faults one after the other, each followed by quiet. Raises UsageError where the sprint is too short."""
    begin, end = FIRST_AT * hours * 3600, hours * 3600
    took = sum((FAULTS[name].intervals + QUIET) * every_s for name in names)
    if begin + took > end:
        least = took / (1 - FIRST_AT) / 3600
        raise UsageError(
            f"{len(names)} faults need {least:.1f} hours of sprint at an interval of {every_s:g} s, and it has "
            f"{hours:g}; give more --hours, or name fewer faults with --fault"
        )
    spare = (end - begin - took) / max(1, len(names))
    for name in names:
        planned = at(name, begin, 0.0, every_s)
        yield planned
        begin = planned.ends_s + QUIET * every_s + spare


def refuse_unfit(planned: Sequence[Planned], settings: Settings, endpoints: connect.Endpoints) -> None:
    """Raise RefusedError, naming the fault, where one cannot be put in here."""
    for one in planned:
        if why := named(one.name).unfit(settings, endpoints):
            raise RefusedError(f"the fault {one.name} cannot be put in here: {why}")


def fit(settings: Settings, endpoints: connect.Endpoints) -> tuple[list[str], dict[str, str]]:
    """(names of the faults that can be put in here, those that cannot and why)."""
    unfit = {name: why for name, fault in FAULTS.items() if (why := fault.unfit(settings, endpoints))}
    return [name for name in FAULTS if name not in unfit], unfit
