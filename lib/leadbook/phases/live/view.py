"""The view of one moment, made of the series and what was judged of it. What leaves here is free of personal data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.forecast.records import Forecast
from leadbook.lead.masks import mask_people
from leadbook.phases.live.judge import Judge
from leadbook.phases.live.records import LiveView
from leadbook.watch.history import History

POINTS = 500
"""Points of a history that is drawn, at most: more than a chart has places side by side."""
STALE_INTERVALS = 3
LEAST_STALE_S = 5.0
"""A page looks for news once a second at most; sooner it could not know."""
GAP_INTERVALS = 2.5
"""A turn may be late by half its interval before it counts as missed."""
PARTS = 60
"""A growth is told over a sixtieth of the series: long enough to be no noise."""
OVER, ACTED, EVENTS = 10, 20, 60
"""Ended findings, actions and events that are shown, the latest."""

_Shown = TypeVar("_Shown")


def make_view(
    settings: Settings, history: History, judge: Judge, forecast: Forecast, *, target: str, whose: str,
    actions: Sequence[Mapping[str, Any]] = (), alerts: Sequence[Mapping[str, Any]] = (),
) -> LiveView:  # fmt: skip
    """The view of the history's last snapshot. Raises ValueError where nothing was read yet.

    target: of MongoDB, for people.  whose: MADE-UP DATA or REAL DATA.  actions, alerts: JSON-ready, the latest last.
    """
    if history.last is None:
        raise ValueError("nothing was read yet: there is nothing to show")
    snapshot = history.last
    view = LiveView(
        at=snapshot.at, verdict=judge.verdict, whose=whose, profile=settings.profile, target=target,
        wanted=settings.target_collected, snapshot=replace(snapshot, events=()), forecast=forecast,
        findings=tuple(judge.findings), over=tuple(judge.over[-OVER:]), unknown=dict(judge.unknown),
        history=thinned(history), events=tuple(history.events[-EVENTS:]), actions=tuple(actions[-ACTED:]),
        alerts=tuple(alerts), gaps=gaps(history.seconds, snapshot.interval_s), snapshots=len(history),
        stale_after_s=max(LEAST_STALE_S, STALE_INTERVALS * snapshot.interval_s / settings.clock),
        atlas=bool(settings.atlas_project),
    )  # fmt: skip
    return hidden(view, Redactor.from_environment(settings))


def gaps(seconds: np.ndarray, interval_s: float) -> tuple[tuple[datetime, datetime], ...]:
    """Spans of a series (s since 1970) in which turns were missed: longer than twice what is usual around there."""
    found = []
    steps = np.diff(seconds)
    for place in np.flatnonzero(steps > GAP_INTERVALS * interval_s).tolist():
        around = np.delete(steps[max(0, place - 10) : place + 11], min(place, 10))
        if not len(around) or steps[place] > GAP_INTERVALS * float(np.median(around)):
            found.append((_moment(seconds[place]), _moment(seconds[place + 1])))
    return tuple(found)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


# ---------------------------------------------------------------------------------------------------------- history


def thinned(history: History, points: int = POINTS) -> dict[str, list[Any]]:
    """A history's columns with `points` rows at most: `at` as ISO 8601, numbers, None where nothing was read.

    Neighbouring rows become two, the least and the most of each reading, so that no peak is lost; the last row stays.
    """
    seconds, rows = history.seconds, len(history)
    names = list(history.names)
    if rows <= points:
        columns = {name: _plain(history.column(name)) for name in names}
        return {"at": [_moment(one).isoformat() for one in seconds], **columns}
    starts = np.unique(np.linspace(0, rows - 1, (points - 1) // 2 + 1).astype(int))[:-1]
    ends = np.append(starts[1:], rows - 1) - 1
    at = np.append(np.column_stack([seconds[starts], seconds[ends]]).ravel(), seconds[-1])
    columns = {name: _plain(_extremes(history.column(name), starts, ends)) for name in names}
    return {"at": [_moment(one).isoformat() for one in at], **columns}


def _extremes(column: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    least, most = np.fmin.reduceat(column[:-1], starts), np.fmax.reduceat(column[:-1], starts)
    falls = column[starts] > column[ends]
    pairs = np.column_stack([np.where(falls, most, least), np.where(falls, least, most)])
    return np.append(pairs.ravel(), column[-1])


def _plain(column: np.ndarray) -> list[float | None]:
    return [float(f"{value:.6g}") if math.isfinite(value) else None for value in column.tolist()]


def rows(view: LiveView, name: str) -> list[tuple[datetime, float | None]]:
    """One reading of the view's history in time; nothing was read in a gap, which stands there as None."""
    at = [datetime.fromisoformat(one) for one in view.history.get("at", ())]
    found: list[tuple[datetime, float | None]] = list(zip(at, view.history.get(name, [None] * len(at)), strict=True))
    holes = [(begin + (end - begin) / 2, None) for begin, end in view.gaps]
    return sorted([*found, *holes], key=lambda row: row[0])


def segments(view: LiveView, name: str) -> list[list[tuple[datetime, float]]]:
    """The same as unbroken pieces: a line is drawn through each, and none between them."""
    pieces: list[list[tuple[datetime, float]]] = [[]]
    for at, value in rows(view, name):
        if value is None:
            pieces.append([])
        else:
            pieces[-1].append((at, value))
    return [piece for piece in pieces if piece]


def growth(pieces: Sequence[Sequence[tuple[datetime, float]]], per_s: float) -> list[list[tuple[datetime, float]]]:
    """Growth of a counter for each `per_s` seconds, over spans of a sixtieth of all pieces; none over a gap."""
    rows = sum(map(len, pieces))
    step = max(1, rows // PARTS)
    found = []
    for piece in pieces:
        ends = [*piece[::step], piece[-1]] if len(piece) > 1 else []
        rates = [
            (at, max(0.0, value - before) / (at - began).total_seconds() * per_s)
            for (began, before), (at, value) in pairwise(ends) if at > began
        ]  # fmt: skip
        found.append(rates)
    return [piece for piece in found if piece]


def latest(view: LiveView, name: str) -> float | None:
    """What the last snapshot read of `name`, None where it read nothing."""
    value = view.snapshot.readings.get(name)
    return value if value is not None and math.isfinite(value) else None


# ------------------------------------------------------------------------------------------------------------- text


def hidden(shown: _Shown, redactor: Redactor) -> _Shown:
    """The same record, people and known secrets in its texts masked."""
    if isinstance(shown, str):
        return mask_people(redactor.text(shown))  # type: ignore[return-value]
    if is_dataclass(shown) and not isinstance(shown, type):
        told = {one.name: getattr(shown, one.name) for one in fields(shown)}
        texts = {name: hidden(value, redactor) for name, value in told.items() if name not in ("history", "readings")}
        return replace(shown, **texts)
    if isinstance(shown, Mapping):
        return {hidden(key, redactor): hidden(value, redactor) for key, value in shown.items()}  # type: ignore[return-value]
    if isinstance(shown, list | tuple):
        return tuple(hidden(value, redactor) for value in shown)  # type: ignore[return-value]
    return shown


def view_json(view: LiveView) -> str:
    """The view as JSON: moments as ISO 8601, None for numbers that are none."""
    return json.dumps(_finite(asdict(view)), default=_told, separators=(",", ":"), ensure_ascii=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _told(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
