"""The live sprint in JupyterLab: one output, redrawn in place. A headless run gets the same one, and ends in time.

In a cell of one's own:

    from leadbook.phases.live.drawn.here import watch_here
    watch_here(book.settings, 600)
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Any

from IPython.display import HTML, display
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, DateFormatter, date2num
from matplotlib.figure import Figure

from leadbook.page import palette, style
from leadbook.page.prose import ticks, with_profile
from leadbook.phases.live.drawn import words
from leadbook.phases.live.records import Finding, LiveView
from leadbook.phases.live.view import growth, segments

PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Backlog", "records", (("waiting", "sprint.waiting"),)),
    ("Duplicate check", "ms", (("MongoDB", "probe.mongodb_ms"), ("Redis", "probe.redis_ms"))),
)  # fmt: skip
COLOURS = {"HEALTHY": palette.GOOD, "ATTENTION": "#8f5b00", "CRITICAL": palette.BAD}
DASHES = ("-", "--")


def show_live(view: LiveView, handle: Any = None) -> Any:
    """Show a view in a notebook: the first time it makes an output, then it redraws the one of `handle`.

    Returns the handle, None where no notebook shows anything.
    """
    shown = HTML(live_html(view))
    if handle is None:
        return display(shown, display_id=True)
    handle.update(shown)
    return handle


def live_html(view: LiveView) -> str:
    """A view as one piece of HTML: verdict, progress, what to do now, four plots."""
    picture = base64.b64encode(style.png(live_figure(view))).decode()
    lines = [words.milestone(one, view.forecast) for one in view.forecast.milestones]
    lines += [f"now {words.rate(view.forecast)}; {words.backlog(view)}"]
    parts = "; ".join(f"{part.name} {part.state}" for part in words.health(view))
    found = "".join(_finding(view, one) for one in view.findings)
    told = f"{words.leads(view):,} of {view.wanted:,} leads"
    return (
        f'<div style="border-left:.5em solid {COLOURS.get(view.verdict, palette.MUTED)};padding:.2em 1em">'
        f'<div style="font-size:1.3em"><b>{escape(view.verdict)}</b>: {told}</div>'
        f"<div>{escape(view.whose)}, {escape(view.target)}, {view.at:%H:%M:%S} UTC</div>"
        f"<div>{'<br>'.join(map(escape, lines))}</div><div>{escape(parts)}</div>"
        f"<ol>{found}</ol></div>"
        f'<img style="max-width:100%" alt="Leads, rate, backlog and duplicate checks: {told}" '
        f'src="data:image/png;base64,{picture}">'
    )


def _finding(view: LiveView, one: Finding) -> str:
    answered = words.answered(view, one)
    marked = f' <b style="color:{palette.GOOD}">{escape(answered)}</b>' if answered else ""
    return (
        f"<li><b>{escape(words.level(one))}</b> {escape(words.headline(one))}{marked} "
        f"({escape(words.since(one, view.at))}). <b>Do:</b> {ticks(with_profile(one.remedy, view.profile))}</li>"
    )


def live_figure(view: LiveView) -> Figure:
    """Four plots over the sprint's time (UTC): leads with their forecast, rate, backlog, duplicate checks."""
    figure, (leads, rate, *others) = style.panels(2, 2, size=(10.0, 6.0))
    _leads(leads, view)
    _lines(rate, "Rate", "leads/hour", {"leads": growth(segments(view, "sprint.leads"), 3600)}, view)
    for axes, (title, unit, readings) in zip(others, PANELS, strict=True):
        _lines(axes, title, unit, {label: segments(view, name) for label, name in readings}, view)
    return figure


def _leads(axes: Axes, view: LiveView) -> None:
    _lines(axes, "Leads", "leads", {"stored": segments(view, "sprint.leads")}, view)
    for one in view.forecast.milestones[-1:]:
        if one.reached_at is None and one.at and one.early and one.late:
            now, stored = _days(view.at), float(words.leads(view))
            corners = [now, _days(one.early), _days(one.late)]
            axes.fill(corners, [stored, one.leads, one.leads], color=palette.SERIES[0], alpha=0.2)
            axes.plot([now, _days(one.at)], [stored, one.leads], color=palette.SERIES[0], linestyle=":",
                      label="forecast, 80 %")  # fmt: skip
            axes.set_xlim(axes.get_xlim()[0], corners[-1])
            axes.legend(fontsize=8, frameon=False, loc="lower right")
    axes.set_ylim(0, 1.12 * max(view.wanted, words.leads(view)))
    style.target_line(axes, view.wanted, f"{view.wanted:,}")


def _span(axes: Axes) -> tuple[float, float]:
    """Two minutes at least: a clock's labels need some."""
    begin, end = axes.get_xlim()
    return begin, max(end, begin + 2 / 1440)


def _days(at: datetime) -> float:
    return float(date2num(at))  # type: ignore[no-untyped-call]


def _lines(axes: Axes, title: str, unit: str, series: dict[str, list[Any]], view: LiveView) -> None:
    style.panel(axes, title, unit)
    for number, (label, pieces) in enumerate(series.items()):
        for at, piece in enumerate(pieces):
            times, values = [_days(moment) for moment, _ in piece], [value for _, value in piece]
            axes.plot(times, values, color=palette.SERIES[number], linestyle=DASHES[number], linewidth=1.6,
                      label=label if at == 0 else None)  # fmt: skip
    if not any(series.values()):
        axes.text(0.5, 0.5, "not measurable", transform=axes.transAxes, ha="center", va="center", color=palette.MUTED)
        return
    axes.set_xlim(*_span(axes))
    for begin, end in view.gaps:
        axes.axvspan(_days(begin), _days(end), color=palette.MUTED, alpha=0.25, linewidth=0)
    axes.set_ylim(bottom=0)
    axes.xaxis_date(tz=UTC)  # type: ignore[arg-type]
    axes.tick_params(axis="x", labelrotation=0)
    axes.xaxis.set_major_locator(AutoDateLocator(tz=UTC, maxticks=6))  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))  # type: ignore[no-untyped-call]
    if len(series) > 1:
        axes.legend(fontsize=8, frameon=False, loc="upper left")


# ------------------------------------------------------------------------------------------------------------- loop


def follow(views: Callable[[], LiveView], seconds: float, every_s: float) -> LiveView:
    """Show views in one output for `seconds`, one each `every_s`, the first at once; the last one. Ctrl-C, or the
    notebook's stop, ends it in order."""
    end, handle = time.monotonic() + seconds, None
    view = views()
    try:
        while True:
            handle = show_live(view, handle)
            if time.monotonic() + every_s > end:
                return view
            time.sleep(every_s)
            view = views()
    except KeyboardInterrupt:
        return view
