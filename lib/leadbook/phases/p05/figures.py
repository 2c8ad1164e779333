"""Plots of the load test: rates by writers, latency against rate with the knee, a timeline with server readings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from leadbook.load.load import Mixed
from leadbook.load.openloop import RateStep, knee
from leadbook.load.tuning import SettingTrial
from leadbook.page import palette, style


def capacity(loads: pd.DataFrame, *, target: float) -> Figure:
    """Documents/s of each closed-loop load. loads: documents, writers, documents_per_s."""
    figure, axes = style.figure("Capacity: writers that never wait", "documents, writers", "documents/s")
    if loads.empty:
        return style.nothing(figure)
    labels = [f"{row.documents:,}\n{row.writers} writers" for row in loads.itertuples()]
    colours = {count: palette.SERIES[number] for number, count in enumerate(sorted(loads["writers"].unique()))}
    axes.bar(
        range(len(loads)), loads["documents_per_s"], color=[colours[count] for count in loads["writers"]], width=0.6
    )
    axes.set_xticks(range(len(loads)), labels)
    axes.set_xlim(-0.6, len(loads) + 0.4)
    style.target_line(axes, target, f"target {target:,.0f}/s")
    return figure


def latency_by_rate(steps: Sequence[RateStep], *, target: float) -> Figure:
    """Latency of the steps of one document/s and more, from the intended start, against their rate, with the knee."""
    figure, axes = style.figure("Latency against rate", "documents/s offered", "ms a batch (log scale)")
    ordered = sorted((one for one in steps if one.rate >= 1), key=lambda one: one.rate)
    if not ordered:
        return style.nothing(figure)
    drawn = pd.DataFrame({
        "rate": one.rate, "median": one.outcome.latencies.percentile(50), "slowest": one.outcome.latencies.worst_ms,
        "service": one.outcome.service.worst_ms, "kept up": one.kept_up,
    } for one in ordered)  # fmt: skip
    for column, label, colour, dash in (
        ("slowest", "slowest, from the intended start", palette.SERIES[1], "-"),
        ("service", "slowest, from the real start (what a closed loop tells)", palette.SERIES[6], ":"),
        ("median", "median, from the intended start", palette.SERIES[0], "-"),
    ):
        axes.plot(drawn["rate"], drawn[column], color=colour, linestyle=dash, marker="o", markersize=4, label=label)
    behind = drawn[~drawn["kept up"]]
    axes.scatter(
        behind["rate"], behind["slowest"], color=palette.BAD, marker="X", s=70, zorder=4, label="not kept up with"
    )
    style.log_scale(axes)
    style.target_line(axes, target, f"target {target:,.0f}/s", vertical=True)
    if bend := knee(steps):
        axes.axvline(bend.rate, color=palette.INK, linewidth=1)
        axes.annotate(
            f"knee {bend.rate:,.0f}/s", (bend.rate, 1.0), xycoords=("data", "axes fraction"), xytext=(-4, -4),
            ha="right", va="top", textcoords="offset points", fontsize=9, color=palette.INK,
        )  # fmt: skip
    figure.legend(loc="outside lower left", fontsize=9, frameon=False, ncols=2)
    return figure


def hidden(steps: Sequence[RateStep]) -> str:
    """What a closed loop would have hidden at the highest rate, for the caption; empty where nothing was timed."""
    last = max(steps, key=lambda one: one.rate, default=None)
    worst, service = (last.outcome.latencies.worst_ms, last.outcome.service.worst_ms) if last else (None, None)
    if last is None or worst is None or service is None:
        return ""
    return (
        f"; at {last.name} the slowest took {worst:,.0f} ms, of which a closed loop would have told {service:,.0f} ms"
    )


def timeline(mixed: Mixed | None) -> Figure:
    """Rates, slowest calls and server readings over the same seconds, by half seconds."""
    if mixed is None:
        return style.nothing(style.figure("Everything at once", "", "")[0])
    figure, (rates, slowest, server) = style.panels(3, size=(9.0, 6.6), sharex=True)
    style.panel(rates, "Everything at once", "documents or keys/s")
    style.panel(slowest, "", "slowest call, ms")
    style.panel(server, "", "server and host")
    for number, (name, outcome) in enumerate(mixed.outcomes.items()):
        colour = palette.SERIES[number % len(palette.SERIES)]
        whole = _to_the_end(by_second(outcome.ends))
        rates.plot(whole["second"], whole["rate"], drawstyle="steps-post", color=colour, label=name)
        slowest.plot(whole["second"], whole["worst_ms"], drawstyle="steps-post", color=colour)
    for number, (column, label) in enumerate(
        (
            ("host.cpu_percent", "host CPU, %"),
            ("mongodb.cache_dirty_percent", "cache dirty, %"),
            ("mongodb.cache_used_percent", "cache used, %"),
            ("mongodb.lock_queue", "waiting for a lock"),
        )
    ):
        values = mixed.readings.values(column)
        server.plot(values.index, values, color=palette.SERIES[(number + 4) % len(palette.SERIES)], label=label)
    style.log_scale(slowest)
    for axes in (rates, server):
        axes.set_ylim(bottom=0)
    rates.legend(fontsize=8, frameon=False, ncols=2)
    server.legend(fontsize=8, frameon=False, ncols=4)
    server.set_xlabel("seconds", fontsize=10, color=palette.MUTED)
    return figure


def by_second(ends: list[tuple[float, int, float]], *, width: float = 0.5) -> pd.DataFrame:
    """Load over time from the ends of calls: second (start of each slice), rate (documents or keys/s), worst_ms.

    `ends`: (seconds since the start, documents, latency in s), as `workers.TaskOutcome.ends`. `width`: seconds a slice.
    A last slice that was hardly begun has no rate: it would look like a collapse.
    """
    frame = pd.DataFrame(ends, columns=["second", "documents", "latency"])
    slices = (frame["second"] // width) * width
    grouped = frame.groupby(slices)
    made = pd.DataFrame({"rate": grouped["documents"].sum() / width, "worst_ms": grouped["latency"].max() * 1_000})
    if len(made) > 1 and frame["second"].max() - made.index[-1] < width / 2:
        made.loc[made.index[-1], "rate"] = float("nan")
    return made.reset_index()


def _to_the_end(slices: pd.DataFrame) -> pd.DataFrame:
    """The last slice once more at its end, so that it is drawn as wide as the others."""
    if len(slices) < 2:
        return slices
    width = slices["second"].diff().min()
    return pd.concat([slices, slices.tail(1).assign(second=slices["second"].iloc[-1] + width)])


def effects(trials: Iterable[SettingTrial]) -> Figure:
    """How many times better each change made what it changes, with its interval."""
    found = list(trials)
    figure, axes = style.figure(
        "What each change did",
        "times better: faster, or more of it (grey: no difference shown)",
        "",
        size=(8.0, 0.6 * max(len(found), 1) + 1.6),
    )
    if not found:
        return style.nothing(figure)
    style.sideways(axes)
    for place, one in enumerate(found):
        colour, ratio = palette.SERIES[0] if one.effect.shown else palette.SERIES[6], one.effect.ratio
        way = 1 if one.better == "higher" else -1
        ends = [end**way for end in (ratio.low, ratio.high) if end is not None and end > 0]
        axes.plot(ends, [place] * len(ends), color=colour, linewidth=2)
        axes.scatter([ratio.middle**way], [place], color=colour, s=30, zorder=3)
    axes.set_yticks(range(len(found)), [one.name for one in found])
    axes.axvline(1, color=palette.INK, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_yaxis()
    return figure
