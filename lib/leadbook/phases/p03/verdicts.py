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
from leadbook.core import connect
from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured
from leadbook.core.settings import Settings
from leadbook.core.traces import concern_text
from leadbook.measure.histograms import Latencies
from leadbook.measure.intervals import difference
from leadbook.phases.judging import Answered, Answers, checks_of
from leadbook.phases.p03.tables import index_remarks

Checks = tuple[Check, ...]
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


def inserts(found: Inserts, settings: Settings) -> Checks:
    """Steps 1.1.4.2, 1.4.1.1 to 1.4.1.3 and 1.4.1.6; and warnings about the measurement itself: a noisy host, a client
    that is the limit."""
    best, hundred = found.best, found.get(100).latencies.summary()
    rates = {check_id: found.get(size).rate for check_id, size in SIZES.items()}
    missing, sent = sum(one.missing for one in found.series), sum(one.timing.sent for one in found.series)
    noise, share = found.canary.noise, round(best.client_share, 2)
    answers: Answers = {
        "BCH-INS-001": _told(found.get(1).latencies, "single inserts"),
        "BCH-INS-002": (
            hundred.worst_ms,
            f"slowest of {hundred.count} batches of 100 (too few for a p99); median {hundred.p50_ms} ms",
        ),
        "BCH-INS-003": (
            best.rate.low,
            f"lower end of the interval of {best.name}: {best.rate.text('documents/s')}, {best.rate.rounds} rounds, "
            f"write concern {concern_text(found.concern, 'of the server')}",
        ),
        **{
            check_id: (rate.low, f"lower end of the interval: {rate.text('documents/s')}")
            for check_id, rate in rates.items()
        },
        "BCH-INS-007": (missing, f"{sent:,} documents sent, counts read back after every trial"),
        "BCH-INS-008": _batch_size(found, settings),
        "BCH-ENV-001": (
            None if noise is None else round(100 * noise, 1),
            f"{len(found.canary.seconds)} runs of a constant workload beside the trials, none of it touching a server",
        ),
        "BCH-ENV-002": (
            share,
            f"{best.name}: {share:.2f} of a core; encoding alone reaches {found.encode_rate:,.0f} documents/s",
        ),
    }  # fmt: skip
    return checks_of(answers, settings)


def _batch_size(found: Inserts, settings: Settings) -> Answered:
    decided, best = batch_size(found, settings.batch_size), found.best
    kept = decided.proposed == decided.configured
    said = "no better size shown" if kept else f"{best.batch} is better by {decided.effect.text()}"
    rate = found.get(decided.measured).rate.text("documents/s")
    return Answered(
        kept, remedy="" if kept else f"set batch_size: {decided.proposed}",
        evidence=f"batch_size {decided.configured} (measured at {decided.measured}): {rate}; highest mean at "
        f"{best.batch}: {best.rate.text('documents/s')}; {said}",
    )  # fmt: skip


def concerns(found: Concerns, settings: Settings) -> Checks:
    """Steps 1.4.1.1 to 1.4.1.3: the concern sent, its errors seen, every price measured."""
    own = found.configured
    asked, wire = connect.write_concern(settings), dict(own.wire or {})
    missing = sum(price.missing for price in found.prices)
    fire = next(one for one in found.losses if not one.acknowledged)
    majority, loose = (found.price(name) for name in ("majority", "w: 1, j: false"))
    return checks_of({
        "BCH-WC-001": (wire == asked, f"the profile asks for {concern_text(asked)}, sent: {concern_text(wire)}"),
        "BCH-WC-002": (
            own.unreported,
            f"{own.sent} sent, {own.stored} stored, {own.reported} reported, ten of them duplicates",
        ),
        "BCH-WC-003": (
            sum(not price.missing for price in found.prices),
            f"every count read back; {missing} documents never became readable",
        ),
        "BCH-WC-004": (
            fire.unreported > 0,
            f"w: 0 unordered: {fire.claimed} listed as inserted, {fire.stored} stored, {fire.unreported} lost unseen; "
            "never use it for leads",
        ),
        "BCH-WC-005": (
            wire.get("w") == "majority" and wire.get("j") is not False,
            f"sent on the wire: {concern_text(wire)}; majority {majority.rate.text('documents/s')}; w: 1, j: false "
            f"{loose.rate.text('documents/s')}: {difference(majority.readable, loose.readable).text()}",
        ),
    }, settings)  # fmt: skip


