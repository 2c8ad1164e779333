"""A workload that never changes, so that a busy host is told apart from a slow database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import fmean, stdev

NOISY = 0.20
"""Coefficient of variation of the canary above which a host is called noisy: twice the 10 % that the performance
teams of database vendors call usual for shared machines."""
BUSY = NOISY
"""Share of its time that the canary waits for a processor above which a host is called busy: the same bound. On an idle
host it waits for nothing; beside as many other programs as there are processors it waits for half of its time."""
SONGS = 8
"""Songs before and after a second measurement, about 80 ms each time."""

_BLOCK = b"leadbook" * 8192


def compute() -> float:
    """Seconds for a fixed amount of hashing (about 10 ms on one core): touches no database, no disk, no network."""
    started = time.perf_counter()
    digest = hashlib.sha256()
    for _ in range(250):
        digest.update(_BLOCK)
    return time.perf_counter() - started


@dataclass(kw_only=True)
class Canary:
    """Runs the constant workload beside what is measured; remembers its seconds, and those without a processor."""

    workload: Callable[[], float] = field(default_factory=lambda: compute)
    seconds: list[float] = field(default_factory=list)
    waited_seconds: list[float] = field(default_factory=list)

    def sing(self, songs: int = 1) -> float:
        """Run the workload that many times; gives the seconds of the last."""
        for _ in range(songs):
            wall, cpu = time.perf_counter(), time.thread_time()
            self.seconds.append(self.workload())
            wall, cpu = time.perf_counter() - wall, time.thread_time() - cpu
            self.waited_seconds.append(max(0.0, wall - cpu))
        return self.seconds[-1]

    @property
    def noise(self) -> float | None:
        """Coefficient of variation (standard deviation / mean) over the runs so far; None for fewer than three."""
        return stdev(self.seconds) / fmean(self.seconds) if len(self.seconds) > 2 else None

    @property
    def waited(self) -> float:
        """Share of its time in which the canary had no processor, 0 to 1."""
        return min(1.0, sum(self.waited_seconds) / sum(self.seconds)) if sum(self.seconds) else 0.0

    @property
    def busy(self) -> str:
        """Why the host is called busy, in a clause; empty where it is quiet or too little is known."""
        if self.waited > BUSY:
            waited = f"constant work beside it waited {100 * self.waited:.0f} % of its time for a processor"
            return f"{waited} (limit {100 * BUSY:.0f} %)"
        if self.noise is not None and self.noise > NOISY:
            return f"constant work beside it varied by {100 * self.noise:.0f} % (limit {100 * NOISY:.0f} %)"
        return ""
