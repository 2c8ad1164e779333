"""Plots of phase 06."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from leadbook.backup.drill import RECOVERY_STAGES
from leadbook.page import style

__all__ = ["recovery_stages"]


def recovery_stages(stages: pd.DataFrame) -> Figure:
    """Seconds of each stage, one after another; the stages that count as recovery time have the first colour.

    `stages` has the columns `stage` and `seconds`.
    """
    figure, axes = style.figure(
        "Dump and recovery, stage by stage", "seconds since the dump began", "", size=(8.0, 3.2)
    )
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=style.GRID, linewidth=0.8)
    start = 0.0
    for place, row in enumerate(stages.itertuples(index=False)):
        counts = row.stage in RECOVERY_STAGES
        axes.barh(place, row.seconds, left=start, height=0.6, color=style.PALETTE[0] if counts else style.PALETTE[6])
        axes.annotate(f"{row.seconds:.2f} s", (start + row.seconds, place), xytext=(5, 0), va="center",
                      textcoords="offset points", fontsize=9, color=style.INK)  # fmt: skip
        start += row.seconds
    names = [f"{name} (recovery)" if name in RECOVERY_STAGES else str(name) for name in stages["stage"]]
    axes.set_yticks(range(len(stages)), names, color=style.INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(start, 0.1) * 1.12)
    return figure
