"""House style of plots: one palette, one set of fonts, drawn without a display."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, ScalarFormatter
from PIL import Image

from leadbook.page.palette import GRID, INK, MUTED, PAPER, SERIES, TARGET


def figure(title: str, xlabel: str, ylabel: str, *, size: tuple[float, float] = (8.0, 4.0)) -> tuple[Figure, Axes]:
    """A figure (`size` in inches, 110 dots each) with one pair of axes in the house style; labels carry units.

    No global state is touched: the figure belongs to its caller and to no window.
    """
    made = Figure(figsize=size, dpi=110, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(made)
    axes = made.add_subplot()
    axes.set_prop_cycle(color=list(SERIES))
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=12)
    axes.set_xlabel(xlabel, fontsize=10, color=MUTED)
    axes.set_ylabel(ylabel, fontsize=10, color=MUTED)
    axes.tick_params(labelsize=9, colors=MUTED, length=3)
    _write_out(axes)
    axes.set_facecolor(PAPER)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#c4c9d0")
    return made, axes


def panels(
    rows: int, columns: int = 1, *, size: tuple[float, float], sharex: bool = False, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with several pairs of axes, row by row, each to be dressed by `panel`."""
    made, first = figure("", "", "", size=size)
    first.remove()
    return made, list(made.subplots(rows, columns, sharex=sharex, sharey=sharey, squeeze=False).flat)


def panel(axes: Axes, title: str, ylabel: str = "") -> None:
    """One of several pairs of axes in the house style."""
    axes.set_prop_cycle(color=list(SERIES))
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK)
    axes.set_ylabel(ylabel, fontsize=9, color=MUTED)
    _write_out(axes)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8, colors=MUTED, length=3)
    axes.spines[["top", "right"]].set_visible(False)


def legend_below(figure: Figure, axes: Axes, columns: int = 3) -> None:
    """What each series is called, below the plot, where it hides nothing; nothing where none has a name."""
    if axes.get_legend_handles_labels()[0]:
        figure.legend(loc="outside lower left", fontsize=9, frameon=False, ncols=columns)


def sideways(axes: Axes) -> None:
    """The grid of bars that lie: along the values."""
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)


def empty(axes: Axes, why: str = "not measured") -> None:
    """A pair of axes that has nothing to show, and why."""
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", color=MUTED)
    axes.set_yticks([])


class _Whole(ScalarFormatter):
    """Numbers as everywhere else: `12,000`, never `12000` or `1.2e4`."""

    def __init__(self) -> None:
        super().__init__(useOffset=False)
        self.set_scientific(False)

    def __call__(self, x: float, pos: int | None = None) -> str:
        return re.sub(r"\d+", lambda found: f"{int(found[0]):,}", super().__call__(x, pos), count=1)


def _write_out(axes: Axes) -> None:
    """Numbers of both axes with thousands apart; names and times of an axis stay what they are."""
    for axis in (axes.xaxis, axes.yaxis):
        if axis.isDefault_majfmt:
            axis.set_major_formatter(_Whole())
            axis.isDefault_majfmt = True


class _Plain(LogFormatter):
    """Numbers the same ticks as matplotlib does, but as `2,000`, never as `2e+03`."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        return f"{x:,.10g}" if super().__call__(x, pos) else ""


def log_scale(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """A logarithmic axis whose numbers are written out: 0.1, 20, 1,000; in between where little more than a decade."""
    (axes.set_yscale if which == "y" else axes.set_xscale)("log")
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(_Plain(minor_thresholds=(1.5, 0.5)))
    axis.set_minor_formatter(_Plain(minor_thresholds=(1.5, 0.5)))
    axes.tick_params(axis=which, which="minor", labelsize=8, colors=MUTED, length=2)


def nothing(figure: Figure) -> Figure:
    """The figure of something that could not be measured."""
    figure.text(0.5, 0.5, "not measured", ha="center", va="center", fontsize=14, color=MUTED)
    return figure


def target_line(axes: Axes, value: float, label: str, *, vertical: bool = False) -> None:
    """A dashed line at `value` (in the axis' unit) with its `label` beside it."""
    if vertical:
        axes.axvline(value, color=TARGET, linestyle="--", linewidth=1.3)
        axes.annotate(label, (value, 1.0), xycoords=("data", "axes fraction"), xytext=(5, -4), ha="left", va="top",
                      textcoords="offset points", fontsize=9, color=TARGET)  # fmt: skip
    else:
        axes.axhline(value, color=TARGET, linestyle="--", linewidth=1.3)
        axes.annotate(label, (1.0, value), xycoords=("axes fraction", "data"), xytext=(-2, 4), ha="right", va="bottom",
                      textcoords="offset points", fontsize=9, color=TARGET)  # fmt: skip


def tells_by_lightness(drawn: Figure) -> bool:
    """Whether how light a place is stands for a number, as on a heat map: such a plot may not be inverted."""
    return any(axes.images or any(isinstance(one, QuadMesh) for one in axes.collections) for axes in drawn.axes)


def png(drawn: Figure) -> bytes:
    """The figure as PNG of 256 colours (a third of the bytes), with no time stamp: equal figures are equal bytes."""
    full, small = BytesIO(), BytesIO()
    drawn.savefig(full, format="png", facecolor=PAPER)
    picture = Image.open(full).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    picture.save(small, format="png", optimize=True)
    return small.getvalue()