def lookups(found: LookupTimes, settings: Settings) -> Checks:
    """Steps 1.1.4.2, 1.2.2.2, 1.2.2.3 and 1.4.1.7."""
    plan, operations = found.plan, found.operations
    timed = {check_id: operations.get(name) for check_id, name in LOOKUPS.items()}
    wrong = sum(operation.wrong for operation in operations.values())
    asked = sum(operation.size * operation.latencies.count for operation in operations.values())
    return checks_of({
        **{
            check_id: _told(one.latencies, "calls") if one else (_no_redis(found, settings), "")
            for check_id, one in timed.items()
        },
        "BCH-DUP-003": (
            plan.collection_scan is False and found.arbiter in plan.indexes,
            f"stages {' < '.join(plan.stages)}, index {', '.join(plan.indexes) or 'none'}, "
            f"{plan.keys_examined} keys, {plan.docs_examined} documents examined among {found.stored:,}",
        ),
        "BCH-DUP-005": (
            100 * (asked - wrong) / asked if asked else None,
            f"{wrong} wrong answers among {asked:,}; half of the keys were known",
        ),
    }, settings)  # fmt: skip


def _no_redis(found: LookupTimes, settings: Settings) -> Unmeasured:
    if found.redis_problem:
        return Unmeasured(found.redis_problem, "make Redis reachable, then run phase 03 again")
    why = "needs keys of its own in Redis, and benchmarks are not approved here"
    return Unmeasured(why, settings.how_to_approve("benchmarks"))


def finds(found: tuple[Find, ...], settings: Settings) -> Checks:
    """Steps 1.1.4.2 and 1.4.1.7: the slowest filter, the counts, no collection scan."""
    filters = [find for find in found if find.plan is not None]
    slowest = max(filters, key=lambda find: find.latencies.worst_ms or 0)
    count = next(find for find in found if find.name == "count all")
    scans = [find.name for find in filters if find.plan and find.plan.collection_scan]
    return checks_of({
        "BCH-FND-001": (
            slowest.latencies.worst_ms,
            f"slowest of {sum(find.latencies.count for find in filters):,} finds: {slowest.name}; its median "
            f"{slowest.latencies.percentile(50)} ms",
        ),
        "BCH-FND-002": (len(scans), f"collection scans: {', '.join(scans) or 'none'}, {len(filters)} filters"),
        "BCH-CNT-001": (
            count.latencies.worst_ms,
            f"slowest of {count.latencies.count} counts of {count.matching:,} documents; median "
            f"{count.latencies.percentile(50)} ms",
        ),
    }, settings)  # fmt: skip


def pools(found: tuple[Pool, ...], settings: Settings) -> Checks:
    """Steps 1.3.1.3, 1.3.1.4 and 1.4.1.8. The warm pool is judged: it is the state of all but the first seconds.

    Cold opens one TLS connection a thread, once; saturated is what too small a pool would do. Both are shown, and a
    cold start beyond the target is a warning.
    """
    asked, failures = sum(pool.checkouts.count for pool in found), sum(pool.failures for pool in found)
    warm, cold = (
        [one for one in found if (one.service, one.state) == ("MongoDB", state)] for state in ("warm", "cold")
    )
    served, opened = sum(pool.checkouts.count for pool in warm), sum(pool.created for pool in warm)
    answers: Answers = {
        **{check_id: _checkouts(found, service, threads, settings) for check_id, (service, threads) in POOLS.items()},
        "BCH-POOL-006": (failures, f"{asked:,} check-outs"),
        "BCH-POOL-007": (
            100 * (served - opened) / served if served else None,
            f"warm MongoDB pools: {served:,} check-outs, {opened} connections opened meanwhile",
        ),
        "BCH-POOL-008": (
            max((pool.checkouts.worst_ms or 0 for pool in cold), default=None),
            "; ".join(
                f"{pool.threads} threads: slowest {pool.checkouts.worst_ms} ms, {pool.created} opened" for pool in cold
            ),
        ),
    }  # fmt: skip
    return checks_of(answers, settings)


