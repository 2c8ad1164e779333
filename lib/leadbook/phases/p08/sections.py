"""The sections of notebook 08, each from the same snapshot."""

from __future__ import annotations

from typing import Any

import pandas as pd

from leadbook.monitor.loop import Timeline
from leadbook.phases import deeds
from leadbook.phases.judging import checks_of
from leadbook.phases.p08 import decisions, documents, figures, hour_told, staged
from leadbook.phases.p08.frames import (
    COLUMNS,
    batch_sizes_frame,
    decisions_frame,
    lookups_frame,
    readings_frame,
    slow_frame,
)
from leadbook.phases.p08.hour import Watched
from leadbook.phases.p08.performance import latencies
from leadbook.phases.p08.snapshot import Snapshot
from leadbook.phases.section import Document, Plot, Section, Table

_TREND = {
    "inserts_per_s": "mongodb.inserts_per_s", "write_latency_ms": "mongodb.write_latency_ms",
    "read_latency_ms": "mongodb.read_latency_ms", "cache_dirty_percent": "mongodb.cache_dirty_percent",
    "pool_used_percent": "pool.used_percent", "pool_wait_ms": "pool.wait_ms",
    "redis_memory_percent": "redis.memory_percent",
}  # fmt: skip


def watched(snapshot: Snapshot) -> Section:
    """How long, what ran meanwhile, what could not be watched."""
    return Section(says=documents.summary(snapshot.seen), found=snapshot)


def in_time(snapshot: Snapshot) -> Section:
    """The readings as lines, and whether the watch can be believed."""
    caption = "The snapshot in time: inserts, latency, cache, connections, Redis and CPU"
    plot = Plot(figures.timeline(snapshot.seen.timeline.frame), caption)
    return Section(plots=(plot,), checks=snapshot.groups["watch"])


def readings(snapshot: Snapshot) -> Section:
    """Each reading against its limits."""
    return Section(checks=snapshot.groups["readings"])


def servers(snapshot: Snapshot) -> Section:
    """Replication, oplog, disks, backup, Redis's own records, and what Atlas' API tells of its machines."""
    checks = (*snapshot.groups["servers"], *snapshot.groups["atlas"])
    return Section(tables=snapshot.atlas.tables if snapshot.atlas else (), checks=checks, found=snapshot.around)


def staging(snapshot: Snapshot) -> Section:
    """What waits, and what each collector staged."""
    intake = snapshot.around.staged
    table = Table(staged.collectors_frame(intake), "Collectors of the last day", staged.COLUMNS)
    return Section(says=staged.in_words(intake), tables=(table,), checks=snapshot.groups["staged"])


def last_hour(snapshot: Snapshot) -> Section:
    """The hour that a watch has kept, and the parts of the sprint so far."""
    kept, wanted = snapshot.kept, snapshot.settings.target_collected
    says = hour_told.in_words(kept, wanted)
    if not isinstance(kept, Watched):
        return Section(says=says, found=kept)
    frames = (
        (hour_told.readings_frame(kept.hour), "Readings over the hour"),
        (hour_told.collectors_frame(kept.hour), "Collectors within the hour"),
        (hour_told.findings_frame(kept), "Troubles of the hour"),
        (
            hour_told.events_frame(kept.hour),
            f"What happened within the hour, the latest {hour_told.MOST_EVENTS}",
        ),
        (hour_told.stages_frame(kept), "The sprint so far: launch, sustained, scaling, final push"),
    )
    tables = tuple(Table(frame, title, hour_told.COLUMNS) for frame, title in frames if len(frame))
    drawn = Plot(
        hour_told.plot(kept.hour),
        "The hour in time, by the sprint's clock: leads, backlog and duplicate checks; gaps are grey",
    )
    return Section(says=says, tables=tables, plots=(drawn,), found=kept)


