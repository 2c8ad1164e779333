"""Tables of phase 08: rows of records, and what each column means."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import pandas as pd

from leadbook.core.checks import Check, Verdict
from leadbook.monitor.loop import Timeline
from leadbook.monitor.session import Observation
from leadbook.monitor.slow import SlowOperation
from leadbook.page.prose import NOT_MEASURED
from leadbook.phases.p08.decisions import NEEDED, topic
from leadbook.phases.p08.performance import latencies

COLUMNS = {
    "reading": "what is read, over the whole snapshot", "batch size": "documents in one insert_many, unordered",
    "batches": "how many were inserted",
    "documents/s": "acknowledged documents by inserting time, pauses left out", "median ms": "half were faster",
    "slowest ms": "the slowest one", "p95 ms": "95 of 100 were faster; told from 200 samples on",
    "p99 ms": "99 of 100 were faster; told from 1,000 samples on",
    "operation": "what was done, under load", "count": "how many", "wrong": "answers that were wrong",
    "failed": "operations that raised an error", "collection": "where it ran",
    "filter on": "fields of its filter, never their values", "plan": "plan summary",
    "decision": "what the task book leaves to be decided", "needed": "by what was measured",
    "because": "the measurement", "action": "what to do", "worst ms": "the slowest of its kind",
    "mean": "over the snapshot", "least": "smallest sample",
    "most": "largest sample",
}  # fmt: skip
"""Columns of this phase's tables and what they mean."""
UNITS = {
    "_ms_sum": "ms in all", "_ms": "ms", "_us": "us", "_s": "s", "_percent": "%", "_mb": "MB", "_gb": "GB",
    "_bytes": "bytes",
}  # fmt: skip
_OPERATIONS = {"filtered": "filtered find", "mongodb": "duplicate check, MongoDB", "redis": "duplicate check, Redis"}
_SLOWEST = 15


def decisions_frame(made: Sequence[Check]) -> pd.DataFrame:
    """A row a decision."""
    rows = [
        (topic(one), NEEDED.get(one.verdict, NOT_MEASURED), one.evidence,
         one.remedy if one.verdict is Verdict.WARN else "none")
        for one in made
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["decision", "needed", "because", "action"])


def readings_frame(timeline: Timeline, source: str) -> pd.DataFrame:
    """Mean, least and most of every reading of one source; counters are shown as rates only."""
    frame = timeline.frame.filter(like=f"{source}.").dropna(axis="columns", how="all")
    told = frame[[name for name in frame if f"{name}_per_s" not in timeline.frame]]
    columns = {"reading": list(map(worded, told.columns)), "mean": told.mean(), "least": told.min(), "most": told.max()}
    return pd.DataFrame(columns).reset_index(drop=True)


def worded(reading: str) -> str:
    """A timeline's column for people: `mongodb.read_latency_us_per_s` is `read latency, us a second`."""
    name = reading.partition(".")[2]
    each, name = " a second" * name.endswith("_per_s"), name.removesuffix("_per_s")
    suffix = next((end for end in UNITS if name.endswith(end)), "")
    unit = f"{UNITS[suffix]}{each}" if suffix else each.strip()
    return ", ".join(filter(None, (name.removesuffix(suffix).replace("_", " "), unit)))


def batch_sizes_frame(seen: Observation) -> pd.DataFrame:
    """A row a batch size: batches, documents/s of inserting time, median and slowest batch in ms."""
    rows = []
    for size in seen.sizes:
        took = [1000 * batch.seconds for batch in seen.batches if batch.sent == size]
        rows.append((size, len(took), seen.insert_rate(size), median(took), max(took)))
    return pd.DataFrame(rows, columns=["batch size", "batches", "documents/s", "median ms", "slowest ms"])


def lookups_frame(seen: Observation) -> pd.DataFrame:
    """A row a kind of look-up: count, median, p95, p99 and slowest in ms, wrong answers, failures.

    A percentile that no kind has samples enough for is left out.
    """
    rows = []
    for kind, operation in _OPERATIONS.items():
        mine = [lookup for lookup in seen.lookups if lookup.kind == kind]
        told = latencies(seen, kind).summary()
        wrong, failed = sum(one.right is False for one in mine), sum(bool(one.failure) for one in mine)
        if mine:
            rows.append((operation, len(mine), told.p50_ms, told.p95_ms, told.p99_ms, told.worst_ms, wrong, failed))
    columns = ["operation", "count", "median ms", "p95 ms", "p99 ms", "slowest ms", "wrong", "failed"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.drop(columns=[name for name in ("p95 ms", "p99 ms") if frame[name].isna().all()])


def slow_frame(found: Sequence[SlowOperation]) -> pd.DataFrame:
    """The slowest first, by shape: what it was, plan, how often, worst ms. No values of any query."""
    shape = ["collection", "operation", "filter on", "plan"]
    rows = [(one.collection, one.operation, ", ".join(one.fields), one.plan, one.ms) for one in found]
    grouped = pd.DataFrame(rows, columns=[*shape, "ms"]).groupby(shape)["ms"].agg(["count", "max"]).reset_index()
    made = grouped.rename(columns={"max": "worst ms"}).sort_values("worst ms", ascending=False)
    return made.head(_SLOWEST).reset_index(drop=True)
