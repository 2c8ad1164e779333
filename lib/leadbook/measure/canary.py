"""A workload that never changes, so that a noisy host is told apart from a slow database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from leadbook.measure.intervals import Interval, interval

__all__ = ["NOISY", "Canary", "compute", "variation"]

NOISY = 0.20
"""Coefficient of variation of the canary above which a host is called noisy: twice the 10 % that the performance
teams of database vendors call usual for shared machines."""

_BLOCK = b"leadbook" * 8192


def compute() -> float:
    """Seconds for a fixed amount of hashing (about 10 ms on one core): touches no database, no disk, no network."""
    started = time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(250):
        digest.update(_BLOCK)
    return time.perf_counter() - started


def variation(values: Sequence[float]) -> float | None:
    """Coefficient of variation (standard deviation / mean), or None for fewer than three values."""
    if len(values) < 3:
        return None
    mean = sum(values) / len(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5 / mean)


@dataclass(kw_only=True)
class Canary:
    """Runs the constant workload beside the rounds and remembers how long it took, in seconds."""

    workload: Callable[[], float] = compute
    seconds: list[float] = field(default_factory=list)

    def sing(self) -> float:
        """Run the workload once; gives its seconds."""
        self.seconds.append(self.workload())
        return self.seconds[-1]

    @property
    def noise(self) -> float | None:
        """Coefficient of variation over the runs so far; None where too few."""
        return variation(self.seconds)

    @property
    def noisy(self) -> bool | None:
        """True where the host itself varies by more than `NOISY`."""
        return None if self.noise is None else self.noise > NOISY

    def interval(self) -> Interval:
        """Mean seconds with interval. Raises ValueError before the first run."""
        return interval(self.seconds)
