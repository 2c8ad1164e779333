"""The staging collection: what collectors write raw, claimed by workers, each record ended once.

A claim is a token and a time on the record, by the server's clock; when a worker dies the claim expires and another
takes over. A lead takes its staged record's `_id`, so that a record that was stored before its worker died is seen
to be stored: each record ends once, in effect and in the ledger. Staged records keep their outcome; nothing here
has a unique index.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.errors import ParameterError
from leadbook.leads.enrich import ERASED
from leadbook.leads.ledger import FAILED, rejected
from leadbook.leads.vendors import RawRecord, load_vendor, problem_of

__all__ = ["OWN_FIELDS", "Claim", "Staging", "raw_record", "vendor_of"]

Document = dict[str, Any]

OWN_FIELDS = frozenset({"_id", "vendor", "payload", "collected_at", "pipeline"})
MAX_ATTEMPTS = 5
"""A record that fails so often ends as failed: something about it cannot be stored and cannot be told."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Records that one worker may work on until its claim expires."""

    token: ObjectId
    records: Sequence[Document]


class Staging:
    """Claims and ends staged records. lease_s: life of a claim in seconds, many times what a batch takes."""

    def __init__(self, collection: Collection[Document], *, lease_s: float = 120.0) -> None:
        self.collection, self.lease_s = collection, lease_s

    def waiting(self) -> int:
        """Records that nobody has ended yet."""
        return self.collection.count_documents({"pipeline.state": {"$ne": "done"}})

    def claim(self, size: int) -> Claim:
        """Up to `size` records for the caller alone; none when there is nothing to do. Raises pymongo's errors."""
        token = ObjectId()
        for spread in (0, 4, 16, 0):
            ids = self._candidates(size, spread)
            if not ids:
                continue
            free = {"_id": {"$in": ids}, "$or": [{"pipeline.state": None}, self._expired]}
            until = {"$add": ["$$NOW", round(self.lease_s * 1000)]}
            attempts = {"$add": [{"$ifNull": ["$pipeline.attempts", 0]}, 1]}
            mine = {"state": "claimed", "token": token, "until": until, "attempts": attempts}
            taken = self.collection.update_many(free, [{"$set": {"pipeline": mine}}]).modified_count
            if taken:
                return Claim(
                    token=token, records=list(self.collection.find({"_id": {"$in": ids}, "pipeline.token": token}))
                )
        return Claim(token=token, records=())

    @property
    def _expired(self) -> Document:
        return {"pipeline.state": "claimed", "$expr": {"$lt": ["$pipeline.until", "$$NOW"]}}

    def _candidates(self, size: int, spread: int) -> list[Any]:
        """`_id`s that look free; with `spread` from further on, so that many workers do not race for the same ones."""
        skip = random.randint(0, spread) * size
        found = self.collection.find({"pipeline.state": None}, {"_id": 1}).skip(skip).limit(size)
        ids = [record["_id"] for record in found]
        if not ids and not spread:
            ids = [record["_id"] for record in self.collection.find(self._expired, {"_id": 1}).limit(size)]
        return ids

    def end(self, claim: Claim, outcomes: Mapping[Any, str]) -> dict[Any, str]:
        """Write each record's outcome, by `_id`; those still ours, which alone count. Raises pymongo's errors.

        A failed record goes back, to be claimed again, until MAX_ATTEMPTS.
        """
        for outcome in sorted(set(outcomes.values())):
            ids = [record_id for record_id, said in outcomes.items() if said == outcome]
            ours = {"_id": {"$in": ids}, "pipeline.token": claim.token, "pipeline.state": "claimed"}
            if outcome == FAILED:
                again = {**ours, "pipeline.attempts": {"$lt": MAX_ATTEMPTS}}
                self.collection.update_many(again, {"$set": {"pipeline.state": None}})
            ended = {"pipeline.state": "done", "pipeline.outcome": outcome}
            self.collection.update_many(ours, {"$set": ended, "$currentDate": {"pipeline.ended_at": True}})
        self._erase([record_id for record_id, said in outcomes.items() if said == rejected(ERASED)])
        wanted = {"_id": {"$in": list(outcomes)}, "pipeline.token": claim.token}
        kept = {record["_id"] for record in self.collection.find(wanted, {"_id": 1})}
        return {record_id: outcome for record_id, outcome in outcomes.items() if record_id in kept}

    def _erase(self, ids: Sequence[Any]) -> None:
        """Persons who asked for erasure: nothing of theirs stays, but for the outcome."""
        if ids:
            kept = {"vendor": 1, "collected_at": 1, "pipeline": 1}
            self.collection.update_many({"_id": {"$in": list(ids)}}, [{"$project": kept}])

    def ended(self) -> dict[str, int]:
        """Records ended so far, by outcome."""
        rows = self.collection.aggregate([
            {"$match": {"pipeline.state": "done"}}, {"$group": {"_id": "$pipeline.outcome", "count": {"$sum": 1}}},
        ])  # fmt: skip
        return {row["_id"]: row["count"] for row in rows}


class Bell:
    """Rings when something is staged: a change stream, or where the server allows none, the clock."""

    def __init__(self, collection: Collection[Document]) -> None:
        self._stream: Any = None
        try:
            self._stream = collection.watch([{"$match": {"operationType": "insert"}}], max_await_time_ms=1_000)
        except PyMongoError:
            self._stream = None

    def wait(self) -> bool:
        """Wait about a second for something to be staged; True at once when something was since the last call."""
        import time

        if self._stream is None:
            time.sleep(1.0)
            return True
        try:
            rang = self._stream.try_next() is not None
            while rang and self._stream.try_next() is not None:
                pass
        except PyMongoError:
            self._stream = None
            return True
        return rang

    def close(self) -> None:
        """End the change stream."""
        if self._stream is not None:
            self._stream.close()


def vendor_of(record: Mapping[str, Any], default: str = "") -> str:
    """Name of the record's vendor as in params/vendors; empty when it is unknown."""
    name = record.get("vendor") or default
    try:
        return load_vendor(str(name)).name if name else ""
    except ParameterError:
        return ""


def raw_record(record: Mapping[str, Any], vendor: str) -> RawRecord:
    """A staged record as the pipeline reads it: its `payload` (an object, or JSON text), or else its other fields."""
    payload: Any = record.get("payload")
    if isinstance(payload, str | bytes):
        try:
            payload = json.loads(payload)
        except ValueError:
            return RawRecord(0, {"raw": str(payload)[:500]}, "broken_json")
    elif payload is None:
        payload = {name: value for name, value in record.items() if name not in OWN_FIELDS}
    if not vendor:
        return RawRecord(0, payload if isinstance(payload, dict) else {"value": payload}, "unknown_vendor")
    problem = problem_of(payload, load_vendor(vendor))
    return RawRecord(0, payload if isinstance(payload, dict) else {"value": payload}, problem)
