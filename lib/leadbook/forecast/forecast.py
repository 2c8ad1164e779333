"""What comes: the rate now, when each milestone is reached, and with what probability by the deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from leadbook.core.settings import Settings
from leadbook.forecast.headroom import headroom
from leadbook.forecast.pace import BINS, Pace, fit
from leadbook.forecast.progress import Progress, reached_at
from leadbook.forecast.records import Forecast, ForecastAccuracy, Milestone
from leadbook.forecast.yields import Yield, fit_yield
from leadbook.watch.history import History

FEWEST, SHORTEST_S = 20, 600.0
"""Snapshots, and seconds of sprint time, below which nothing is forecast."""
DRAWS = 1_000
LOW, HIGH = 0.1, 0.9
HORIZON_S = 30 * 86_400.0
"""What takes longer than a month does not come at this pace."""
ACCURACY = Path(__file__).with_name("accuracy.yaml")
"""What tests/proofs/test_forecast_coverage.py wrote last."""


def forecast(history: History, settings: Settings, now: datetime) -> Forecast:
    """The forecast from a series, as of `now` (UTC, by the sprint's clock). The same series gives the same forecast."""
    begin, deadline = _moment(settings.sprint_start), _moment(settings.sprint_deadline)
    wanted = sorted({int(one) for one in settings.milestones.split(",")})
    progress = Progress.of(history, begin)
    reached = {leads: reached_at(history, leads) for leads in wanted}
    why = _too_little(progress, begin, now)
    coming = [leads for leads in wanted if reached[leads] is None]
    rate, comes = (None, dict[int, np.ndarray]()) if why else _outlook(progress, coming)
    read = history.last.at if history.last else now
    milestones = [_milestone(leads, reached[leads], comes.get(leads), read, deadline) for leads in wanted]
    return Forecast(
        at=now, leads=int(history.newest("sprint.leads") or 0), deadline=deadline, milestones=tuple(milestones),
        rate=rate[1] if rate else None, low=rate[0] if rate else None, high=rate[2] if rate else None,
        headroom=headroom(history), unmeasured=why, accuracy=accuracy(),
    )  # fmt: skip


@cache
def accuracy() -> ForecastAccuracy:
    """How far the forecast's own intervals are to be believed, as measured on made sprints."""
    return ForecastAccuracy(**yaml.safe_load(ACCURACY.read_text(encoding="utf-8")))


def _moment(told: str) -> datetime | None:
    return datetime.fromisoformat(told).astimezone(UTC) if told else None


def _too_little(progress: Progress, begin: datetime | None, now: datetime) -> str:
    """Why nothing can be forecast; empty where it can."""
    if begin is not None and begin > now:
        return f"the sprint begins at {begin:%Y-%m-%d %H:%M} UTC"
    if len(progress.seconds) < FEWEST:
        return f"{len(progress.seconds)} snapshots of the sprint so far, {FEWEST} are needed"
    if progress.known_s < SHORTEST_S:
        return f"{progress.known_s / 60:.0f} minutes of the sprint so far, {SHORTEST_S / 60:.0f} are needed"
    if progress.leads[-1] <= progress.leads[0]:
        return "no lead was stored since the sprint began"
    return ""


def _outlook(progress: Progress, wanted: list[int]) -> tuple[tuple[float, float, float], dict[int, np.ndarray]]:
    """Leads an hour now (low, middle, high), and by milestone the seconds until it comes, a draw a path."""
    rng = np.random.default_rng(0)
    bins = min(BINS, len(progress.seconds) - 1)
    edges = np.linspace(progress.seconds[0], progress.seconds[-1], bins + 1)
    counts = np.diff(np.interp(edges, progress.seconds, progress.records))
    pace = fit(counts, float(edges[1] - edges[0]), DRAWS, rng)
    most = max(wanted, default=int(progress.leads[-1]))
    yields = fit_yield(progress.records, progress.leads, most, DRAWS, rng)
    comes = {leads: _arrivals(progress, leads, pace, yields, rng) for leads in wanted}
    if progress.ended and not progress.waiting:
        return (0.0, 0.0, 0.0), comes
    low, middle, high = (float(value) for value in np.quantile(pace.hourly * yields.now, [LOW, 0.5, HIGH]))
    return (low, middle, high), comes


def _arrivals(progress: Progress, leads: int, pace: Pace, yields: Yield, rng: np.random.Generator) -> np.ndarray:
    """Seconds from the last reading on. Once collectors have ended, no more can come than waits."""
    more = float(leads - progress.leads[-1])
    if progress.ended and more > progress.waiting:
        return np.full(DRAWS, np.inf)
    return pace.arrivals(yields.records(more), rng)


def _milestone(
    leads: int, reached: datetime | None, comes: np.ndarray | None, read: datetime, deadline: datetime | None
) -> Milestone:
    if reached is not None:
        return Milestone(leads=leads, reached_at=reached, probability=float(reached <= deadline) if deadline else None)
    if comes is None:
        return Milestone(leads=leads)
    early, middle, late = (_date(read, float(np.quantile(comes, q, method="higher"))) for q in (LOW, 0.5, HIGH))
    left = (deadline - read).total_seconds() if deadline else None
    chance = None if left is None else float((comes <= left).mean())
    return Milestone(leads=leads, early=early, at=middle, late=late, probability=chance)


def _date(read: datetime, seconds: float) -> datetime | None:
    return read + timedelta(seconds=seconds) if seconds <= HORIZON_S else None
