"""Persons who asked a vendor for erasure: remembered by a hash of their LinkedIn URL, so that they stay out.

Without this, the next run would store them whenever the vendor is not asked (the budget is spent, the circuit open,
enrichment switched off). Nothing else about them is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pymongo.collection import Collection

from leadbook.lead.clock import now_ms

SUPPRESSED = "erasure_requests"
"""Collection of the hashes."""


class SuppressionList:
    """Who must not be stored, nor sent on. Asked anew for each batch: a request may come in at any time, from another
    process too. Raises pymongo's errors."""

    def __init__(self, collection: Collection[dict[str, object]]) -> None:
        self.collection = collection

    def among(self, urls: Iterable[str]) -> set[str]:
        """Those of `urls` whose persons asked for erasure."""
        by_hash = {_hash(url): url for url in urls}
        if not by_hash:
            return set()
        return {by_hash[str(found["_id"])] for found in self.collection.find({"_id": {"$in": list(by_hash)}})}

    def add(self, urls: Iterable[str]) -> None:
        """Remember persons; those known already stay as they are."""
        for url in urls:
            self.collection.update_one({"_id": _hash(url)}, {"$setOnInsert": {"asked_at": now_ms()}}, upsert=True)


def _hash(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
