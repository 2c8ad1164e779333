"""Plots of the data pipeline: the flow, the ledger as a waterfall, reasons, fill rates, stages, scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from leadbook.lead.ledger import Ledger
from leadbook.page import palette, style

STEPS = (
    ("1 Collect", "vendor files, or raw\npayloads staged by n8n", "unreadable record:\nrejected, kept"),
    ("2 Transform", "map columns, clean,\none form a field", "no required field:\nrejected, kept"),
    ("3 Duplicates", "batch, then Redis,\nthen MongoDB decides", "Redis away:\nMongoDB alone"),
    ("4 Enrich", "Hunter, Clearbit;\nnew leads only; optional", "3 attempts, then\nnot enriched"),
    ("5 Score", "points, qualification,\ntimes, defaults", "cannot fail: what is\nnot there scores 0"),
    ("6 Store", "insert_many, unordered,\n100 to 500 a batch", "in doubt: same _id\nagain, never twice"),
    ("7 CRM", "HubSpot upsert;\nqualified only; optional", "per lead, resumed\nlater"),
)


def flow() -> Figure:
    """The pipeline's seven steps; below each, what happens when it goes wrong."""
    figure, axes = style.figure("From raw record to stored lead", "", "", size=(12.0, 3.4))
    axes.set_axis_off()
    axes.set_xlim(0, len(STEPS))
    axes.set_ylim(0, 3)
    for place, (name, what, failure) in enumerate(STEPS):
        optional = "optional" in what
        _box(axes, place + 0.06, 1.65, name, what, palette.SERIES[0], dashed=optional)
        _box(axes, place + 0.06, 0.25, "when it fails", failure, palette.SERIES[1], dashed=True)
        _arrow(axes, (place + 0.5, 1.62), (place + 0.5, 1.22), palette.SERIES[1])
        if place:
            _arrow(axes, (place - 0.07, 2.15), (place + 0.06, 2.15), palette.INK)
    return figure


def _box(axes: Axes, left: float, bottom: float, name: str, text: str, colour: str, *, dashed: bool) -> None:
    axes.add_patch(FancyBboxPatch(
        (left, bottom), 0.86, 0.95, boxstyle="round,pad=0.01,rounding_size=0.06", facecolor=f"{colour}14",
        edgecolor=colour, linewidth=1.3, linestyle="--" if dashed else "-",
    ))  # fmt: skip
    axes.text(
        left + 0.43, bottom + 0.74, name, ha="center", va="center", fontsize=9.5, fontweight="bold", color=palette.INK
    )
    axes.text(left + 0.43, bottom + 0.33, text, ha="center", va="center", fontsize=7.6, color=palette.INK)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, linewidth=1.2))


def waterfall(ledger: Ledger) -> Figure:
    """Where the records went: from read, step by step, to what is left over (which must be nothing)."""
    known = [(f"duplicate\n({by})", count, palette.SERIES[0]) for by, count in ledger.duplicate.items()]
    parts = [
        ("stored", ledger.stored, palette.GOOD), ("filled", ledger.filled, palette.SERIES[2]), *known,
        ("rejected", ledger.rejects, palette.SERIES[5]), ("failed", ledger.failed, palette.BAD),
    ]  # fmt: skip
    names, counts, colours = (list(column) for column in zip(*parts, strict=True))
    tops = [ledger.read - sum(counts[:place]) for place in range(len(parts) + 1)]
    figure, axes = style.figure("Every record has one outcome", "", "records", size=(9.0, 4.2))
    axes.bar(0, ledger.read, color=palette.MUTED, width=0.6)
    axes.bar(range(1, len(tops)), counts, bottom=tops[1:], color=colours, width=0.6)
    shown = zip([ledger.read, *tops], [ledger.read, *counts, tops[-1]], strict=True)
    for place, (top, count) in enumerate(shown):
        axes.annotate(f"{count:,}", (place, top), ha="center", va="bottom", fontsize=9, color=palette.INK)
        if place:
            axes.plot([place - 0.7, place + 0.3], [top, top], color="#9aa2ad", linewidth=0.8)
    axes.set_xticks(range(len(tops) + 1), ["read", *names, "unaccounted"])
    axes.set_ylim(0, ledger.read * 1.1 + 1)
    return figure


