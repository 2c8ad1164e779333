"""The price of each index: what it costs every insert, what it serves, and what hiding it would do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from pymongo.errors import PyMongoError

from leadbook.core import write_errors
from leadbook.core.errors import RefusedError
from leadbook.measure.inserts import insert_batches
from leadbook.measure.intervals import Difference, Interval, difference, median_interval
from leadbook.measure.rounds import interleaved, timed
from leadbook.measure.session import PREFIX, BenchmarkSession, Leads
from leadbook.schema.explain import explain_query
from leadbook.schema.index_advice import Selectivity, index_usage, redundant, selectivity
from leadbook.schema.indexes import INDEXES, IndexSpec

Document = dict[str, Any]
NONE, ALL = "none", f"all {len(INDEXES)}"
FINDS, PAGE = 40, 100
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
    """Result of `measure`. selectivity: of each index that holds values, by name."""

    prices: dict[str, IndexPrice]
    hidden: tuple[Hidden, ...]
    selectivity: Mapping[str, Selectivity]
    used: dict[str, int | None]
    hide_problem: str = ""


def measure(session: BenchmarkSession, filled: Leads, leads: Leads | None = None, *, seed: int = 5) -> Prices:
    """Insert cost without indexes, with each alone, and with all; then hide each redundant one and time its query.

    `filled` holds enough leads for the finds.  `leads` is the real collection, read for `$indexStats` only.
    Writes wait for the server alone (`BenchmarkSession.lone`), so that replication does not drown microseconds.
    """
    prices = _insert_prices(session, seed)
    hidden, problem = _hide_all(session, filled)
    chosen = {one.index: one for one in selectivity(filled, INDEXES, size=None)}
    used = usage(session, leads)
    return Prices(prices=prices, hidden=hidden, hide_problem=problem, selectivity=chosen, used=used)


def _insert_prices(session: BenchmarkSession, seed: int) -> dict[str, IndexPrice]:
    shapes: dict[str, Sequence[IndexSpec]] = {NONE: (), **{one.name: (one,) for one in INDEXES}, ALL: INDEXES}
    with session.lone(shapes) as collections:
        variants = {name: partial(_micros, session, collection) for name, collection in collections.items()}
        count = MORE_ROUNDS * session.settings.bench_rounds
        rounds = interleaved(variants, rounds=count, seed=seed, before=session.settle)
    base = rounds[NONE]
    return {
        name: IndexPrice(
            name=name,
            micros=tuple(times),
            against_none=tuple(time - none for time, none in zip(times, base, strict=True)),
        )
        for name, times in rounds.items()
    }


def _micros(session: BenchmarkSession, collection: Leads) -> float:
    documents = session.documents(max(1, session.settings.bench_documents // SLICES))
    return insert_batches(collection, documents, len(documents)).seconds * 1e6 / len(documents)


def usage(session: BenchmarkSession, collection: Leads | None) -> dict[str, int | None]:
    """Operations of each index since the node started (`$indexStats`, this primary only); None where it is not told."""
    if collection is None:
        return {}
    try:
        return {one.name: one.ops for one in index_usage(session.admin[collection.database.name][collection.name])}
    except PyMongoError:
        return {index.name: None for index in INDEXES}


def _hide_all(session: BenchmarkSession, filled: Leads) -> tuple[tuple[Hidden, ...], str]:
    found = []
    for short, long in redundant(INDEXES):
        try:
            found.append(hide_and_measure(session, filled, short, long))
        except PyMongoError as error:
            return tuple(found), write_errors.line(error)
    return tuple(found), ""


def hide_and_measure(session: BenchmarkSession, filled: Leads, short: IndexSpec, long: IndexSpec) -> Hidden:
    """Time the query that `short` serves with it and with it hidden, in interleaved rounds; unhidden at the end.

    Raises RefusedError for anything but a scratch collection: indexes that others use are never hidden.
    """
    if not filled.name.startswith(PREFIX):
        raise RefusedError(f"{filled.name} is not a scratch collection: its indexes are not hidden")
    lead = filled.find_one({field: {"$exists": True} for field in short.fields}) or {}
    query = {field: lead.get(field) for field in short.fields}
    database = session.admin[filled.database.name]

    def hide(hidden: bool) -> None:
        database.command("collMod", filled.name, index={"name": short.name, "hidden": hidden})

    def trial(hidden: bool) -> float:
        hide(hidden)
        return 1_000 * fmean(timed(lambda: list(filled.find(query).limit(PAGE)), FINDS))

    try:
        rounds = interleaved(
            {"with": partial(trial, False), "hidden": partial(trial, True)}, rounds=session.settings.bench_rounds
        )
        hide(True)
        plan = ", ".join(explain_query(filled, query).indexes) or "none: COLLSCAN"
    finally:
        hide(False)
    return Hidden(
        index=short.name,
        covered_by=long.name,
        query=", ".join(short.fields),
        plan=plan,
        effect=difference(rounds["with"], rounds["hidden"]),
    )
