"""The profiler and the slow-query log: switched on, a slow query caught in both, and switched back whatever happens."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from leadbook.checks import Check, judge, not_measured
from leadbook.measure.place import Leads, Place

__all__ = ["Caught", "Level", "attempt", "catch", "checks", "current", "profiling"]

Document = dict[str, Any]
SLOW_MS = 100
"""Threshold of the task book (step 1.4.1.5): queries of more than 100 ms."""
_FIELDS = ("slowms", "sampleRate")


@dataclass(frozen=True, kw_only=True)
class Level:
    """The profiler's state of one database. level: 0 off, 1 slow operations, 2 all.  slow_ms counts for the log too."""

    level: int
    slow_ms: int
    sample_rate: float
    filter: Document | None = None


@dataclass(frozen=True, kw_only=True)
class Caught:
    """What came of one slow query.

    took_ms: as the caller saw it.  profile: its entry in system.profile, without the query, or None.
    logged: whether the slow-query log holds it; None where the log cannot be read, and then `problem` says why.
    before, after: the profiler's state.
    """

    took_ms: float
    profile: Document | None
    logged: bool | None
    before: Level
    after: Level | None
    problem: str = ""
    notes: list[str] = field(default_factory=list)


def current(database: Database[Document]) -> Level:
    """The profiler's state. Needs dbAdmin. Raises OperationFailure without it."""
    state = database.command("profile", -1)
    return Level(
        level=int(state["was"]),
        slow_ms=int(state["slowms"]),
        sample_rate=float(state.get("sampleRate", 1.0)),
        filter=state.get("filter"),
    )


def _set(database: Database[Document], level: Level) -> None:
    options: Document = {"slowms": level.slow_ms, "sampleRate": level.sample_rate}
    if level.filter is not None:
        options["filter"] = level.filter
    database.command("profile", level.level, **options)


@contextlib.contextmanager
def profiling(database: Database[Document], *, level: int = 1, slow_ms: int = SLOW_MS) -> Iterator[Level]:
    """The profiler at `level` inside the block; the former state comes back at its end, after an exception too.

    `slow_ms` is the whole server's threshold, for the slow-query log as well. Yields the former state.
    """
    before = current(database)
    try:
        _set(database, Level(level=level, slow_ms=slow_ms, sample_rate=1.0))
        yield before
    finally:
        _set(database, before)


def attempt(place: Place, collection: Leads) -> Caught | PyMongoError:
    """`catch`, or the error of a server or user that does not allow it."""
    try:
        return catch(place, collection)
    except PyMongoError as error:
        return error


def catch(place: Place, collection: Leads) -> Caught:
    """Switch the profiler on, run one query that takes more than 100 ms, look for it, and switch back."""
    database: Database[Document] = place.admin[place.settings.database]
    mark = f"leadbook-slow-{secrets.token_hex(6)}"
    with profiling(database) as before:
        took = _slow_query(collection, mark)
        entry = _entry(database, mark)
        logged, problem = _logged(place, mark)
    return Caught(took_ms=took, profile=entry, logged=logged, problem=problem, before=before, after=current(database))


def _slow_query(collection: Leads, mark: str) -> float:
    """A look at one document that sleeps in the server, marked by a comment; ms."""
    started = time.perf_counter()
    list(collection.find({"$where": f"sleep({SLOW_MS + 50}) || true"}, {"_id": 1}).limit(1).comment(mark))
    return (time.perf_counter() - started) * 1_000


def _entry(database: Database[Document], mark: str) -> Document | None:
    found = database["system.profile"].find_one({"command.comment": mark}, {"command": 0, "originatingCommand": 0})
    if found is None:
        return None
    kept = ("op", "ns", "millis", "planSummary", "docsExamined", "keysExamined", "nreturned")
    return {key: found[key] for key in kept if key in found}


def _logged(place: Place, mark: str) -> tuple[bool | None, str]:
    """Whether the server's log holds the mark; (None, why) where it may not be read."""
    try:
        lines = place.admin.admin.command("getLog", "global")["log"]
    except PyMongoError as error:
        return None, str(error).splitlines()[0][:200]
    return any(mark in line and "Slow query" in line for line in lines), ""


def checks(caught: Caught | BaseException) -> list[Check]:
    """Step 1.4.1.5: caught by the profiler, caught by the log, and everything as it was."""
    if isinstance(caught, BaseException):
        why = f"{type(caught).__name__}: {str(caught).splitlines()[0][:200]}"
        return [not_measured(check_id, why) for check_id in ("BCH-LOG-001", "BCH-LOG-002", "BCH-LOG-003")]
    entry = caught.profile
    seen = f"{entry.get('millis')} ms, {entry.get('planSummary', 'no plan')}" if entry else "no entry in system.profile"
    slow = f"a query of {caught.took_ms:.0f} ms with the threshold at {SLOW_MS} ms"
    logged = (
        not_measured(
            "BCH-LOG-002",
            f"the log cannot be read: {caught.problem}",
            remedy="read the slow-query log in Atlas, or grant the DBA's user clusterMonitor",
        )
        if caught.logged is None
        else judge("BCH-LOG-002", caught.logged, evidence=slow)
    )
    return [
        judge("BCH-LOG-001", entry is not None, evidence=f"{slow}: {seen}"),
        logged,
        judge(
            "BCH-LOG-003",
            caught.after == caught.before,
            evidence=f"level {caught.before.level}, slowms {caught.before.slow_ms} before; "
            f"{f'level {caught.after.level}, slowms {caught.after.slow_ms}' if caught.after else '?'} after",
        ),
    ]
