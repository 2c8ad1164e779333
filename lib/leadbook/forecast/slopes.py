"""Growth that a few wild readings do not move, with an interval that takes neighbours for alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PARTS = 30
RESAMPLES = 100
FEWEST = 10


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Growth per second: the median of all pairs' slopes (Theil 1950, Sen 1968), and its 80 % interval."""

    low: float
    middle: float
    high: float


def slope(seconds: np.ndarray, values: np.ndarray) -> Slope | None:
    """The slope through finite readings; None below FEWEST of them, or where they were all read at once.

    The interval is a moving-block bootstrap of what is left over from the line (Kuensch 1989), its blocks as long as
    `block_length` says: neighbouring readings are alike, and an interval that takes them for independent is too narrow.
    """
    if len(seconds) < FEWEST or seconds[-1] <= seconds[0]:
        return None
    at, mean = _parts(seconds, values)
    first, second = np.triu_indices(len(at), 1)
    apart = at[second] - at[first]
    middle = float(np.median((mean[second] - mean[first]) / apart))
    start = float(np.median(mean - middle * at))
    rest = mean - middle * at - start
    length = block_length(rest)
    rng = np.random.default_rng(0)
    begins = rng.integers(0, len(rest) - length + 1, size=(RESAMPLES, -(-len(rest) // length)))
    drawn = rest[begins[:, :, None] + np.arange(length)].reshape(RESAMPLES, -1)[:, : len(rest)]
    more = np.median((drawn[:, second] - drawn[:, first]) / apart, axis=1)
    low, high = (middle + float(value) for value in np.quantile(more - np.median(more), [0.1, 0.9]))
    return Slope(low=low, middle=middle, high=high)


def _parts(seconds: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At most PARTS points: the medians of as many runs of readings."""
    groups = np.array_split(np.arange(len(seconds)), min(PARTS, len(seconds)))
    at = np.array([np.median(seconds[group]) for group in groups])
    return at, np.array([np.median(values[group]) for group in groups])


def block_length(series: np.ndarray) -> int:
    """How long blocks must be, so that what is alike stays together: Politis and White 2004, with the correction of
    Patton, Politis and White 2009; at most a third of the series."""
    n = len(series)
    centred = series - series.mean()
    variance = float((centred**2).mean())
    if variance <= 0 or n < FEWEST:
        return 1
    quiet, limit = max(5, int(np.sqrt(np.log10(n)))), 2 * np.sqrt(np.log10(n) / n)
    most = min(n - 1, int(np.ceil(np.sqrt(n))) + quiet)
    covariance = np.array([float((centred[lag:] * centred[: n - lag]).sum()) / n for lag in range(most + 1)])
    loud = np.flatnonzero(np.abs(covariance[1:] / variance) >= limit)
    width = min(most, 2 * (int(loud[-1]) + 1 if len(loud) else 1))
    lags = np.arange(-width, width + 1)
    window = np.minimum(1.0, 2 * (1 - np.abs(lags) / width)) * covariance[np.abs(lags)]
    spectrum, bend = float(window.sum()), float((np.abs(lags) * window).sum())
    if spectrum <= 0:
        return n // 3
    best = (1.5 * bend**2 / spectrum**2) ** (1 / 3) * n ** (1 / 3)
    return int(np.clip(np.ceil(best), 1, n // 3))
