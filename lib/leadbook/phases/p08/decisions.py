"""Decisions that the task book leaves "if needed": what was measured, whether it is needed, and what to do then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from leadbook.core.checks import Check, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.monitor.loop import Timeline
from leadbook.monitor.session import Observation
from leadbook.monitor.topology import Disk, RedisState
from leadbook.phases.p08.performance import insert_rate

__all__ = ["Bottleneck", "Decision", "bottleneck_check", "bottlenecks", "decide", "decision_checks", "decisions_frame"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An "if needed" answered. needed: None where it could not be measured.  action: what to do, if it is needed."""

    check: str
    topic: str
    needed: bool | None
    because: str
    action: str


@dataclass(frozen=True, kw_only=True)
class Bottleneck:
    """A resource and how full it was. limit: from where on it is a bottleneck; used None = not measured."""

    resource: str
    used: float | None
    limit: float
    unit: str
    relief: str

    @property
    def reached(self) -> bool:
        """True where it held the work up."""
        return self.used is not None and self.used >= self.limit


def bottlenecks(seen: Observation) -> list[Bottleneck]:
    """Each resource that inserts and duplicate checks pass through, with its median use in the snapshot."""
    timeline = seen.timeline
    cores, cpu = seen.cores, timeline.statistic("mongodb.cpu_cores", "median")
    waits = pd.Series(seen.waits_ms, dtype=float)
    return [
        Bottleneck(resource="CPU of the MongoDB server", used=100 * cpu / cores if cpu is not None and cores else None,
                   limit=85, unit="%", relief="a larger instance, or fewer indexes"),
        Bottleneck(resource="CPU of the host", limit=90, unit="%",
                   used=timeline.statistic("host.cpu_percent", "median"),
                   relief="move load and servers apart, or a larger host"),
        Bottleneck(resource="CPU of this client (one core)", limit=90, unit="%",
                   used=timeline.statistic("host.client_cpu_percent", "median"),
                   relief="several writer processes: one Python process cannot use a second core"),
        Bottleneck(resource="dirty cache", used=timeline.statistic("mongodb.cache_dirty_percent", "max"), limit=20,
                   unit="%", relief="faster disk or a larger cache"),
        Bottleneck(resource="lock and ticket queue", used=_longer_queue(timeline), limit=1, unit="operations",
                   relief="fewer concurrent writers, or a larger instance"),
        Bottleneck(resource="connection pool, p95 wait", used=float(waits.quantile(0.95)) if len(waits) else None,
                   limit=10, unit="ms", relief="raise maxPoolSize, or warm the pool by minPoolSize"),
        Bottleneck(resource="CPU of Redis (one core)", limit=85, unit="%", relief="pipeline, or a second Redis",
                   used=_percent(timeline.statistic("redis.cpu_cores", "median"))),
        Bottleneck(resource="memory of Redis", limit=90, unit="%",
                   used=timeline.statistic("redis.memory_percent", "max"),
                   relief="raise maxmemory or shorten the keys' life"),
        Bottleneck(resource="replication (flow control)", limit=1, unit="",
                   used=timeline.statistic("mongodb.flow_control_lagged", "median"),
                   relief="faster secondaries; w: majority waits for them"),
    ]  # fmt: skip


def _percent(cores: float | None) -> float | None:
    return None if cores is None else 100 * cores


def _longer_queue(timeline: Timeline) -> float | None:
    queues = [timeline.statistic(name, "median") for name in ("mongodb.lock_queue", "mongodb.tickets_waiting")]
    return max((queue for queue in queues if queue is not None), default=None)


