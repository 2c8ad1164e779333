"""What waits in the staging collection, and what each collector staged lately. Read-only; the indexes bear both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from leadbook.core.connect import Collection

Document = dict[str, Any]
DAY, HOUR_MS = timedelta(days=1), 3_600_000
LONGEST_NAME = 100
LIVELY = timedelta(minutes=1)
"""A sprint is going on where something was staged so lately."""

_BY_ID: Document = {"$cond": [{"$eq": [{"$type": "$_id"}, "objectId"]}, {"$toDate": "$_id"}, None]}
_BY_DATE: Document = {"$cond": [{"$eq": [{"$type": "$collected_at"}, "date"]}, "$collected_at", None]}
_AGE_MS: Document = {"$subtract": ["$$NOW", {"$ifNull": [_BY_ID, _BY_DATE]}]}
"""Since a record was staged, by the server's clock: the time in its `_id`, else when it was collected."""
_CLAIMED: Document = {"$cond": [{"$eq": ["$pipeline.state", "claimed"]}, 1, 0]}
_WORKFLOW: Document = {"$cond": [
    {"$eq": [{"$type": "$collector"}, "string"]}, "$collector",
    {"$convert": {"input": "$collector.workflow", "to": "string", "onError": "", "onNull": ""}},
]}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Collector:
    """What one collector staged within a day. workflow: of its stamps, empty where records bear none.

    last_s: since its latest record, seconds.
    """

    workflow: str
    vendor: str
    in_day: int
    in_hour: int
    waiting: int
    last_s: float


@dataclass(frozen=True, kw_only=True)
class Intake:
    """Records that nobody has ended. claimed: of these, by a worker.  oldest_s: since the oldest was staged, seconds;
    None where nothing waits, or none tells when it came."""

    waiting: int
    claimed: int
    oldest_s: float | None
    collectors: Sequence[Collector]


def read_intake(staging: Collection) -> Intake:
    """What waits, by the index on `pipeline.state`; what was staged within a day, by `_id`. Raises PyMongoError."""
    rows = staging.aggregate([
        {"$match": {"pipeline.state": {"$ne": "done"}}},
        {"$group": {"_id": None, "count": {"$sum": 1}, "claimed": {"$sum": _CLAIMED}, "oldest": {"$max": _AGE_MS}}},
    ])  # fmt: skip
    row: Document = next(iter(rows), {})
    oldest = row.get("oldest")
    return Intake(
        waiting=row.get("count", 0), claimed=row.get("claimed", 0),
        oldest_s=None if oldest is None else max(0.0, oldest / 1000), collectors=tuple(_collectors(staging)),
    )  # fmt: skip


def _collectors(staging: Collection) -> list[Collector]:
    lately = ObjectId.from_datetime(datetime.now(UTC) - DAY)
    open_ = {"$cond": [{"$eq": ["$pipeline.state", "done"]}, 0, 1]}
    rows = staging.aggregate([
        {"$match": {"_id": {"$gte": lately}}},
        {"$set": {"workflow": _WORKFLOW, "age": _AGE_MS}},
        {"$group": {
            "_id": "$workflow", "vendor": {"$first": "$vendor"}, "in_day": {"$sum": 1}, "waiting": {"$sum": open_},
            "in_hour": {"$sum": {"$cond": [{"$lt": ["$age", HOUR_MS]}, 1, 0]}}, "last": {"$min": "$age"},
        }},
        {"$sort": {"_id": 1}},
    ])  # fmt: skip
    return [
        Collector(
            workflow=row["_id"][:LONGEST_NAME], vendor=str(row["vendor"] or "")[:LONGEST_NAME], in_day=row["in_day"],
            in_hour=row["in_hour"], waiting=row["waiting"], last_s=max(0.0, row["last"] / 1000),
        )
        for row in rows
    ]  # fmt: skip


def is_lively(staging: Collection) -> bool:
    """Whether collectors are at work: something was staged within the last minute. Raises PyMongoError."""
    since = ObjectId.from_datetime(datetime.now(UTC) - LIVELY)
    return staging.find_one({"_id": {"$gte": since}}, {"_id": 1}) is not None