def _checkouts(found: Sequence[Pool], service: str, threads: int, settings: Settings) -> Answered:
    """The wait of a warm pool. Beyond the target it is a warning where no thread can have waited for a connection."""
    pool = next((one for one in found if (one.service, one.threads, one.state) == (service, threads, "warm")), None)
    if pool is None:
        return Answered(Unmeasured("Redis does not answer"))
    value, told = _told(pool.checkouts, f"check-outs by {pool.threads} threads")
    evidence = f"warm pool, {told}, slowest {pool.checkouts.worst_ms} ms"
    if not client_bound(pool, settings):
        return Answered(value, evidence)
    return Answered(
        Doubtful(value),
        f"{evidence}; client-bound: every thread had a connection and none was opened, so the wait was for Python's "
        "lock in this process, not for the pool",
        "use processes instead of more threads, or measure with fewer other programs on this host",
    )


def client_bound(pool: Pool, settings: Settings) -> bool:
    """Whether waits beyond the target were for Python's lock in this process: no thread can have waited for a
    connection."""
    value = pool.checkouts.summary().judged[1]
    return pool.never_queued and value is not None and value >= targets(settings)[pool.service]


def targets(settings: Settings) -> dict[str, float]:
    """Longest wait for a connection by driver, ms."""
    return {"MongoDB": settings.target_mongodb_checkout_ms, "Redis": settings.target_redis_checkout_ms}


def indexes(found: Prices, settings: Settings) -> Checks:
    """Steps 1.4.1.1 and 1.1.4.5: every index priced; redundant and unselective ones named, hidden before any advice."""
    remarks = index_remarks(found)
    told = [f"{one.index} hidden: {one.plan} answers {one.query}, {one.effect.text()}" for one in found.hidden]
    if found.hide_problem:
        told.append(f"hiding failed: {found.hide_problem}")
    return checks_of({
        "BCH-IDX-001": (
            len(found.prices) - 2,
            f"all together: {found.prices[ALL].cost.text('µs', 1)} a document",
        ),
        "BCH-IDX-002": (None if found.hide_problem else len(found.hidden), "; ".join(told)),
        "BCH-IDX-003": (
            len(remarks),
            "on sample leads, of which none is in a CRM yet: "
            + ("; ".join(f"{name}: {said}" for name, said in remarks.items()) or "none"),
        ),
    }, settings)  # fmt: skip


def profiler(found: Caught, settings: Settings) -> Checks:
    """Step 1.4.1.5: caught by the profiler, caught by the log, and everything as it was."""
    entry, before, after = found.profile, found.before, found.after
    slow = f"a query of {found.took_ms:.0f} ms with the threshold at {SLOW_MS} ms"
    seen = f"{entry.get('millis')} ms, {entry.get('planSummary', 'no plan')}" if entry else "no entry in system.profile"
    unread = Unmeasured(f"the log cannot be read: {found.problem}")
    return checks_of({
        "BCH-LOG-001": (entry is not None, f"{slow}: {seen}"),
        "BCH-LOG-002": (unread if found.logged is None else found.logged, slow),
        "BCH-LOG-003": (
            after == before,
            f"level {before.level}, slowms {before.slow_ms} before; level {after.level}, slowms {after.slow_ms} after",
        ),
    }, settings)  # fmt: skip


def references(found: References, settings: Settings) -> Checks:
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
    return checks_of({
        "BCH-REF-001": (not rates.shown, f"ours {said}: {rates.text()}"),
        "BCH-REF-002": (agree, answer),
    }, settings)  # fmt: skip


def _told(latencies: Latencies, what: str) -> tuple[Any, str]:
    """The value that a gate looks at, and what it is of how many."""
    told = latencies.summary()
    name, value = told.judged
    return value, f"{name} of {told.count:,} {what}; median {told.p50_ms} ms"