def reasons(counts: Mapping[str, int]) -> Figure:
    """Rejected records by reason; a record may have several. counts: reason -> records."""
    ordered = sorted(counts.items(), key=lambda item: item[1])
    figure, _ = _bars("Why records were rejected", "records", ordered, [palette.SERIES[5]] * len(ordered))
    return figure


def fill_rates(rates: pd.DataFrame) -> Figure:
    """Fields before and after cleaning. rates: field, before, after (% of records, % of valid sightings)."""
    figure, axes = style.figure("What the records hold, field by field", "% that hold the field", "",
                                size=(8.0, 0.42 * len(rates) + 1.4))  # fmt: skip
    _sideways(axes)
    places = range(len(rates))
    axes.barh([place - 0.19 for place in places], rates["before"], height=0.34, color=palette.SERIES[6],
              label="as the vendors sent them")  # fmt: skip
    axes.barh([place + 0.19 for place in places], rates["after"], height=0.34, color=palette.SERIES[0],
              label="valid leads after cleaning")  # fmt: skip
    axes.set_yticks(list(places), rates["field"])
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.legend(frameon=False, fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    axes.set_title(axes.get_title(loc="left"), loc="left", fontsize=12, fontweight="bold", color=palette.INK, pad=30)
    return figure


def stages(seconds: Mapping[str, float], *, records: int) -> Figure:
    """Where the time goes. seconds: stage -> seconds of all workers together."""
    ordered = sorted((spent, name) for name, spent in seconds.items() if name != "wait")
    spent = [(name, 1e6 * value / max(records, 1)) for value, name in ordered]
    unit = "µs a record, all workers together"
    figure, _ = _bars("Where the time goes", unit, spent, [palette.SERIES[0]] * len(spent))
    return figure


def throughput(rates: Sequence[tuple[str, float]], *, target: float) -> Figure:
    """Pipeline beside the server's own limit. rates: (name, leads/s)."""
    colours = [palette.SERIES[2] if "pipeline" in name else palette.SERIES[6] for name, _ in rates]
    figure, axes = _bars("Leads a second, beside the server's own limit", "leads/s", rates, colours, height=0.5)
    axes.set_ylim(len(rates) - 0.5, -0.9)
    style.target_line(axes, target, f"target {target:,.0f}/s", vertical=True)
    return figure


def scores(histogram: Mapping[int, int], *, max_points: int) -> Figure:
    """Leads by quality points. histogram: points -> leads."""
    figure, axes = style.figure("Quality points", f"points of {max_points} (the stored score is cut at 100)", "leads")
    axes.bar([str(points) for points in histogram], list(histogram.values()), color=palette.SERIES[0], width=0.6)
    for place, count in enumerate(histogram.values()):
        axes.annotate(f"{count:,}", (place, count), ha="center", va="bottom", fontsize=9, color=palette.INK)
    return figure


def _bars(
    title: str, unit: str, values: Sequence[tuple[str, float]], colours: Sequence[str], height: float = 0.35
) -> tuple[Figure, Axes]:
    """Bars that lie, each with its value beside it. height: of a bar's row, inches."""
    figure, axes = style.figure(title, unit, "", size=(8.0, height * len(values) + 1.45))
    _sideways(axes)
    axes.barh([name for name, _ in values], [value for _, value in values], color=colours, height=0.6)
    for place, (_, value) in enumerate(values):
        axes.annotate(
            f"{value:,.0f}", (value, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9
        )
    return figure, axes


def _sideways(axes: Axes) -> None:
    style.sideways(axes)
    axes.margins(x=0.12)
