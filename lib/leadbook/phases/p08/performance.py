"""What the snapshot says of inserts, duplicate checks, the pool, slow operations and of the watch itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Any

import numpy as np

from leadbook.core.checks import Inapplicable, Unmeasured
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.monitor.session import Observation
from leadbook.monitor.staging import Intake
from leadbook.monitor.validation import HOUR, HourOfLeads
from leadbook.page.prose import number
from leadbook.phases.judging import Answered, Answers, Finding
from leadbook.watch.periods import SHORTEST_S, Period

Leads = HourOfLeads | Unmeasured | Exception | None
Staged = Intake | Unmeasured | Exception | None
FEWEST = 3
"""Operations in a third of the snapshot, from which its median is told."""
FEWEST_LEADS = 100
"""Leads from which a rehearsal's pace is told."""
FULL = 0.5
"""Share of the batch size from which a batch counts as full."""
STORM_LEAST = 20
LOOKUPS = {"MON-DUP-001": "redis", "MON-DUP-002": "mongodb", "MON-QUERY-003": "filtered"}
"""Checks of look-ups and the kind that answers each."""


def latencies(seen: Observation, kind: str) -> Latencies:
    """Times of the look-ups of one kind that were answered; `pool`: waiting times for a connection."""
    if kind == "pool":
        return Latencies(ms / 1000 for ms in seen.waits_ms)
    return Latencies(lookup.ms / 1000 for lookup in seen.lookups if lookup.kind == kind and not lookup.failure)


def _slow_end(times: Latencies, why: str) -> Answered:
    """The percentile that the samples bear; `why` there are none."""
    told = times.summary()
    name, value = told.judged
    which = name.partition(" of ")[0]
    evidence = (
        f"{which} of {told.count:,} samples during the snapshot; median {number(told.p50_ms, 'ms')}, "
        f"slowest {number(told.worst_ms, 'ms')}"
    )
    return Answered(Unmeasured(why) if value is None else value, evidence)


def degradation(seen: Observation) -> dict[str, float]:
    """Median latency of the last third over that of the first: batches by size, look-ups by kind. 1 = no change."""
    series: dict[str, list[tuple[float, float]]] = {}
    for batch in seen.batches:
        series.setdefault(f"batches of {batch.sent}", []).append((batch.at, batch.seconds))
    for lookup in seen.lookups:
        series.setdefault(f"{lookup.kind} look-ups", []).append((lookup.at, lookup.ms))
    ratios = {}
    for name, times in series.items():
        first = [took for at, took in times if at < seen.seconds / 3]
        last = [took for at, took in times if at > seen.seconds * 2 / 3]
        if min(len(first), len(last)) >= FEWEST and median(first) > 0:
            ratios[name] = median(last) / median(first)
    return ratios


def watch(seen: Observation) -> Answers:
    """Can the watch be believed: enough samples, and the server counted at least what the writer wrote."""
    counts, expected = seen.timeline.samples(), seen.timeline.expected
    taken = min(counts.values(), default=0)
    problems = "; ".join(sorted(set(seen.timeline.problems)))
    shown = ", ".join(f"{source} {count}" for source, count in counts.items()) or "none"
    evidence = (
        f"samples in {seen.seconds:.1f} s: {shown}, of {expected} due each; "
        f"{seen.timeline.dropped} intervals dropped for a restart. {problems}"
    )
    grown = seen.timeline.growth("mongodb.inserts")
    counted: Any = grown is not None and grown >= seen.written > 0
    if not seen.wrote:
        counted = Inapplicable("nothing was written by this snapshot: it only watched")
    elif grown is None:
        counted = Unmeasured("the server does not report documents inserted, or was restarted")
    told = f"server counted {grown or 0:,.0f} inserts, the writer {seen.written:,} acknowledged"
    return {
        "MON-WATCH-001": (round(100 * min(taken, expected) / expected, 1), evidence.rstrip(". ")),
        "MON-WATCH-002": (counted, told),
    }


def inserts(
    seen: Observation, pace: Leads, settings: Settings, hour: Period | None = None, intake: Staged = None
) -> Answers:
    """The first batch is there, complete, dated and unaltered; and leads an hour. hour: that a watch has kept."""
    review = seen.review
    there: Any = review.found == review.sent if review.sent is not None else review.found > 0
    faults: Any = review.incomplete + review.undated + (review.altered or 0)
    if not review.found and not review.sent:
        there = faults = Unmeasured("no lead is stored yet, so no batch can be read back")
    sent = "" if review.sent is None else f" of {review.sent}"
    mine = review.what if review.sent is not None else f"this watch wrote none; in its place the {review.what}"
    told = f"{review.incomplete} lack a required field, {review.undated} a timestamp"
    told += "; values are not compared" if review.altered is None else f", {review.altered} altered"
    return {
        "MON-BATCH-001": (there, f"{mine}: {review.found}{sent} read back"),
        "MON-BATCH-002": (faults, f"{mine}: {told}"),
        "MON-RATE-002": _at_rest(intake, settings) or _kept_rate(hour) or _hourly(pace, seen, settings),
    }


