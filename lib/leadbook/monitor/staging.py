"""What waits in the staging collection, and what each collector staged lately. Read-only; the indexes bear both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bson import ObjectId

from leadbook.core.connect import Collection
from leadbook.ingest.staging import LONGEST_NAME, STAGED_AT, WORKFLOW, Backlog, Staging, said_vendor
from leadbook.ingest.store.patience import Patience

DAY, HOUR_MS = timedelta(days=1), 3_600_000
LIVELY = timedelta(minutes=1)
"""A sprint is going on where something was staged so lately."""


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
    """What comes in, and what of it is not ended yet. collectors: who staged something within a day.
    staged: records of all time.  first: when the first of them was staged; None where there is none, or not every `_id`
    tells."""

    backlog: Backlog
    collectors: Sequence[Collector]
    staged: int = 0
    first: datetime | None = None

    @property
    def in_hour(self) -> int:
        """Records staged within the last hour."""
        return sum(one.in_hour for one in self.collectors)


def read_intake(collection: Collection) -> Intake:
    """What waits, by the index on `pipeline.state`; what was staged within a day, by `_id`. Raises PyMongoError."""
    staging = Staging(collection, patience=Patience(0.0))
    backlog, collectors = staging.backlog(), tuple(_collectors(staging.collection))
    staged = collection.estimated_document_count()
    return Intake(backlog=backlog, collectors=collectors, staged=staged, first=_first(staging.collection))


def _first(staging: Collection) -> datetime | None:
    """When the first record was staged, by the index on `_id`."""
    if staging.find_one({"_id": {"$not": {"$type": "objectId"}}}, {"_id": 1}):
        return None
    oldest = staging.find_one({}, {"_id": 1}, sort=[("_id", 1)])
    return oldest["_id"].generation_time if oldest else None


def _collectors(staging: Collection) -> list[Collector]:
    lately = ObjectId.from_datetime(datetime.now(UTC) - DAY)
    open_ = {"$cond": [{"$eq": ["$pipeline.state", "done"]}, 0, 1]}
    rows = staging.aggregate([
        {"$match": {"_id": {"$gte": lately}}},
        {"$set": {"workflow": WORKFLOW, "age": {"$subtract": ["$$NOW", STAGED_AT]}}},
        {"$group": {
            "_id": "$workflow", "vendor": {"$first": "$vendor"}, "in_day": {"$sum": 1}, "waiting": {"$sum": open_},
            "in_hour": {"$sum": {"$cond": [{"$lt": ["$age", HOUR_MS]}, 1, 0]}}, "last": {"$min": "$age"},
        }},
        {"$sort": {"_id": 1}},
    ])  # fmt: skip
    return [
        Collector(
            workflow=row["_id"][:LONGEST_NAME], vendor=said_vendor(row), in_day=row["in_day"],
            in_hour=row["in_hour"], waiting=row["waiting"], last_s=max(0.0, row["last"] / 1000),
        )
        for row in rows
    ]  # fmt: skip


def is_lively(staging: Collection) -> bool:
    """Whether collectors are at work: something was staged within the last minute. Raises PyMongoError."""
    since = ObjectId.from_datetime(datetime.now(UTC) - LIVELY)
    return staging.find_one({"_id": {"$gte": since}}, {"_id": 1}) is not None
