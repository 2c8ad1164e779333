"""Advice about indexes: how often each is used, which are redundant prefixes, which select little. Never a failure.

`$indexStats` counts on one node since that node started or the index was built; without that window a count means
nothing. A unique index works at every insert, whatever its count says, so it is never called unused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from leadbook.schema.indexes import INDEXES, IndexSpec

LOW_SHARE = 0.30
"""A query by a value that more than this share of the leads has reads so many documents that an index saves little."""
FEW_VALUES = 5
"""Fields with at most so many values are looked at for low selectivity: flags, not names."""
USAGE_WINDOW_HOURS = 24.0
"""Shorter windows say nothing of how an index is used: the advice waits."""


@dataclass(frozen=True, kw_only=True)
class IndexUsage:
    """`$indexStats` of one index on one node. ops: queries that used it since `since` (UTC), `window_hours` ago."""

    name: str
    host: str
    ops: int
    since: datetime
    window_hours: float


@dataclass(frozen=True, kw_only=True)
class Selectivity:
    """How well an equality on the fields of an index selects, among leads that have them all. distinct: values seen.
    commonest_share: leads with the commonest value, mean_share: leads that one equality matches on average (sum of
    squared shares), both as a fraction.  sampled: leads looked at."""

    index: str
    distinct: int
    commonest_share: float
    mean_share: float
    sampled: int


@dataclass(frozen=True, kw_only=True)
class IndexAdvice:
    """One remark. kind: `redundant prefix`, `low selectivity` or `not used`.  index: its name."""

    kind: str
    index: str
    evidence: str
    advice: str


def index_usage(collection: Collection[dict[str, Any]]) -> list[IndexUsage]:
    """`$indexStats` of the node that answers. Read-only; needs the indexStats privilege (clusterMonitor or dbAdmin)."""
    now, usage = datetime.now(UTC), []
    for entry in collection.aggregate([{"$indexStats": {}}]):
        since = entry["accesses"]["since"].replace(tzinfo=UTC)
        usage.append(IndexUsage(
            name=entry["name"], host=str(entry.get("host", "")), ops=int(entry["accesses"]["ops"]), since=since,
            window_hours=max((now - since).total_seconds(), 0.0) / 3600,
        ))  # fmt: skip
    return sorted(usage, key=lambda one: one.name)


def index_sizes(collection: Collection[dict[str, Any]]) -> dict[str, int]:
    """Bytes on disk of each index, by name; empty where the server does not tell. Read-only."""
    try:
        stats = collection.database.command("collStats", collection.name)
    except OperationFailure:
        return {}
    return {name: int(size) for name, size in stats.get("indexSizes", {}).items()}


def selectivity(
    collection: Collection[dict[str, Any]], indexes: Iterable[IndexSpec], *, size: int | None = 2_000
) -> list[Selectivity]:
    """Selectivity of each index among so many sampled leads (None: all); of those that no lead has values for, and of
    wildcard indexes, nothing. Read-only."""
    asked = [index for index in indexes if not any("$" in field for field in index.fields)]
    if not asked:  # the server refuses an empty $facet
        return []
    facets = {
        str(number): [
            {"$match": {field: {"$ne": None} for field in index.fields}},
            {"$group": {"_id": [f"${field}" for field in index.fields], "n": {"$sum": 1}}},
            {"$group": {"_id": None, "distinct": {"$sum": 1}, "top": {"$max": "$n"}, "all": {"$sum": "$n"},
                        "squares": {"$sum": {"$multiply": ["$n", "$n"]}}}},
        ]
        for number, index in enumerate(asked)
    }  # fmt: skip
    pipeline: list[dict[str, Any]] = [*([{"$sample": {"size": size}}] if size else []), {"$facet": facets}]
    found = next(iter(collection.aggregate(pipeline, maxTimeMS=10_000)), {})
    return [
        Selectivity(
            index=index.name, distinct=one["distinct"], commonest_share=one["top"] / one["all"],
            mean_share=one["squares"] / one["all"] ** 2, sampled=one["all"],
        )
        for number, index in enumerate(asked)
        for one in found.get(str(number), [])
    ]  # fmt: skip


def helping(fields: Iterable[str], indexes: Iterable[IndexSpec]) -> str:
    """The index that would serve a query which filters by `fields` and scanned the collection, as mongosh takes it;
    empty where one of `indexes` begins with one of them already, or the filter names no field.

    The task book's own index where it has one for these fields. Names of operators ($or, $expr) are no fields.
    """
    named = [field for field in fields if not field.startswith("$") and field != "_id"]
    usable = {index.keys[0][0] for index in indexes if index.keys and not index.hidden}
    if not named or usable & set(named):
        return ""
    wanted = next((one for one in INDEXES if set(one.fields) == set(named)), None)
    keys = wanted.keys if wanted else tuple((field, 1) for field in named)
    return "{" + ", ".join(f"{field}: {way}" for field, way in keys) + "}"


def _plain(index: IndexSpec) -> bool:
    return not (index.unique or index.sparse or set(index.options or {}) - {"hidden"})


def redundant(indexes: Iterable[IndexSpec]) -> list[tuple[IndexSpec, IndexSpec]]:
    """Pairs (short, long): every query that `short` serves, `long` serves too, which is not hidden.

    Unique, sparse, partial, TTL and collated indexes do more than serve queries, and neither side may be one.
    A single field may be read in either direction; for longer prefixes all directions must agree or all be reversed.
    """
    plain = [index for index in indexes if _plain(index)]
    return [
        (short, long) for short in plain for long in plain
        if not long.hidden and len(long.keys) > len(short.keys) and _prefixes(short, long)
    ]  # fmt: skip


def _prefixes(short: IndexSpec, long: IndexSpec) -> bool:
    head = long.keys[: len(short.keys)]
    reverse = tuple((field, -way if isinstance(way, int) else way) for field, way in head)
    return short.keys in (head, reverse)


def advise(
    indexes: Iterable[IndexSpec], selectivities: Iterable[Selectivity] = (), usage: Iterable[IndexUsage] = ()
) -> list[IndexAdvice]:
    """Remarks about `indexes`, each with its evidence and the safe next step: hide, watch, and only then drop."""
    indexes = list(indexes)
    found = [
        IndexAdvice(
            kind="redundant prefix", index=short.name, evidence=f"{short} is a prefix of {long}",
            advice=f"{'it is hidden:' if short.hidden else 'hide it (hideIndex),'} watch the queries for a day, then "
            f"drop it: {long.name} serves them",
        )
        for short, long in redundant(indexes)
    ]  # fmt: skip
    single = {index.name for index in indexes if len(index.keys) == 1 and _plain(index)}
    for one in selectivities:
        if one.index in single and one.distinct <= FEW_VALUES and one.commonest_share > LOW_SHARE:
            found.append(IndexAdvice(
                kind="low selectivity", index=one.index,
                evidence=f"{one.distinct} distinct values in {one.sampled:,} leads; the commonest covers "
                         f"{100 * one.commonest_share:.0f} %",
                advice="of use for the rare value only; a partial index over the rare value is smaller and serves it",
            ))  # fmt: skip
    return found + _unused(indexes, usage)


def _unused(indexes: Iterable[IndexSpec], usage: Iterable[IndexUsage]) -> list[IndexAdvice]:
    plain = {index.name for index in indexes if _plain(index) and not index.hidden}
    return [
        IndexAdvice(
            kind="not used", index=one.name,
            evidence=f"0 queries on {one.host} in the last {one.window_hours:.0f} h",
            advice="look at the other members too, then hide it and watch before any drop",
        )
        for one in usage
        if one.name in plain and one.ops == 0 and one.window_hours >= USAGE_WINDOW_HOURS
    ]  # fmt: skip
