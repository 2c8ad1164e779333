"""Slow operations, as the server itself logged them. Read-only; keeps shapes, never the values of a query."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

__all__ = ["SlowOperation", "slow_operations"]

_WRITES = {"insert", "update", "delete", "findAndModify"}


@dataclass(frozen=True, kw_only=True)
class SlowOperation:
    """One entry. fields: names that its filter used.  plan: such as `IXSCAN { email: 1 }`.  source: profiler or log."""

    at: datetime
    collection: str
    operation: str
    ms: int
    plan: str
    fields: tuple[str, ...]
    examined: int | None
    returned: int | None
    source: str

    @property
    def is_query(self) -> bool:
        """Not a write; only queries become faster by an index."""
        return self.operation not in _WRITES


def slow_operations(
    admin: MongoClient[dict[str, Any]], database: str, since: datetime
) -> tuple[list[SlowOperation] | None, str]:
    """Operations slower than the server's slowms since then, and how they were found; (None, why) where not allowed.

    The profiler's collection where the profiler is on, else the last 1,024 lines of the server's log (getLog).
    """
    try:
        profile = admin[database].command({"profile": -1})
        if profile.get("was", 0) > 0:
            recent = {"ts": {"$gte": since}, "millis": {"$gte": 100}}
            entries = admin[database]["system.profile"].find(recent).limit(200)
            return [_profiled(entry) for entry in entries], f"profiler, slower than {profile.get('slowms', 100)} ms"
    except OperationFailure:
        profile = {}
    try:
        lines = admin.admin.command({"getLog": "global"})["log"]
    except OperationFailure:
        return None, "the user may read neither the profiler nor the log: grant clusterMonitor"
    found = [entry for line in lines if (entry := _logged(line, database, since)) is not None]
    return found, f"server's log, slower than {profile.get('slowms', 100)} ms"


def _profiled(entry: dict[str, Any]) -> SlowOperation:
    command = entry.get("command", {})
    return SlowOperation(
        at=entry["ts"] if entry["ts"].tzinfo else entry["ts"].replace(tzinfo=UTC),
        collection=entry["ns"].partition(".")[2],
        operation=entry.get("op", "command"),
        ms=int(entry.get("millis", 0)),
        plan=entry.get("planSummary", ""),
        fields=_fields(command),
        examined=entry.get("docsExamined"),
        returned=entry.get("nreturned"),
        source="profiler",
    )


def _logged(line: str, database: str, since: datetime) -> SlowOperation | None:
    if '"Slow query"' not in line:
        return None
    try:
        entry = json.loads(line)
        at = datetime.fromisoformat(entry["t"]["$date"])
    except (ValueError, KeyError):
        return None
    details = entry.get("attr", {})
    if at < since or not str(details.get("ns", "")).startswith(f"{database}."):
        return None
    command = details.get("command", {})
    return SlowOperation(
        at=at,
        collection=details["ns"].partition(".")[2],
        operation=next(iter(command), details.get("type", "command")),
        ms=int(details.get("durationMillis", 0)),
        plan=details.get("planSummary", ""),
        fields=_fields(command),
        examined=details.get("docsExamined"),
        returned=details.get("nreturned"),
        source="log",
    )


def _fields(command: Any) -> tuple[str, ...]:
    found = command.get("filter") or command.get("query") or {} if isinstance(command, dict) else {}
    return tuple(sorted(found)) if isinstance(found, dict) else ()
