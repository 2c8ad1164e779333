"""Sections 4.5 and 4.6: what cleaning kept, formats and scores of stored leads; and examples of rejected records.

Formats and scores are counted by the server, from the stored fields alone. Read-only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.core.checks import Check, judge
from leadbook.core.settings import Settings
from leadbook.ingest.store.whose import lead_in
from leadbook.lead.fields import MAX_SCORE, REQUIRED
from leadbook.lead.masks import mask_name, mask_url
from leadbook.lead.score import Rules
from leadbook.phases.p04 import figures
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Plot, Section, rows_table, section

Leads = Collection[dict[str, Any]]


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


def broken_formats(leads: Leads) -> dict[str, int]:
    """Stored leads that break a format, by its rule (each rule reads the collection once)."""
    return {rule: leads.count_documents(broken) for rule, broken in FORMATS.items()}


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores recomputed by the server. histogram: leads by points.  wrong: leads whose score, points or
    qualification is not what the stored fields give.  mean, mean_points: of the stored values; NaN without
    leads."""

    leads: int
    mean: float
    mean_points: float
    max_points: int
    wrong: int
    histogram: Mapping[int, int]


def _has(name: str) -> dict[str, Any]:
    return {"$gt": [{"$strLenCP": {"$ifNull": [f"${name}", ""]}}, 0]}


def stored_scores(leads: Leads, rules: Rules) -> Scores:
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
            "wrong": {"$sum": {"$cond": [right, 0, 1]}}, "stored": {"$sum": "$additional_data.quality_points"},
        }},
    ]))  # fmt: skip
    count = sum(row["leads"] for row in rows)
    nan = float("nan")
    return Scores(
        leads=count,
        mean=sum(row["score"] for row in rows) / count if count else nan,
        mean_points=sum(row["stored"] for row in rows) / count if count else nan,
        max_points=rules.max_points,
        wrong=sum(row["wrong"] for row in rows),
        histogram={row["_id"]: row["leads"] for row in sorted(rows, key=lambda row: row["_id"])},
    )


# ------------------------------------------------------------------------------------------------------- examples

FORMAT_COLUMNS = {
    "rule": "what every stored lead should obey", "leads that break it": "leads counted; 0 is as it should be",
}  # fmt: skip
EXAMPLE_COLUMNS = {
    "reason": "first reason of the rejection", "records": "how many are kept with it", "example": "source and record",
    "name": "masked", "URL": "masked; – where it is no profile's",
}  # fmt: skip


def rejected_examples(rejected: Collection[dict[str, Any]]) -> pd.DataFrame:
    """One example for each reason (EXAMPLE_COLUMNS), the most frequent reasons first. Read-only."""
    each = {"$group": {"_id": "$reason", "count": {"$sum": 1}, "one": {"$min": "$_id"}}}
    groups = rejected.aggregate([each, {"$sort": {"count": -1, "_id": 1}}])
    rows = []
    for group in groups:
        one = rejected.find_one({"_id": group["one"]}) or {}
        lead, where = lead_in(one), f"{one.get('source')}, record {one.get('record_number')}"
        shown = mask_name(lead.get("full_name")), mask_url(lead.get("linkedin_url"))
        rows.append((group["_id"], group["count"], where, *shown))
    return pd.DataFrame(rows, columns=list(EXAMPLE_COLUMNS))


# ------------------------------------------------------------------------------------------------------- sections


@tried
@section("4.5", "4.4")
def transformation(work: PipelineWork) -> Section:
    """Fields before and after cleaning; formats, counted by the server over all stored leads."""
    rates, broken = work.full_run.held.fill_rates, broken_formats(work.leads)
    formats = rows_table("Formats, counted by the server over all stored leads", FORMAT_COLUMNS, broken.items())
    return Section(
        plots=(Plot(figures.fill_rates(rates), "Share of valid records that hold a field, before and after cleaning"),),
        tables=(formats,),
        checks=format_checks(broken, work.full_run.result.ledger.stored, rates),
    )


def format_checks(broken: Mapping[str, int], stored: int, rates: pd.DataFrame) -> tuple[Check, ...]:
    """Formats of so many stored leads, and what cleaning kept."""
    kept = rates[rates["field"].isin(["email", "company_name", "phone"]) & (rates["before"] > 0)]
    worst = float((kept["after"] / kept["before"]).min()) if len(kept) else None
    said = ", ".join(rule for rule, count in broken.items() if count) or f"{stored:,} leads, all rules"
    return (
        judge("PIPE-MAP-002", sum(broken.values()) if stored else None, evidence=said),
        judge("PIPE-MAP-003", worst, evidence="fill rates before and after cleaning, in the figure"),
    )


@tried
@section("4.6", "4.4")
def scores(work: PipelineWork) -> Section:
    """Leads by points, and every score recomputed by the server."""
    found = stored_scores(work.leads, Rules.of(work.settings))
    return Section(
        plots=(Plot(figures.scores(found.histogram, max_points=found.max_points), "Leads by quality points"),),
        checks=score_checks(found, work.settings),
    )


def score_checks(found: Scores, settings: Settings) -> tuple[Check, ...]:
    """Scores and qualifications that are not what the stored fields give, and the mean."""
    beside = f"{found.leads:,} leads; mean of {found.mean_points:.1f} points of {found.max_points}"
    return (
        judge("PIPE-SCR-001", found.wrong if found.leads else None, evidence=beside),
        judge("PIPE-SCR-002", found.mean, settings=settings, evidence=beside),
    )
