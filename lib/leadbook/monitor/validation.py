"""Were the first batches stored as they were sent? Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo.collection import Collection

from leadbook.core.checks import Check, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.lead.fields import REQUIRED

__all__ = ["BatchReview", "collection_rate", "review_checks", "review_first_batch", "review_latest"]

TIMESTAMPS = ("created_at", "updated_at")


@dataclass(frozen=True, kw_only=True)
class BatchReview:
    """What was read back. sent: None where another program wrote (then only `found` can be judged).

    incomplete: documents without a required field; undated: without created_at and updated_at as dates;
    altered: documents of which a sent value reads differently.
    """

    what: str
    sent: int | None
    found: int
    incomplete: int
    undated: int
    altered: int | None


def review_first_batch(collection: Collection[dict[str, Any]], sent: Sequence[dict[str, Any]]) -> BatchReview:
    """Read the documents of a batch back by their `linkedin_url` and compare value by value."""
    by_url = {document["linkedin_url"]: document for document in sent}
    found = list(collection.find({"linkedin_url": {"$in": list(by_url)}}))
    altered = sum(1 for document in found if _differs(by_url[document["linkedin_url"]], document))
    return BatchReview(
        what="first batch of the snapshot", sent=len(by_url), found=len(found), altered=altered, **_faults(found)
    )


def review_latest(collection: Collection[dict[str, Any]], count: int = 500) -> BatchReview:
    """The newest leads, for a collection that another program fills."""
    found = list(collection.find().sort("_id", -1).limit(count))
    return BatchReview(what=f"newest {len(found)} leads", sent=None, found=len(found), altered=None, **_faults(found))


def _faults(found: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {
        "incomplete": sum(1 for lead in found if any(not lead.get(name) for name in REQUIRED)),
        "undated": sum(1 for lead in found if any(not isinstance(lead.get(name), datetime) for name in TIMESTAMPS)),
    }


def _differs(sent: dict[str, Any], found: dict[str, Any]) -> bool:
    return any(_normal(value) != _normal(found.get(name)) for name, value in sent.items() if name != "_id")


def _normal(value: Any) -> Any:
    """BSON keeps milliseconds and no zone; everything else must come back as it went."""
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        return int(value.timestamp() * 1000)
    return value


def review_checks(review: BatchReview) -> list[Check]:
    """The batch is there, and its documents are complete, dated and unaltered."""
    if not review.found and not review.sent:
        return [
            not_measured(check, "no lead is stored yet, so no batch can be read back")
            for check in ("MON-BATCH-001", "MON-BATCH-002")
        ]
    if review.sent is None:
        there = judge("MON-BATCH-001", review.found > 0, evidence=f"{review.what}: {review.found} read back")
    else:
        there = judge(
            "MON-BATCH-001", review.found == review.sent, evidence=f"{review.what}: {review.found} of {review.sent}"
        )
    faults = review.incomplete + review.undated + (review.altered or 0)
    evidence = (
        f"{review.what}: {review.incomplete} lack a required field, {review.undated} a timestamp, "
        f"{'not known how many were' if review.altered is None else review.altered} altered"
    )
    return [there, judge("MON-BATCH-002", faults, evidence=evidence)]


def collection_rate(
    leads: Collection[dict[str, Any]], settings: Settings, arriving: float | None, *, now: datetime | None = None
) -> Check:
    """Leads an hour, from `created_at` of the last hour of collection.

    On production that hour ends now; on rehearsal it ends with the newest lead, and a span under an hour is projected:
    that tells what the store can take, not what collectors deliver. arriving: inserts/s that the server counted, which
    a rehearsal without leads falls back to.
    """
    dated = {"created_at": {"$type": "date"}}
    newest = next(iter(leads.find(dated, {"created_at": 1}).sort("created_at", -1).limit(1)), None)
    if newest is None:
        if arriving is None or settings.is_production:
            return not_measured("MON-RATE-002", "no lead with created_at is stored", settings=settings)
        evidence = "no lead is stored yet: inserts that the server counted in the snapshot, projected to an hour"
        return judge("MON-RATE-002", round(arriving * 3600), settings=settings, evidence=evidence)
    last = _aware(newest["created_at"])
    end = (now or datetime.now(UTC)) if settings.is_production else last
    begin = datetime.fromtimestamp(end.timestamp() - 3600, UTC)
    row = next(
        iter(
            leads.aggregate([
                {"$match": {"created_at": {"$gt": begin, "$lte": end}}},
                {"$group": {"_id": None, "count": {"$sum": 1}, "first": {"$min": "$created_at"}}},
            ])
        ),
        None,
    )  # fmt: skip
    count = row["count"] if row else 0
    if settings.is_production:
        evidence = f"{count:,} leads stored within the hour before {end:%Y-%m-%d %H:%M} UTC"
        return judge("MON-RATE-002", count, settings=settings, evidence=evidence)
    span = (last - _aware(row["first"])).total_seconds() if row else 0.0
    if count < 100 or span <= 0:
        why = f"only {count} leads within {span:.1f} s: too few to tell a rate"
        return warned("MON-RATE-002", None, settings=settings, evidence=why)
    rate = count / span * 3600
    evidence = f"{count:,} leads within {span:.1f} s, projected to an hour: the store's pace, not the collectors'"
    return judge("MON-RATE-002", round(rate), settings=settings, evidence=evidence)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
