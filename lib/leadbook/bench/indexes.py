"""The price of each index: what it costs every insert, what it serves, and what hiding it would do."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import pandas as pd
from pymongo.errors import PyMongoError

from leadbook.core.checks import Check, judge, warned
from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings
from leadbook.measure.intervals import Difference, Interval, difference, median_interval
from leadbook.measure.rounds import interleaved
from leadbook.measure.session import PREFIX, BenchmarkSession, Leads
from leadbook.schema import INDEXES, IndexSpec

__all__ = [
    "COLUMNS",
    "Hidden",
    "IndexPrice",
    "Prices",
    "checks",
    "hide_and_measure",
    "measure",
    "redundant",
    "table",
    "usage",
]

Document = dict[str, Any]
NONE, ALL = "none", f"all {len(INDEXES)}"
LOW_SELECTIVITY = 0.25
"""An equality on this index matches more than a quarter of the documents on average: scanning is as good."""
FINDS = 40
SLICES, MORE_ROUNDS = 10, 8
"""Trials are a tenth as long and rounds eight times as many: microseconds are small beside a host's drift, so
variants alternate quickly."""


@dataclass(frozen=True, kw_only=True)
class IndexPrice:
    """One index, or `none`, or all of them. micros: microseconds a document, round by round."""

    name: str
    micros: tuple[float, ...]
    against_none: tuple[float, ...]

    @property
    def cost(self) -> Interval:
        """Extra microseconds a document against no index: the median over paired rounds, with interval.

        A batch now and then waits milliseconds for a checkpoint, whatever its indexes: no matter of their price.
        """
        return median_interval(self.against_none)

    @property
    def shown(self) -> bool:
        """False where the interval holds zero: no cost shown."""
        cost = self.cost
        return cost.low is not None and (cost.low > 0 or (cost.high or 0) < 0)


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """A redundant index hidden: the query it serves, timed with it and without it. plan: index used while hidden."""

    index: str
    covered_by: str
    query: str
    effect: Difference
    plan: str


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Result of `measure`. selectivity: share of documents that an equality matches on average, by index name."""

    prices: dict[str, IndexPrice]
    hidden: tuple[Hidden, ...]
    selectivity: dict[str, float]
    used: dict[str, int | None]
    hide_problem: str = ""


def redundant(indexes: Sequence[IndexSpec]) -> list[tuple[IndexSpec, IndexSpec]]:
    """Pairs (index, index that makes it redundant): its keys begin the other's, and it has no property of its own.

    Unique, sparse, partial, TTL and collated indexes do what a longer one does not: they are never redundant.
    """
    plain = [index for index in indexes if not (index.unique or index.sparse or index.options)]
    return [
        (short, long)
        for short in plain
        for long in plain
        if len(short.keys) < len(long.keys) and long.keys[: len(short.keys)] == short.keys
    ]


def measure(place: BenchmarkSession, filled: Leads, leads: Leads | None = None, *, seed: int = 5) -> Prices:
    """Insert cost without indexes, with each alone, and with all; then hide each redundant one and time its query.

    `filled` holds enough leads for the finds.  `leads` is the real collection, read for `$indexStats` only.
    Writes wait for the server alone (`BenchmarkSession.lone`), so that replication does not drown microseconds.
    """
    prices = _insert_prices(place, seed)
    hidden, problem = _hide_all(place, filled)
    return Prices(
        prices=prices, hidden=hidden, hide_problem=problem, selectivity=selectivity(filled), used=usage(place, leads)
    )


def _insert_prices(place: BenchmarkSession, seed: int) -> dict[str, IndexPrice]:
    shapes: dict[str, Sequence[IndexSpec]] = {NONE: (), **{one.name: (one,) for one in INDEXES}, ALL: INDEXES}
    with place.lone(shapes) as collections:
        variants = {name: partial(_micros, place, collection) for name, collection in collections.items()}
        count = MORE_ROUNDS * place.settings.bench_rounds
        rounds = interleaved(variants, rounds=count, seed=seed, before=place.settle)
    base = rounds[NONE]
    return {
        name: IndexPrice(
            name=name,
            micros=tuple(times),
            against_none=tuple(time - none for time, none in zip(times, base, strict=True)),
        )
        for name, times in rounds.items()
    }


