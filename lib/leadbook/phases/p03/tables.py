"""The tables of phase 03, each with the meaning of its columns, and the frames behind its plots."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

import pandas as pd

from leadbook.bench.concerns import Concerns
from leadbook.bench.finds import Find
from leadbook.bench.indexes import NONE, IndexPrice, Prices
from leadbook.bench.inserts import Inserts, InsertSeries
from leadbook.bench.lookups import LookupTimes, Operation
from leadbook.bench.pools import Pool
from leadbook.bench.references import BATCH, References
from leadbook.core.traces import concern_text
from leadbook.measure.disclosure import Disclosure
from leadbook.measure.intervals import Interval, difference, interval
from leadbook.phases.section import Table, rows_table
from leadbook.schema.index_advice import advise
from leadbook.schema.indexes import INDEXES

INSERTS = {
    "variant": "call, batch size, ordered or not",
    "documents_per_s": "documents/s, mean over rounds with 95 % bootstrap interval",
    "against best": "the best unordered size against this one; overlapping intervals show no difference",
    "p50_ms": "median of whole calls, ms (a batch is one call)",
    "p99_ms": "99th percentile of calls, ms; – below 1,000 calls",
    "worst_ms": "slowest call, ms",
    "calls": "calls timed in all rounds",
    "CPU of the client": "CPU of this Python process, share of one core; near 1.0 Python is the limit",
    "sent": "documents sent in all rounds",
    "missing": "documents sent and not found afterwards",
}
PRICES = {
    "write concern": "as asked of the driver",
    "documents_per_s": "documents/s until a count found them all, mean over rounds with 95 % bootstrap interval",
    "returned_per_s": "documents/s until the driver returned; w: 0 returns before anything is stored",
    "against majority": "against majority, by the time until readable; overlapping intervals show no difference",
    "may lose": "what can be gone although no error was seen",
}
LOSSES = {
    "asked for": "write concern and order given to the driver",
    "sent on the wire": "the writeConcern field of the insert command, from command monitoring",
    "reply awaited": "whether the driver waited for the server's answer",
    "sent": "documents",
    "listed as inserted": "documents that the driver's result calls inserted",
    "stored": "documents found afterwards (90 is right: ten were duplicates)",
    "errors seen": "errors the caller got",
    "lost unseen": "sent, not stored, not reported",
}
LOOKUPS = {
    "operation": "what was called",
    "keys a call": "leads checked by one call",
    "calls": "calls timed in all rounds",
    "p50_ms": "median of whole calls, ms",
    "p95_ms": "95th percentile, ms",
    "p99_ms": "99th percentile, ms; – below 1,000 calls",
    "worst_ms": "slowest call, ms",
    "keys_per_s": "leads checked a second by one caller",
    "wrong": "answers that differ from the truth",
}
FINDS = {
    "query": "filter, or kind of count",
    "matching": "documents that match in all",
    "calls": "calls timed in all rounds",
    "p50_ms": "median, ms",
    "p95_ms": "95th percentile, ms",
    "worst_ms": "slowest call, ms",
    "index": "index that the server chose",
    "examined": "documents examined / returned without a limit",
}
POOLS = {
    "pool": "driver and state: cold (empty), warm (filled), saturated (five threads a connection)",
    "threads": "threads at once",
    "size": "connections allowed",
    "check-outs": "check-outs seen in the pool's events",
    "p50_ms": "median wait for a connection, ms",
    "p99_ms": "99th percentile of the wait, ms; – below 1,000",
    "worst_ms": "longest wait, ms",
    "query_p50_ms": "median of whole operations, the wait included, ms",
    "opened": "connections opened meanwhile",
    "failed": "check-outs given up (time-out)",
}
INDEX_PRICES = {
    "index": "index on the collection: none, each alone, all",
    "µs a document": "insert time of one document in batches, median over rounds, microseconds",
    "cost_us": "microseconds more than without any index, median with 95 % interval; no cost shown where it holds zero",
    "serves": "the query it is for",
    "matched": "share of the leads that have its fields which one equality on it matches on average",
    "used": "operations on the real collection since the node started ($indexStats, this primary)",
    "remark": "redundant or of low selectivity",
}
HIDDEN = dict.fromkeys(("hidden index", "query", "answered then by", "effect on the query"), "")
REFERENCES = {
    "what": "what was measured",
    "ours": "this project's figure, with 95 % interval",
    "reference": "the independent figure, with 95 % interval",
    "by": "what gave it",
    "difference": "ours against it",
}
FACTS = {
    "mongodb": "MongoDB server", "topology": "topology as the driver sees it", "members": "members of the replica set",
    "engine": "storage engine", "cache_bytes": "WiredTiger cache, bytes",
    "data_and_index_bytes": "data and indexes of the measured collection, bytes",
    "data_over_cache": "the two divided; below 1 everything fits into memory", "tls": "TLS between client and server",
    "write_concern": "write concern really sent (from command monitoring)",
    "pool": "connection pool as the driver holds it",
    "redis": "Redis server", "redis_maxmemory": "Redis maxmemory, bytes", "redis_persistence": "Redis persistence",
    "indexes": "indexes on the measured collection", "leads": "leads in it",
    "trial_documents": "documents a trial of inserts", "profile": "profile",
    "endpoints": "whose servers", "cores": "cores of this machine", "memory_bytes": "memory of this machine, bytes",
    "machine": "this machine", "load_average": "load of this machine in the last minute", "python": "Python",
    "pymongo": "PyMongo", "redis_py": "redis-py",
}  # fmt: skip


def disclosure(found: Disclosure) -> Table:
    """What was measured on: facts, then round trips."""
    rows = [
        (FACTS[name], concern_text(value) if name == "write_concern" and value else _text(value))
        for name, value in found.facts.items()
    ]
    rows += [(f"round trip to {trip.service}", str(trip)) for trip in found.trips]
    return rows_table("What was measured on", {"what": "", "value": ""}, rows)


def _text(value: Any) -> str:
    if value is None:
        return "not told by this server"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return ", ".join(f"{k}: {v}" for k, v in value.items()) if isinstance(value, Mapping) else str(value)


def inserts(found: Inserts) -> Table:
    """A row a variant."""
    return rows_table("Inserts", INSERTS, (_variant(series, found.best) for series in found.series))


def _variant(series: InsertSeries, best: InsertSeries) -> tuple[Any, ...]:
    told, against = series.latencies.summary(), ""
    if series.batch > 1:
        against = "best" if series is best else difference(series.rates, best.rates).text()
    return (series.name, series.rate.text(), against, told.p50_ms, told.p99_ms, told.worst_ms, told.count,
            round(series.client_share, 2), series.timing.sent, series.missing)  # fmt: skip


def insert_bars(found: Inserts) -> pd.DataFrame:
    """For the plot: batch, ordered, mean, low, high (documents/s); batches only."""
    rows = [(one.batch, one.ordered, one.rate.middle, one.rate.low, one.rate.high)
            for one in found.series if one.batch > 1]  # fmt: skip
    return pd.DataFrame(rows, columns=["batch", "ordered", "mean", "low", "high"])


def concerns(found: Concerns) -> Table:
    """A row a write concern: what it costs and what it may lose."""
    dearest = found.price("majority")
    return rows_table("The price of a write concern", PRICES, (
        (one.concern.name, one.rate.text(), round(interval(one.returned).middle),
         "" if one is dearest else difference(dearest.readable, one.readable).text(), one.concern.risk)
        for one in found.prices
    ))  # fmt: skip


def losses(found: Concerns) -> Table:
    """A row a write concern, and the configured one: ten duplicates in a batch of 100."""
    return rows_table("Ten duplicates in a batch of 100", LOSSES, (
        (one.concern.name, concern_text(one.wire, "no writeConcern field"),
         "yes" if one.acknowledged else "no", one.sent, one.claimed, one.stored, one.reported, one.unreported)
        for one in (*found.losses, found.configured)
    ))  # fmt: skip


def lookups(found: LookupTimes) -> Table:
    """A row an operation."""
    return rows_table("Duplicate checks", LOOKUPS, map(_operation, found.operations.values()))


def _operation(one: Operation) -> tuple[Any, ...]:
    told, mean = one.latencies.summary(), one.latencies.mean_ms
    return (one.name, one.size, told.count, told.p50_ms, told.p95_ms, told.p99_ms, told.worst_ms,
            round(one.size * 1_000 / mean) if mean else None, one.wrong)  # fmt: skip


def finds(found: Iterable[Find]) -> Table:
    """A row a query."""
    return rows_table("Finds and counts", FINDS, map(_find, found))


def _find(one: Find) -> tuple[Any, ...]:
    told, used = one.latencies.summary(), ("", "")
    if one.plan is not None:
        used = (", ".join(one.plan.indexes) or "none", f"{one.plan.docs_examined} / {one.plan.returned}")
    return (one.name, one.matching, told.count, told.p50_ms, told.p95_ms, told.worst_ms, *used)


def pools(found: Iterable[Pool]) -> Table:
    """A row a pool."""
    return rows_table("Check-outs", POOLS, map(_pool, found))


def _pool(one: Pool) -> tuple[Any, ...]:
    told = one.checkouts.summary()
    return (f"{one.service} {one.state}", one.threads, one.size, told.count, told.p50_ms, told.p99_ms, told.worst_ms,
            one.queries.percentile(50), one.created, one.failures)  # fmt: skip


def indexes(found: Prices) -> Table:
    """A row an index."""
    serves, remarks = {index.name: index.serves for index in INDEXES}, index_remarks(found)
    return rows_table("The price of each index", INDEX_PRICES, (
        (name, round(median(price.micros), 1), "" if name == NONE else _cost(price), serves.get(name, ""),
         f"{100 * found.selectivity[name].mean_share:.2f} %" if name in found.selectivity else "",
         found.used.get(name),
         remarks.get(name, ""))
        for name, price in found.prices.items()
    ))  # fmt: skip


def hidden_indexes(found: Prices) -> Table:
    """A row an index that was hidden for a trial."""
    return rows_table("Hidden indexes", HIDDEN, (
        (one.index, one.query, one.plan, one.effect.text()) for one in found.hidden
    ))  # fmt: skip


def _cost(price: IndexPrice) -> str:
    cost = price.cost
    if price.shown or cost.low is None or cost.high is None:
        return cost.text(digits=1)
    return f"no cost shown ({cost.low:.1f} to {cost.high:.1f})"


def index_remarks(found: Prices) -> dict[str, str]:
    """Why an index should be looked at, by name: redundant, or of low selectivity."""
    remarks: dict[str, list[str]] = {}
    for one in advise(INDEXES, found.selectivity.values()):
        remarks.setdefault(one.index, []).append(f"{one.kind}: {one.evidence}")
    return {name: "; ".join(said) for name, said in remarks.items()}


def index_bars(found: Prices) -> pd.DataFrame:
    """For the plot: name, middle, low, high (microseconds a document more than without indexes), shown."""
    rows = [(one.name.removeprefix("idx_"), one.cost.middle, one.cost.low, one.cost.high, one.shown)
            for one in found.prices.values() if one.name != NONE]  # fmt: skip
    return pd.DataFrame(rows, columns=["name", "middle", "low", "high", "shown"])


def references(found: References) -> Table:
    """A row a comparison."""
    rates, medians = found.inserts, found.redis
    rows = [(f"insert_many {BATCH} unordered", rates.after.text("documents/s"), rates.before.text("documents/s"),
             "bare PyMongo loop, one clock around it", rates.text())]  # fmt: skip
    if medians is not None:
        for name, mine in (("over a bare socket", medians.bare), ("by redis-py", medians.ours)):
            rows.append((f"GET {name}, median", mine.text("ms", 3), medians.tool.text("ms", 3), "redis-benchmark -c 1",
                         _apart(mine, medians.tool)))  # fmt: skip
    return rows_table("Beside independent figures", REFERENCES, rows)


def _apart(mine: Interval, tool: Interval) -> str:
    return "no difference shown" if mine.overlaps(tool) else f"{mine.middle - tool.middle:+.3f} ms"