def _at_rest(intake: Staged, settings: Settings) -> Finding | None:
    """Why no rate is asked for on production: all is collected, or no collector is at work though none has to be."""
    if not isinstance(intake, Intake) or not settings.is_production:
        return None
    if intake.staged >= settings.target_collected:
        return Inapplicable(f"{intake.staged:,} records are staged of {settings.target_collected:,}: all is there"), ""
    deadline = settings.sprint_deadline
    if not intake.in_hour and not (deadline and datetime.now(UTC) < datetime.fromisoformat(deadline)):
        return Inapplicable("nothing was staged in the last hour: no collector is at work"), ""
    return None


def _kept_rate(hour: Period | None) -> Finding | None:
    """Leads an hour by the series of a watch; None where it is too short to tell."""
    rate, grown = (hour.per_hour("sprint.leads"), hour.growth("sprint.leads")) if hour is not None else (None, None)
    if hour is None or rate is None or grown is None:
        return None
    return round(rate), f"{grown[0]:,.0f} leads in {grown[1] / 60:,.0f} minutes, {_series(hour)}"


def _series(hour: Period) -> str:
    gaps = f", {hour.unread_s:,.0f} s not read" if hour.gaps else ""
    return f"by {len(hour.snapshots):,} snapshots of the watch until {hour.last.at:%Y-%m-%d %H:%M} UTC{gaps}"


def _hourly(pace: Leads, seen: Observation, settings: Settings) -> Finding:
    """Leads an hour and how that is known: on production of the hour that ends now, in a rehearsal's sprint projected
    from its leads so far. A rehearsal without a sprint has no collectors, and so no rate."""
    if isinstance(pace, Unmeasured | Exception):
        return pace, ""
    if settings.is_rehearsal and seen.wrote:
        return Inapplicable("no sprint is going on in this rehearsal"), ""
    if pace is None:
        return Unmeasured("no lead with created_at is stored"), ""
    if settings.is_production:
        return _of_the_hour(pace, settings)
    within = f"{pace.count:,} leads within {pace.span_s:.1f} s"
    if pace.count < FEWEST_LEADS or pace.span_s <= 0:
        return Inapplicable(f"a rehearsal's {within}: too few to tell a rate"), ""
    return round(pace.count / pace.span_s * 3600), f"{within} of simulated collectors, projected to an hour"


def _of_the_hour(pace: HourOfLeads, settings: Settings) -> Finding:
    """Of the hour that ends now, or of the time since the first lead, or since the sprint began, where that is less."""
    seconds = min(HOUR.total_seconds(), pace.age_s)
    if settings.sprint_start:
        begun = (pace.until - datetime.fromisoformat(settings.sprint_start)).total_seconds()
        seconds = min(seconds, begun) if begun > 0 else seconds
    if seconds >= HOUR.total_seconds():
        return pace.count, f"{pace.count:,} leads stored within the hour before {pace.until:%Y-%m-%d %H:%M} UTC"
    told = f"{pace.count:,} leads within {seconds / 60:,.0f} minutes since the first of the sprint"
    if seconds < SHORTEST_S:
        return Inapplicable(f"{told}: too early to tell a rate"), ""
    return round(pace.count / seconds * HOUR.total_seconds()), f"{told}, as a rate an hour"


def lookups(
    seen: Observation, settings: Settings, benchmarks: Mapping[str, Any], hour: Period | None = None
) -> Answers:
    """Insert rate, duplicate checks, finds, errors and degradation. benchmarks: facts of phase 03 (see Snapshot).

    hour: that a watch has kept."""
    known = [lookup for lookup in seen.lookups if lookup.right is not None]
    right = sum(1 for lookup in known if lookup.right)
    stored = sum(1 for lookup in known if lookup.kind == "mongodb")
    share = 100 * right / len(known) if known else Unmeasured("no look-up had an answer known beforehand")
    return {
        "MON-RATE-001": _kept_inserts(hour) or _rate(seen, settings, benchmarks),
        **{check_id: _slow_end(latencies(seen, kind), seen.absent.get(kind, "no look-up was answered"))
           for check_id, kind in LOOKUPS.items()},
        "MON-DUP-003": (share, f"{right} of {len(known)} answers right, for stored leads and for nobody ({stored} by "
                        "MongoDB)"),
        "MON-ERR-001": _errors(seen),
        "MON-DEG-001": _degraded(seen, hour),
    }  # fmt: skip