def inserts(snapshot: Snapshot) -> Section:
    """Rates by batch size, the first batch read back, leads an hour."""
    frame = batch_sizes_frame(snapshot.seen)
    if frame.empty:
        said = "This watch wrote nothing itself, so it compares no batch sizes: phase 03 does."
        return Section(says=said, checks=snapshot.groups["inserts"])
    bars = figures.batch_sizes(frame, snapshot.settings.target_insert_rate)
    return Section(
        tables=(Table(frame, "Batches during the snapshot", COLUMNS),),
        plots=(Plot(bars, "Insert rate by batch size beside the target"),),
        checks=snapshot.groups["inserts"],
    )


def lookups(snapshot: Snapshot) -> Section:
    """Duplicate checks and finds under load."""
    table = Table(lookups_frame(snapshot.seen), "Look-ups during the snapshot", COLUMNS)
    return Section(tables=(table,), checks=snapshot.groups["look-ups"])


def pool(snapshot: Snapshot) -> Section:
    """The driver's pool."""
    table = Table(readings_frame(snapshot.seen.timeline, "pool"), "The pool during the snapshot", COLUMNS)
    return Section(tables=(table,), checks=snapshot.groups["pool"])


def slow(snapshot: Snapshot) -> Section:
    """Slow operations by shape."""
    table = Table(slow_frame(snapshot.seen.slow or ()), "Slow operations during the snapshot", COLUMNS)
    return Section(tables=(table,), checks=snapshot.groups["slow"])


def issues(snapshot: Snapshot) -> Section:
    """Immediate issues, and the resource that is full first."""
    told = {**decisions.issues(snapshot.judged), **decisions.bottleneck(snapshot.resources)}
    return Section(checks=checks_of(told, snapshot.settings))


def decided(snapshot: Snapshot) -> Section:
    """What the task book asks for "if needed", and what was done of it."""
    shown = (Table(decisions_frame(snapshot.decided), "Decisions", COLUMNS), *deeds.tables(snapshot.done))
    return Section(
        says=(deeds.in_words(snapshot.done), documents.advised(snapshot)), tables=shown, checks=snapshot.decided
    )


def written(snapshot: Snapshot) -> Section:
    """The two documents, and the numbers that phase 09 uses; None = not measured."""
    log = Document("monitoring-log", "Monitoring log", documents.monitoring_log(snapshot), ("Technical Lead",))
    advice = Document(
        "optimizations-and-scaling", "Optimizations and scaling", documents.optimizations(snapshot),
        ("Technical Lead", "Project Manager"),
    )  # fmt: skip
    return Section(documents=(log, advice), facts=facts(snapshot))


def facts(snapshot: Snapshot) -> dict[str, Any]:
    """Numbers by name. A percentile is told where the samples bear it; the slowest and the count always."""
    seen, statistic = snapshot.seen, snapshot.seen.timeline.statistic
    made: dict[str, Any] = {
        "insert_rate": seen.insert_rate(),
        "insert_rate_by_batch_size": {str(size): seen.insert_rate(size) for size in seen.sizes},
        "inserts_per_s_mean": statistic("mongodb.inserts_per_s", "mean"),
        "checkouts": len(seen.waits_ms),
        "pool_used_percent": statistic("pool.used_percent", "max"),
        "trend": _trend(seen.timeline),
    }
    names = {"redis": "duplicate_check_redis", "mongodb": "duplicate_check_mongodb", "pool": "checkout"}
    for kind, name in names.items():
        told = latencies(seen, kind).summary()
        made |= {f"{name}_p50_ms": told.p50_ms, f"{name}_p95_ms": told.p95_ms, f"{name}_p99_ms": told.p99_ms,
                 f"{name}_worst_ms": told.worst_ms, f"{name}_samples": told.count}  # fmt: skip
    return made


def _trend(timeline: Timeline) -> dict[str, dict[str, float | None]]:
    """First and last third of some readings: is anything rising or falling?"""
    third = max(1, len(timeline.frame) // 3)
    trend = {}
    for name, column in _TREND.items():
        values = timeline.frame.get(column, pd.Series(dtype=float))
        trend[name] = {"first_third": values.iloc[:third].mean(), "last_third": values.iloc[-third:].mean()}
    return trend
