"""Made sprints: how many unique leads were stored, minute by minute, until well past 20,000. Seven families, so that a
forecast is not fitted to its own test. Each is ten collectors whose pace comes to some 20,000 leads in about a day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot

Rng = np.random.Generator
WANTED = 20_000
MINUTES = 7 * 24 * 60
COLLECTORS = 10
BEGAN = datetime(2026, 12, 1, 8, tzinfo=UTC)


def _wander(rng: Rng, minutes: float, spread: float) -> np.ndarray:
    """Ten paces around 1 that are alike for about so many minutes: log-normal, of an AR(1) process."""
    keep = np.exp(-1 / minutes)
    noise = rng.normal(size=(COLLECTORS, MINUTES)) * spread * np.sqrt(1 - keep**2)
    state, out = rng.normal(size=COLLECTORS) * spread, np.empty((COLLECTORS, MINUTES))
    for minute in range(MINUTES):
        state = keep * state + noise[:, minute]
        out[:, minute] = state
    return np.exp(out - spread**2 / 2)


def _on_off(rng: Rng, on: float, off: float) -> np.ndarray:
    """1 where a collector works, 0 where it pauses; mean lengths in minutes."""
    out = np.zeros((COLLECTORS, MINUTES))
    for mine in out:
        at, works = 0, rng.random() < on / (on + off)
        while at < MINUTES:
            length = 1 + int(rng.exponential(on if works else off))
            mine[at : at + length] = works
            at, works = at + length, not works
    return out


def _paces(rng: Rng) -> np.ndarray:
    """Leads a minute of each collector: unlike, together 20,000 in 18 to 32 hours."""
    share = rng.dirichlet(np.full(COLLECTORS, 4.0))[:, None]
    return share * WANTED / (60 * rng.uniform(18, 32))


def _batches(rng: Rng, pace: np.ndarray) -> np.ndarray:
    """Leads a minute in all, staged in batches of about 20 to 60."""
    size = rng.uniform(20, 60)
    return rng.poisson(np.broadcast_to(pace.sum(axis=0) / size, MINUTES)) * size


def steady(rng: Rng) -> np.ndarray:
    """Paces that wander for half an hour or so."""
    return _batches(rng, _paces(rng) * _wander(rng, rng.uniform(15, 60), rng.uniform(0.2, 0.5)))


def on_off(rng: Rng) -> np.ndarray:
    """Collectors that work for hours and pause for hours."""
    on, off = rng.uniform(60, 180), rng.uniform(20, 90)
    return _batches(rng, _paces(rng) * _on_off(rng, on, off) * (on + off) / on)


def bursts(rng: Rng) -> np.ndarray:
    """A low pace, and every hour or two hundreds of leads within minutes."""
    share, every = rng.uniform(0.3, 0.6), rng.uniform(40, 120)
    pace = _paces(rng)
    burst = (rng.random(MINUTES) < 1 / every) * rng.gamma(2.0, 0.5, size=MINUTES) * every * share * pace.sum()
    spread = np.convolve(burst, np.ones(10) / 10)[:MINUTES]
    return _batches(rng, pace * (1 - share)) + np.round(spread)


def daily(rng: Rng) -> np.ndarray:
    """Faster by day than by night, begun at any hour."""
    hour = 2 * np.pi * (np.arange(MINUTES) / (24 * 60) + rng.random())
    return _batches(rng, _paces(rng) * _wander(rng, 30, 0.3) * (1 + rng.uniform(0.1, 0.4) * np.sin(hour)))


def failures(rng: Rng) -> np.ndarray:
    """Collectors that die and are mended hours later, or never; and everything stands still for an hour or less."""
    pace = _paces(rng) * _wander(rng, 30, 0.3)
    for mine in pace:
        for at in np.flatnonzero(rng.random(MINUTES) < 1 / (20 * 60)):
            gone = MINUTES if rng.random() < 0.1 else int(rng.exponential(120))
            mine[at : at + gone] = 0
    for at in np.flatnonzero(rng.random(MINUTES) < 1 / (8 * 60)):
        pace[:, at : at + int(rng.uniform(5, 60))] = 0
    return _batches(rng, pace)


def worn_out(rng: Rng) -> np.ndarray:
    """As `steady`; `made` has ever more of its records turn out to be duplicates."""
    return _batches(rng, _paces(rng) * _wander(rng, 30, 0.3))


def scaled(rng: Rng) -> np.ndarray:
    """Now and then somebody adds collectors or takes some away."""
    pace = _paces(rng) * _wander(rng, 30, 0.3)
    level, steps = 1.0, np.ones(MINUTES)
    for at in np.flatnonzero(rng.random(MINUTES) < 1 / (8 * 60)):
        level = float(np.clip(level * rng.choice([0.7, 0.85, 1.2, 1.4]), 0.4, 2.5))
        steps[at:] = level
    return _batches(rng, pace * steps)


FAMILIES: dict[str, Callable[[Rng], np.ndarray]] = {
    "steady": steady, "on and off": on_off, "bursts": bursts, "daily shape": daily, "failures": failures,
    "worn out": worn_out, "scaled": scaled,
}  # fmt: skip


@dataclass(frozen=True)
class MadeSprint:
    """seconds since it began, a point a minute until 20,000 leads are well passed; records ended and leads then."""

    seconds: np.ndarray
    records: np.ndarray
    leads: np.ndarray

    @property
    def done(self) -> float:
        """When 20,000 leads were stored, s."""
        return float(np.interp(WANTED, self.leads, self.seconds))

    def at(self, share: float) -> MadeSprint:
        """What is known when that share of the 20,000 leads is stored."""
        end = int(np.searchsorted(self.leads, share * WANTED)) + 1
        return MadeSprint(self.seconds[:end], self.records[:end], self.leads[:end])


def made(family: str, seed: int) -> MadeSprint:
    """A sprint. Three to fifteen records of a hundred are duplicates from the first, later up to half of `worn out`;
    which batch holds how many is chance."""
    rng = np.random.default_rng([sorted(FAMILIES).index(family), seed])
    records = np.round(FAMILIES[family](rng) * 1.1)
    share, loss = rng.uniform(0.85, 0.97), rng.uniform(0.2, 0.5) if family == "worn out" else rng.uniform(0, 0.1)
    luck = rng.beta(share * 30, (1 - share) * 30, size=MINUTES)
    leads, total = np.zeros(MINUTES + 1), 0.0
    for minute, came in enumerate(records):
        total += came * luck[minute] * max(0.0, 1 - loss * total / WANTED)
        leads[minute + 1] = total
    end = int(np.searchsorted(leads, WANTED)) + 2
    known = np.concatenate([[0.0], np.cumsum(records)])
    return MadeSprint(60.0 * np.arange(MINUTES + 1)[:end], known[:end], np.floor(leads[:end]))


def readings(sprint: MadeSprint, number: int) -> dict[str, float]:
    """What a snapshot tells of it: the ingester keeps up, and nothing is rejected."""
    records, leads = float(sprint.records[number]), float(sprint.leads[number])
    return {
        "sprint.staged": records, "sprint.waiting": 0.0, "sprint.claimed": 0.0, "sprint.leads": leads,
        "sprint.stored": leads, "sprint.filled": 0.0, "sprint.duplicates": records - leads, "sprint.rejected": 0.0,
    }  # fmt: skip


def series(sprint: MadeSprint, began: datetime = BEGAN) -> History:
    """The history that a watch of it leaves, a snapshot a minute."""
    history = History()
    for number, second in enumerate(sprint.seconds):
        at, told = began + timedelta(seconds=float(second)), readings(sprint, number)
        history.add(LiveSnapshot(at=at, number=number, watch="made", interval_s=60.0, readings=told))
    return history