def _rate(seen: Observation, settings: Settings, benchmarks: Mapping[str, Any]) -> Finding:
    if seen.wrote:
        rate = seen.insert_rate()
        return None if rate is None else round(rate), (
            f"{seen.written:,} documents acknowledged in {len(seen.batches)} batches; documents/s of inserting time, "
            f"with w={settings.write_concern}, all indexes and the validator, into a scratch collection"
        )
    peak = seen.timeline.statistic("mongodb.inserts_per_s", "max")
    seen_here = f"arriving now: at most {peak:,.0f} documents/s" if peak is not None else "arrivals not reported"
    measured = benchmarks.get("insert_rate")
    if isinstance(measured, int | float):
        return round(measured), f"capacity measured by {benchmarks.get('source', 'phase 03')}; {seen_here}"
    return Unmeasured(
        f"watching shows arrivals, not capacity, and phase 03 left no rate that counts here; {seen_here}",
        "run phase 03 on this target, as `leadbook run --stage ready` does",
    ), ""


def _errors(seen: Observation) -> Finding:
    failures = [f"insert: {', '.join(batch.errors)}" for batch in seen.batches if batch.errors]
    failures += [f"{lookup.kind}: {lookup.failure}" for lookup in seen.lookups if lookup.failure]
    done = len(seen.batches) + len(seen.lookups)
    kinds = "; ".join(f"{failures.count(kind)} x {kind}" for kind in sorted(set(failures)))
    return len(failures) if done else None, f"of {done} operations. {kinds}".rstrip(". ")


def _kept_inserts(hour: Period | None) -> Finding | None:
    """What the pipeline's full batches attain, as its followers tell it; None where there were too few.

    A batch of what just arrived is small: its documents/s are round trips, no capacity (LIVE-RATE-002 asks the same).
    """
    if hour is None:
        return None
    column = hour.history.column
    rates = column("ingest.documents_per_s")[
        column("ingest.documents_per_insert") >= FULL * column("ingest.batch_size")
    ]
    rates = rates[np.isfinite(rates)]
    if len(rates) < FEWEST:
        return None
    return round(float(np.median(rates))), (
        f"the pipeline's own inserts of full batches, documents/s of inserting time: median of {len(rates):,} "
        f"readings; {_series(hour)}"
    )


def _degraded(seen: Observation, hour: Period | None) -> Finding:
    kept = hour.degradation() if hour is not None else {}
    ratios = kept or degradation(seen)
    shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    if kept and hour is not None:
        shown += f"; {_series(hour)}"
    few = Unmeasured("too few operations to compare the first third with the last")
    worst = round(max(ratios.values()), 2) if ratios else few
    return worst, f"probes of this watch, median of the last third over the first: {shown}"


def pool(seen: Observation) -> Answers:
    """Waiting time for a connection, failed check-outs, and growth of the server's connections."""
    reasons = ", ".join(sorted(set(seen.pool_failures))) or "none"
    first, last = (seen.timeline.statistic("mongodb.connections_current", which) for which in ("first", "last"))
    limit = max(STORM_LEAST, round((first or 0) / 2))
    tier = "not measurable on this tier: connections.current is not reported"
    growth: Any = Unmeasured(seen.absent.get("mongodb", tier))
    if first and last is not None:
        growth = round(last - first)
    ends = f"{number(first)} at the beginning, {number(last)} at the end"
    storm = f"{ends}; more than {limit} (half again, at least {STORM_LEAST}) is a storm"
    return {
        "MON-POOL-002": _slow_end(latencies(seen, "pool"), "no connection was checked out"),
        "MON-POOL-003": (len(seen.pool_failures), f"reasons: {reasons}; maxPoolSize {seen.pool_maximum}"),
        "MON-CONN-003": Answered(growth, storm, target=limit),
    }


def unseen(seen: Observation, settings: Settings) -> Unmeasured | None:
    """Why slow queries may have gone unseen; None where each would have been written down."""
    if seen.slow is None:
        return Unmeasured(seen.slow_source)
    limit = settings.target_find_ms
    hidden = seen.slow_logging.hides(limit)
    return Unmeasured(hidden, seen.slow_logging.seeing(settings.database, limit)) if hidden else None


def slow(seen: Observation, settings: Settings) -> Answers:
    """No slow query during the snapshot. Slow batches are judged by the insert rate, not here."""
    queries = [entry for entry in seen.slow or () if entry.is_query]
    evidence = f"{len(queries)} slow queries and {len(seen.slow or ()) - len(queries)} slow writes ({seen.slow_source})"
    if queries:
        worst = max(queries, key=lambda entry: entry.ms)
        evidence += f"; slowest {worst.operation} on {worst.collection}, {worst.ms} ms, {worst.plan or 'no plan'}"
    return {"MON-QUERY-001": (len(queries) or unseen(seen, settings) or 0, evidence)}
