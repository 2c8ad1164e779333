"""Slow operations, as the server itself logged them. Read-only; keeps shapes, never the values of a query."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure

Document = dict[str, Any]
SLOW_MS = 100
"""The server's own default for slowms."""
ALL = 2
"""The profiler's level at which it writes everything down."""
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


@dataclass(frozen=True, kw_only=True)
class Logging:
    """What a server writes down of slow operations, by `db.getProfilingStatus()`; its defaults where it may not be
    asked. level: of the profiler.  filtered: an expression decides, in place of slowms and sampleRate."""

    level: int = 0
    slowms: int = SLOW_MS
    sample_rate: float = 1.0
    filtered: bool = False

    @classmethod
    def of(cls, profile: Mapping[str, Any]) -> Logging:
        """Of the answer to `{profile: -1}`."""
        return cls(level=int(profile.get("was", 0)), slowms=int(profile.get("slowms", SLOW_MS)),
                   sample_rate=float(profile.get("sampleRate", 1.0)), filtered="filter" in profile)  # fmt: skip

    def hides(self, limit_ms: float) -> str:
        """Which operations of `limit_ms` and more are not written down; empty where all are."""
        if self.level == ALL:
            return ""
        if self.filtered:
            return "a filter of the profiler decides what is written down"
        if self.sample_rate < 1:
            return f"{100 * self.sample_rate:g} % of the slow operations are written down (sampleRate)"
        return f"what takes less than slowms, {self.slowms:,} ms, is not written down" if self.slowms > limit_ms else ""

    def seeing(self, database: str, limit_ms: float) -> str:
        """The command by which all of them are written down, and the one that puts back what is in force."""
        unset, back = ', filter: "unset"' * self.filtered, "its filter given again" * self.filtered
        wanted = f"slowms: {min(self.slowms, int(limit_ms))}, sampleRate: 1{unset}"
        before = f"slowms: {self.slowms}, sampleRate: {self.sample_rate:g}"
        place = f"db.getSiblingDB({json.dumps(database)}).setProfilingLevel({self.level}"
        undo = f"`{place}, {{{before}}})`" + (f", {back}" if back else "")
        return f"in mongosh `{place}, {{{wanted}}})`, on each member; afterwards {undo}"


def server_time(hello: Mapping[str, Any]) -> datetime:
    """The server's clock, UTC; this machine's where it does not tell."""
    told = hello.get("localTime")
    if not isinstance(told, datetime):
        return datetime.now(UTC)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def slow_operations(
    admin: MongoClient[dict[str, Any]], database: str, since: datetime, until: datetime | None = None
) -> tuple[list[SlowOperation] | None, str, Logging]:
    """Operations slower than the server's slowms since then, how they were found, and what is written down of them;
    None and why where not allowed. until: leaves out those that ended then or later. Both are moments of the server's
    clock (`server_time`).

    The profiler's collection where the profiler is on, else the last 1,024 lines of the server's log (getLog).
    """
    logging = Logging()
    try:
        logging = Logging.of(admin[database].command({"profile": -1}))
        if logging.level > 0:
            slowms = min(logging.slowms, SLOW_MS) if logging.level == ALL else logging.slowms
            recent = {"ts": {"$gte": since, **({"$lt": until} if until else {})}, "millis": {"$gte": slowms}}
            entries = admin[database]["system.profile"].find(recent).limit(MOST)
            return [_profiled(entry) for entry in entries], f"profiler, slower than {slowms} ms", logging
    except OperationFailure:
        pass  # the log may be readable all the same
    try:
        lines = admin.admin.command({"getLog": "global"})["log"]
    except OperationFailure:
        return None, "the user may read neither the profiler nor the log: grant clusterMonitor", logging
    found = [entry for line in lines if (entry := _logged(line, database, since, until)) is not None]
    return found, f"server's log, slower than {logging.slowms} ms", logging


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
