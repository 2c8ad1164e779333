"""Plots of the monitoring snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leadbook.page import palette, style

PANELS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    ("Inserts", "documents/s", (("mongodb.inserts_per_s", "inserted"),)),
    ("Latency in MongoDB", "ms/operation", (("mongodb.write_latency_ms", "writes"),
                                            ("mongodb.read_latency_ms", "reads"))),
    ("WiredTiger cache", "% of maximum", (("mongodb.cache_used_percent", "used"),
                                          ("mongodb.cache_dirty_percent", "dirty"))),
    ("Connections", "connections", (("mongodb.connections_current", "server: open"), ("pool.in_use", "pool: in use"),
                                    ("pool.idle", "pool: idle"))),
    ("Redis operations", "operations/s", (("redis.gets_per_s", "GET, EXISTS"), ("redis.sets_per_s", "SET"))),
    ("Redis memory", "% of maxmemory", (("redis.memory_percent", "used"),)),
    ("CPU", "% of one core", (("mongodb.cpu_percent", "MongoDB"), ("host.client_cpu_percent", "this client"),
                              ("redis.cpu_percent", "Redis"))),
    ("Host", "%", (("host.cpu_percent", "CPU, all cores"), ("host.memory_percent", "memory"))),
)  # fmt: skip
"""Title, unit and readings (column, label) of each panel."""


def timeline(frame: pd.DataFrame) -> Figure:
    """Eight panels over time from a timeline's frame (index seconds); a panel without readings says "not measured"."""
    frame = frame.copy()
    for name in ("mongodb", "redis"):
        if f"{name}.cpu_cores" in frame.columns:
            frame[f"{name}.cpu_percent"] = 100 * frame[f"{name}.cpu_cores"]
    figure, grid = style.panels(len(PANELS) // 2, 2, size=(10.0, 11.0), sharex=True)
    for axes, (title, unit, readings) in zip(grid, PANELS, strict=True):
        style.panel(axes, title, unit)
        _draw(axes, frame, readings)
    for axes in grid[-2:]:
        axes.set_xlabel("seconds since the snapshot began", fontsize=9, color=palette.MUTED)
    return figure


def _draw(axes: Axes, frame: pd.DataFrame, readings: Sequence[tuple[str, str]]) -> None:
    drawn = [(column, label) for column, label in readings if column in frame and frame[column].notna().any()]
    for (column, label), marker in zip(drawn, ("o", "s", "^"), strict=False):
        values = frame[column].dropna()
        axes.plot(values.index, values, label=label, linewidth=1.6, marker=marker, markersize=3)
    if not drawn:
        style.empty(axes)
        return
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.3 or 1)
    if len(drawn) > 1:
        axes.legend(fontsize=8, frameon=False, ncols=3, loc="upper left")


def batch_sizes(frame: pd.DataFrame, target: float) -> Figure:
    """Documents/s by batch size (columns `batch size`, `documents/s`), with the target line (documents/s)."""
    figure, axes = style.figure("Insert rate by batch size", "documents a batch", "documents/s", size=(6.5, 3.2))
    places = range(len(frame))
    axes.bar(places, frame["documents/s"], color=palette.SERIES[0], width=0.5)
    axes.set_xticks(list(places), [str(size) for size in frame["batch size"]])
    for place, rate in zip(places, frame["documents/s"], strict=True):
        axes.annotate(f"{rate:,.0f}", (place, rate), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=9)
    axes.margins(y=0.15)
    axes.set_xlim(-0.6, len(frame) + 0.1)
    style.target_line(axes, target, f"target {target:,.0f}")
    return figure
