"""Tables of phase 02: records in, rows for people out; no values of leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from leadbook.lead.fields import FIELDS
from leadbook.phases.section import Table
from leadbook.schema.explain import QueryResult
from leadbook.schema.index_advice import IndexAdvice
from leadbook.schema.indexes import INDEXES
from leadbook.schema.probes import ProbeRun
from leadbook.schema.state import Change
from leadbook.schema.studies import IndexReview

COLUMNS = {
    "change": "what differs from the desired state",
    "kind": "create, validator and index are applied; a finding needs a person",
    "applied": "whether this run made the change",
    "remedy": "what a person should do about a finding",
    "index": "name of the index",
    "key": "fields in order; 1 ascending, -1 descending",
    "options": "unique refuses duplicates; sparse leaves out documents without the field",
    "serves": "the query that it is for",
    "KiB": "size on disk at the last checkpoint, KiB; –: nothing stored yet",
    "queries": "queries that used it on this node since the window began ($indexStats); –: not measured",
    "window h": "hours since this node started counting; a restart resets it",
    "query": "the query without its values",
    "plan": "stages of the winning plan, outermost first",
    "index used": "index that the planner chose",
    "keys": "index keys examined",
    "docs": "documents examined",
    "returned": "documents returned",
    "server ms": "median executionTimeMillis of three explained runs, ms",
    "client ms": "median time to the first batch as the client sees it, ms",
    "remark": "a redundant prefix, low selectivity, or no use in a day or longer",
    "evidence": "how it is known",
    "advice": "the safe next step; never a failure",
    "probe": "what was tried",
    "question": "what it asks for",
    "lesson": "what follows",
    "field": "name of the field",
    "types": "BSON types that the validator accepts",
    "limit": "longest text in characters, or range of the number",
    "required": "whether a lead must have it",
    "on insert": "value set when a lead is inserted; — where the field is left out",
    "meaning": "what it holds",
}
"""What each column means."""


def pending(found: Iterable[Change]) -> Table:
    """One row a pending change: what differs and, where there is a finding, what a person should do about it."""
    rows = [(one.line, one.kind, one.remedy) for one in found]
    return _without_blank(_table("Pending changes (dry run)", rows, "change", "kind", "remedy"))


def made(found: Iterable[Change]) -> Table:
    """One row a change of this run: as `pending`, and whether it was applied."""
    rows = [(one.line, one.kind, "yes" if one.applied else "no", one.remedy) for one in found]
    return _without_blank(_table("Changes of this run", rows, "change", "kind", "applied", "remedy"))


def _without_blank(table: Table) -> Table:
    """Without the remedies where there are none: a column of blanks reads as one that was lost."""
    blank = not any(table.frame["remedy"])
    return Table(table.frame.drop(columns="remedy") if blank else table.frame, table.title, table.columns)


def _table(title: str, rows: Sequence[Sequence[Any]], *columns: str) -> Table:
    return Table(pd.DataFrame(rows, columns=list(columns)), title, COLUMNS)


def indexes(review: IndexReview) -> Table:
    """One row an index found, with size and use where known."""
    serves = {found.name: index.serves for index in INDEXES if (found := index.among(review.indexes))}
    used = {one.name: one for one in review.usage}
    rows = []
    for index in review.indexes:
        one, size = used.get(index.name), review.sizes.get(index.name)
        flags = [name for name in ("unique", "sparse") if getattr(index, name)] + sorted(index.options or {})
        rows.append((
            index.name, ", ".join(f"{field}: {way}" for field, way in index.keys), ", ".join(flags),
            serves.get(index.name, "not part of the desired state"), round(size / 1024) if size is not None else None,
            one.ops if one else None, round(one.window_hours, 2) if one else None,
        ))  # fmt: skip
    columns = ["index", "key", "options", "serves", "KiB", "queries", "window h"]
    frame = pd.DataFrame(rows, columns=columns).astype({"KiB": "Int64", "queries": "Int64"})
    return Table(frame, "Indexes, size and use", COLUMNS)


def queries(results: Iterable[QueryResult]) -> Table:
    """One row a query: plan, effort and time."""
    rows = [
        (
            result.contract.title, result.contract.shape, " → ".join(result.plan.stages),
            ", ".join(result.plan.indexes) or "none",
            result.plan.keys_examined, result.plan.docs_examined, result.plan.returned, result.millis,
            round(result.client_millis, 2),
        )
        for result in results
    ]  # fmt: skip
    columns = ("question", "query", "plan", "index used", "keys", "docs", "returned", "server ms", "client ms")
    return _table("Queries of the task book", rows, *columns)


def probes(runs: Sequence[ProbeRun]) -> Table:
    """One row a probe, one column a validation setting."""
    rows = []
    for number, result in enumerate(runs[0].results if runs else ()):
        outcomes = [run.results[number] for run in runs]
        cells = [one.outcome + (f", {one.detail}" if one.detail else "") + ("" if one.as_expected else " (UNEXPECTED)")
                 for one in outcomes]  # fmt: skip
        rows.append((result.probe.name, result.probe.question, *cells, result.probe.lesson))
    title = "Probe inserts under each validation setting"
    return _table(title, rows, "probe", "question", *(run.mode for run in runs), "lesson")


def advice(found: Iterable[IndexAdvice]) -> Table:
    """One row a remark about an index."""
    rows = [(one.kind, one.index, one.evidence, one.advice) for one in found]
    return _table("Advice", rows, "remark", "index", "evidence", "advice")


def fields() -> Table:
    """One row a field of a lead."""
    rows = []
    for field in FIELDS:
        limit = f"≤ {field.length} characters" if field.length else ""
        if field.minimum is not None:
            limit = f"{field.minimum} to {field.maximum}"
        default = "—" if field.default is None else str(field.default).lower()
        rows.append((field.name, " or ".join(field.types), limit, "yes" if field.required else "no",
                     "current UTC time" if "insert" in field.now else default, field.meaning))  # fmt: skip
    return _table("Fields of a lead", rows, "field", "types", "limit", "required", "on insert", "meaning")
