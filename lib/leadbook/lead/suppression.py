"""Persons who asked for erasure, of a vendor or of us: remembered by hashes of what tells them, so that they stay out.

Without this, the next run would store them whenever the vendor is not asked (the budget is spent, the circuit open,
enrichment switched off). Nothing else about them is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo.collection import Collection

from leadbook.lead.clock import now_ms

SUPPRESSED = "erasure_requests"
"""Collection of the hashes."""
FEW = 500
"""A list no longer than this is read whole: a batch has more keys than that, and each costs more to ask for."""


def keys_of(lead: Mapping[str, Any]) -> set[str]:
    """What tells a lead's person: addresses of the profile, e-mail addresses, `member:` and LinkedIn's own number."""
    extra = lead.get("additional_data")
    extra = extra if isinstance(extra, Mapping) else {}
    found: list[Any] = [lead.get("linkedin_url"), lead.get("email"), extra.get("email_conflict")]
    for name in ("linkedin_url_others", "other_emails"):
        more = extra.get(name)
        found += more if isinstance(more, list) else []
    if member := extra.get("linkedin_member_id"):
        found.append(f"member:{member}")
    return {key for key in found if isinstance(key, str) and key}


class SuppressionList:
    """Who must not be stored, nor sent on. Asked anew for each batch: a request may come in at any time, from another
    process too. Raises pymongo's errors."""

    def __init__(self, collection: Collection[dict[str, object]]) -> None:
        self.collection = collection

    def among(self, keys: Iterable[str]) -> set[str]:
        """Those of `keys` (see `keys_of`) whose persons asked for erasure."""
        few = [str(one["_id"]) for one in self.collection.find({}, {"_id": 1}, limit=FEW + 1, batch_size=FEW + 1)]
        by_hash = {_hash(key): key for key in keys} if few else {}
        if len(few) <= FEW:
            return {by_hash[known] for known in few if known in by_hash}
        return {by_hash[str(found["_id"])] for found in self.collection.find({"_id": {"$in": list(by_hash)}})}

    def add(self, keys: Iterable[str]) -> None:
        """Remember persons; those known already stay as they are."""
        for key in keys:
            self.collection.update_one({"_id": _hash(key)}, {"$setOnInsert": {"asked_at": now_ms()}}, upsert=True)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
