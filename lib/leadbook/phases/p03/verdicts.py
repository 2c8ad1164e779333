"""What phase 03 thinks of its measurements: each of its checks, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leadbook.bench.concerns import Concerns
from leadbook.bench.finds import Find
from leadbook.bench.indexes import ALL, Prices
from leadbook.bench.inserts import Inserts, batch_size
from leadbook.bench.lookups import LookupTimes
from leadbook.bench.pools import Pool
from leadbook.bench.profiler import SLOW_MS, Caught
from leadbook.bench.references import References
from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured, judge
from leadbook.core.settings import Settings
from leadbook.core.traces import concern_text
from leadbook.measure.histograms import Latencies
from leadbook.measure.intervals import difference
from leadbook.phases.p03.tables import index_remarks

SIZES = {"BCH-INS-004": 100, "BCH-INS-005": 250, "BCH-INS-006": 500}
"""Checks of the rate at a batch size."""
LOOKUPS = {
    "BCH-RDS-001": "Redis GET", "BCH-RDS-002": "Redis MGET 100", "BCH-RDS-003": "Redis SET",
    "BCH-RDS-004": "Redis SET 100 in a pipeline", "BCH-DUP-001": "MongoDB find", "BCH-DUP-002": "MongoDB find $in 100",
    "BCH-DUP-004": "Redis away, then MongoDB",
}  # fmt: skip
"""Checks of the time of a look-up."""
POOLS = {
    "BCH-POOL-001": ("MongoDB", 10), "BCH-POOL-002": ("MongoDB", 50), "BCH-POOL-003": ("MongoDB", 100),
    "BCH-POOL-004": ("Redis", 10), "BCH-POOL-005": ("Redis", 20),
}  # fmt: skip
"""Checks of the wait for a connection of a warm pool, by driver and threads."""


def inserts(found: Inserts, settings: Settings) -> list[Check]:
    """Steps 1.1.4.2, 1.4.1.1 to 1.4.1.3 and 1.4.1.6."""
    best, hundred = found.best, found.get(100).latencies.summary()
    single = _told(found.get(1).latencies, "single inserts")
    checks = [
        judge("BCH-INS-001", single[0], settings=settings, evidence=single[1]),
        judge(
            "BCH-INS-002", hundred.worst_ms, settings=settings,
            evidence=f"slowest of {hundred.count} batches of 100 (too few for a p99); median {hundred.p50_ms} ms",
        ),
        judge(
            "BCH-INS-003", best.rate.low, settings=settings,
            evidence=f"lower end of the interval of {best.name}: {best.rate.text('documents/s')}, "
            f"{best.rate.rounds} rounds, write concern {concern_text(found.concern, 'of the server')}",
        ),
    ]  # fmt: skip
    for check_id, size in SIZES.items():
        rate = found.get(size).rate
        evidence = f"lower end of the interval: {rate.text('documents/s')}"
        checks.append(judge(check_id, rate.low, settings=settings, evidence=evidence))
    missing, sent = sum(one.missing for one in found.series), sum(one.timing.sent for one in found.series)
    evidence = f"{sent:,} documents sent, counts read back after every trial"
    return [*checks, judge("BCH-INS-007", missing, evidence=evidence), _batch_size(found, settings), *_quality(found)]


def _batch_size(found: Inserts, settings: Settings) -> Check:
    decided, best = batch_size(found, settings.batch_size), found.best
    kept = decided.proposed == decided.configured
    said = "no better size shown" if kept else f"{best.batch} is better by {decided.effect.text()}"
    rate = found.get(decided.measured).rate.text("documents/s")
    return judge(
        "BCH-INS-008", kept, remedy="" if kept else f"set batch_size: {decided.proposed}",
        evidence=f"batch_size {decided.configured} (measured at {decided.measured}): {rate}; highest mean at "
        f"{best.batch}: {best.rate.text('documents/s')}; {said}",
    )  # fmt: skip


def _quality(found: Inserts) -> list[Check]:
    """Warnings about the measurement itself: a noisy host, a client that is the limit."""
    noise, share = found.canary.noise, round(found.best.client_share, 2)
    return [
        judge(
            "BCH-ENV-001", None if noise is None else round(100 * noise, 1),
            evidence=f"{len(found.canary.seconds)} runs of a constant workload beside the trials, none of it touching "
            "a server",
        ),
        judge(
            "BCH-ENV-002", share,
            evidence=f"{found.best.name}: {share:.2f} of a core; encoding alone reaches {found.encode_rate:,.0f} "
            "documents/s",
        ),
    ]  # fmt: skip


def concerns(found: Concerns, settings: Settings) -> list[Check]:
    """Steps 1.4.1.1 to 1.4.1.3: the concern sent, its errors seen, every price measured."""
    own = found.configured
    asked, wire = dict(own.concern.document), dict(own.wire or {})
    missing = sum(price.missing for price in found.prices)
    fire = next(one for one in found.losses if not one.acknowledged)
    majority, loose = (found.price(name) for name in ("majority", "w: 1, j: false"))
    return [
        judge("BCH-WC-001", wire == asked, evidence=f"asked for {concern_text(asked)}, sent {concern_text(wire)}"),
        judge(
            "BCH-WC-002", own.unreported,
            evidence=f"{own.sent} sent, {own.stored} stored, {own.reported} reported, ten of them duplicates",
        ),
        judge(
            "BCH-WC-003", sum(not price.missing for price in found.prices),
            evidence=f"every count read back; {missing} documents never became readable",
        ),
        judge(
            "BCH-WC-004", fire.unreported > 0,
            evidence=f"w: 0 unordered: {fire.claimed} listed as inserted, {fire.stored} stored, {fire.unreported} lost "
            "unseen; never use it for leads",
        ),
        judge(
            "BCH-WC-005", wire.get("w") == "majority", settings=settings,
            evidence=f"sent on the wire: {concern_text(wire)}; majority {majority.rate.text('documents/s')}; "
            f"w: 1, j: false {loose.rate.text('documents/s')}: {difference(majority.readable, loose.readable).text()}",
        ),
    ]  # fmt: skip


def lookups(found: LookupTimes, settings: Settings) -> list[Check]:
    """Steps 1.1.4.2, 1.2.2.2, 1.2.2.3 and 1.4.1.7."""
    checks, plan = [], found.plan
    for check_id, name in LOOKUPS.items():
        operation = found.operations.get(name)
        answer = _told(operation.latencies, "calls") if operation else (_no_redis(found, settings), "")
        checks.append(judge(check_id, answer[0], settings=settings, evidence=answer[1]))
    wrong = sum(operation.wrong for operation in found.operations.values())
    asked = sum(operation.size * operation.latencies.count for operation in found.operations.values())
    return [
        *checks,
        judge(
            "BCH-DUP-003", plan.collection_scan is False and "idx_linkedin_url_unique" in plan.indexes,
            evidence=f"stages {' < '.join(plan.stages)}, index {', '.join(plan.indexes) or 'none'}, "
            f"{plan.keys_examined} keys, {plan.docs_examined} documents examined among {found.stored:,}",
        ),
        judge(
            "BCH-DUP-005", 100 * (asked - wrong) / asked if asked else None, settings=settings,
            evidence=f"{wrong} wrong answers among {asked:,}; half of the keys were known",
        ),
    ]  # fmt: skip


def _no_redis(found: LookupTimes, settings: Settings) -> Unmeasured:
    if found.redis_problem:
        return Unmeasured(found.redis_problem, "make Redis reachable, then run phase 03 again")
    why = "needs keys of its own in Redis, and benchmarks are not approved here"
    return Unmeasured(why, settings.how_to_approve("benchmarks"))


def finds(found: tuple[Find, ...], settings: Settings) -> list[Check]:
    """Steps 1.1.4.2 and 1.4.1.7: the slowest filter, the counts, no collection scan."""
    filters = [find for find in found if find.plan is not None]
    slowest = max(filters, key=lambda find: find.latencies.worst_ms or 0)
    count = next(find for find in found if find.name == "count all")
    scans = [find.name for find in filters if find.plan and find.plan.collection_scan]
    return [
        judge(
            "BCH-FND-001", slowest.latencies.worst_ms, settings=settings,
            evidence=f"slowest of {sum(find.latencies.count for find in filters):,} finds: {slowest.name}; its median "
            f"{slowest.latencies.percentile(50)} ms",
        ),
        judge(
            "BCH-FND-002", len(scans),
            evidence=f"collection scans: {', '.join(scans) or 'none'}, {len(filters)} filters",
        ),
        judge(
            "BCH-CNT-001", count.latencies.worst_ms, settings=settings,
            evidence=f"slowest of {count.latencies.count} counts of {count.matching:,} documents; median "
            f"{count.latencies.percentile(50)} ms",
        ),
    ]  # fmt: skip


def pools(found: tuple[Pool, ...], settings: Settings) -> list[Check]:
    """Steps 1.3.1.3, 1.3.1.4 and 1.4.1.8. The warm pool is judged: it is the state of all but the first seconds.

    Cold opens one TLS connection a thread, once; saturated is what too small a pool would do. Both are shown, and a
    cold start beyond the target is a warning.
    """
    checks = [_checkouts(check_id, found, *POOLS[check_id], settings) for check_id in POOLS]
    asked, failures = sum(pool.checkouts.count for pool in found), sum(pool.failures for pool in found)
    warm, cold = (
        [one for one in found if (one.service, one.state) == ("MongoDB", state)] for state in ("warm", "cold")
    )
    served, opened = sum(pool.checkouts.count for pool in warm), sum(pool.created for pool in warm)
    return [
        *checks,
        judge("BCH-POOL-006", failures, evidence=f"{asked:,} check-outs"),
        judge(
            "BCH-POOL-007", 100 * (served - opened) / served if served else None,
            evidence=f"warm MongoDB pools: {served:,} check-outs, {opened} connections opened meanwhile",
        ),
        judge(
            "BCH-POOL-008", max((pool.checkouts.worst_ms or 0 for pool in cold), default=None), settings=settings,
            evidence="; ".join(
                f"{pool.threads} threads: slowest {pool.checkouts.worst_ms} ms, {pool.created} opened" for pool in cold
            ),
        ),
    ]  # fmt: skip


def _checkouts(check_id: str, found: Sequence[Pool], service: str, threads: int, settings: Settings) -> Check:
    """The wait of a warm pool. Beyond the target it is a warning where no thread can have waited for a connection."""
    pool = next((one for one in found if (one.service, one.threads, one.state) == (service, threads, "warm")), None)
    if pool is None:
        return judge(check_id, Unmeasured("Redis does not answer"), settings=settings)
    value, told = _told(pool.checkouts, f"check-outs by {pool.threads} threads")
    evidence, remedy, answer = f"warm pool, {told}, slowest {pool.checkouts.worst_ms} ms", "", value
    if client_bound(pool, settings):
        answer = Doubtful(value)
        evidence += "; client-bound: every thread had a connection and none was opened, so the wait was for Python's " \
                    "lock in this process, not for the pool"  # fmt: skip
        remedy = "use processes instead of more threads, or measure with fewer other programs on this host"
    return judge(check_id, answer, settings=settings, evidence=evidence, remedy=remedy)


def client_bound(pool: Pool, settings: Settings) -> bool:
    """Whether waits beyond the target were for Python's lock in this process: no thread can have waited for a
    connection."""
    value = pool.checkouts.summary().judged[1]
    return pool.never_queued and value is not None and value >= targets(settings)[pool.service]


def targets(settings: Settings) -> dict[str, float]:
    """Longest wait for a connection by driver, ms."""
    return {"MongoDB": settings.target_mongodb_checkout_ms, "Redis": settings.target_redis_checkout_ms}


def indexes(found: Prices, settings: Settings) -> list[Check]:
    """Steps 1.4.1.1 and 1.1.4.5: every index priced; redundant and unselective ones named, hidden before any advice."""
    remarks = index_remarks(found)
    told = [f"{one.index} hidden: {one.plan} answers {one.query}, {one.effect.text()}" for one in found.hidden]
    if found.hide_problem:
        told.append(f"hiding failed: {found.hide_problem}")
    everything = found.prices[ALL].cost.text("us", 1)
    return [
        judge("BCH-IDX-001", len(found.prices) - 2, evidence=f"all together: {everything} a document"),
        judge("BCH-IDX-002", None if found.hide_problem else len(found.hidden), evidence="; ".join(told)),
        judge("BCH-IDX-003", len(remarks), evidence="; ".join(f"{name}: {said}" for name, said in remarks.items())),
    ]


def profiler(found: Caught, settings: Settings) -> list[Check]:
    """Step 1.4.1.5: caught by the profiler, caught by the log, and everything as it was."""
    entry, before, after = found.profile, found.before, found.after
    slow = f"a query of {found.took_ms:.0f} ms with the threshold at {SLOW_MS} ms"
    seen = f"{entry.get('millis')} ms, {entry.get('planSummary', 'no plan')}" if entry else "no entry in system.profile"
    unread = Unmeasured(f"the log cannot be read: {found.problem}")
    return [
        judge("BCH-LOG-001", entry is not None, evidence=f"{slow}: {seen}"),
        judge("BCH-LOG-002", unread if found.logged is None else found.logged, evidence=slow),
        judge(
            "BCH-LOG-003", after == before,
            evidence=f"level {before.level}, slowms {before.slow_ms} before; level {after.level}, slowms "
            f"{after.slow_ms} after",
        ),
    ]  # fmt: skip


def references(found: References, settings: Settings) -> list[Check]:
    """Our figures agree with independent ones (step 1.4.1.9); a warning where they do not."""
    rates, medians = found.inserts, found.redis
    said, answer = f"{rates.after.text('documents/s')}, bare loop {rates.before.text('documents/s')}", ""
    agree: Any = Unmeasured(found.redis_why) if found.failed else Inapplicable(found.redis_why)
    if medians is not None:
        agree, library = medians.agree, medians.ours.middle - medians.bare.middle
        answer = (
            f"median of a GET over a bare socket {medians.bare.text('ms', 3)}, redis-benchmark "
            f"{medians.tool.text('ms', 3)}; redis-py adds {library:.3f} ms"
        )
    return [
        judge("BCH-REF-001", not rates.shown, evidence=f"ours {said}: {rates.text()}"),
        judge("BCH-REF-002", agree, evidence=answer),
    ]


def _told(latencies: Latencies, what: str) -> tuple[Any, str]:
    """The value that a gate looks at, and what it is of how many."""
    told = latencies.summary()
    name, value = told.judged
    return value, f"{name} of {told.count:,} {what}; median {told.p50_ms} ms"
