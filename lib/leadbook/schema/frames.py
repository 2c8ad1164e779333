"""Schema facts as tables for people. Pure: records in, DataFrame out; no values of leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from leadbook.lead.fields import FIELDS
from leadbook.schema.explain import QueryResult
from leadbook.schema.index_advice import IndexAdvice, IndexUsage
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.probes import ProbeRun
from leadbook.schema.state import Change

__all__ = [
    "COLUMNS", "advice_frame", "changes_frame", "fields_frame", "index_frame", "probe_frame", "query_frame",
]  # fmt: skip

COLUMNS = {
    "change": "what differs from the desired state",
    "kind": "create, validator and index are applied; a finding needs a person",
    "applied": "whether this run made the change",
    "command or remedy": "what is run, or what a person should do",
    "index": "name of the index",
    "key": "fields in order; 1 ascending, -1 descending",
    "options": "unique refuses duplicates; sparse leaves out documents without the field",
    "serves": "the query that it is for",
    "KiB": "size on disk at the last checkpoint, KiB; blank: nothing stored yet",
    "queries": "queries that used it on this node since the window began ($indexStats); blank: not measured",
    "window h": "hours since this node started counting; a restart resets it",
    "query": "the query without its values",
    "plan": "stages of the winning plan, outermost first",
    "index used": "index that the planner chose",
    "keys": "index keys examined",
    "docs": "documents examined",
    "returned": "documents returned",
    "server ms": "median executionTimeMillis of three explained runs, ms",
    "client ms": "median time to the first batch as the client sees it, ms",
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

_COMMAND_LENGTH = 160


def changes_frame(changes: Iterable[Change]) -> pd.DataFrame:
    """One row per change: what differs, whether it was applied, and the command or remedy."""
    rows = [
        (change.line, change.kind, "yes" if change.applied else "no", _short(change.shell() or change.remedy))
        for change in changes
    ]
    return pd.DataFrame(rows, columns=["change", "kind", "applied", "command or remedy"])


def _short(text: str) -> str:
    return text if len(text) <= _COMMAND_LENGTH else text[:_COMMAND_LENGTH] + " …"


def index_frame(
    indexes: Sequence[IndexSpec], sizes: dict[str, int] | None = None, usage: Iterable[IndexUsage] = ()
) -> pd.DataFrame:
    """One row per index found, with size and use where known."""
    serves = {index.name: index.serves for index in INDEXES}
    used = {one.name: one for one in usage}
    rows = []
    for index in indexes:
        one, size = used.get(index.name), (sizes or {}).get(index.name)
        flags = [name for name in ("unique", "sparse") if getattr(index, name)] + sorted(index.options or {})
        rows.append((
            index.name, ", ".join(f"{field}: {way}" for field, way in index.keys), ", ".join(flags),
            serves.get(index.name, "not part of the desired state"), round(size / 1024) if size is not None else None,
            one.ops if one else None, round(one.window_hours, 2) if one else None,
        ))  # fmt: skip
    columns = ["index", "key", "options", "serves", "KiB", "queries", "window h"]
    return pd.DataFrame(rows, columns=columns).astype({"KiB": "Int64", "queries": "Int64"})


def query_frame(results: Iterable[QueryResult]) -> pd.DataFrame:
    """One row per contract: plan, effort and time."""
    rows = [
        (
            result.contract.title, result.contract.shape, " → ".join(result.plan.stages),
            ", ".join(result.plan.indexes) or "none",
            result.plan.keys_examined, result.plan.docs_examined, result.plan.returned, result.millis,
            round(result.client_millis, 2),
        )
        for result in results
    ]  # fmt: skip
    columns = ["question", "query", "plan", "index used", "keys", "docs", "returned", "server ms", "client ms"]
    return pd.DataFrame(rows, columns=columns)


def probe_frame(runs: Sequence[ProbeRun]) -> pd.DataFrame:
    """One row per probe, one column per validation setting."""
    rows = []
    for number, result in enumerate(runs[0].results if runs else ()):
        outcomes = [run.results[number] for run in runs]
        cells = [one.outcome + (f", {one.detail}" if one.detail else "") + ("" if one.as_expected else " (UNEXPECTED)")
                 for one in outcomes]  # fmt: skip
        rows.append((result.probe.name, result.probe.question, *cells, result.probe.lesson))
    return pd.DataFrame(rows, columns=["probe", "question", *(run.mode for run in runs), "lesson"])


def advice_frame(advice: Iterable[IndexAdvice]) -> pd.DataFrame:
    """One row per remark about an index."""
    rows = [(one.kind, one.index, one.evidence, one.advice) for one in advice]
    return pd.DataFrame(rows, columns=["remark", "index", "evidence", "advice"])


def fields_frame() -> pd.DataFrame:
    """One row per field of a lead."""
    rows = []
    for field in FIELDS:
        limit = f"<= {field.length} characters" if field.length else ""
        if field.minimum is not None:
            limit = f"{field.minimum} to {field.maximum}"
        default = "—" if field.default is None else str(field.default).lower()
        default = "current UTC time" if field.name in ("created_at", "updated_at", "data_collected_date") else default
        rows.append((field.name, " or ".join(field.types), limit, "yes" if field.required else "no", default,
                     field.meaning))  # fmt: skip
    return pd.DataFrame(rows, columns=["field", "types", "limit", "required", "on insert", "meaning"])