def bottleneck_check(found: Sequence[Bottleneck]) -> Check:
    """No resource was at its limit. A bottleneck warns: something is always the first to fill; targets judge."""
    measured = [each for each in found if each.used is not None]
    if not measured:
        return not_measured("MON-BOTTLE-001", "no resource could be measured")
    full = [each for each in measured if each.reached]
    ranked = sorted(measured, key=lambda each: -(each.used or 0) / each.limit)
    shown = "; ".join(f"{each.resource} {each.used:.3g} {each.unit}".strip() for each in (full or ranked[:3]))
    dark = [each.resource for each in found if each.used is None]
    unseen = f". Not measured: {', '.join(dark)}" if dark else ""
    if full:
        relief = "; ".join(f"{each.resource}: {each.relief}" for each in full)
        return warned("MON-BOTTLE-001", len(full), evidence=f"full: {shown}{unseen}", remedy=relief)
    return judge("MON-BOTTLE-001", 0, evidence=f"nothing was full; nearest: {shown}{unseen}")


def decide(
    seen: Observation, settings: Settings, found: Sequence[Bottleneck], *, disk: Disk | None, redis: RedisState | None
) -> list[Decision]:
    """The six "if needed" steps of Tasks 4.2.1 and 4.3.1, each decided by what was measured."""
    return [
        _queries(seen), _pool(seen, settings), _batch_size(seen, settings), _scale(seen, settings, found, disk),
        _cache(seen, redis), _batch_processing(seen, settings, found),
    ]  # fmt: skip


def _queries(seen: Observation) -> Decision:
    topic, action = "optimise slow queries", "add or change the index that the plan lacks, then measure again"
    if seen.slow is None:
        return Decision(check="MON-ADV-001", topic=topic, needed=None, because=seen.slow_source, action=action)
    scans = [entry for entry in seen.slow if entry.is_query and "COLLSCAN" in entry.plan]
    queries = [entry for entry in seen.slow if entry.is_query]
    because = f"{len(queries)} slow queries during the snapshot, {len(scans)} of them without an index"
    return Decision(check="MON-ADV-001", topic=topic, needed=bool(scans), because=because, action=action)


def _pool(seen: Observation, settings: Settings) -> Decision:
    used, waits = seen.timeline.statistic("pool.used_percent", "max"), pd.Series(seen.waits_ms, dtype=float)
    topic = "adjust the connection pool"
    if used is None or waits.empty:
        return Decision(check="MON-ADV-002", topic=topic, needed=None, because="no check-out was measured", action="")
    p99 = float(waits.quantile(0.99))
    needed = used >= 80 or p99 >= settings.target_mongodb_checkout_ms or bool(seen.pool_failures)
    because = f"at most {used:.0f} % of {seen.pool_maximum} connections in use, p99 wait {p99:.2f} ms, " \
              f"{len(seen.pool_failures)} failed check-outs"  # fmt: skip
    action = "raise max_pool_size; check that max_connecting lets it fill fast enough"
    return Decision(check="MON-ADV-002", topic=topic, needed=needed, because=because, action=action)


def _batch_size(seen: Observation, settings: Settings) -> Decision:
    sizes = {batch.size for batch in seen.batches}
    rates = {size: rate for size in sorted(sizes) if (rate := insert_rate(seen, size)) is not None}
    topic = "change the batch size"
    if len(rates) < 2 or settings.batch_size not in rates:
        why = f"batches of {settings.batch_size} were not compared with others here; phase 03 compares them"
        return Decision(check="MON-ADV-003", topic=topic, needed=None, because=why, action="see phase 03")
    best = max(rates, key=lambda size: rates[size])
    shown = ", ".join(f"{size}: {rate:,.0f}" for size, rate in rates.items())
    because = f"documents/s by batch size {shown}; the pipeline uses {settings.batch_size}"
    needed = rates[best] > 1.2 * rates[settings.batch_size] and _clearly_better(seen, best, settings.batch_size)
    action = f"set batch_size to {best}"
    return Decision(check="MON-ADV-003", topic=topic, needed=needed, because=because, action=action)


def _clearly_better(seen: Observation, size: int, than: int) -> bool:
    """Three of four batches of `size` were faster, by document, than three of four batches of the other size."""
    rates = {
        each: pd.Series([batch.inserted / batch.seconds for batch in seen.batches if batch.size == each])
        for each in (size, than)
    }
    return bool(rates[size].quantile(0.25) > rates[than].quantile(0.75))


