"""Latencies as HDR histograms in microseconds: merged and never averaged, silent where samples are too few."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram

LOWEST_US, HIGHEST_US, DIGITS = 1, 600_000_000, 3
SAMPLES_BEYOND = 10
"""A percentile is told only when ten samples lie beyond it: p99 from 1,000 samples, p99.9 from 10,000."""


def least_samples(percentile: float) -> int:
    """The fewest samples from which `percentile` (0 to 100) is told: ten beyond it."""
    return math.ceil(round(SAMPLES_BEYOND / (1 - percentile / 100), 6))


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Latencies of one kind of operation in ms. A percentile is None where its samples are too few.

    count: operations.  worst_ms: the slowest operation seen.
    """

    count: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    worst_ms: float | None

    @property
    def judged(self) -> tuple[str, float | None]:
        """Name and value of what a gate looks at: p99; p95 below 1,000 samples; the slowest below 200."""
        for name, value in (("p99", self.p99_ms), ("p95", self.p95_ms)):
            if value is not None:
                return name, value
        return f"slowest of {self.count}", self.worst_ms


class Latencies:
    """A histogram of latencies from 1 us to 10 minutes at three significant digits.

    Histograms of processes, rounds and threads are joined by `merge`; there is no way to average two of them.
    """

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        self.extend(seconds)

    def record(self, seconds: float) -> None:
        """Add one latency in seconds. Raises ValueError for a negative one or one that is not a number."""
        if not seconds >= 0:
            raise ValueError(f"a latency cannot be {seconds!r} s")
        self._histogram.record_value(min(max(round(seconds * 1e6), LOWEST_US), HIGHEST_US))

    def extend(self, seconds: Iterable[float]) -> None:
        """Add latencies in seconds."""
        for value in seconds:
            self.record(value)

    def merge(self, *others: Latencies) -> Latencies:
        """Add the samples of `others` to this histogram; gives itself back."""
        for other in others:
            if other.count:
                self._histogram.add(other._histogram)
        return self

    @property
    def count(self) -> int:
        """How many latencies were recorded."""
        return int(self._histogram.get_total_count())

    @property
    def mean_ms(self) -> float | None:
        """Arithmetic mean in ms. Takes 30 ms, so only who shows it asks."""
        return float(self._histogram.get_mean_value()) / 1e3 if self.count else None

    @property
    def worst_ms(self) -> float | None:
        """The slowest operation in ms."""
        return float(self._histogram.get_max_value()) / 1e3 if self.count else None

    def percentile(self, percentile: float) -> float | None:
        """That percentile in ms, or None where fewer than ten samples would lie beyond it."""
        if self.count < least_samples(percentile):
            return None
        return float(self._histogram.get_value_at_percentile(percentile)) / 1e3

    def percentile_interval(self, percentile: float) -> tuple[float, float, float] | None:
        """Low end, value and high end (ms) of a percentile, 95 %, from order statistics; None where it is not told."""
        value = self.percentile(percentile)
        if value is None:
            return None
        spread = 1.96 * 100 * math.sqrt(percentile / 100 * (1 - percentile / 100) / self.count)
        low, high = (
            self._histogram.get_value_at_percentile(min(max(percentile + sign * spread, 0), 100)) / 1e3
            for sign in (-1, 1)
        )
        return float(low), value, float(high)

    def summary(self) -> Summary:
        """Count, percentiles and the slowest."""
        return Summary(
            count=self.count, worst_ms=self.worst_ms, p50_ms=self.percentile(50),
            p95_ms=self.percentile(95), p99_ms=self.percentile(99), p999_ms=self.percentile(99.9),
        )  # fmt: skip

    def curve(self) -> list[tuple[float, float]]:
        """Points (percentile, ms) for a percentile plot, as far as the samples carry."""
        steps = (0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.99)
        told = ((step, self.percentile(step)) for step in steps)
        return [(step, value) for step, value in told if value is not None]

    def encoded(self) -> str:
        """Text that `decoded` reads back; how a histogram travels between processes (by pickle) and into records."""
        return bytes(self._histogram.encode()).decode("ascii")

    def __reduce__(self) -> tuple[Callable[[str], Latencies], tuple[str]]:
        return Latencies.decoded, (self.encoded(),)

    @classmethod
    def decoded(cls, text: str) -> Latencies:
        """The histogram that `encoded` wrote."""
        latencies = cls()
        latencies._histogram.decode_and_add(text.encode("ascii"))
        return latencies
