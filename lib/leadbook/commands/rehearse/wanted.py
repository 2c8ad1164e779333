"""What a rehearsal sprint shall be, from what was typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from leadbook.core import connect
from leadbook.core.errors import UsageError
from leadbook.core.settings import Settings
from leadbook.rehearsal.faults import registry
from leadbook.rehearsal.faults.registry import Planned

RECORDS_AN_HOUR = 3_250
"""Raw records that collectors send an hour: the task book's 26,000 for 20,000 leads, in eight hours."""
LEAST_S = 0.5
"""Shortest interval of the watch in real seconds: a snapshot must be read and judged in it, beside all that works."""
EVERY_S = 30.0
LONGEST_H, SLOWEST, FASTEST = 72.0, 1.0, 1_000.0
_FAULT = re.compile(r"([a-z-]+)@(\d+(?:\.\d+)?)([smh])(?:\+(\d+(?:\.\d+)?)([smh]))?")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3_600.0}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A rehearsal sprint. hours: of the sprint.  clock: how many times as fast it goes.  every_s: between two
    snapshots, s of the sprint; 0: 30 s, or what half a real second comes to.  faults: NAME@WHEN, or NAME@WHEN+LENGTH.
    all_faults: each that can be put in here, one after the other.  keep: series, page and servers stay."""

    hours: float = 8.0
    clock: float = 60.0
    every_s: float = 0.0
    faults: Sequence[str] = ()
    all_faults: bool = False
    seed: int = 20_000
    keep: bool = False

    @property
    def interval_s(self) -> float:
        """Between two snapshots, s of the sprint."""
        return self.every_s or max(EVERY_S, LEAST_S * self.clock)

    @property
    def seconds(self) -> float:
        """How long the sprint lasts in real seconds."""
        return self.hours * 3_600 / self.clock

    @property
    def records(self) -> int:
        """Records that the collectors send."""
        return max(500, round(RECORDS_AN_HOUR * self.hours))

    def refuse(self) -> None:
        """Raise UsageError for a sprint that cannot be."""
        for name, value, least, most in (
            ("--hours", self.hours, 0.1, LONGEST_H),
            ("--clock", self.clock, SLOWEST, FASTEST),
        ):
            if not least <= value <= most:
                raise UsageError(f"{name} must be a number from {least:g} to {most:g}, got {value:g}")
        if self.every_s < 0 or self.interval_s < LEAST_S * self.clock:
            raise UsageError(
                f"an interval of {self.every_s:g} s at a clock of {self.clock:g} is {self.every_s / self.clock:.2f} s "
                f"for a snapshot, and it needs {LEAST_S:g} s: give --every {LEAST_S * self.clock:.0f}s or more, or a "
                "slower --clock"
            )
        if self.interval_s * 4 > self.hours * 3_600:
            raise UsageError(f"{self.hours:g} hours hold fewer than four intervals of {self.interval_s:g} s: a longer "
                             "sprint, or a slower --clock, shows something")  # fmt: skip
        if self.all_faults and self.faults:
            raise UsageError("give --fault or --faults all, not both")
        self._typed()

    def _typed(self) -> list[Planned]:
        planned = []
        for text in self.faults:
            found = _FAULT.fullmatch(text.strip())
            if found is None:
                raise UsageError(f"--fault {text!r} is not NAME@WHEN, such as cache-loss@30m or slow-query@1h+10m")
            name, when, unit, length, length_unit = found.groups()
            lasts_s = float(length) * _UNIT_S[length_unit] if length else 0.0
            one = registry.at(name, float(when) * _UNIT_S[unit], lasts_s, self.interval_s)
            if one.ends_s > self.hours * 3_600:
                raise UsageError(
                    f"--fault {text!r} would end after {one.ends_s / 3_600:.1f} hours, and the sprint has "
                    f"{self.hours:g}: let it begin sooner, or say how long it lasts: {name}@{when}{unit}+10m"
                )
            planned.append(one)
        return planned

    def planned(self, settings: Settings, endpoints: connect.Endpoints) -> tuple[list[Planned], dict[str, str]]:
        """(the faults in the order of time, those of `--faults all` that cannot be put in here and why). Raises
        UsageError, and RefusedError for a fault that was named and cannot be put in."""
        if self.all_faults:
            names, unfit = registry.fit(settings, endpoints)
            return list(registry.every(names, self.hours, self.interval_s)), unfit
        planned = sorted(self._typed(), key=lambda one: one.at_s)
        registry.refuse_unfit(planned, settings, endpoints)
        return planned, {}
