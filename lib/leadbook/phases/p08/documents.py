"""Facts for later phases, sentences for the notebook, and the two documents of phase 08."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from leadbook.core.checks import Check, Verdict, judge
from leadbook.core.settings import Settings
from leadbook.monitor.loop import Timeline
from leadbook.monitor.session import Observation
from leadbook.monitor.slow import slow_frame
from leadbook.monitor.thresholds import levels_frame
from leadbook.page.prose import frame_table, number, pipe_table, shown
from leadbook.phases.p08.decisions import Bottleneck, Decision, decisions_frame
from leadbook.phases.p08.performance import batch_sizes_frame, insert_rate, workload_frame

__all__ = [
    "COLUMNS",
    "document_check",
    "leave_facts",
    "monitoring_log",
    "optimizations",
    "readings_frame",
    "snapshot_facts",
    "summary",
]

COLUMNS = {
    "reading": "what is read, over the whole snapshot", "value": "what is judged", "unit": "of value and peak",
    "of the samples": "which sample is judged; the median where a single peak is no finding", "peak": "largest sample",
    "warn": "warns when this holds", "critical": "fails when this holds; – never fails",
    "level": "where the value stands",
    "batch size": "documents in one insert_many, unordered", "batches": "how many were inserted",
    "documents/s": "acknowledged documents by inserting time, pauses left out", "median ms": "half were faster",
    "slowest ms": "the slowest one", "p99 ms": "99 of 100 were faster", "operation": "what was done, under load",
    "count": "how many", "wrong": "answers that were wrong", "failed": "operations that raised an error",
    "decision": "what the task book leaves to be decided", "needed": "decided by what was measured",
    "because": "the measurement", "action": "what to do",
    "collection": "where it ran", "filter on": "fields of its filter, never their values", "plan": "plan summary",
    "worst ms": "the slowest of its kind", "mean": "over the snapshot", "least": "smallest sample",
    "most": "largest sample",
}  # fmt: skip
"""Columns of this phase's tables and what they mean."""

_TREND = {
    "inserts_per_s": "mongodb.inserts_per_s", "write_latency_ms": "mongodb.write_latency_ms",
    "read_latency_ms": "mongodb.read_latency_ms", "cache_dirty_percent": "mongodb.cache_dirty_percent",
    "pool_used_percent": "pool.used_percent", "pool_wait_ms": "pool.wait_ms",
    "redis_memory_percent": "redis.memory_percent",
}  # fmt: skip


def summary(seen: Observation) -> str:
    """One paragraph: how long, what ran meanwhile, what could not be watched."""
    samples = len(seen.timeline.frame)
    if seen.wrote:
        total = sum(batch.inserted for batch in seen.batches)
        load = f"a writer inserted **{total:,} documents** in {len(seen.batches)} batches into a scratch collection"
    else:
        load = "nothing was written by this notebook (it only watches)"
    absent = "".join(f" Not watched: {source} ({why})." for source, why in seen.absent.items())
    return (
        f"{samples} samples in {seen.seconds:.1f} s from {seen.started_at:%Y-%m-%d %H:%M:%S} UTC; meanwhile {load}, "
        f"and {len(seen.lookups):,} look-ups ran. MongoDB {seen.versions.get('mongodb', '?')}, "
        f"Redis {seen.versions.get('redis', 'away')}.{absent}"
    )


def readings_frame(timeline: Timeline, prefixes: Sequence[str]) -> pd.DataFrame:
    """Mean, least and most of every reading of the sources named in `prefixes`; counters are shown as rates only."""
    rows = []
    counters = {name.removesuffix("_per_s") for name in timeline.frame.columns if name.endswith("_per_s")}
    for name in timeline.frame.columns:
        values = timeline.values(name)
        if name.partition(".")[0] in prefixes and name not in counters and not values.empty:
            rows.append({"reading": name, "mean": float(values.mean()), "least": float(values.min()),
                         "most": float(values.max())})  # fmt: skip
    return pd.DataFrame(rows, columns=["reading", "mean", "least", "most"])


def snapshot_facts(seen: Observation, decisions: Sequence[Decision]) -> dict[str, Any]:
    """Numbers that phase 09 and the report use; None = not measured."""
    waits = pd.Series(seen.waits_ms, dtype=float)
    statistic = seen.timeline.statistic
    facts: dict[str, Any] = {
        "seconds": round(seen.seconds, 1),
        "wrote": seen.wrote,
        "insert_rate": insert_rate(seen) if seen.wrote else None,
        "insert_rate_by_batch_size": {
            str(size): insert_rate(seen, size) for size in sorted({batch.size for batch in seen.batches})
        },
        "inserts_per_s_mean": statistic("mongodb.inserts_per_s", "mean"),
        "inserts_per_s_peak": statistic("mongodb.inserts_per_s", "max"),
        "checkout_p50_ms": float(waits.median()) if len(waits) else None,
        "checkout_p99_ms": float(waits.quantile(0.99)) if len(waits) else None,
        "checkouts": len(waits),
        "pool_used_percent": statistic("pool.used_percent", "max"),
        "pool_maximum": seen.pool_maximum,
        "decisions": [{"topic": each.topic, "needed": each.needed, "because": each.because, "action": each.action}
                      for each in decisions],
        "trend": _trend(seen.timeline),
    }  # fmt: skip
    for kind in ("redis", "mongodb", "filtered"):
        times = pd.Series([each.ms for each in seen.lookups if each.kind == kind and not each.failure], dtype=float)
        name = "filtered_find" if kind == "filtered" else f"duplicate_check_{kind}"
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            facts[f"{name}_{label}_ms"] = float(times.quantile(share)) if len(times) else None
    return facts


