"""Charts of a view as plain coordinates: lines on a field of 1000 x 300 that is stretched, labels in per cent of it.

Lines are drawn as SVG, labels as text beside it: so a chart is legible at any width. Nothing is drawn through a gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from leadbook.phases.live.drawn import words
from leadbook.phases.live.records import LiveView
from leadbook.phases.live.view import growth, segments

WIDE, HIGH = 1000.0, 300.0
MOST_AHEAD = 3
"""A forecast is drawn for three times as long as the series is, at most."""
STEPS_S = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
ROUND = ((1, 5), (1.2, 4), (1.5, 3), (2, 4), (2.5, 5), (3, 3), (4, 4), (5, 5), (6, 3), (8, 4), (10, 5), (12, 4))
"""Round tops of a scale, and into how many round parts each falls."""
MARKED = ("restarted", "elected", "away", "acted")
Piece = Sequence[tuple[datetime, float]]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A label at `place`, % of the field from its left or its bottom."""

    place: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """A series drawn. number: its colour, from 1.  path: of SVG.  now, least, most: for people."""

    number: int
    label: str
    path: str
    now: str
    least: str
    most: str


@dataclass(frozen=True, kw_only=True)
class Band:
    """A span of time: left and width, % of the field."""

    left: float
    width: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """All that a chart shows. fan: polygon of a forecast.  marks: dashed lines at a height.  told: in words."""

    name: str
    title: str
    unit: str
    lines: Sequence[Line]
    across: Sequence[Tick]
    up: Sequence[Tick]
    gaps: Sequence[Band]
    events: Sequence[Tick]
    told: str
    fan: str = ""
    middle: str = ""
    marks: Sequence[Tick] = ()
    deadline: Tick | None = None
    is_wide: bool = False


@dataclass(frozen=True)
class _Field:
    """Where a moment and a value lie on the field."""

    begin: datetime
    end: datetime
    top: float

    def across(self, at: datetime) -> float:
        return WIDE * ((at - self.begin) / (self.end - self.begin))

    def down(self, value: float) -> float:
        return HIGH * (1 - value / self.top)

    def path(self, pieces: Iterable[Piece]) -> str:
        told = []
        for piece in pieces:
            points = [f"{self.across(at):.1f} {self.down(value):.1f}" for at, value in piece]
            told.append("M" + "L".join(points if len(points) > 1 else points * 2))
        return "".join(told)

    def points(self, places: Piece) -> str:
        return " ".join(f"{self.across(at):.1f},{self.down(value):.1f}" for at, value in places)


def charts(view: LiveView) -> list[Chart]:
    """The page's charts in order: leads with their forecast, rate, backlog, duplicate checks, connections, times."""
    shown = (
        ("backlog", "Backlog", "records", (("waiting", "sprint.waiting"),)),
        ("duplicates", "Duplicate check", "ms", (("MongoDB", "probe.mongodb_ms"), ("Redis", "probe.redis_ms"))),
        ("connections", "Connections", "connections",
         (("MongoDB, open", "mongodb.connections_current"), ("pipeline's pool, in use", "ingest.pool_in_use"))),
        ("times", "Operations in MongoDB", "ms", (("write", "mongodb.write_ms"), ("read", "mongodb.read_ms"))),
    )  # fmt: skip
    rate = [("leads", growth(segments(view, "sprint.leads"), 3600))]
    drawn = [_leads(view), _chart(view, "rate", "Rate", "leads/hour", rate)]
    for name, title, unit, readings in shown:
        drawn.append(_chart(view, name, title, unit, [(label, segments(view, one)) for label, one in readings]))
    return drawn


def _leads(view: LiveView) -> Chart:
    pieces = segments(view, "sprint.leads")
    begin, now = _span(view)
    open_ones = [one for one in view.forecast.milestones if one.reached_at is None and one.at is not None]
    ahead = [at for one in open_ones for at in (one.at, one.late) if at is not None]
    if view.forecast.deadline is not None:
        ahead.append(view.forecast.deadline)
    end = min(max([now, *ahead]), now + MOST_AHEAD * (now - begin))
    top = _top(max([view.wanted, *(value for piece in pieces for _, value in piece)]))
    field = _Field(begin, end, top)
    start, fan, middle = (now, float(words.leads(view))), "", ""
    if open_ones:
        last = open_ones[-1]
        early = [(one.early, float(one.leads)) for one in open_ones if one.early is not None]
        late = [(one.late or end, float(one.leads)) for one in reversed(open_ones)]
        fan = field.points([start, *early, *late])
        middle = field.path([[start, *((one.at, float(one.leads)) for one in open_ones if one.at is not None)]])
        told = words.milestone(last, view.forecast)
    else:
        told = words.rate(view.forecast)
    marks = {one.leads for one in view.forecast.milestones} | {view.wanted}
    chart = _chart(view, "leads", "Leads over time", "leads", [("stored", pieces)], field)
    return replace(
        chart, fan=fan, middle=middle, is_wide=True, told=f"{chart.told} Forecast: {told}.",
        marks=[Tick(place=100 * value / top, text=f"{value:,}") for value in sorted(marks) if value <= top],
        deadline=_at(field, view.forecast.deadline, "deadline"),
    )  # fmt: skip


