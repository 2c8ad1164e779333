"""How many records a lead takes. The more leads are known, the more records are duplicates, so the yield falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PARTS = 24
"""Parts of the records so far, over which the yield is seen."""
FALL = 0.3
"""Before anything is seen the yield is expected to change by so much over the leads that are wanted."""
LEAST = 0.02
"""A yield is not taken for lower: of fifty records one is a lead."""


@dataclass(frozen=True, kw_only=True)
class Yield:
    """Draws of what it may be. now: leads a record.  falls: by how much less with each lead more."""

    now: np.ndarray
    falls: np.ndarray

    def records(self, leads: float) -> np.ndarray:
        """Records until so many more leads are stored; inf where the yield ends before.

        The solution of dL/dR = now - falls * L.
        """
        done = self.falls * leads / self.now
        with np.errstate(divide="ignore", invalid="ignore"):
            curved = -np.log1p(-np.minimum(done, 1.0)) / self.falls
        return np.where(np.abs(done) < 1e-6, leads / self.now, curved)


def fit_yield(records: np.ndarray, leads: np.ndarray, wanted: int, draws: int, rng: np.random.Generator) -> Yield:
    """A line through the yields of equal parts of the records (least squares, its slope drawn towards none by FALL),
    and how sure it is. Where records are the leads themselves, each one is a lead."""
    if np.array_equal(records, leads):
        return Yield(now=np.ones(draws), falls=np.zeros(draws))
    edges = np.linspace(records[0], records[-1], PARTS + 1)
    stored = np.interp(edges, *_rising(records, leads))
    seen = np.diff(stored) / np.diff(edges)
    place = np.stack([np.ones(PARTS), (0.5 * (stored[1:] + stored[:-1]) - stored[-1]) / wanted], axis=1)
    plain = np.linalg.lstsq(place, seen, rcond=None)[0]
    variance = float(((seen - place @ plain) ** 2).sum()) / (PARTS - 2) + 1e-9
    precision = place.T @ place + np.diag([0.0, variance / FALL**2])
    line = np.linalg.solve(precision, place.T @ seen)
    spread = np.linalg.cholesky(np.linalg.inv(precision)) * np.sqrt(variance)
    fat = np.sqrt((PARTS - 2) / rng.chisquare(PARTS - 2, size=draws))
    drawn = line + (rng.normal(size=(draws, 2)) @ spread.T) * fat[:, None]
    return Yield(now=np.maximum(drawn[:, 0], LEAST), falls=-drawn[:, 1] / wanted)


def _rising(records: np.ndarray, leads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both, only where records grew: the last reading of each count."""
    last = np.append(np.diff(records) > 0, True)
    return records[last], leads[last]
