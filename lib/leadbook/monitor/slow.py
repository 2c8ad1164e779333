"""Slow operations, as the server itself logged them. Read-only; keeps shapes, never the values of a query."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

Document = dict[str, Any]
SLOW_MS = 100
"""The server's own default for slowms."""
MOST = 200
_WRITES = {"insert", "update", "delete", "findAndModify"}


@dataclass(frozen=True, kw_only=True)
class SlowOperation:
    """One entry. fields: names that its filter used.  plan: such as `IXSCAN { email: 1 }`.
    application: what the client that sent it calls itself."""

    collection: str
    operation: str
    ms: int
    plan: str
    fields: tuple[str, ...]
    application: str = ""

    @property
    def is_query(self) -> bool:
        """Not a write; only queries become faster by an index."""
        return self.operation not in _WRITES


def slow_operations(
    admin: MongoClient[dict[str, Any]], database: str, since: datetime, until: datetime | None = None
) -> tuple[list[SlowOperation] | None, str]:
    """Operations slower than the server's slowms since then, and how they were found; (None, why) where not allowed.
    until: leaves out those that ended then or later. Both are moments of the server's clock.

    The profiler's collection where the profiler is on, else the last 1,024 lines of the server's log (getLog).
    """
    try:
        profile = admin[database].command({"profile": -1})
        slowms = profile.get("slowms", SLOW_MS)
        if profile.get("was", 0) > 0:
            recent = {"ts": {"$gte": since, **({"$lt": until} if until else {})}, "millis": {"$gte": slowms}}
            entries = admin[database]["system.profile"].find(recent).limit(MOST)
            return [_profiled(entry) for entry in entries], f"profiler, slower than {slowms} ms"
    except OperationFailure:
        slowms = SLOW_MS
    try:
        lines = admin.admin.command({"getLog": "global"})["log"]
    except OperationFailure:
        return None, "the user may read neither the profiler nor the log: grant clusterMonitor"
    found = [entry for line in lines if (entry := _logged(line, database, since, until)) is not None]
    return found, f"server's log, slower than {slowms} ms"


def _profiled(entry: Document) -> SlowOperation:
    return _operation(entry, entry.get("op", "command"), entry.get("millis", 0))


def _logged(line: str, database: str, since: datetime, until: datetime | None) -> SlowOperation | None:
    try:
        entry = json.loads(line) if '"Slow query"' in line else {}
        at, details = datetime.fromisoformat(entry["t"]["$date"]), entry.get("attr", {})
    except (ValueError, KeyError):
        return None
    if at < since or (until and at >= until) or not str(details.get("ns", "")).startswith(f"{database}."):
        return None
    operation = next(iter(details.get("command", {})), details.get("type", "command"))
    return _operation(details, operation, details.get("durationMillis", 0))


def _operation(details: Document, operation: str, ms: float) -> SlowOperation:
    command = details.get("command", {})
    pipeline = command.get("pipeline") or [{}]
    first = pipeline[0] if isinstance(pipeline, list) and isinstance(pipeline[0], dict) else {}
    used = command.get("filter") or command.get("query") or first.get("$match") or {}
    return SlowOperation(
        collection=details["ns"].partition(".")[2], operation=operation, ms=int(ms),
        plan=details.get("planSummary", ""), fields=tuple(sorted(used)) if isinstance(used, dict) else (),
        application=str(details.get("appName", "")),
    )  # fmt: skip
