"""The pace of collecting as a model, and paths of what may come.

Paces are autocorrelated at every scale: collectors pause for hours, die, come back, and somebody adds some. A moving-
block bootstrap of what came so far (Kuensch 1989) takes none of that for possible that did not happen yet, and its
80 % intervals hold in far fewer cases (docs/forecast-accuracy.md has the figures). So the pace is a state-space model
(Harvey, "Forecasting, Structural Time Series Models and the Kalman Filter", 1989): a mean, a level that wanders around
it and is alike for a while (AR(1)), and noise. How long it is alike, and how far it wanders, is not known: each pair of
a grid counts as much as it explains the series (its likelihood in a Kalman filter, times a prior). A burst is noise
unless it lasts; recent history counts as much as the level is alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ALIKE_H = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 30.0])
"""Hours for which the level is alike."""
WANDERS = np.array([0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0])
"""Variance of the level in units of the noise's."""
LEVEL, LEVEL_SPREAD = 0.25, 0.6
"""Before anything is seen the level is expected to wander by a quarter of the mean (its logarithm spreads so much).
Chosen once, on other made sprints than those that accuracy is told of."""
MEAN_VARIANCE = 100.0
"""Of the mean before anything is seen, in units of the noise's: nothing is known of it."""
BINS = 96
STEPS = 120
"""Steps of a path; each lasts so long that the middle path is done after a quarter of them."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Draws of what the pace may be at the end of a series, one a path. All are per bin, in units of `mean`.

    mean: records a bin.  width_s: of a bin.  middle, level: the mean, and how far the level is from it now.
    keeps: share of the level that stays after a bin.  shock, noise: standard deviations.
    """

    mean: float
    width_s: float
    middle: np.ndarray
    level: np.ndarray
    keeps: np.ndarray
    shock: np.ndarray
    noise: np.ndarray

    @property
    def hourly(self) -> np.ndarray:
        """Records an hour, now."""
        now: np.ndarray = np.maximum(0.0, self.middle + self.level) * self.mean * 3_600.0 / self.width_s
        return now

    def arrivals(self, wanted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Seconds until each path brought so many records (inf: however many come); inf where it never does."""
        need = wanted / self.mean
        typical = np.median(need[np.isfinite(need)]) if np.isfinite(need).any() else 1.0
        length = max(1.0, 4.0 * float(typical)) / STEPS
        keeps = self.keeps**length
        shock = self.shock * np.sqrt((1 - keeps**2) / np.maximum(1 - self.keeps**2, 1e-12))
        drawn = rng.normal(size=(STEPS, 2, len(need)))
        level, grown = self.level, np.empty((STEPS, len(need)))
        for step in range(STEPS):
            before, level = level, keeps * level + shock * drawn[step, 0]
            came = length * np.maximum(0.0, self.middle + 0.5 * (before + level))
            grown[step] = came + self.noise * np.sqrt(length) * drawn[step, 1]
        return self.width_s * length * _crossing(np.cumsum(grown, axis=0), need, self.middle * length)


def _crossing(paths: np.ndarray, need: np.ndarray, onwards: np.ndarray) -> np.ndarray:
    """Steps until each path reaches its need, in proportion within a step; beyond the last it goes on `onwards`."""
    highest = np.maximum.accumulate(np.maximum(paths, 0.0), axis=0)
    after = (highest < need).sum(axis=0)
    last, columns = len(paths) - 1, np.arange(len(need))
    upper = highest[np.minimum(after, last), columns]
    lower = np.where(after > 0, highest[np.maximum(after - 1, 0), columns], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        inside = after + np.where(upper > lower, (need - lower) / (upper - lower), 1.0)
        beyond = np.where(onwards > 0, last + 1 + (need - highest[-1]) / onwards, np.inf)
    return np.where(after > last, beyond, inside)


def fit(counts: np.ndarray, width_s: float, draws: int, rng: np.random.Generator) -> Pace:
    """The model of records in equal bins of time, of which at least one held any, as so many draws."""
    mean = float(counts.mean())
    hours, wanders = (axis.ravel() for axis in np.meshgrid(ALIKE_H, WANDERS, indexing="ij"))
    keeps = np.exp(-width_s / 3_600.0 / hours)
    state, covariance, likelihood, squares = _filtered(counts / mean, keeps, wanders)
    freedom = len(counts) - 1
    spread = np.log(np.sqrt(wanders * squares / freedom) / LEVEL) / LEVEL_SPREAD
    weight = likelihood - 0.5 * freedom * np.log(squares / freedom) - 0.5 * spread**2
    chance = np.exp(weight - weight.max())
    chosen = rng.choice(len(chance), size=draws, p=chance / chance.sum())
    noise = np.sqrt(squares[chosen] / rng.chisquare(freedom, size=draws))
    first, second = rng.normal(size=(2, draws))
    mine = covariance[:, chosen]
    root = np.sqrt(mine[0])
    rest = np.sqrt(np.maximum(mine[2] - (mine[1] / root) ** 2, 0.0))
    return Pace(
        mean=mean, width_s=width_s, keeps=keeps[chosen], noise=noise,
        middle=state[0, chosen] + noise * root * first,
        level=state[1, chosen] + noise * (mine[1] / root * first + rest * second),
        shock=noise * np.sqrt(wanders[chosen] * (1 - keeps[chosen] ** 2)),
    )  # fmt: skip


def _filtered(
    series: np.ndarray, keeps: np.ndarray, wanders: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The Kalman filter for every pair at once, the noise's variance left out.

    Returns mean and level in the end, their variances (mean's, both, level's), the logarithm of the likelihood without
    the part of the noise, and the sum of squared surprises.
    """
    middle, level = np.ones_like(keeps), np.zeros_like(keeps)
    of_middle, of_both, of_level = np.full_like(keeps, MEAN_VARIANCE), np.zeros_like(keeps), wanders.copy()
    likelihood, squares = np.zeros_like(keeps), np.full_like(keeps, 1e-9)
    for value in series:
        level, of_both = keeps * level, keeps * of_both
        of_level = keeps**2 * of_level + wanders * (1 - keeps**2)
        variance = of_middle + 2 * of_both + of_level + 1.0
        surprise = value - middle - level
        gain, gain_level = (of_middle + of_both) / variance, (of_both + of_level) / variance
        middle, level = middle + gain * surprise, level + gain_level * surprise
        of_middle, of_both, of_level = (
            of_middle - gain**2 * variance, of_both - gain * gain_level * variance, of_level - gain_level**2 * variance,
        )  # fmt: skip
        likelihood -= 0.5 * np.log(variance)
        squares += surprise**2 / variance
    return np.stack([middle, level]), np.stack([of_middle, of_both, of_level]), likelihood, squares
