"""Is the database ready for the final report: rights, plans and sizes. Read-only."""

from __future__ import annotations

import re
from time import perf_counter
from typing import Any

import pandas as pd
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.analysis.queries import ReportQuery, queries
from leadbook.core.connect import LENIENT
from leadbook.provision.asked import UNAUTHORIZED
from leadbook.schema.explain import stages

NAMESPACE_NOT_FOUND = 26
PROBLEMS = {UNAUTHORIZED: "not authorised", NAMESPACE_NOT_FOUND: "the collection does not exist"}
"""What a server's code says of a query, for people."""
LOOKS = re.compile("SCAN|EXPRESS|^IDHACK")
"""Stages of a plan that look documents up."""


def reporting_collection(
    reporting: MongoClient[dict[str, Any]] | None, leads: Collection[dict[str, Any]]
) -> Collection[dict[str, Any]]:
    """The leads as the reporting user sees them; the application's view where there is no reporting user.

    Dates that Python cannot hold come back as `DatetimeMS`.
    """
    found = leads if reporting is None else reporting[leads.database.name][leads.name]
    return found.with_options(codec_options=LENIENT)


def plans(leads: Collection[dict[str, Any]]) -> pd.DataFrame:
    """A row a query of the report: `query`, `filtered`, `plan`, `ms`, `problem`. Runs and explains each one."""
    return pd.DataFrame([_plan(leads, each) for each in queries()])


def _plan(leads: Collection[dict[str, Any]], query: ReportQuery) -> dict[str, Any]:
    row: dict[str, Any] = {"query": query.name, "filtered": query.filtered, "plan": "", "ms": None, "problem": ""}
    try:
        started = perf_counter()
        list(leads.aggregate(list(query.pipeline), allowDiskUse=True))
        row["ms"] = 1000 * (perf_counter() - started)
        explained = leads.database.command(
            "explain", {"aggregate": leads.name, "pipeline": list(query.pipeline), "cursor": {}},
            codec_options=LENIENT, verbosity="queryPlanner",
        )  # fmt: skip
        looks = [f"{one['stage']} {one.get('indexName', '')}".rstrip() for one in stages(explained)]
        row["plan"] = ", ".join(dict.fromkeys(one for one in looks if LOOKS.search(one))) or "metadata"
    except OperationFailure as error:
        row["problem"] = PROBLEMS.get(error.code or 0, f"error {error.code}")
    except PyMongoError as error:
        row["problem"] = type(error).__name__
    return row


def writes_let_through(leads: Collection[dict[str, Any]]) -> list[str]:
    """Writes that the user of this connection is not refused. Each is explained and not run: the server asks for the
    same rights, and nothing changes even where they are held. Raises OperationFailure for another refusal."""
    nobody = {"_id": ObjectId()}
    tried: dict[str, dict[str, Any]] = {
        "delete": {"delete": leads.name, "deletes": [{"q": nobody, "limit": 1}]},
        "update": {"update": leads.name, "updates": [{"q": nobody, "u": {"$set": {"first_name": ""}}}]},
        "findAndModify": {"findAndModify": leads.name, "query": nobody, "remove": True},
    }
    return [name for name, command in tried.items() if _let_through(leads, command)]


def _let_through(leads: Collection[dict[str, Any]], command: dict[str, Any]) -> bool:
    try:
        leads.database.command("explain", command, verbosity="queryPlanner")
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True


def sizes(leads: Collection[dict[str, Any]]) -> dict[str, Any]:
    """`count`, `size`, `storageSize`, `nindexes` and `totalIndexSize` of the leads, bytes. Raises PyMongoError."""
    row = next(iter(leads.aggregate([{"$collStats": {"storageStats": {}}}])), None)
    names = ("count", "size", "storageSize", "nindexes", "totalIndexSize")
    return {name: (row or {}).get("storageStats", {}).get(name, 0) for name in names}
