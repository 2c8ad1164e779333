"""Plots of the readiness gate."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure

from leadbook.core.checks import Check, times_better
from leadbook.page import palette, style
from leadbook.page.prose import number

LABEL = 40
"""Characters of a gate's title on one line: a longer one would squeeze the plot."""


def headroom(checks: Sequence[Check]) -> Figure:
    """How many times better than its target each numeric gate is (1 = exactly at the target), on a log scale.

    For `>=` targets that is measured/target, for `<` targets target/measured; gates without a number are left out.
    """
    rows = [(check.title, factor, check.verdict) for check in checks if (factor := times_better(check)) is not None]
    figure, axes = style.figure(
        "Headroom of each gate", "times better than the target (log scale)", "", size=(8.0, 0.5 * len(rows) + 1.6)
    )
    axes.grid(axis="y", visible=False)
    style.log_scale(axes, "x")
    titles = [textwrap.fill(title, LABEL) for title, _, _ in rows]
    axes.barh(titles, [f for _, f, _ in rows], color=[palette.VERDICT_COLOURS[v] for _, _, v in rows], height=0.55)
    for place, (_, factor, _) in enumerate(rows):
        axes.annotate(f"{number(factor)}x", (factor, place), xytext=(4, 0), textcoords="offset points", va="center",
                      fontsize=9, color=palette.INK)  # fmt: skip
    axes.invert_yaxis()
    axes.margins(x=0.15)
    style.target_line(axes, 1.0, "target", vertical=True)
    return figure
