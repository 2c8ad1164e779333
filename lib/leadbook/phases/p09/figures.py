"""Plots of the final analysis."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from leadbook.analysis.statistics import Statistics
from leadbook.page import palette, style


def sources(counts: Mapping[str | None, int]) -> Figure:
    """Leads by source, the largest first."""
    if not counts:
        return _nothing("Leads by source")
    ordered = sorted(counts.items(), key=lambda item: item[1])
    figure, axes = style.figure("Leads by source", "leads", "", size=(8.0, 0.5 * max(1, len(ordered)) + 1.4))
    axes.grid(axis="y", visible=False)
    axes.barh([name or "(no source)" for name, _ in ordered], [count for _, count in ordered],
              color=palette.SERIES[0], height=0.55)  # fmt: skip
    total = sum(counts.values())
    for place, (_, count) in enumerate(ordered):
        axes.annotate(f"{count:,} ({100 * count / total:.0f} %)", (count, place), xytext=(4, 0), va="center",
                      textcoords="offset points", fontsize=9, color=palette.INK)  # fmt: skip
    axes.margins(x=0.18)
    return figure


def quality(statistics: Statistics, target: float) -> Figure:
    """Leads by quality score (with its target) beside leads by quality points, which the cut at 100 hides."""
    scores, points, max_points = statistics.by_score, statistics.by_points, statistics.max_points
    if not scores:
        return _nothing("Quality score")
    figure, (left, right) = style.panels(1, 2, size=(9.0, 3.6), sharey=True)
    parts = ((left, scores, "Quality score (cut at 100)", "score", 0), (right, points, "Quality points", "points", 2))
    for axes, counts, title, label, colour in parts:
        known = {value: count for value, count in counts.items() if value is not None}
        style.panel(axes, title)
        axes.bar(list(known), list(known.values()), width=6, color=palette.SERIES[colour])
        axes.set_xlabel(label, fontsize=9, color=palette.MUTED)
        axes.set_xlim(0, max_points + 8)
        for value, count in known.items():
            axes.annotate(
                f"{count:,}", (value, count), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8
            )
        axes.margins(y=0.15)
    left.set_ylabel("leads", fontsize=9, color=palette.MUTED)
    style.target_line(left, target, f"mean target > {target:g}", vertical=True)
    return figure


def completeness(frame: pd.DataFrame) -> Figure:
    """Percent of leads with each field, all sources and each one (columns field, source, percent)."""
    if frame.empty:
        return _nothing("How complete each field is")
    table = frame.pivot_table(index="field", columns="source", values="percent", sort=False)
    table = table[["all", *[name for name in table.columns if name != "all"]]]
    figure, axes = style.figure("How complete each field is", "", "", size=(2.6 + 1.25 * len(table.columns), 7.2))
    axes.grid(visible=False)
    image = axes.imshow(table, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    axes.set_xticks(range(len(table.columns)), list(table.columns))
    axes.set_yticks(range(len(table.index)), list(table.index))
    for row in range(len(table.index)):
        for column in range(len(table.columns)):
            value = table.iat[row, column]
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8.5,
                      color="white" if value > 60 else palette.INK)  # fmt: skip
    bar = figure.colorbar(image, ax=axes, shrink=0.6)
    bar.set_label("% of leads", fontsize=9, color=palette.MUTED)
    return figure


def _nothing(title: str) -> Figure:
    figure, axes = style.figure(title, "", "", size=(6.0, 1.6))
    axes.set_axis_off()
    style.empty(axes, "no lead is stored")
    return figure
