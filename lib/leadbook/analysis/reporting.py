"""Is the database ready for the final report: rights, plans and sizes. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Any

import pandas as pd
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.analysis.queries import QUERIES, ReportQuery
from leadbook.core.checks import Check, judge, not_measured, warned
from leadbook.core.settings import Settings

__all__ = ["plans_frame", "ready_checks", "reporting_collection"]

ANY_DATE: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO
)
"""Dates beyond year 9999 stand in plans' bounds, and a broken source may store one: neither stops the report."""

_WRITES = {
    "insert",
    "update",
    "remove",
    "createCollection",
    "dropCollection",
    "createIndex",
    "dropIndex",
    "dropDatabase",
}


def reporting_collection(
    reporting: MongoClient[dict[str, Any]] | None, leads: Collection[dict[str, Any]]
) -> Collection[dict[str, Any]]:
    """The leads as the reporting user sees them; the application's view where there is no reporting user.

    Dates that Python cannot hold come back as `DatetimeMS`.
    """
    found = leads if reporting is None else reporting[leads.database.name][leads.name]
    return found.with_options(codec_options=ANY_DATE)


def plans_frame(leads: Collection[dict[str, Any]]) -> pd.DataFrame:
    """A row a query of the report: `query`, `filtered`, `plan`, `ms`, `problem`. Runs and explains each one."""
    return pd.DataFrame([_plan(leads, each) for each in QUERIES])


def _plan(leads: Collection[dict[str, Any]], query: ReportQuery) -> dict[str, Any]:
    row: dict[str, Any] = {"query": query.name, "filtered": query.filtered, "plan": "", "ms": None, "problem": ""}
    try:
        started = perf_counter()
        list(leads.aggregate(list(query.pipeline), allowDiskUse=True))
        row["ms"] = 1000 * (perf_counter() - started)
        explained = leads.database.command(
            "explain", {"aggregate": leads.name, "pipeline": list(query.pipeline), "cursor": {}},
            codec_options=ANY_DATE, verbosity="queryPlanner",
        )  # fmt: skip
        row["plan"] = ", ".join(dict.fromkeys(_stages(explained))) or "metadata"
    except OperationFailure as error:
        row["problem"] = "not authorised" if error.code == 13 else f"error {error.code}"
    except PyMongoError as error:
        row["problem"] = type(error).__name__
    return row


def _stages(node: Any) -> Iterator[str]:
    """Access stages of the winning plans, wherever the explain output keeps them."""
    if isinstance(node, Mapping):
        stage = node.get("stage")
        if isinstance(stage, str) and ("SCAN" in stage or "EXPRESS" in stage or stage == "IDHACK"):
            yield f"{stage} {node['indexName']}" if "indexName" in node else stage
        for name, value in node.items():
            if name != "rejectedPlans":
                yield from _stages(value)
    elif isinstance(node, list):
        for item in node:
            yield from _stages(item)


def ready_checks(
    plans: pd.DataFrame, reporting: MongoClient[dict[str, Any]] | None, leads: Collection[dict[str, Any]],
    settings: Settings,
) -> list[Check]:  # fmt: skip
    """Every query runs for the reporting user, who cannot write; filtered ones use an index; sizes are known."""
    failed = plans[plans["problem"] != ""]
    who = "the reporting user" if reporting is not None else "the application's user"
    shown = "; ".join(f"{row.query}: {row.problem}" for row in failed.itertuples())
    evidence = shown or f"{len(plans)} queries, together {plans['ms'].sum():.0f} ms, run by {who}"
    scans = plans[plans["filtered"] & plans["plan"].str.contains("COLLSCAN")]
    filtered = plans[plans["filtered"]]
    planned = (filtered["problem"] == "") & filtered["plan"].str.contains("SCAN|EXPRESS|IDHACK")
    known = len(filtered) > 0 and bool(planned.all())
    scanned = ", ".join(scans["query"]) or "; ".join(f"{row.query}: {row.plan}" for row in filtered.itertuples())
    return [
        judge("FIN-READY-001", len(failed), evidence=evidence),
        judge("FIN-READY-002", len(scans) if len(scans) or known else None, evidence=scanned),
        _rights(reporting, settings),
        _sizes(leads),
    ]


def _rights(reporting: MongoClient[dict[str, Any]] | None, settings: Settings) -> Check:
    if reporting is None:
        unset = f"no reporting user: {settings.mongodb_reporting_uri_env} is not set, which is optional"
        return warned("FIN-READY-003", None, evidence=unset)
    status = reporting.admin.command({"connectionStatus": 1, "showPrivileges": True})
    granted = {
        action
        for privilege in status["authInfo"].get("authenticatedUserPrivileges", [])
        if privilege.get("resource", {}).get("db") in ("", settings.database)
        for action in privilege["actions"]
    }
    found = sorted(granted & _WRITES)
    evidence = f"may {', '.join(found)}" if found else f"{len(granted)} actions granted, none of them writes"
    return judge("FIN-READY-003", bool(granted) and not found, evidence=evidence)


def _sizes(leads: Collection[dict[str, Any]]) -> Check:
    try:
        row = next(iter(leads.aggregate([{"$collStats": {"storageStats": {}}}])), None)
    except OperationFailure as error:
        return not_measured(
            "FIN-READY-004", f"collStats: {error.details.get('codeName') if error.details else error.code}"
        )
    stats = (row or {}).get("storageStats", {})
    evidence = (
        f"{stats.get('count', 0):,} documents, {stats.get('size', 0) / 1e6:.1f} MB of data, "
        f"{stats.get('storageSize', 0) / 1e6:.1f} MB on disk, {stats.get('nindexes', 0)} indexes of "
        f"{stats.get('totalIndexSize', 0) / 1e6:.1f} MB. VACUUM ANALYZE has no counterpart to run: MongoDB keeps its "
        "statistics by itself"
    )
    return judge("FIN-READY-004", bool(stats.get("count")), evidence=evidence)
