"""What Atlas' Performance Advisor says: that it is on, slow queries of our collections, indexes to make or drop."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from leadbook.atlas.failures import AtlasAbsentError
from leadbook.atlas.project import MOST_LOGS, AtlasProject
from leadbook.atlas.records import AtlasSlowQuery, SuggestedIndex
from leadbook.core.checks import Unmeasured
from leadbook.core.settings import Settings
from leadbook.phases.console.atlas import Atlas, Questions, day
from leadbook.phases.judging import Finding, got
from leadbook.phases.section import Table, rows_table
from leadbook.schema.scratch import is_mine

WRITES = ("insert", "update", "delete", "findAndModify", "findandmodify", "remove")
SINCE_H = 24
"""As far back as the Performance Advisor shows slow queries by itself, hours."""
INDEX_COLUMNS = {
    "collection": "of our collections", "keys": "fields and directions",
    "advice": "create it, or drop it", "why": "Atlas' weight of what it would save, or its reason",
}  # fmt: skip


def switched_on(atlas: Atlas) -> Questions:
    """Question of phase 03 that is attested where Atlas is not asked."""
    return {"BCH-LOG-004": lambda: _answers(got(atlas))}


def quiet(atlas: Atlas, settings: Settings) -> Questions:
    """Question of phase 04 that is attested where Atlas is not asked."""
    return {"PIPE-QRY-003": lambda: _slow(got(atlas), settings)}


def indexes(atlas: Atlas, settings: Settings) -> Questions:
    """Questions of phase 08 that only Atlas answers."""
    return {
        "MON-ATL-002": lambda: _advised(ours(got(atlas).suggested_indexes(), settings), "create"),
        "MON-ATL-003": lambda: _advised(ours(got(atlas).droppable_indexes(), settings), "drop"),
    }


def _names(settings: Settings) -> set[str]:
    names = (settings.collection, settings.staging_collection, settings.rejected_collection)
    return {f"{settings.database}.{name}" for name in names}


def ours(advice: Sequence[SuggestedIndex], settings: Settings) -> list[SuggestedIndex]:
    """Advice on our own collections."""
    return [one for one in advice if one.namespace in _names(settings)]


def _answers(project: AtlasProject) -> Finding:
    since = datetime.now(UTC) - timedelta(hours=SINCE_H)
    try:
        advice = project.suggested_indexes()
        slow = [query for process in project.processes() for query in project.slow_queries(process, since)]
    except AtlasAbsentError as error:
        return False, str(error)
    return True, f"both answer: {len(advice)} suggested indexes, {len(slow)} slow queries within {SINCE_H} h"


def _slow(project: AtlasProject, settings: Settings) -> Finding:
    since = datetime.now(UTC) - timedelta(hours=SINCE_H)
    members = project.processes()
    found = [query for process in members for query in project.slow_queries(process, since)]
    mine = [query for query in found if query.namespace in _names(settings) or _is_tried(query, settings)]
    if not mine and (len(found) >= MOST_LOGS or not all(query.namespace for query in found)):
        why = f"{len(found):,} slow queries, and not all were told or say of which collection"
        return Unmeasured(why, "look at the Performance Advisor, filtered by our collections"), ""
    if not mine:
        said = f"none of our collections within {SINCE_H} h nor of this run's trial, at {len(members)} members"
        return True, f"{said}; what ran a few minutes ago Atlas may not show yet"
    worst = max(mine, key=lambda query: query.ms or 0)
    return False, f"{len(mine)} of our collections within {SINCE_H} h; {_query(worst)}"


def _is_tried(query: AtlasSlowQuery, settings: Settings) -> bool:
    """Whether this process asked it of its trial, whose collections are scratch. Its batches are no queries: those are
    judged by their rate."""
    database, _, name = query.namespace.partition(".")
    return database == settings.database and is_mine(name) and query.operation not in WRITES


def _query(query: AtlasSlowQuery) -> str:
    took = f"{query.ms:,.0f} ms" if query.ms is not None else "time not told"
    fields = f", by {', '.join(query.shape)}" if query.shape else ""
    plan = query.plan or "no plan told"
    return (
        f"the slowest: {query.operation or 'operation'} on {query.namespace}{fields}, {took}, {plan}, {day(query.at)}"
    )


def _keys(index: SuggestedIndex) -> str:
    return ", ".join(f"{field}: {way}" for field, way in index.keys) or index.name


def _advised(advice: Sequence[SuggestedIndex], what: str) -> Finding:
    named = "; ".join(f"{one.namespace} ({_keys(one)})" for one in advice[:5])
    return len(advice), f"Performance Advisor would {what}: {named or 'none on our collections'}"


def table(project: AtlasProject, settings: Settings) -> Table:
    """A row for each index that it would create or drop on our collections."""
    made = [
        (one.namespace, _keys(one), "create", f"weight {one.weight:g}" if one.weight is not None else "–")
        for one in ours(project.suggested_indexes(), settings)
    ]
    dropped = [
        (one.namespace, _keys(one), f"drop {one.name}".rstrip(), one.why or "–")
        for one in ours(project.droppable_indexes(), settings)
    ]
    return rows_table("Indexes by Atlas' Performance Advisor", INDEX_COLUMNS, [*made, *dropped])
