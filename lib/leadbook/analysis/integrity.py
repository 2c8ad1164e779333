"""Is what is stored whole: validate, indexes, validator. Read-only. What was lost: see `losses`.

`validate` with its full scan takes an exclusive lock on the collection, so production runs it in the background unless
the parameter `validate_collection` says `full`; both read only.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter, sleep
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from leadbook.schema.state import actual


@dataclass(frozen=True, kw_only=True)
class IndexCount:
    """Documents that an index leads to, beside those that it should know. whole: both agree."""

    name: str
    keys: str
    unique: bool
    counted: int
    expected: int

    @property
    def whole(self) -> bool:
        """True where the index knows every document that it should."""
        return self.counted == self.expected


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What `validate` found. mode: full or background.  seconds: it took."""

    mode: str
    valid: bool
    documents: int
    indexes: int
    seconds: float
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def validate(leads: Collection[dict[str, Any]], mode: str) -> Validation:
    """MongoDB's own `validate`, full or in the background. Raises OperationFailure."""
    started = perf_counter()
    result = _validate(leads, {mode: True})
    return Validation(
        mode=mode, valid=bool(result.get("valid")), documents=result.get("nrecords", 0),
        indexes=result.get("nIndexes", 0), seconds=perf_counter() - started,
        errors=tuple(map(str, result.get("errors", ()))), warnings=tuple(map(str, result.get("warnings", ()))),
    )  # fmt: skip


def _validate(leads: Collection[dict[str, Any]], option: Mapping[str, bool]) -> dict[str, Any]:
    """Again while tables with unwritten changes are passed over with a "transient" warning: a checkpoint writes them.

    It is asked for (fsync changes no data), and comes by itself within a minute where the user may not ask.
    """
    result: dict[str, Any] = {}
    for wait in (0.0, 1.0, 20.0, 45.0):
        sleep(wait)
        result = leads.database.command({"validate": leads.name, **option})
        if not any("transient" in str(warning) for warning in result.get("warnings", [])):
            break
        with suppress(OperationFailure):
            leads.database.client.admin.command("fsync")
    return result


def index_counts(leads: Collection[dict[str, Any]]) -> list[IndexCount]:
    """Count the documents through each index, and without one those that it should know.

    Each count is taken before and after; while leads keep arriving the two may differ, so the smaller must not exceed
    the index by anything: run it when inserts are over.
    """
    total = _count(leads, {}, {"$natural": 1})
    found = []
    for index in leads.list_indexes():
        keys = dict(index["key"])
        wanted = _covered(index)
        expected = total if not wanted else _count(leads, wanted, {"$natural": 1})
        found.append(IndexCount(
            name=index["name"], keys=", ".join(keys), unique=bool(index.get("unique")) or index["name"] == "_id_",
            counted=_count(leads, wanted, index["name"]), expected=expected,
        ))  # fmt: skip
    return found


def _covered(index: Mapping[str, Any]) -> dict[str, Any]:
    if "partialFilterExpression" in index:
        return dict(index["partialFilterExpression"])
    if index.get("sparse"):
        return {"$or": [{name: {"$exists": True}} for name in index["key"]]}
    return {}


def _count(leads: Collection[dict[str, Any]], wanted: dict[str, Any], hint: Any) -> int:
    stages: list[dict[str, Any]] = [{"$match": wanted}, {"$count": "count"}]
    return next((int(row["count"]) for row in leads.aggregate(stages, hint=hint)), 0)


@dataclass(frozen=True, kw_only=True)
class Breaking:
    """Documents that break the collection's own validator. mode: its level / action, empty without a validator."""

    mode: str
    documents: int = 0


def breaking(leads: Collection[dict[str, Any]]) -> Breaking:
    """Apply the validator to what is stored (`moderate` / `warn` lets documents in that break it)."""
    state = actual(leads)
    if not state.validator:
        return Breaking(mode="")
    documents = leads.count_documents({"$nor": [dict(state.validator)]})
    return Breaking(mode=f"{state.validation_level} / {state.validation_action}", documents=documents)