def _at(field: _Field, at: datetime | None, text: str) -> Tick | None:
    if at is None or not field.begin <= at <= field.end:
        return None
    return Tick(place=field.across(at) / 10, text=f"{text} {at:%H:%M}")


def _chart(
    view: LiveView, name: str, title: str, unit: str, series: Sequence[tuple[str, Sequence[Piece]]],
    field: _Field | None = None,
) -> Chart:  # fmt: skip
    values = [value for _, pieces in series for piece in pieces for _, value in piece]
    begin, end = _span(view)
    field = field or _Field(begin, end, _top(max(values, default=1.0)))
    lines = [_line(number, label, pieces, field) for number, (label, pieces) in enumerate(series, start=1)]
    spans = [(one, two) for one, two in view.gaps if two > field.begin]
    words_of = "; ".join(f"{one.label}: now {one.now}, least {one.least}, most {one.most}" for one in lines)
    missed = f" Nothing was read in {len(spans)} span{'s' if len(spans) > 1 else ''}." if spans else ""
    return Chart(
        name=name, title=title, unit=unit, lines=lines, across=_clock(field), up=_heights(field.top),
        gaps=[_band(field, *span) for span in spans], events=_events(view, field),
        told=f"{title}, {unit}, {begin:%H:%M} to {end:%H:%M} UTC. {words_of}.{missed}",
    )  # fmt: skip


def _line(number: int, label: str, pieces: Sequence[Piece], field: _Field) -> Line:
    values = [value for piece in pieces for _, value in piece]
    now, least, most = (values[-1], min(values), max(values)) if values else (None, None, None)
    return Line(
        number=number, label=label, path=field.path(pieces), now=words.amount(now), least=words.amount(least),
        most=words.amount(most),
    )  # fmt: skip


def _span(view: LiveView) -> tuple[datetime, datetime]:
    at = view.history.get("at") or [view.at.isoformat()]
    begin = datetime.fromisoformat(at[0])
    return begin, max(view.at, begin + timedelta(seconds=1))


def _band(field: _Field, begin: datetime, end: datetime) -> Band:
    left = max(0.0, field.across(begin) / 10)
    length = words.duration((end - begin).total_seconds())
    return Band(left=left, width=max(0.2, field.across(end) / 10 - left), text=f"nothing was read for {length}")


def _events(view: LiveView, field: _Field) -> list[Tick]:
    marked = [one for one in view.events if one.kind in MARKED and field.begin <= one.at <= field.end]
    return [
        Tick(place=field.across(one.at) / 10, text=f"{one.at:%H:%M} {one.source}: {words.event(one.kind)}")
        for one in marked
    ]


def _round(most: float) -> tuple[float, int]:
    """The next round number above `most`, and into how many round parts it falls."""
    if most <= 0 or not math.isfinite(most):
        return 1.0, 5
    size = 10.0 ** math.floor(math.log10(most))
    return next((step * size, parts) for step, parts in ROUND if step * size >= most * 1.02)


def _top(most: float) -> float:
    return _round(most)[0]


def _heights(top: float) -> list[Tick]:
    parts = _round(top / 1.03)[1]
    return [Tick(place=100 * part / parts, text=f"{top * part / parts:,.10g}") for part in range(parts + 1)]


def _clock(field: _Field) -> list[Tick]:
    length = (field.end - field.begin).total_seconds()
    step = next((one for one in STEPS_S if length / one <= 6), STEPS_S[-1] * math.ceil(length / STEPS_S[-1] / 6))
    first = math.ceil(field.begin.timestamp() / step) * step
    moments = [datetime.fromtimestamp(at, UTC) for at in range(first, int(field.end.timestamp()) + 1, step)]
    form = "%d %b" if step >= 86400 else "%H:%M"
    return [Tick(place=field.across(at) / 10, text=f"{at:{form}}") for at in moments]
