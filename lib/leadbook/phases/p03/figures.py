"""Plots of the benchmarks: rates with intervals, prices, percentile curves, check-outs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leadbook.bench.concerns import Concerns
from leadbook.bench.pools import Pool
from leadbook.page import palette, style

Curve = Sequence[tuple[float, float]]


def throughput(bars: pd.DataFrame, *, target: float) -> Figure:
    """Documents/s by batch size, ordered beside unordered. bars: batch, ordered, mean, low, high (documents/s)."""
    figure, axes = style.figure("Insert rate by batch size", "documents a batch", "documents/s")
    if bars.empty:
        return style.nothing(figure)
    batches = sorted(bars["batch"].unique())
    for number, (ordered, part) in enumerate(bars.sort_values("batch").groupby("ordered")):
        places = [batches.index(batch) + 0.38 * (number - 0.5) for batch in part["batch"]]
        axes.bar(
            places, part["mean"], width=0.34, color=palette.SERIES[number], label="ordered" if ordered else "unordered"
        )
        _whiskers(axes, places, part)
    axes.set_xticks(range(len(batches)), [f"{batch:,}" for batch in batches])
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.6, len(batches) + 0.1)
    style.target_line(axes, target, f"target {target:,.0f}/s")
    style.legend_below(figure, axes)
    return figure


def write_concerns(found: Concerns) -> Figure:
    """Documents/s of each write concern until readable; those that do not wait for the server's answer in orange."""
    rows = [(one.concern.name, one.rate.middle, one.rate.low, one.rate.high) for one in found.prices]
    bars = pd.DataFrame(rows, columns=["name", "mean", "low", "high"])
    figure, axes = style.figure("The price of a write concern", "documents/s until readable", "",
                                size=(8.0, 0.5 * len(bars) + 1.6))  # fmt: skip
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.GRID, linewidth=0.8)
    colours = [palette.SERIES[0] if one.acknowledged else palette.SERIES[1] for one in found.losses]
    axes.barh(bars["name"], bars["mean"], color=colours, height=0.55)
    axes.errorbar(
        bars["mean"], range(len(bars)), xerr=_spread(bars), fmt="none", ecolor=palette.INK, capsize=3, linewidth=1
    )
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    return figure


def percentiles(curves: Mapping[str, Curve], title: str, *, target: float | None = None) -> Figure:
    """Latency by percentile, both axes stretched so that the tail shows. curves: name -> (percentile, ms)."""
    figure, axes = style.figure(title, "percentile", "ms (log scale)")
    if not any(curves.values()):
        return style.nothing(figure)
    for number, (name, curve) in enumerate(curves.items()):
        if curve:
            places = [_stretched(percentile) for percentile, _ in curve]
            colour, dashes = (
                palette.SERIES[number % len(palette.SERIES)],
                ("-", "--")[number // len(palette.SERIES) % 2],
            )
            axes.plot(places, [ms for _, ms in curve], label=name, color=colour, linestyle=dashes, linewidth=1.6,
                      marker="o", markersize=3)  # fmt: skip
    shown = [
        step
        for step in (0, 50, 90, 99, 99.9, 99.99)
        if step <= max((c[-1][0] for c in curves.values() if c), default=99)
    ]
    axes.set_xticks([_stretched(step) for step in shown], [f"{step:g}" for step in shown])
    style.log_scale(axes)
    if target is not None:
        style.target_line(axes, target, f"target {target:g} ms")
    style.legend_below(figure, axes)
    return figure


def checkouts(found: Iterable[Pool], *, targets: Mapping[str, float]) -> Figure:
    """Slowest and median check-out, cold, warm and saturated. targets: longest wait by driver, ms."""
    figure, axes = style.figure(
        "Waiting for a connection", "driver and threads at once", "ms (log scale)", size=(9.0, 4.8)
    )
    rows = [(one.service, one.state, one.threads, one.checkouts.percentile(50), one.checkouts.worst_ms)
            for one in found]  # fmt: skip
    bars = pd.DataFrame(rows, columns=["service", "state", "threads", "median_ms", "worst_ms"])
    groups = list(dict.fromkeys(zip(bars["service"], bars["threads"], strict=True)))
    for number, state in enumerate(("cold", "warm", "saturated")):
        part = bars[bars["state"] == state]
        places = [groups.index(key) + 0.27 * (number - 1)
                  for key in zip(part["service"], part["threads"], strict=True)]  # fmt: skip
        axes.bar(places, part["worst_ms"], width=0.24, color=palette.SERIES[number], label=f"{state}: slowest")
        axes.scatter(
            places, part["median_ms"], color=palette.INK, s=16, zorder=3, label="median" if number == 2 else None
        )
    axes.set_xticks(range(len(groups)), [f"{service}\n{threads} threads" for service, threads in groups])
    style.log_scale(axes)
    axes.set_ylim(top=3 * max([*bars["worst_ms"], *targets.values()]))  # room for the targets' names above the bars
    for service, target in targets.items():
        wide = [place for place, (name, _) in enumerate(groups) if name == service]
        if wide:
            axes.hlines(target, min(wide) - 0.45, max(wide) + 0.45, color=palette.TARGET, linestyle="--", linewidth=1.3)
            axes.annotate(f"{service}: target {target:g} ms", ((min(wide) + max(wide)) / 2, 1.0), ha="center",
                          xycoords=("data", "axes fraction"), va="top", fontsize=9, color=palette.TARGET)  # fmt: skip
    style.legend_below(figure, axes)
    return figure


def index_prices(bars: pd.DataFrame) -> Figure:
    """Extra insert time of each index. bars: name, middle, low, high (microseconds a document), shown (not noise)."""
    label = "microseconds more a document than without (grey: no cost shown)"
    figure, axes = style.figure("The price of each index", label, "", size=(8.0, 0.36 * len(bars) + 1.6))
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=palette.GRID, linewidth=0.8)
    colours = [palette.SERIES[0] if shown else palette.SERIES[6] for shown in bars["shown"]]
    axes.scatter(bars["middle"], bars["name"], color=colours, zorder=3, s=28)
    for place, (_, bar) in enumerate(bars.iterrows()):
        axes.plot([bar["low"], bar["high"]], [place, place], color=colours[place], linewidth=2)
    axes.axvline(0, color=palette.INK, linewidth=1)
    axes.invert_yaxis()
    return figure


def _spread(bars: pd.DataFrame) -> list[pd.Series]:
    low, high = bars["low"].fillna(bars["mean"]), bars["high"].fillna(bars["mean"])
    return [(bars["mean"] - low).clip(lower=0), (high - bars["mean"]).clip(lower=0)]


def _whiskers(axes: Axes, places: Sequence[float], bars: pd.DataFrame) -> None:
    axes.errorbar(places, bars["mean"], yerr=_spread(bars), fmt="none", ecolor=palette.INK, capsize=3, linewidth=1)


def _stretched(percentile: float) -> float:
    """Percentiles as HDR plots draw them: the distance to 100 on a log scale."""
    return -math.log10(1 - percentile / 100) if percentile < 100 else 6.0
