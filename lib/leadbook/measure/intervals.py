"""Confidence intervals over rounds, and the rule that overlapping intervals show no difference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, comb, cos, pi, sin, sqrt
from statistics import NormalDist, median

import numpy as np

RESAMPLES = 20_000
LEVEL = 0.95
WIDEST = 13.0
"""Beyond Student's t of two values, 12.7, which is the largest."""
MANY, NEARLY_NOTHING = 5.0, 0.05
"""Beyond these ratios people say `54 times`, not `+5318 %`, and `-99.6 %`, not `-100 %`."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The middle of independent rounds with its 95 % interval, in the unit of the values.

    middle: the mean (`interval`) or the median (`median_interval`).  low and high equal None when there are too few
    rounds: one round says nothing about its own noise.
    """

    middle: float
    low: float | None
    high: float | None
    rounds: int

    def overlaps(self, other: Interval) -> bool:
        """True where the two cannot be told apart, which includes an interval that is not known."""
        if self.low is None or self.high is None or other.low is None or other.high is None:
            return True
        return self.low <= other.high and other.low <= self.high

    def text(self, unit: str = "", digits: int = 0) -> str:
        """`5,321 (5,100 to 5,498) documents/s`."""
        shown = f"{self.middle:,.{digits}f}"
        if self.low is not None and self.high is not None:
            shown += f" ({self.low:,.{digits}f} to {self.high:,.{digits}f})"
        return f"{shown} {unit}".strip()


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`after` against `before`. ratio: mean of after / before round by round, with its interval.

    shown: False where the intervals of the two overlap; then `text` says "no difference shown".
    """

    before: Interval
    after: Interval
    ratio: Interval
    shown: bool

    def text(self) -> str:
        """`+12 % (+8 % to +15 %)`, `54 times (49 to 60)` where it is more than fivefold, or `no difference shown`."""
        if not self.shown:
            return "no difference shown"
        ratio = self.ratio
        if ratio.middle > MANY and (ratio.low is None or ratio.low > 1):
            times, *spread = ratio.text().split(" ", 1)
            return " ".join([times, "times", *spread])
        digits = 1 if ratio.middle < NEARLY_NOTHING else 0
        percent = [
            f"{100 * (value - 1):+.{digits}f} %" for value in (ratio.middle, ratio.low, ratio.high) if value is not None
        ]
        return percent[0] if len(percent) < 3 else f"{percent[0]} ({percent[1]} to {percent[2]})"


def interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """The mean of independent rounds with its 95 % interval. Raises ValueError for no values.

    Expanded percentile bootstrap (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015): the plain
    percentile interval is too narrow for a handful of rounds, so its tails are widened to match Student's t.
    """
    sample = np.asarray(values, dtype=float)
    if not sample.size or not np.isfinite(sample).all():
        raise ValueError(f"an interval needs finite values, got {list(values)!r}")
    rounds = int(sample.size)
    if rounds < 2:
        return Interval(middle=float(sample.mean()), low=None, high=None, rounds=rounds)
    drawn = np.random.default_rng(seed).integers(0, rounds, size=(RESAMPLES, rounds))
    tail = _tail(rounds)
    low, high = np.quantile(sample[drawn].mean(axis=1), [tail, 1 - tail])
    return Interval(middle=float(sample.mean()), low=float(low), high=float(high), rounds=rounds)


def median_interval(values: Sequence[float]) -> Interval:
    """The median of independent rounds with its 95 % interval from order statistics; none below six rounds.

    For small effects among rare large delays, which carry a mean along. Distribution-free (Conover, "Practical
    Nonparametric Statistics", 3.2): the k-th values from either end, where fewer than k of the rounds lie on one side
    of the true median in at most 2.5 % of all cases. Raises ValueError for no values.
    """
    sample = sorted(float(value) for value in values)
    if not sample or not np.isfinite(sample).all():
        raise ValueError(f"an interval needs finite values, got {list(values)!r}")
    rounds = len(sample)
    outside, cut = 0.0, 0
    while (outside := outside + comb(rounds, cut) / 2**rounds) <= (1 - LEVEL) / 2:
        cut += 1
    low, high = (sample[cut - 1], sample[-cut]) if cut else (None, None)
    return Interval(middle=median(sample), low=low, high=high, rounds=rounds)


def _tail(rounds: int) -> float:
    """The share of the bootstrap distribution cut off on each side, for that many rounds."""
    return NormalDist().cdf(-student(rounds) * (rounds / (rounds - 1)) ** 0.5)


def student(rounds: int) -> float:
    """Student's t at 97.5 % for that many values (two or more), the factor of a two-sided 95 % interval."""
    low, high = 0.0, WIDEST
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, rounds - 1) < LEVEL else (low, middle)
    return high


def _within(t: float, freedom: int) -> float:
    """The probability that Student's t lies between -t and t (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle, odd = atan(t / sqrt(freedom)), freedom % 2
    term, total = cos(angle) if odd else 1.0, 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cos(angle) ** 2 * (power + 1) / (power + 2)
    inside = sin(angle) * total
    return (angle + inside) * 2 / pi if odd else inside


def difference(before: Sequence[float], after: Sequence[float], *, seed: int = 0) -> Difference:
    """Compare interleaved rounds of two variants; "no difference shown" when their intervals overlap.

    Rounds are paired in order: the n-th of both ran beside each other, so that the ratio is free of a host's drift.
    Raises ValueError where the numbers of rounds differ or a value of `before` is zero.
    """
    if len(before) != len(after):
        raise ValueError(f"{len(before)} rounds cannot be paired with {len(after)}")
    if not all(before):
        raise ValueError("a round of zero cannot be compared")
    first, second = interval(before, seed=seed), interval(after, seed=seed)
    ratio = interval([new / old for old, new in zip(before, after, strict=True)], seed=seed)
    return Difference(before=first, after=second, ratio=ratio, shown=not first.overlaps(second))
