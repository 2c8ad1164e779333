"""The profiler and the slow-query log: switched on, a slow query caught in both, and switched back whatever happens.

What was before is recorded in the database first (`schema.undo`): the next run puts it back when this one is killed.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from leadbook.core import write_errors
from leadbook.measure.session import BenchmarkSession, Leads

Document = dict[str, Any]
SLOW_MS = 100
"""Threshold of the task book (step 1.4.1.5): queries of more than 100 ms."""
LEAST_STEPS, TRIES, LONGEST_MS = 100_000, 7, 5_000
"""Steps of the slow query's first try, doubled with each until it is slow enough; and what ends it in the server."""


@dataclass(frozen=True, kw_only=True)
class ProfilerLevel:
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
    before: ProfilerLevel
    after: ProfilerLevel
    problem: str = ""


def current(database: Database[Document]) -> ProfilerLevel:
    """The profiler's state. Needs dbAdmin. Raises OperationFailure without it."""
    state = database.command("profile", -1)
    return ProfilerLevel(
        level=int(state["was"]),
        slow_ms=int(state["slowms"]),
        sample_rate=float(state.get("sampleRate", 1.0)),
        filter=state.get("filter"),
    )


@contextlib.contextmanager
def profiling(session: BenchmarkSession, *, slow_ms: int = SLOW_MS) -> Iterator[ProfilerLevel]:
    """The profiler at level 1 inside the block; the former state comes back at its end, after an exception too.

    `slow_ms` is the whole server's threshold, for the slow-query log as well. Yields the former state. Raises
    RefusedError where it is not approved, or where another run is at the profiler.
    """
    session.begin()
    database: Database[Document] = session.admin[session.settings.database]
    before = current(database)
    made = not database.list_collection_names(filter={"name": "system.profile"})
    undone = {"level": before.level, "slowms": before.slow_ms, "sampleRate": before.sample_rate,
              "filter": before.filter, "made": made}  # fmt: skip
    with session.undo.changed("profiler", undone, session.admin) as member:
        database.command("profile", 1, slowms=slow_ms, sampleRate=1.0, read_preference=member)
        yield before


def catch(session: BenchmarkSession, collection: Leads) -> Caught:
    """Switch the profiler on, run one query that takes more than 100 ms, look for it, and switch back."""
    database: Database[Document] = session.admin[session.settings.database]
    mark = f"leadbook-slow-{secrets.token_hex(6)}"
    with profiling(session) as before:
        took = _slow_query(collection, mark)
        entry = _entry(database, mark)
        logged, problem = _logged(session, mark)
    return Caught(took_ms=took, profile=entry, logged=logged, problem=problem, before=before, after=current(database))


def _slow_query(collection: Leads, mark: str) -> float:
    """A look at one document that counts in the server until it took long enough, marked by a comment; ms.

    It needs no JavaScript, which shared tiers forbid and others may have switched off.
    """
    took, steps = 0.0, LEAST_STEPS
    for _ in range(TRIES):
        last = {"$add": [steps, {"$strLenCP": "$linkedin_url"}]}  # of constants the planner would make a list of all
        counted = {"$reduce": {"input": {"$range": [0, last]}, "initialValue": 0, "in": {"$add": ["$$value", 1]}}}
        query = collection.find({"$expr": {"$gte": [counted, 0]}}, {"_id": 1}).limit(1)
        started = time.perf_counter()
        list(query.comment(mark).max_time_ms(LONGEST_MS))
        took, steps = (time.perf_counter() - started) * 1_000, 2 * steps
        if took > 1.5 * SLOW_MS:
            break
    return took


def _entry(database: Database[Document], mark: str) -> Document | None:
    found = database["system.profile"].find_one(
        {"command.comment": mark, "millis": {"$gte": SLOW_MS}}, {"command": 0, "originatingCommand": 0}
    )
    if found is None:
        return None
    kept = ("op", "ns", "millis", "planSummary", "docsExamined", "keysExamined", "nreturned")
    return {key: found[key] for key in kept if key in found}


def _logged(session: BenchmarkSession, mark: str) -> tuple[bool | None, str]:
    """Whether the server's log holds the mark; (None, why) where it may not be read."""
    try:
        lines = session.admin.admin.command("getLog", "global")["log"]
    except PyMongoError as error:
        return None, write_errors.line(error)
    return any(mark in line and "Slow query" in line for line in lines), ""
