"""Plots of phase 02."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from leadbook.page import palette, style


def query_effort(queries: pd.DataFrame) -> Figure:
    """Documents examined beside documents returned for each query, with the server's time written after the bars.

    `queries` has the columns `question`, `docs`, `returned` and `server ms`. Bars of equal length are ideal; a longer
    upper bar is work thrown away; no upper bar means that the index alone answered. Where nothing was
    measured, it says so.
    """
    rows = queries.reset_index(drop=True)
    height = 0.45 * len(rows) + 1.7
    figure, axes = style.figure("Work done by each query", "documents (log scale)", "", size=(8.5, height))
    if rows.empty:
        axes.text(0.5, 0.5, "no query was measured", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return figure
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.GRID, linewidth=0.8)
    axes.set_xscale("symlog", linthresh=1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    for offset, column, label in ((-0.19, "docs", "examined"), (0.19, "returned", "returned")):
        axes.barh(rows.index + offset, rows[column].astype(float), height=0.34, label=label)
    longest = rows[["docs", "returned"]].astype(float).max(axis=1).fillna(0.0)
    for place, (length, millis) in enumerate(zip(longest, rows["server ms"], strict=True)):
        axes.annotate(_time(millis), (length, place), xytext=(5, 0), va="center", textcoords="offset points",
                      fontsize=9, color=palette.INK)  # fmt: skip
    axes.set_yticks(range(len(rows)), rows["question"], color=palette.INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(float(longest.max()), 1.0) * 4)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False, fontsize=9)
    return figure


def _time(millis: float) -> str:
    if pd.isna(millis):
        return "not measured"
    return "< 1 ms" if millis < 1 else f"{millis:g} ms"
