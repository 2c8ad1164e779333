"""What the snapshot says of inserts, duplicate checks, the pool and the trustworthiness of the watch itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from leadbook.core.checks import Check, Verdict, judge, not_applicable, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.monitor.session import Observation
from leadbook.monitor.thresholds import judge_level
from leadbook.monitor.workload import batches_frame, lookups_frame

__all__ = [
    "batch_sizes_frame", "degradation", "insert_rate", "issues", "performance_checks", "pool_checks", "watch_checks",
    "workload_frame",
]  # fmt: skip


def insert_rate(seen: Observation, size: int | None = None) -> float | None:
    """Acknowledged documents per second of inserting time (pauses left out), of one batch size or of all."""
    chosen = [batch for batch in seen.batches if size is None or batch.size == size]
    busy = sum(batch.seconds for batch in chosen)
    return sum(batch.inserted for batch in chosen) / busy if busy else None


def degradation(seen: Observation) -> dict[str, float]:
    """Median latency of the last third over that of the first: batches by size, look-ups by kind. 1 = no change."""
    batches, lookups = batches_frame(seen.batches), lookups_frame(seen.lookups)
    series = {f"batches of {size}": part for size, part in batches.groupby("size")}
    series |= {f"{kind} look-ups": part for kind, part in lookups.groupby("kind")}
    ratios = {}
    for name, part in series.items():
        first = part[part["at"] < seen.seconds / 3]["ms"]
        last = part[part["at"] > seen.seconds * 2 / 3]["ms"]
        if len(first) >= 3 and len(last) >= 3 and first.median() > 0:
            ratios[name] = float(last.median() / first.median())
    return ratios


def watch_checks(seen: Observation) -> list[Check]:
    """Can the watch be believed: enough samples, and the server counted at least what the writer wrote."""
    counts, expected = seen.timeline.samples(), seen.timeline.expected
    taken = min(counts.values(), default=0)
    problems = "; ".join(sorted({f"{problem.source}: {problem.what}" for problem in seen.timeline.problems}))
    shown = ", ".join(f"{source} {count}" for source, count in counts.items()) or "none"
    evidence = (
        f"samples in {seen.seconds:.1f} s: {shown}, of {expected} due each; "
        f"{seen.timeline.dropped} intervals dropped for a restart"
    )
    checks = [judge("MON-WATCH-001", round(100 * min(taken, expected) / expected, 1),
                    evidence=f"{evidence}. {problems}".rstrip(". "))]  # fmt: skip
    grown = seen.timeline.growth("mongodb.inserts")
    if not seen.wrote:
        checks.append(not_applicable("MON-WATCH-002", "nothing was written: on production the snapshot only watches"))
    elif grown is None:
        checks.append(not_measured("MON-WATCH-002", "the server does not report documents inserted, or was restarted"))
    else:
        written = sum(batch.inserted for batch in seen.batches)
        evidence = f"server counted {grown:,.0f} inserts, the writer {written:,} acknowledged"
        checks.append(judge("MON-WATCH-002", grown >= written > 0, evidence=evidence))
    return checks


def performance_checks(seen: Observation, settings: Settings, benchmarks: Mapping[str, Any]) -> list[Check]:
    """Insert rate, duplicate checks, finds, errors and degradation. benchmarks: facts of phase 03 of this run."""
    return [
        _rate_check(seen, settings, benchmarks),
        _lookup_check("MON-DUP-001", "redis", seen, settings),
        _lookup_check("MON-DUP-002", "mongodb", seen, settings),
        _right_check(seen, settings),
        _lookup_check("MON-QUERY-003", "filtered", seen, settings),
        _error_check(seen),
        _degradation_check(seen),
    ]


def _rate_check(seen: Observation, settings: Settings, benchmarks: Mapping[str, Any]) -> Check:
    if seen.wrote:
        rate = insert_rate(seen)
        count = sum(batch.inserted for batch in seen.batches)
        evidence = (
            f"{count:,} documents acknowledged in {len(seen.batches)} batches; documents/s of inserting time, with "
            f"w={settings.write_concern}, all indexes and the validator, into a scratch collection"
        )
        return judge("MON-RATE-001", None if rate is None else round(rate), settings=settings, evidence=evidence)
    peak = seen.timeline.statistic("mongodb.inserts_per_s", "max")
    seen_here = f"arriving now: at most {peak:.0f} documents/s" if peak is not None else "arrivals not reported"
    measured = benchmarks.get("insert_rate")
    if isinstance(measured, int | float):
        evidence = f"capacity measured by phase 03 of this run; {seen_here}"
        return judge("MON-RATE-001", measured, settings=settings, evidence=evidence)
    why = f"watching shows arrivals, not capacity, and phase 03 of this run left no rate; {seen_here}"
    return not_measured("MON-RATE-001", why, settings=settings)


def _lookup_check(check_id: str, kind: str, seen: Observation, settings: Settings) -> Check:
    lookups = [lookup for lookup in seen.lookups if lookup.kind == kind and not lookup.failure]
    if not lookups:
        why = seen.absent.get(kind, "no look-up was answered")
        return not_measured(check_id, why, settings=settings)
    times = pd.Series([lookup.ms for lookup in lookups])
    evidence = f"p99 of {len(times)}; median {times.median():.2f} ms, slowest {times.max():.1f} ms, during the snapshot"
    return judge(check_id, round(float(times.quantile(0.99)), 3), settings=settings, evidence=evidence)


def _right_check(seen: Observation, settings: Settings) -> Check:
    known = [lookup for lookup in seen.lookups if lookup.right is not None]
    if not known:
        return not_measured("MON-DUP-003", "no look-up had an answer known beforehand", settings=settings)
    right = sum(1 for lookup in known if lookup.right)
    stored = sum(1 for lookup in known if lookup.kind == "mongodb")
    evidence = f"{right} of {len(known)} answers right, for stored leads and for nobody ({stored} by MongoDB)"
    return judge("MON-DUP-003", 100 * right / len(known), settings=settings, evidence=evidence)


def _error_check(seen: Observation) -> Check:
    failures = [f"insert: {batch.failure}" for batch in seen.batches if batch.failure]
    failures += [f"{lookup.kind}: {lookup.failure}" for lookup in seen.lookups if lookup.failure]
    done = len(seen.batches) + len(seen.lookups)
    kinds = "; ".join(f"{failures.count(kind)} x {kind}" for kind in sorted(set(failures)))
    return judge("MON-ERR-001", len(failures) if done else None, evidence=f"of {done} operations. {kinds}".rstrip(". "))


def _degradation_check(seen: Observation) -> Check:
    ratios = degradation(seen)
    if not ratios:
        return not_measured("MON-DEG-001", "too few operations to compare the first third with the last")
    worst = max(ratios, key=lambda name: ratios[name])
    shown = ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items())
    evidence = f"median of the last third over the first: {shown}"
    return judge_level("MON-DEG-001", round(ratios[worst], 2), compare="<", warn=2, critical=None, evidence=evidence)


def pool_checks(seen: Observation, settings: Settings) -> list[Check]:
    """Waiting time for a connection, failed check-outs, and growth of the server's connections."""
    waits = pd.Series(seen.waits_ms, dtype=float)
    if waits.empty:
        wait = not_measured("MON-POOL-002", "no connection was checked out", settings=settings)
    else:
        evidence = f"p99 of {len(waits)} check-outs; median {waits.median():.3f} ms, longest {waits.max():.1f} ms"
        wait = judge("MON-POOL-002", round(float(waits.quantile(0.99)), 3), settings=settings, evidence=evidence)
    reasons = ", ".join(sorted(set(seen.pool_failures))) or "none"
    evidence = f"reasons: {reasons}; maxPoolSize {seen.pool_maximum}"
    failed = judge("MON-POOL-003", len(seen.pool_failures), evidence=evidence)
    return [wait, failed, _growth_check(seen)]


