"""Were the first batches stored as they were sent, and how many leads an hour arrive? Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo.collection import Collection

from leadbook.lead.fields import REQUIRED

Document = dict[str, Any]
TIMESTAMPS = ("created_at", "updated_at")
NEWEST = 500
UNNAMED: Document = {"_id": None}
"""Documents are compared without their `_id`s."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class BatchReview:
    """What was read back. sent: None where another program wrote (then only `found` can be judged).

    incomplete: documents without a required field; undated: without created_at and updated_at as dates;
    altered: documents of which a sent value reads differently, None where nobody knows what was sent.
    faulty: incomplete, undated, or without source or score: what the pipeline gives to each lead.
    """

    what: str
    sent: int | None
    found: int
    incomplete: int
    undated: int
    faulty: int
    altered: int | None


@dataclass(frozen=True, kw_only=True)
class HourOfLeads:
    """Leads stored within one hour, by `created_at`. until: the hour's end.  span_s: from its first lead to `until`.
    age_s: from the first lead of all to `until`."""

    count: int
    until: datetime
    span_s: float
    age_s: float


def review_first_batch(collection: Collection[Document], sent: Sequence[Document]) -> BatchReview:
    """Read the documents of a batch back by their `linkedin_url` and compare value by value."""
    by_url = {document["linkedin_url"]: document for document in sent}
    found = list(collection.find({"linkedin_url": {"$in": list(by_url)}}))
    altered = sum(document | UNNAMED != by_url[document["linkedin_url"]] | UNNAMED for document in found)
    return BatchReview(
        what="first batch of the snapshot", sent=len(by_url), found=len(found), altered=altered, **_faults(found)
    )


def review_latest(collection: Collection[Document]) -> BatchReview:
    """The newest leads, for a collection that another program fills."""
    found = list(collection.find({}, {"additional_data": 0}).sort("_id", -1).limit(NEWEST))
    return BatchReview(what=f"newest {len(found)} leads", sent=None, found=len(found), altered=None, **_faults(found))


def _faults(found: Sequence[Document]) -> dict[str, int]:
    incomplete = [not all(lead.get(name) for name in REQUIRED) for lead in found]
    undated = [not all(isinstance(lead.get(name), datetime) for name in TIMESTAMPS) for lead in found]
    bare = [not (lead.get("data_source") and isinstance(lead.get("data_quality_score"), int)) for lead in found]
    faulty = sum(map(any, zip(incomplete, undated, bare, strict=True)))
    return {"incomplete": sum(incomplete), "undated": sum(undated), "faulty": faulty}


def read_pace(leads: Collection[Document], now: datetime | None = None) -> HourOfLeads | None:
    """Leads of the hour before `now`, or before the newest lead where that is None; None where no lead is dated."""
    dated = leads.find({"created_at": {"$type": "date"}}, {"created_at": 1})
    newest, oldest = (next(iter(dated.clone().sort("created_at", way).limit(1)), None) for way in (-1, 1))
    if newest is None or oldest is None:
        return None
    until = now or newest["created_at"]
    of_the_hour = {"$match": {"created_at": {"$gt": until - HOUR, "$lte": until}}}
    counted = {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$created_at"}}}
    row: Document = next(iter(leads.aggregate([of_the_hour, counted])), {"count": 0, "first": until})
    span_s, age_s = ((until - first).total_seconds() for first in (row["first"], oldest["created_at"]))
    return HourOfLeads(count=row["count"], until=until, span_s=span_s, age_s=age_s)
