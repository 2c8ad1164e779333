"""Is what is stored whole: validate, indexes, validator, the last inserts. Read-only. What was lost: see `losses`.

`validate` with its full scan takes an exclusive lock on the collection, so production runs it in the background unless
the parameter `validate_collection` says `full`; both read only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter, sleep
from typing import Any

import pandas as pd
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from leadbook.core.checks import Check, errored, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.lead.fields import REQUIRED

__all__ = [
    "IndexCount", "constraint_check", "index_check", "index_counts", "indexes_frame", "newest_check",
    "unique_check", "validate_check",
]  # fmt: skip


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


def validate_check(leads: Collection[dict[str, Any]], settings: Settings) -> Check:
    """MongoDB's own `validate`: full, in the background, or not at all, as `validate_collection` says."""
    mode = settings.validate_collection
    if mode == "off":
        return not_measured("FIN-INT-001", "validate_collection is off", remedy="validate a restored copy (phase 06)")
    started = perf_counter()
    option = {"full": True} if mode == "full" else {"background": True}
    try:
        result = _validate(leads, option)
    except OperationFailure as error:
        if error.code == 13:
            return not_measured("FIN-INT-001", "the user may not run validate: use an account with dbAdmin")
        return errored("FIN-INT-001", error)
    errors, warnings = result.get("errors", []), result.get("warnings", [])
    first = f" First: {str((errors or warnings)[0])[:160]}" if errors or warnings else ""
    evidence = (
        f"validate ({mode}) of {result.get('nrecords', 0):,} documents and {result.get('nIndexes', '?')} indexes in "
        f"{perf_counter() - started:.1f} s; {len(errors)} errors, {len(warnings)} warnings.{first}"
    )
    if result.get("valid") and not result.get("nrecords"):
        return not_measured("FIN-INT-001", "no lead is stored, so validate had nothing to look at")
    if result.get("valid") and warnings:
        return warned(
            "FIN-INT-001", True, evidence=evidence, remedy="run it again when nothing else uses the collection"
        )
    return judge("FIN-INT-001", bool(result.get("valid")), evidence=evidence)


def _validate(leads: Collection[dict[str, Any]], option: Mapping[str, bool]) -> dict[str, Any]:
    """Up to twice: right after inserts, tables in use are passed over with a "transient" warning."""
    result: dict[str, Any] = {}
    for wait in (0.0, 1.0):
        sleep(wait)
        result = leads.database.command({"validate": leads.name, **option})
        if not any("transient" in str(warning) for warning in result.get("warnings", [])):
            break
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


def index_check(counts: Sequence[IndexCount]) -> Check:
    """Every index leads to as many documents as a scan finds."""
    broken = [each for each in counts if not each.whole]
    if len(counts) < 2:
        return judge("FIN-INT-002", None, evidence="the collection has no index but _id_: run phase 02")
    if not any(each.expected or each.counted for each in counts):
        return not_measured("FIN-INT-002", "no lead is stored, so the indexes have nothing to know")
    shown = "; ".join(f"{each.name} {each.counted:,} of {each.expected:,}" for each in broken)
    return judge("FIN-INT-002", len(broken), evidence=shown or f"{len(counts)} indexes, each counted against a scan")


def unique_check(counts: Sequence[IndexCount]) -> Check:
    """linkedin_url and email are guarded by unique indexes."""
    guarded = {each.keys for each in counts if each.unique}
    missing = [name for name in ("linkedin_url", "email") if name not in guarded]
    evidence = f"no unique index on {', '.join(missing)}" if missing else "unique indexes on linkedin_url and email"
    return judge("FIN-INT-004", not missing, evidence=evidence)


def indexes_frame(counts: Sequence[IndexCount]) -> pd.DataFrame:
    """A row an index: name, fields, unique, documents through the index, by a scan, whole."""
    return pd.DataFrame([
        {"index": each.name, "fields": each.keys, "unique": each.unique, "through the index": each.counted,
         "by a scan": each.expected, "whole": each.whole}
        for each in counts
    ])  # fmt: skip


def constraint_check(leads: Collection[dict[str, Any]]) -> Check:
    """Documents that break the collection's own validator (`moderate` / `warn` lets them in)."""
    options = next(iter(leads.database.list_collections(filter={"name": leads.name})), {}).get("options", {})
    if not options.get("validator"):
        return judge("FIN-INT-003", None, evidence="the collection has no validator: run phase 02")
    if leads.find_one({}, {"_id": 1}) is None:
        return not_measured("FIN-INT-003", "no lead is stored")
    count = leads.count_documents({"$nor": [options["validator"]]})
    mode = f"{options.get('validationLevel', 'strict')} / {options.get('validationAction', 'error')}"
    return judge("FIN-INT-003", count, evidence=f"documents that break the validator, which is set to {mode}")


def newest_check(leads: Collection[dict[str, Any]], count: int = 500) -> Check:
    """The last inserts are complete: required fields, source, score and timestamps."""
    found = list(leads.find({}, {"additional_data": 0}).sort("_id", -1).limit(count))
    if not found:
        return not_measured("FIN-LAST-001", "no lead is stored")
    faulty = [lead for lead in found if not _complete(lead)]
    return judge("FIN-LAST-001", len(faulty), evidence=f"of the newest {len(found)} leads")


def _complete(lead: Mapping[str, Any]) -> bool:
    filled = all(lead.get(name) for name in (*REQUIRED, "data_source"))
    dated = all(isinstance(lead.get(name), datetime) for name in ("created_at", "updated_at"))
    return filled and dated and isinstance(lead.get("data_quality_score"), int)