def _growth_check(seen: Observation) -> Check:
    first, last = (seen.timeline.statistic("mongodb.connections_current", which) for which in ("first", "last"))
    if not first or last is None:
        return not_measured("MON-CONN-003", "not measurable on this tier: connections.current is not reported")
    limit = max(20, round(first / 2))
    evidence = (
        f"{first:.0f} at the beginning, {last:.0f} at the end; more than {limit} (half again, at least 20) is a storm"
    )
    return judge_level("MON-CONN-003", round(last - first), compare="<=", warn=limit, critical=None, evidence=evidence)


def issues(checks: Sequence[Check]) -> Check:
    """No immediate issue: no reading beyond its critical limit, no error. Warnings are listed, they do not fail."""
    bad = [check for check in checks if check.verdict in (Verdict.FAIL, Verdict.ERROR)]
    warm = [check for check in checks if check.verdict is Verdict.WARN]
    dark = [check for check in checks if check.verdict is Verdict.NOT_MEASURED]
    named = "; ".join(f"{check.title} ({check.measured} {check.unit})".replace(" )", ")") for check in bad or warm)
    evidence = f"{len(bad)} critical, {len(warm)} warnings, {len(dark)} not measured. {named}".rstrip(". ")
    if not bad and warm:
        return warned("MON-ISSUE-001", 0, evidence=evidence)
    return judge("MON-ISSUE-001", len(bad) if checks else None, evidence=evidence)


def batch_sizes_frame(seen: Observation) -> pd.DataFrame:
    """A row a batch size: batches, documents/s of inserting time, median and slowest batch in ms."""
    frame = batches_frame(seen.batches)
    rows = [
        {"batch size": size, "batches": len(part), "documents/s": insert_rate(seen, int(size)),
         "median ms": float(part["ms"].median()), "slowest ms": float(part["ms"].max())}
        for size, part in frame.groupby("size")
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["batch size", "batches", "documents/s", "median ms", "slowest ms"])


def workload_frame(seen: Observation) -> pd.DataFrame:
    """A row a kind of look-up: count, median, p99 and slowest in ms, wrong answers, failures."""
    names = {"redis": "duplicate check, Redis", "mongodb": "duplicate check, MongoDB", "filtered": "filtered find"}
    rows = []
    for kind, part in lookups_frame(seen.lookups).groupby("kind"):
        good = part[part["failure"] == ""]["ms"]
        rows.append({
            "operation": names[str(kind)], "count": len(part), "median ms": good.median(),
            "p99 ms": good.quantile(0.99), "slowest ms": good.max(), "wrong": int((part["right"] == False).sum()),  # noqa: E712
            "failed": int((part["failure"] != "").sum()),
        })  # fmt: skip
    return pd.DataFrame(rows)
