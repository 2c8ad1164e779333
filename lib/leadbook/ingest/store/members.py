"""One member under two LinkedIn URLs (a vanity name and a URN, or a changed name): flagged, never merged."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from pymongo.collection import Collection

from leadbook.lead.clock import now_ms

FLAG = "same_member"
MEMBER = "additional_data.linkedin_member_id"


def flag(collection: Collection[dict[str, Any]], *, among: Container[Any] | None = None) -> int:
    """Put the flag `same_member` on every lead that shares its member id with another; how many are new.

    among: `_id`s of the only leads that may get it.
    Looks at the whole collection once (about 0.2 s for 100,000 leads), so it runs after an ingestion, not per batch.
    """
    groups = collection.aggregate(
        [
            {"$match": {MEMBER: {"$exists": True}}},
            {"$group": {"_id": f"${MEMBER}", "leads": {"$push": "$_id"}, "count": {"$sum": 1}}},
            {"$match": {"count": {"$gt": 1}}},
        ],
        allowDiskUse=True,
    )
    flagged = 0
    for group in groups:
        update = {"$addToSet": {"additional_data.flags": FLAG}, "$set": {"updated_at": now_ms()}}
        ids = [lead for lead in group["leads"] if among is None or lead in among]
        wanted = {"_id": {"$in": ids}, "additional_data.flags": {"$ne": FLAG}}
        flagged += collection.update_many(wanted, update).modified_count
    return flagged