def _micros(place: BenchmarkSession, collection: Leads) -> float:
    documents = place.documents(max(1, place.settings.bench_documents // SLICES))
    started = time.perf_counter()
    collection.insert_many(documents, ordered=False)
    return (time.perf_counter() - started) * 1e6 / len(documents)


def selectivity(collection: Leads) -> dict[str, float]:
    """For each index the share of documents that one equality matches on average (sum of squared shares). Read-only."""
    shares = {}
    for index in INDEXES:
        pipeline: list[Document] = [
            {"$group": {"_id": {field: f"${field}" for field in index.fields}, "n": {"$sum": 1}}},
            {"$group": {"_id": None, "all": {"$sum": "$n"}, "squares": {"$sum": {"$multiply": ["$n", "$n"]}}}},
        ]
        for one in collection.aggregate(pipeline):
            shares[index.name] = float(one["squares"]) / float(one["all"]) ** 2
    return shares


def usage(place: BenchmarkSession, collection: Leads | None) -> dict[str, int | None]:
    """Operations of each index since the node started (`$indexStats`, this primary only); None where it is not told."""
    if collection is None:
        return {}
    view: Leads = place.admin[collection.database.name][collection.name]
    try:
        return {one["name"]: int(one["accesses"]["ops"]) for one in view.aggregate([{"$indexStats": {}}])}
    except PyMongoError:
        return {index.name: None for index in INDEXES}


def _hide_all(place: BenchmarkSession, filled: Leads) -> tuple[tuple[Hidden, ...], str]:
    found = []
    for short, long in redundant(INDEXES):
        try:
            found.append(hide_and_measure(place, filled, short, long))
        except PyMongoError as error:
            return tuple(found), str(error).splitlines()[0][:200]
    return tuple(found), ""


def hide_and_measure(place: BenchmarkSession, filled: Leads, short: IndexSpec, long: IndexSpec) -> Hidden:
    """Time the query that `short` serves with it and with it hidden, in interleaved rounds; unhidden at the end.

    Raises RefusedError for anything but a scratch collection: indexes that others use are never hidden.
    """
    if not filled.name.startswith(PREFIX):
        raise RefusedError(f"{filled.name} is not a scratch collection: its indexes are not hidden")
    lead = filled.find_one({field: {"$exists": True} for field in short.fields}) or {}
    query = {field: lead.get(field) for field in short.fields}
    database = place.admin[filled.database.name]

    def hide(hidden: bool) -> None:
        database.command("collMod", filled.name, index={"name": short.name, "hidden": hidden})

    def trial(hidden: bool) -> float:
        hide(hidden)
        started = time.perf_counter()
        for _ in range(FINDS):
            list(filled.find(query).limit(100))
        return (time.perf_counter() - started) * 1_000 / FINDS

    try:
        rounds = interleaved(
            {"with": partial(trial, False), "hidden": partial(trial, True)}, rounds=place.settings.bench_rounds
        )
        hide(True)
        plan = _index_of(filled, query)
    finally:
        hide(False)
    return Hidden(
        index=short.name,
        covered_by=long.name,
        query=", ".join(short.fields),
        plan=plan,
        effect=difference(rounds["with"], rounds["hidden"]),
    )


def _index_of(collection: Leads, query: Mapping[str, Any]) -> str:
    from leadbook.bench.lookups import plan_of

    return ", ".join(plan_of(collection, dict(query))["indexes"]) or "none: COLLSCAN"


COLUMNS = {
    "index": "index on the collection: none, each alone, all",
    "us_per_document": "insert time of one document in batches, median over rounds, microseconds",
    "cost_us": "microseconds more than without any index, median with 95 % interval; no cost shown where it holds zero",
    "serves": "the query it is for",
    "matched": "share of documents that one equality on it matches on average",
    "used": "operations on the real collection since the node started ($indexStats, this primary)",
    "remark": "redundant or of low selectivity",
}


def table(prices: Prices | None) -> pd.DataFrame:
    """One row an index; columns as in `COLUMNS`."""
    specs = {index.name: index for index in INDEXES}
    if prices is None:
        return pd.DataFrame(columns=list(COLUMNS))
    remarks = _remarks(prices)
    rows = []
    for name, price in prices.prices.items():
        spec = specs.get(name)
        cost = "" if name == NONE else _cost(price)
        rows.append(
            {
                "index": name,
                "us_per_document": round(median(price.micros), 1),
                "cost_us": cost,
                "serves": spec.serves if spec else "",
                "matched": f"{prices.selectivity[name]:.2%}" if name in prices.selectivity else "",
                "used": prices.used.get(name),
                "remark": remarks.get(name, ""),
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _cost(price: IndexPrice) -> str:
    cost = price.cost
    if price.shown or cost.low is None or cost.high is None:
        return cost.text(digits=1)
    return f"no cost shown ({cost.low:.1f} to {cost.high:.1f})"


def _remarks(prices: Prices) -> dict[str, str]:
    remarks = {short.name: f"its keys begin {long.name}" for short, long in redundant(INDEXES)}
    for name, share in prices.selectivity.items():
        if share > LOW_SELECTIVITY:
            remarks[name] = (remarks.get(name, "") + f"; low selectivity ({share:.0%})").lstrip("; ")
    return remarks


def bars(prices: Prices | None) -> pd.DataFrame:
    """For the plot: name, middle, low, high (microseconds a document more than without indexes), shown."""
    found = prices.prices.values() if prices else ()
    priced = [(price.name, price.cost, price.shown) for price in found if price.name != NONE]
    return pd.DataFrame(
        {"name": name.removeprefix("idx_"), "middle": cost.middle, "low": cost.low, "high": cost.high, "shown": shown}
        for name, cost, shown in priced
    ).reindex(columns=["name", "middle", "low", "high", "shown"])


def checks(prices: Prices, settings: Settings | None = None) -> list[Check]:
    """Steps 1.4.1.1 and 1.1.4.5: every index priced; redundant and unselective ones named, hidden before any advice."""
    everything = prices.prices[ALL]
    remarks = _remarks(prices)
    found = [
        judge(
            "BCH-IDX-001",
            len(prices.prices) - 2,
            target=len(INDEXES),
            evidence=f"all {len(INDEXES)} together: {everything.cost.text('us', 1)} a document",
        ),
    ]
    pairs = redundant(INDEXES)
    text = "; ".join(
        f"{one.index} hidden: {one.plan} answers {one.query}, {one.effect.text()}" for one in prices.hidden
    )
    if prices.hide_problem:
        text = f"{text}; hiding failed: {prices.hide_problem}".lstrip("; ")
    measured = len(prices.hidden) if not prices.hide_problem else None
    found.append(judge("BCH-IDX-002", measured, target=len(pairs), evidence=text))
    if remarks:
        named = "; ".join(f"{name}: {remark}" for name, remark in remarks.items())
        found.append(warned("BCH-IDX-003", len(remarks), evidence=named))
    else:
        found.append(judge("BCH-IDX-003", 0))
    return found
