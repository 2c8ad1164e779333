"""Plots of phase 01."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from leadbook.page import palette, style


def round_trips(samples: Mapping[str, Sequence[float]]) -> Figure:
    """Share of pings answered within a time, one step line a service. samples: service -> round trips, ms."""
    drawn, axes = style.figure("Round trips", "round trip, ms (logarithmic)", "answered within, %", size=(8.0, 3.4))
    for (service, values), colour in zip(samples.items(), palette.SERIES, strict=False):
        ordered = np.sort(np.asarray(values, dtype=float))
        share = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, share, where="post", label=f"{service}: median {np.median(ordered):.2f} ms", color=colour)
        axes.plot(np.median(ordered), 50, "o", color=colour)
    style.log_scale(axes, "x")
    axes.set_ylim(0, 102)
    if samples:
        axes.legend(loc="lower right", frameon=False, fontsize=9)
    return drawn
