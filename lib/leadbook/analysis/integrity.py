"""Is what is stored whole: validate, indexes, validator. Read-only. What was lost: see `losses`.

`validate` with its full scan takes an exclusive lock on the collection, so production runs it in the background unless
the parameter `validate_collection` says `full`; both read only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

from pymongo.collection import Collection

from leadbook.schema import whole
from leadbook.schema.state import actual


@dataclass(frozen=True, kw_only=True)
class IndexCount:
    """Documents that an index leads to, beside those that it should know. skipped: why they cannot be counted."""

    name: str
    keys: str
    unique: bool
    counted: int | None = None
    expected: int | None = None
    skipped: str = ""

    @property
    def whole(self) -> bool | None:
        """True where the index knows every document that it should; None where that cannot be counted."""
        return None if self.skipped else self.counted == self.expected


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What `validate` found. mode: full or background.  seconds: it took.  passed_over: parts that it left out."""

    mode: str
    valid: bool
    documents: int
    indexes: int
    seconds: float
    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    passed_over: int = 0


def validate(leads: Collection[dict[str, Any]], mode: str) -> Validation:
    """MongoDB's own `validate`, full or in the background. Raises OperationFailure."""
    started = perf_counter()
    result = whole.validate(leads, mode)
    return Validation(
        mode=mode, valid=bool(result.get("valid")), documents=result.get("nrecords", 0),
        indexes=result.get("nIndexes", 0), seconds=perf_counter() - started,
        errors=tuple(map(str, result.get("errors", ()))), warnings=tuple(map(str, result.get("warnings", ()))),
        passed_over=whole.passed_over(result),
    )  # fmt: skip


def index_counts(leads: Collection[dict[str, Any]]) -> list[IndexCount]:
    """Count the documents through each index, and without one those that it should know; a few kinds cannot be counted.

    Each count is taken before and after; while leads keep arriving the two may differ, so the smaller must not exceed
    the index by anything: run it when inserts are over.
    """
    total = _count(leads, {}, {"$natural": 1})
    found = []
    for index in leads.list_indexes():
        one = IndexCount(
            name=index["name"], keys=", ".join(index["key"]), skipped=_unhintable(index),
            unique=bool(index.get("unique")) or index["name"] == "_id_",
        )  # fmt: skip
        if not one.skipped:
            wanted = _covered(index)
            expected = total if not wanted else _count(leads, wanted, {"$natural": 1})
            one = replace(one, counted=_count(leads, wanted, one.name), expected=expected)
        found.append(one)
    return found


def _unhintable(index: Mapping[str, Any]) -> str:
    """Why MongoDB leads no query through the whole of an index: it refuses the hint, or the index leaves out documents
    as it sees fit."""
    if index.get("hidden"):
        return "hidden"
    kinds = [str(way) for way in index["key"].values() if isinstance(way, str) and way != "hashed"]
    return "wildcard" if any("$**" in name for name in index["key"]) else next(iter(kinds), "")


def guarded(leads: Collection[dict[str, Any]]) -> set[str]:
    """Fields of which a unique index refuses every double: of that field alone, and not partial. By listIndexes."""
    return {
        field
        for index in leads.list_indexes()
        for field in index["key"]
        if index.get("unique") and len(index["key"]) == 1 and "partialFilterExpression" not in index
    }


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
