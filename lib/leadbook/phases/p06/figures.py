"""Plots of phase 06."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from leadbook.backup.drill import RECOVERY_STAGES
from leadbook.page import palette, style


def recovery_stages(stages: Mapping[str, float]) -> Figure:
    """Seconds of each stage, one after another; the stages that count as recovery time have the first colour."""
    figure, axes = style.figure(
        "Dump and recovery, stage by stage", "seconds since the dump began", "", size=(8.0, 3.2)
    )
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.GRID, linewidth=0.8)
    start = 0.0
    for place, (stage, seconds) in enumerate(stages.items()):
        colour = palette.SERIES[0 if stage in RECOVERY_STAGES else 6]
        axes.barh(place, seconds, left=start, height=0.6, color=colour)
        axes.annotate(f"{seconds:.2f} s", (start + seconds, place), xytext=(5, 0), va="center",
                      textcoords="offset points", fontsize=9, color=palette.INK)  # fmt: skip
        start += seconds
    names = [f"{name} (recovery)" if name in RECOVERY_STAGES else name for name in stages]
    axes.set_yticks(range(len(stages)), names, color=palette.INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(start, 0.1) * 1.12)
    return figure
