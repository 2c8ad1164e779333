"""Slow queries of mongod's log lines, which Atlas hands on: counts, times and field names, never a value."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from leadbook.atlas import values
from leadbook.atlas.records import AtlasSlowQuery

_FILTERS = ("filter", "q", "query")
_COMMANDS = ("find", "aggregate", "count", "distinct", "update", "delete", "findAndModify", "findandmodify", "insert",
             "getMore")  # fmt: skip
_PLAN = re.compile(r"[A-Z][A-Z0-9_]*(?: \{(?: ?\w[\w.]*: (?:-?\d|\"\w+\"),?)* \})?")
_FIELD = re.compile(r"[A-Za-z_][\w.]{0,79}")
"""A field's name as we would write one: a key of another look may be somebody's data, and is told as `…`."""


def slow_query(body: Mapping[str, Any]) -> AtlasSlowQuery:
    """One entry of slowQueryLogs. Its line is read and not kept."""
    logged = _line(values.text(body, "line"))
    told = values.at(logged, "attr")
    command = values.at(told, "command")
    plans = _PLAN.findall(values.text(told, "planSummary"))
    took = values.number(told, "durationMillis")
    return AtlasSlowQuery(
        namespace=values.text(body, "namespace") or values.text(told, "ns"), at=values.moment(logged, "t.$date"),
        ms=values.number(body, "metrics.operationExecutionTime") if took is None else took,
        plan=", ".join(plans),
        operation=_operation(command) or _word(values.text(body, "opType") or values.text(told, "type")),
        shape=tuple(dict.fromkeys(_shape(command))),
    )  # fmt: skip


def _line(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _word(word: str) -> str:
    return word if re.fullmatch(r"\w{1,30}", word) else ""


def _operation(command: Any) -> str:
    return next((name for name in _COMMANDS if isinstance(command, Mapping) and name in command), "")


def _shape(command: Any) -> Iterator[str]:
    """Names of the fields that a command filters and sorts by."""
    if not isinstance(command, Mapping):
        return
    for name in _FILTERS:
        yield from _fields(command.get(name))
    for stage in values.many(command, "pipeline"):
        yield from _fields(stage.get("$match"))
    for part in (*values.many(command, "updates"), *values.many(command, "deletes")):
        yield from _fields(part.get("q"))


def _fields(found: Any, depth: int = 0) -> Iterator[str]:
    if depth > 20:
        return
    if isinstance(found, list):
        for one in found:
            yield from _fields(one, depth + 1)
    elif isinstance(found, Mapping):
        for key, held in found.items():
            if not str(key).startswith("$"):
                yield str(key) if _FIELD.fullmatch(str(key)) else "…"
            elif key in ("$and", "$or", "$nor"):
                yield from _fields(held, depth + 1)