def _scale(seen: Observation, settings: Settings, found: Sequence[Bottleneck], disk: Disk | None) -> Decision:
    server = [each for each in found if each.resource in ("CPU of the MongoDB server", "dirty cache")]
    known = [each for each in server if each.used is not None]
    topic = "scale the database"
    if not known:
        why = "neither CPU nor cache was measured"
        return Decision(check="MON-ADV-004", topic=topic, needed=None, because=why, action="")
    parts = [f"{each.resource} {each.used:.0f} %" for each in known]
    full_disk = disk is not None and disk.used_percent >= 85
    if disk is not None:
        parts.append(f"disk {disk.used_percent:.0f} %")
    rate = insert_rate(seen)
    slow = rate is not None and rate < settings.target_insert_rate
    if rate is not None:
        parts.append(f"{rate:,.0f} documents/s against a target of {settings.target_insert_rate:,.0f}")
    needed = full_disk or (slow and any(each.reached for each in server))
    action = "enlarge the storage" if full_disk else "the next larger cluster tier; measure again with phases 03 and 05"
    return Decision(check="MON-ADV-004", topic=topic, needed=needed, because=", ".join(parts), action=action)


def _cache(seen: Observation, redis: RedisState | None) -> Decision:
    topic = "clear the Redis cache"
    action = "shorten key_ttl_days or raise maxmemory; FLUSHDB only when nobody else uses this Redis"
    used = seen.timeline.statistic("redis.memory_percent", "max")
    evicted = seen.timeline.statistic("redis.evicted_per_s", "max")
    if redis is None or evicted is None:
        return Decision(check="MON-ADV-005", topic=topic, needed=None, because="Redis was not measured", action=action)
    share = "maxmemory is not set" if used is None else f"{used:.1f} % of maxmemory in use"
    because = f"{share}, {redis.keys:,} keys, {evicted:.0f} evicted/s; clearing turns hits into look-ups in MongoDB"
    needed = (used or 0) >= 80 or evicted > 0
    return Decision(check="MON-ADV-005", topic=topic, needed=needed, because=because, action=action)


def _batch_processing(seen: Observation, settings: Settings, found: Sequence[Bottleneck]) -> Decision:
    rate, topic = insert_rate(seen), "optimise batch processing"
    if rate is None:
        why = "no batch was written here: on production the snapshot only watches; see phases 03 to 05"
        return Decision(check="MON-ADV-006", topic=topic, needed=None, because=why, action="see phases 03 to 05")
    full = [each for each in found if each.reached]
    needed = rate < settings.target_insert_rate
    held = f"; held up by {', '.join(each.resource for each in full)}" if full else "; no resource was full"
    because = f"{rate:,.0f} documents/s against a target of {settings.target_insert_rate:,.0f}{held}"
    action = "; ".join(each.relief for each in full) or "more writers at once (parameter writers)"
    return Decision(check="MON-ADV-006", topic=topic, needed=needed, because=because, action=action)


def decision_checks(decisions: Sequence[Decision]) -> list[Check]:
    """`not needed` passes, `needed` warns with the action, `not measured` stays that."""
    checks = []
    for decision in decisions:
        if decision.needed is None:
            checks.append(not_measured(decision.check, decision.because))
        elif decision.needed:
            checks.append(warned(decision.check, "needed", evidence=decision.because, remedy=decision.action))
        else:
            checks.append(judge(decision.check, "not needed", evidence=decision.because))
    return checks


def decisions_frame(decisions: Sequence[Decision]) -> pd.DataFrame:
    """A row a decision: topic, needed, because, action."""
    word = {None: "not measured", True: "yes", False: "no"}
    return pd.DataFrame([
        {"decision": each.topic, "needed": word[each.needed], "because": each.because,
         "action": each.action if each.needed else "none"}
        for each in decisions
    ])  # fmt: skip
