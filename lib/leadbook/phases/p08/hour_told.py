"""The last hour and the parts of the sprint in words, tables and one plot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from leadbook.core.checks import Unmeasured
from leadbook.page import palette, style
from leadbook.page.prose import number
from leadbook.phases.live.drawn import words
from leadbook.phases.p08.hour import NONE, Watched
from leadbook.watch.names import READINGS
from leadbook.watch.periods import Period, SprintStage
from leadbook.watch.records import Event

Kept = Watched | Unmeasured | Exception | None
COLUMNS = {
    "reading": "what is read, each interval", "unit": "its unit; of an age by the sprint's clock",
    "begin": "first reading of the hour",
    "middle": "half of the readings were below", "most": "largest reading", "end": "last reading",
    "snapshots": "in which it was read", "collector": "its workflow, as it stamps its records",
    "vendor": "whose records it stages", "staged": "records within the hour", "waiting": "of its records, not ended",
    "last, min ago": "since its latest record", "silent": "sent before, and fell silent while others send",
    "at": "UTC, by the sprint's clock", "what": "what happened", "of": "to whom",
    "lasted, s": "how long, where that is known", "part": "of the sprint, by its progress", "from": "UTC",
    "until": "UTC", "leads": "stored within it", "leads/h": "stored an hour", "most waiting": "records, at one moment",
    "slowest check ms": "duplicate check in MongoDB, median of a snapshot", "not read, s": "no snapshot for so long",
    "trouble": "which rule fired", "level": "1 DBA, 2 Technical Lead, 3 Project Manager, 4 critical",
    "since": "UTC", "seen": "the numbers", "what to do": "of the rule",
}  # fmt: skip
SHOWN = (
    "sprint.waiting", "sprint.oldest_s", "sprint.claimed", "sprint.expired", "sprint.poison", "ingest.documents_per_s",
    "ingest.pool_in_use", "ingest.pool_wait_ms", "probe.redis_ms", "probe.mongodb_ms", "mongodb.write_ms",
    "mongodb.read_ms", "mongodb.cache_dirty_percent", "mongodb.connections_current", "mongodb.lag_s",
    "mongodb.disk_used_percent", "mongodb.slow", "redis.memory_percent", "redis.hit_percent", "redis.evicted_per_s",
    "host.cpu_percent", "watch.cost_ms",
)  # fmt: skip
MOST_EVENTS = 40
PANELS = (
    ("Leads stored", "leads", ("sprint.leads",)), ("Records that wait", "records", ("sprint.waiting",)),
    ("Duplicate check", "ms", ("probe.mongodb_ms", "probe.redis_ms")),
)  # fmt: skip


def in_words(kept: Kept, wanted: int) -> tuple[str, ...]:
    """How the hour went, in sentences."""
    if not isinstance(kept, Watched):
        return (NONE,) if not isinstance(kept, Exception) else (f"The series could not be read: {kept}.",)
    hour = kept.hour
    return tuple(filter(None, (_read(kept), _clock(hour), _pace(hour, wanted), _outcomes(hour), _verdicts(kept))))


def _read(kept: Watched) -> str:
    hour = kept.hour
    gaps = f"; nothing was read for {hour.unread_s:,.0f} s in {len(hour.gaps)} gaps, marked below" if hour.gaps else ""
    ahead = ", which a rehearsal lets run ahead" if _is_ahead(hour) else ""
    torn = f" {kept.torn} lines of the series could not be read." if kept.torn else ""
    return (
        f"From {_moment(hour.first.at)} to {_moment(hour.last.at)} UTC, by the sprint's clock{ahead}: "
        f"{len(hour.snapshots):,} snapshots of {hour.expected:,} due, one each "
        f"{hour.last.interval_s:,.0f} s{gaps}.{torn}"
    )


def _is_ahead(hour: Period) -> bool:
    return hour.last.at > datetime.now(UTC)


def _clock(hour: Period) -> str:
    """What a clock that runs ahead means for the numbers below."""
    if not _is_ahead(hour):
        return ""
    return (
        "That clock goes faster than the real one. Times, ages and pauses in the tables and the plot below are by it, "
        "so that they cannot be held against those of the sections above."
    )


def _pace(hour: Period, wanted: int) -> str:
    grown, leads = hour.growth("sprint.leads"), hour.spread("sprint.leads")
    if grown is None or leads is None:
        return "How many leads were stored is not known: MongoDB did not tell."
    rate = hour.per_hour("sprint.leads")
    pace = "too short to tell a rate" if rate is None else f"{rate:,.0f} an hour"
    return f"{grown[0]:,.0f} leads were stored ({pace}); {leads.last:,.0f} of {wanted:,} are there."


def _outcomes(hour: Period) -> str:
    names = {"stored": "stored", "filled": "filled", "duplicates": "duplicate", "rejected": "rejected"}
    told = [
        f"{grown[0]:,.0f} {word}"
        for name, word in names.items()
        if (grown := hour.growth(f"sprint.{name}")) is not None
    ]
    leads, stored = hour.growth("sprint.leads"), hour.growth("sprint.stored")
    late = round(leads[0] - stored[0]) if leads and stored else 0
    why = f" {late:,} of the leads are not among them: a record's outcome is written after its lead." * (late > 0)
    return f"Staged records came to: {', '.join(told)}.{why}" if told else ""


def _verdicts(kept: Watched) -> str:
    if not kept.verdicts:
        return ""
    counts = ", ".join(f"{word} in {count:,}" for word, count in sorted(kept.verdicts.items()))
    return f"The rules called the sprint {counts} snapshots; {len(kept.findings)} troubles went on or ended."


def readings_frame(hour: Period) -> pd.DataFrame:
    """A row a reading that was read."""
    rows = [
        (READINGS[name][1], READINGS[name][0], found.first, found.middle, found.most, found.last, found.count)
        for name in SHOWN
        if name in READINGS and (found := hour.spread(name)) is not None
    ]
    return pd.DataFrame(rows, columns=["reading", "unit", "begin", "middle", "most", "end", "snapshots"])


def collectors_frame(hour: Period) -> pd.DataFrame:
    """A row a collector."""
    rows = [
        (one["workflow"] or "(not stamped)", one["vendor"], one["staged"], one["waiting"], _minutes(one["last_s"]),
         "yes" if one["silent"] else "no")
        for one in hour.collectors()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["collector", "vendor", "staged", "waiting", "last, min ago", "silent"])


def events_frame(hour: Period) -> pd.DataFrame:
    """A row an event of the hour, the latest MOST_EVENTS."""
    rows = [(_moment(one.at), _event(one), one.source, one.seconds) for one in hour.events[-MOST_EVENTS:]]
    return pd.DataFrame(rows, columns=["at", "what", "of", "lasted, s"])


def _event(event: Event) -> str:
    more = event.told.get("verdict") if event.kind == "report" else event.told.get("action", "")
    return f"{words.event(event.kind)} {more or ''}".strip()


def findings_frame(kept: Watched) -> pd.DataFrame:
    """A row a trouble of the hour."""
    rows = [
        (f"{one.title} {one.subject}".strip(), one.level, _moment(one.since),
         _moment(one.until) if one.until else "goes on", one.evidence, one.remedy)
        for one in kept.findings
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["trouble", "level", "since", "until", "seen", "what to do"])


def stages_frame(kept: Watched) -> pd.DataFrame:
    """A row a part of the sprint that was reached."""
    columns = ["part", "from", "until", "leads", "leads/h", "most waiting", "slowest check ms", "not read, s"]
    return pd.DataFrame(map(_stage_row, kept.stages), columns=columns)


def _stage_row(stage: SprintStage) -> Sequence[Any]:
    period = stage.period
    grown, waiting = period.growth("sprint.leads"), period.spread("sprint.waiting")
    rate, checks = period.per_hour("sprint.leads"), period.spread("probe.mongodb_ms")
    return (
        stage.name, _moment(period.first.at), "goes on" if stage.goes_on else _moment(period.last.at),
        None if grown is None else grown[0], None if rate is None else round(rate),
        None if waiting is None else waiting.most, None if checks is None else round(checks.most, 2),
        round(period.unread_s),
    )  # fmt: skip


def plot(hour: Period) -> Figure:
    """Leads, backlog and duplicate checks over the hour; where nothing was read the ground is grey."""
    figure, grid = style.panels(len(PANELS), size=(10.0, 7.0), sharex=True)
    for axes, (title, unit, names) in zip(grid, PANELS, strict=True):
        style.panel(axes, f"{title}, {unit}")
        _draw(axes, hour, names)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    grid[-1].xaxis.set_major_locator(locator)
    grid[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    grid[-1].set_xlabel("UTC, by the sprint's clock; grey: nothing was read", fontsize=9, color=palette.MUTED)
    return figure


def _draw(axes: Axes, hour: Period, names: tuple[str, ...]) -> None:
    for begin, end in hour.gaps:
        axes.axvspan(begin, end, color=palette.GRID, zorder=0)  # type: ignore[arg-type]
    drawn = [name for name in names if hour.spread(name) is not None]
    for name, colour, line in zip(drawn, palette.SERIES, ("-", "--"), strict=False):
        moments, values = _line(hour, name)
        (drawn_line,) = axes.plot(moments, values, label=READINGS[name][1])  # type: ignore[arg-type]
        drawn_line.set(linewidth=1.6, marker=".", markersize=4, color=colour, linestyle=line)
    if not drawn:
        style.empty(axes)
    elif len(drawn) > 1:
        axes.legend(fontsize=8, frameon=False, loc="upper left")


def _line(hour: Period, name: str) -> tuple[list[datetime], list[float]]:
    """Moments and readings; each gap is a NaN, so that no line bridges it."""
    points = dict(zip((one.at for one in hour.snapshots), map(float, hour.history.column(name)), strict=True))
    points |= {begin + (end - begin) / 2: float("nan") for begin, end in hour.gaps}
    moments = sorted(points)
    return moments, [points[moment] for moment in moments]


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _minutes(seconds: object) -> str:
    return number(seconds / 60, digits=1) if isinstance(seconds, int | float) else "not known"
