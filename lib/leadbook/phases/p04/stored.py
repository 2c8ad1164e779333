"""What is stored, from the stored fields alone: formats that are broken, scores, and examples of rejects. Read-only.

Examples are masked: enough to find the record in its file, too little to learn a person from.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.lead.masks import mask_name, mask_url
from leadbook.lead.score import MAX_SCORE, REQUIRED, Rules
from leadbook.lead.vendors import Vendor, load_vendor, vendor_names

__all__ = ["EXAMPLE_COLUMNS", "Formats", "Scores", "formats", "rejected_examples", "scores"]

Leads = Collection[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Stored leads that break a rule, by rule. leads: how many were looked at."""

    leads: int
    violations: Mapping[str, int]

    def table(self) -> pd.DataFrame:
        """Rule, leads that break it."""
        return pd.DataFrame(list(self.violations.items()), columns=["rule", "leads that break it"])


def _not(name: str, pattern: str) -> dict[str, Any]:
    return {name: {"$exists": True, "$not": {"$regex": pattern}}}


FORMATS: dict[str, dict[str, Any]] = {
    "the four required fields are there": {"$or": [{name: {"$in": [None, ""]}} for name in REQUIRED]},
    "linkedin_url is https://www.linkedin.com/in/…": _not("linkedin_url", r"^https://www\.linkedin\.com/in/[^/?#\s]+$"),
    "email has the form of RFC 5322": _not("email", r"^[^@\s]+@[^@\s]+\.[^@\s.]+$"),
    "email is in its key form (lower case)": _not("email", r"^[^A-Z]+$"),
    "phone is E.164": _not("phone", r"^\+[1-9][0-9]{6,14}$"),
    "company_website has a scheme": _not("company_website", r"^https?://"),
    "no field is null": {"$or": [{name: {"$type": "null"}} for name in (
        "email", "phone", "location_city", "location_state", "location_country", "crm_sync_date",
        "data_quality_score")]},
    "the three times are dates": {"$or": [{name: {"$not": {"$type": "date"}}} for name in (
        "created_at", "updated_at", "data_collected_date")]},
    "status fields are booleans": {"$or": [{name: {"$not": {"$type": "bool"}}} for name in (
        "is_qualified", "email_verified", "crm_synced")]},
}  # fmt: skip
"""The task book's formats, each as the filter of leads that break it."""


def formats(leads: Leads) -> Formats:
    """Count stored leads that break a format (each rule reads the collection once)."""
    return Formats(
        leads=leads.estimated_document_count(),
        violations={rule: leads.count_documents(broken) for rule, broken in FORMATS.items()},
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores recomputed by the server. histogram: leads by points.  wrong: leads whose score, points or
    qualification is not what the stored fields give.  mean, mean_points: of the stored values; NaN without
    leads."""

    leads: int
    mean: float
    mean_points: float
    max_points: int
    qualified: int
    wrong: int
    histogram: Mapping[int, int]


def _has(name: str) -> dict[str, Any]:
    return {"$gt": [{"$strLenCP": {"$ifNull": [f"${name}", ""]}}, 0]}


def scores(leads: Leads, rules: Rules) -> Scores:
    """Recompute every stored lead's points by an aggregation and compare."""
    points = {"$add": [
        *[{"$cond": [_has(name), rules.required, 0]} for name in REQUIRED],
        {"$cond": [_has("email"), rules.email, 0]},
        {"$cond": [{"$and": [_has(name) for name in rules.company_fields]}, rules.company, 0]},
    ]}  # fmt: skip
    right = {"$and": [
        {"$eq": ["$additional_data.quality_points", "$points"]},
        {"$eq": ["$data_quality_score", {"$min": [MAX_SCORE, "$points"]}]},
        {"$eq": ["$is_qualified", rules.qualifying()]},
    ]}  # fmt: skip
    rows = list(leads.aggregate([
        {"$set": {"points": points}},
        {"$group": {
            "_id": "$points", "leads": {"$sum": 1}, "score": {"$sum": "$data_quality_score"},
            "qualified": {"$sum": {"$cond": ["$is_qualified", 1, 0]}}, "wrong": {"$sum": {"$cond": [right, 0, 1]}},
            "stored": {"$sum": "$additional_data.quality_points"},
        }},
    ]))  # fmt: skip
    count = sum(row["leads"] for row in rows)
    nan = float("nan")
    return Scores(
        leads=count,
        mean=sum(row["score"] for row in rows) / count if count else nan,
        mean_points=sum(row["stored"] for row in rows) / count if count else nan,
        max_points=rules.max_points,
        qualified=sum(row["qualified"] for row in rows),
        wrong=sum(row["wrong"] for row in rows),
        histogram={row["_id"]: row["leads"] for row in sorted(rows, key=lambda row: row["_id"])},
    )


# ------------------------------------------------------------------------------------------------------- examples

EXAMPLE_COLUMNS = {
    "reason": "first reason of the rejection", "records": "how many are kept with it", "example": "source and record",
    "name": "masked", "URL": "masked",
}  # fmt: skip


def rejected_examples(rejected: Collection[dict[str, Any]]) -> pd.DataFrame:
    """One example for each reason (EXAMPLE_COLUMNS), the most frequent reasons first. Read-only."""
    each = {"$group": {"_id": "$reason", "count": {"$sum": 1}, "one": {"$min": "$_id"}}}
    groups = rejected.aggregate([each, {"$sort": {"count": -1, "_id": 1}}])
    rows = []
    for group in groups:
        one = rejected.find_one({"_id": group["one"]}) or {}
        name, url = _shown(one)
        where = f"{one.get('source')}, record {one.get('record_number')}"
        rows.append((group["_id"], group["count"], where, name, url))
    return pd.DataFrame(rows, columns=list(EXAMPLE_COLUMNS))


def _shown(reject: dict[str, Any]) -> tuple[str, str]:
    """Name and URL of a record, masked; empty where its columns hold none."""
    try:
        payload = json.loads(reject["payload"])
    except (KeyError, ValueError):
        return "", ""
    if not isinstance(payload, dict) or reject.get("vendor") not in vendor_names():
        return "", ""
    vendor = load_vendor(reject["vendor"])
    return mask_name(_first(payload, vendor, "full_name")), mask_url(_first(payload, vendor, "linkedin_url"))


def _first(payload: dict[str, Any], vendor: Vendor, target: str) -> str:
    for way in vendor.plan(payload).fields.get(target, ()):
        value = payload.get(way[0])
        if isinstance(value, str) and value:
            return value[:200]
    return ""
