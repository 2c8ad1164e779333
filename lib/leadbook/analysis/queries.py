"""The task book's SQL, and what runs here instead. The pipelines below are the ones that are executed. Read-only.

The task book was written for PostgreSQL; the store is MongoDB (decision 1). This is the one place where the two are set
side by side; every report refers to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection

Stage = dict[str, Any]
PRESENT: Stage = {"$nin": [None, ""]}
"""SQL's IS NOT NULL for documents: the field exists and is neither null nor empty."""


@dataclass(frozen=True, kw_only=True)
class ReportQuery:
    """One query of the final report. filtered: it selects by a field, so that an index is expected to help."""

    name: str
    sql: str
    pipeline: tuple[Stage, ...]
    filtered: bool = False


_QUERIES: tuple[ReportQuery, ...] = (
    ReportQuery(
        name="total leads", sql="SELECT COUNT(*)",
        pipeline=({"$collStats": {"count": {}}}, {"$project": {"_id": 0, "count": 1}}),
    ),
    ReportQuery(
        name="unique leads", sql="SELECT COUNT(DISTINCT linkedin_url)",
        pipeline=({"$group": {"_id": "$linkedin_url"}}, {"$count": "count"}),
    ),
    ReportQuery(
        name="leads by source", sql="SELECT data_source, COUNT(*) GROUP BY data_source",
        pipeline=({"$group": {"_id": "$data_source", "count": {"$sum": 1}}}, {"$sort": {"count": -1}}),
    ),
    ReportQuery(
        name="leads by quality score", sql="SELECT data_quality_score, COUNT(*) GROUP BY data_quality_score",
        pipeline=({"$group": {"_id": "$data_quality_score", "count": {"$sum": 1}}}, {"$sort": {"_id": 1}}),
    ),
    ReportQuery(
        name="leads by quality points", sql="(points before they are cut to 100; decision 10)",
        pipeline=({"$group": {"_id": "$additional_data.quality_points", "count": {"$sum": 1}}}, {"$sort": {"_id": 1}}),
    ),
    ReportQuery(
        name="mean quality score", sql="SELECT AVG(data_quality_score)",
        pipeline=({"$group": {"_id": None, "mean": {"$avg": "$data_quality_score"},
                              "points": {"$avg": "$additional_data.quality_points"}}},),
    ),
    ReportQuery(
        name="leads with an e-mail", sql="SELECT COUNT(*) WHERE email IS NOT NULL", filtered=True,
        pipeline=({"$match": {"email": {"$gt": ""}}}, {"$count": "count"}),
    ),
    ReportQuery(
        name="leads with company data",
        sql="SELECT COUNT(*) WHERE company_name IS NOT NULL AND company_industry IS NOT NULL",
        pipeline=({"$match": {"company_name": PRESENT, "company_industry": PRESENT}}, {"$count": "count"}),
    ),
    ReportQuery(
        name="qualified leads", sql="SELECT COUNT(*) WHERE is_qualified", filtered=True,
        pipeline=({"$match": {"is_qualified": True}}, {"$count": "count"}),
    ),
    ReportQuery(
        name="qualified leads not yet in the CRM", sql="SELECT COUNT(*) WHERE is_qualified AND NOT crm_synced",
        filtered=True, pipeline=({"$match": {"is_qualified": True, "crm_synced": False}}, {"$count": "count"}),
    ),
)  # fmt: skip

COUNTERPARTS: tuple[tuple[str, str, str], ...] = (
    (
        "VACUUM ANALYZE performance_marketers",
        "validate, collStats",
        "MongoDB keeps index statistics by itself and reuses space; there is nothing to vacuum or analyse",
    ),
    ("constraint checks", "count of {$nor: [{$jsonSchema: …}]}", "the validator applied to what is stored already"),
    ("index integrity checks", "validate, and a count through each index", "each index must know every document"),
    ("COPY / bulk load", "insert_many(ordered=False)", "batches, unordered, so that one duplicate stops nothing"),
    ("shared_buffers, work_mem", "WiredTiger cache, allowDiskUse", "the cache is half of the memory by default"),
    ("IS NOT NULL", "exists, not null, not empty", "an absent field is how a document says NULL"),
)
"""PostgreSQL's maintenance and what stands for it here."""


def queries(now: datetime | None = None) -> tuple[ReportQuery, ...]:
    """What the final report asks, in its order; leads of one day from yesterday's midnight on, UTC."""
    today = (now or datetime.now(UTC)).replace(hour=0, minute=0, second=0, microsecond=0)
    since: Stage = {"$match": {"data_collected_date": {"$gte": today - timedelta(days=1)}}}
    day = ReportQuery(
        name="leads of one day", sql="SELECT COUNT(*) WHERE data_collected_date >= yesterday", filtered=True,
        pipeline=(since, {"$count": "count"}),
    )  # fmt: skip
    return *_QUERIES, day


def query(name: str) -> ReportQuery:
    """The query of that name."""
    return next(each for each in queries() if each.name == name)


def run(leads: Collection[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The rows of a query. Raises PyMongoError."""
    return list(leads.aggregate(list(query(name).pipeline), allowDiskUse=True))