def leave_facts(leave: Callable[[str, Any], None], seen: Observation, decisions: Sequence[Decision]) -> None:
    """Hand each of `snapshot_facts` to `leave(name, value)`."""
    for name, value in snapshot_facts(seen, decisions).items():
        leave(name, value)


def _trend(timeline: Timeline) -> dict[str, dict[str, float | None]]:
    """First and last third of some readings: is anything rising or falling?"""
    third = max(1, len(timeline.frame) // 3)
    trend = {}
    for name, column in _TREND.items():
        values = timeline.frame[column] if column in timeline.frame else pd.Series(dtype=float)
        first, last = values.iloc[:third].mean(), values.iloc[-third:].mean()
        trend[name] = {"first_third": None if first != first else float(first),
                       "last_third": None if last != last else float(last)}  # fmt: skip
    return trend


def monitoring_log(seen: Observation, checks: Sequence[Check]) -> str:
    """The document "Monitoring log" as Markdown: readings, levels, pool, look-ups and issues."""
    timeline = seen.timeline
    return "\n\n".join((
        "# Monitoring log",
        summary(seen).replace("**", ""),
        "A snapshot proves the minutes in which it was taken. During a sprint, run phase 08 again and again.",
        "## Readings beside thresholds",
        frame_table(levels_frame(timeline)),
        "## MongoDB", frame_table(readings_frame(timeline, ("mongodb",))),
        "## Redis", frame_table(readings_frame(timeline, ("redis",))),
        "## Connection pool",
        f"{len(seen.waits_ms):,} check-outs, {len(seen.pool_failures)} failed, maxPoolSize {seen.pool_maximum}.",
        frame_table(readings_frame(timeline, ("pool",))),
        "## Host", frame_table(readings_frame(timeline, ("host",))),
        "## Look-ups during the snapshot", frame_table(workload_frame(seen)),
        "## Issues", _issues(checks),
        "## Not measured", _dark(checks),
    ))  # fmt: skip


def _issues(checks: Sequence[Check]) -> str:
    bad = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN)
    rows = [
        (check.id, check.title, check.verdict.value, f"{_value(check)} (target {check.target})", check.remedy)
        for check in checks
        if check.verdict in bad
    ]
    if not rows:
        return "None: no reading was beyond a limit."
    table = pipe_table(["check", "what", "verdict", "measured", "what to do"], rows)
    return f"{table}\n\nA `fail` or `error` goes to the Technical Lead at once; its resolution is entered below.\n\n" \
           "| issue | resolved by | when | how |\n| --- | --- | --- | --- |\n|  |  |  |  |"  # fmt: skip


def _value(check: Check) -> str:
    if isinstance(check.measured, bool) or not isinstance(check.measured, int | float):
        return shown(check.measured)
    return number(check.measured, check.unit)


def _dark(checks: Sequence[Check]) -> str:
    rows = [(check.id, check.title, check.evidence) for check in checks
            if check.verdict in (Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE)]  # fmt: skip
    return pipe_table(["check", "what", "why"], rows) if rows else "Everything was measured."


def optimizations(
    seen: Observation, decisions: Sequence[Decision], found: Sequence[Bottleneck], settings: Settings
) -> str:
    """The document "Optimisations and scaling" as Markdown: decisions, resources, batch sizes, actions."""
    resources = [
        (each.resource, number(each.used, each.unit), f"{each.limit:g} {each.unit}".strip(),
         "not measured" if each.used is None else "yes" if each.reached else "no", each.relief)
        for each in found
    ]  # fmt: skip
    needed = [each for each in decisions if each.needed]
    actions = "; ".join(f"{each.topic}: {each.action}" for each in needed) or "none is needed"
    slow = "Not measured: " + seen.slow_source if seen.slow is None else frame_table(slow_frame(seen.slow))
    return "\n\n".join((
        "# Optimisations and scaling",
        summary(seen).replace("**", ""),
        "## Decisions",
        frame_table(decisions_frame(decisions)),
        "## Actions",
        f"Proposed: {actions}. This notebook changes no server, no index and no pool: it writes down what was "
        "measured, and the DBA decides. Actions taken are entered here, and phase 08 runs again to show their effect.",
        "| action | by | when | before | after |\n| --- | --- | --- | --- | --- |\n|  |  |  |  |  |",
        "## Where the next bottleneck is",
        pipe_table(["resource", "used", "limit", "reached", "relief"], resources),
        "## Batch sizes",
        f"The pipeline inserts batches of {settings.batch_size}. Compared during this snapshot:",
        frame_table(batch_sizes_frame(seen)),
        "## Slow operations",
        slow,
    ))  # fmt: skip


def document_check(check_id: str, path: Path) -> Check:
    """The document was written and is not empty."""
    size = path.stat().st_size if path.is_file() else 0
    return judge(check_id, size > 0, evidence=f"documents/{path.name}, {size:,} bytes")
