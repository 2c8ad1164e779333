"""The staging collection: what collectors write raw, claimed by workers, each record ended once.

A claim is a token and a time on the record, by the server's clock; when a worker dies the claim expires and another
takes over, fewer records at a time with each attempt, so that a record that kills its worker is soon alone. A lead
takes its staged record's `_id`, so that a record that was stored before its worker died is seen to be stored: each
record ends once, in effect and in the ledger. Staged records keep their outcome; nothing here has a unique index.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bson
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core.connect import LENIENT
from leadbook.core.errors import ParameterError
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.isolate import MAX_ATTEMPTS
from leadbook.ingest.store.patience import Patience
from leadbook.lead.clock import now_ms
from leadbook.lead.ledger import FAILED, rejected
from leadbook.lead.vendors import RawRecord, load_vendor, problem_of

Document = dict[str, Any]

OWN_FIELDS = frozenset({"_id", "vendor", "payload", "collected_at", "collector", "pipeline"})
"""All but these is the payload where a collector names none. `collector` says who staged the record, in which batch."""
ANONYMOUS: tuple[Document, ...] = ({"$project": dict.fromkeys(("vendor", "collected_at", "collector", "pipeline"), 1)},)
"""Takes all of a person's out of a staged record: what stays is counted, and tells nothing of anybody."""
FEWER = 10
"""With each attempt at a record so many times fewer records are claimed with it: 500, 50, 5, 1, 1."""

_FREE: Document = {"pipeline.state": {"$nin": ["claimed", "done"]}}
_CLAIMED: Document = {"pipeline.state": "claimed", "pipeline.token": {"$type": "objectId"}}
HELD: Document = {**_CLAIMED, "$expr": {"$gte": ["$pipeline.until", "$$NOW"]}}
"""Somebody works on it."""
_FOREIGN: Document = {
    "pipeline.state": {"$in": ["claimed", "done"]}, "pipeline.token": {"$not": {"$type": "objectId"}}
}  # fmt: skip
"""Claimed or done in the words of a collector's own field `pipeline`: every claim of ours leaves a token."""

_FRESH: Document = {"$mergeObjects": [
    {"$cond": [{"$eq": [{"$type": "$pipeline"}, "object"]}, "$pipeline", {"$literal": {}}]},
    {"state": None, "attempts": 0, "since": None},
]}  # fmt: skip

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

LONGEST_NAME = 100
"""Characters of a collector's or an unknown vendor's name that are kept."""

LEASE_S = 120.0
"""Life of a claim: many times what a batch takes."""
PAUSE_S = 1.0
"""A bell without a change stream rings so often."""

WORKFLOW: Document = {"$switch": {"branches": [
    {"case": {"$eq": [{"$type": name}, "string"]}, "then": name} for name in ("$collector", "$collector.workflow")
], "default": ""}}  # fmt: skip
"""Name of the collector that staged a record; empty where it bears no stamp."""
STAGED_AT: Document = {"$switch": {"branches": [
    {"case": {"$eq": [{"$type": "$_id"}, "objectId"]}, "then": {"$toDate": "$_id"}},
    {"case": {"$eq": [{"$type": "$collected_at"}, "date"]}, "then": "$collected_at"},
], "default": None}}  # fmt: skip
"""When a record was staged: the time in its `_id`, else when it was collected; null where neither tells."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Records that one worker may work on until its claim expires. taken_over: from workers that gave no sign."""

    token: ObjectId
    records: Sequence[Document]
    taken_over: int = 0


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Records that are claimed now. expired: by workers that gave no sign in time, free to be taken. next_s, last_s:
    until the first and the last of the other claims expire, seconds; 0 where there is none. sessions: of those."""

    count: int = 0
    expired: int = 0
    next_s: float = 0.0
    last_s: float = 0.0
    sessions: Sequence[ObjectId] = ()


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Records that nobody has ended yet. waiting: nobody works on them.  claimed: somebody does.  oldest_s: how long
    the oldest of all is staged (STAGED_AT); None where nothing is left, or none tells when it came."""

    waiting: int = 0
    claimed: int = 0
    oldest_s: float | None = None

    @property
    def left(self) -> int:
        """How many there are."""
        return self.waiting + self.claimed


class Staging:
    """Claims and ends staged records. lease_s: life of a claim, seconds.

    session: whose claims `expire` gives up.  patience: how an outage is borne. Every method raises pymongo's errors.
    """

    def __init__(
        self, collection: Collection[Document], *, lease_s: float = LEASE_S, session: ObjectId | None = None,
        patience: Patience | None = None,
    ) -> None:  # fmt: skip
        self.collection = collection.with_options(codec_options=LENIENT)
        self.lease_s, self.session = lease_s, session
        self.retry = (patience or Patience()).retry

    def free(self) -> None:
        """Make those free that a collector's own field `pipeline` calls claimed or done."""
        self.retry(lambda: self.collection.update_many(_FOREIGN, [{"$set": {"pipeline": _FRESH}}]))

    def left(self) -> int:
        """How many records nobody has ended yet, claimed ones too."""
        return self.retry(lambda: self.collection.count_documents({"pipeline.state": {"$ne": "done"}}))

    # ------------------------------------------------------------------------------------------------------ claims

    def claim(self, size: int, *, abandoned: bool | None = None) -> Claim:
        """Up to `size` records for the caller alone; none when there is nothing to do.

        abandoned: only those of expired claims (True), only those that nobody claimed (False), or these first.
        """
        if not abandoned:
            for spread in (0, 4, 16, 0):
                ids = self._free(size, spread)
                claim = self._taken(ids, _FREE)
                if claim.records:
                    return claim
                if not ids and not spread:
                    break
        return Claim(token=ObjectId(), records=()) if abandoned is False else self._take_over(size)

    def _free(self, size: int, spread: int) -> list[Any]:
        """`_id`s that look free; with `spread` from further on, so that many workers do not race for the same ones."""
        skip = random.randint(0, spread) * size
        return self.retry(lambda: [
            found["_id"] for found in self.collection.find(_FREE, {"_id": 1}).skip(skip).limit(size)
        ])  # fmt: skip

    def _take_over(self, size: int) -> Claim:
        """Records of expired claims, as few as their attempts demand: the innocent are soon parted from the guilty."""
        wanted = {**self._expired, "pipeline.attempts": {"$lt": MAX_ATTEMPTS}}
        found = self.retry(lambda: list(
            self.collection.find(wanted, {"pipeline.attempts": 1}, sort=[("pipeline.attempts", 1)], limit=size)
        ))  # fmt: skip
        if not found:
            return Claim(token=ObjectId(), records=())
        attempts = found[0]["pipeline"]["attempts"]
        fewer = found[: max(1, size // FEWER**attempts)]
        ids = [one["_id"] for one in fewer if one["pipeline"]["attempts"] == attempts]
        return self._taken(ids, self._expired)

    def exhausted(self, size: int) -> Claim:
        """Up to `size` records whose workers died with them MAX_ATTEMPTS times, claimed to be set aside."""
        wanted = {**self._expired, "pipeline.attempts": {"$gte": MAX_ATTEMPTS}}
        found = self.retry(lambda: list(self.collection.find(wanted, {"_id": 1}, limit=size)))
        return self._taken([one["_id"] for one in found], wanted)

    def _taken(self, ids: Sequence[Any], wanted: Mapping[str, Any]) -> Claim:
        """Those of `ids` that are `wanted` still, claimed. `since` is the claimer's clock: no lead made earlier can be
        the record's own."""
        token = ObjectId()
        if not ids:
            return Claim(token=token, records=())
        mine = {
            "state": "claimed", "token": token, "session": self.session,
            "until": {"$add": ["$$NOW", round(self.lease_s * 1000)]},
            "attempts": {"$add": ["$pipeline.attempts", 1]}, "since": {"$ifNull": ["$pipeline.since", now_ms()]},
        }  # fmt: skip
        ours = {"$cond": [{"$eq": [{"$type": "$pipeline.token"}, "objectId"]}, "$pipeline", _FRESH]}
        free = {"$and": [{"_id": {"$in": list(ids)}}, wanted]}
        self.retry(
            lambda: self.collection.update_many(free, [{"$set": {"pipeline": ours}}, {"$set": {"pipeline": mine}}])
        )
        taken = {"_id": {"$in": list(ids)}, "pipeline.token": token}
        records = self.retry(lambda: list(self.collection.find(taken)))
        return Claim(token=token, records=records, taken_over=0 if wanted is _FREE else len(records))

    @property
    def _expired(self) -> Document:
        return {**_CLAIMED, "$expr": {"$lt": ["$pipeline.until", "$$NOW"]}}

    def claimed(self) -> Claimed:
        """Which records are claimed, and until when."""
        left = {"$divide": [{"$subtract": ["$pipeline.until", "$$NOW"]}, 1000]}
        rows = self.retry(lambda: list(self.collection.aggregate([
            {"$match": _CLAIMED}, {"$set": {"left": left}},
            {"$group": {
                "_id": {"$lt": ["$left", 0]}, "count": {"$sum": 1}, "next": {"$min": "$left"},
                "last": {"$max": "$left"}, "sessions": {"$addToSet": "$pipeline.session"},
            }},
        ])))  # fmt: skip
        held = {bool(row["_id"]): row for row in rows}
        expired, lasting = held.get(True, {}), held.get(False, {})
        return Claimed(
            count=lasting.get("count", 0) + expired.get("count", 0), expired=expired.get("count", 0),
            next_s=float(lasting.get("next", 0.0)), last_s=float(lasting.get("last", 0.0)),
            sessions=[one for one in lasting.get("sessions", ()) if isinstance(one, ObjectId)],
        )  # fmt: skip

    def backlog(self) -> Backlog:
        """What is left to do, and for how long it waits."""
        held = {"$and": [{"$eq": ["$pipeline.state", "claimed"]}, {"$gt": ["$pipeline.until", "$$NOW"]}]}
        rows = self.retry(lambda: list(self.collection.aggregate([
            {"$match": {"pipeline.state": {"$ne": "done"}}},
            {"$group": {
                "_id": None, "count": {"$sum": 1}, "held": {"$sum": {"$cond": [held, 1, 0]}},
                "first": {"$min": STAGED_AT},
            }},
            {"$set": {"age": {"$divide": [{"$subtract": ["$$NOW", "$first"]}, 1000]}}},
        ])))  # fmt: skip
        if not rows:
            return Backlog()
        (row,) = rows
        oldest = None if row["age"] is None else max(0.0, float(row["age"]))
        return Backlog(waiting=row["count"] - row["held"], claimed=row["held"], oldest_s=oldest)

    def expire(self) -> int:
        """Give up what this session has claimed, and nobody works on any more; how many records that were."""
        ours = {**_CLAIMED, "pipeline.session": self.session}
        now = {"$set": {"pipeline.until": LONG_AGO}}
        return self.retry(lambda: self.collection.update_many(ours, now)).modified_count if self.session else 0

    # -------------------------------------------------------------------------------------------------------- ends

    def end(self, claim: Claim, outcomes: Mapping[Any, str], *, unjudged: bool = False) -> dict[Any, str]:
        """Write each record's outcome, by `key_of` its `_id`; those still ours, which alone count.

        A failed record goes back, to be claimed again, until MAX_ATTEMPTS. unjudged: nothing of that is the record's
        own fault (the server was away), so the attempt does not count.
        """
        ids = {key_of(record["_id"]): record["_id"] for record in claim.records}
        for outcome in sorted(set(outcomes.values())):
            some = [ids.get(key, key) for key, said in outcomes.items() if said == outcome]
            self.retry(lambda some=some, outcome=outcome: self._end(claim, some, outcome, unjudged))  # type: ignore[misc]
        wanted = {"_id": {"$in": [ids.get(key, key) for key in outcomes]}, "pipeline.token": claim.token}
        found = self.retry(lambda: list(self.collection.find(wanted, {"_id": 1})))
        kept = {key_of(record["_id"]) for record in found}
        return {key: outcome for key, outcome in outcomes.items() if key in kept}

    def _end(self, claim: Claim, ids: Sequence[Any], outcome: str, unjudged: bool) -> None:
        """One outcome's records; safe to repeat, since those that have ended are not claimed any more."""
        ours = {"_id": {"$in": list(ids)}, "pipeline.token": claim.token, "pipeline.state": "claimed"}
        if outcome == FAILED and unjudged:
            self.collection.update_many(ours, {"$set": {"pipeline.state": None}, "$inc": {"pipeline.attempts": -1}})
            return
        if outcome == FAILED:
            again = {**ours, "pipeline.attempts": {"$lt": MAX_ATTEMPTS}}
            self.collection.update_many(again, {"$set": {"pipeline.until": LONG_AGO}})
            ours["pipeline.attempts"] = {"$gte": MAX_ATTEMPTS}
        ended = {"pipeline.state": "done", "pipeline.outcome": outcome}
        if outcome == rejected(ERASED):  # in the same write: nothing of theirs stays, whatever happens next
            self.collection.update_many(ours, [*ANONYMOUS, {"$set": {**ended, "pipeline.ended_at": "$$NOW"}}])
            return
        self.collection.update_many(ours, {"$set": ended, "$currentDate": {"pipeline.ended_at": True}})

    def open_of(self, ids: Sequence[Any]) -> set[Any]:
        """Those of these records that nobody has ended, by `key_of` their `_id`."""
        wanted = {"_id": {"$in": list(ids)}, "pipeline.state": {"$ne": "done"}}
        return {key_of(one["_id"]) for one in self.retry(lambda: list(self.collection.find(wanted, {"_id": 1})))}

    def ended(self, session: ObjectId | None = None) -> dict[str, int]:
        """Records ended so far, by outcome: all of them, or those that one session ended."""
        wanted = {"pipeline.state": "done"} | ({"pipeline.session": session} if session else {})
        rows = self.retry(lambda: list(self.collection.aggregate([
            {"$match": wanted}, {"$group": {"_id": "$pipeline.outcome", "count": {"$sum": 1}}},
        ])))  # fmt: skip
        return {row["_id"]: row["count"] for row in rows}


class Bell:
    """Rings when something is staged: a change stream, or where the server allows none (any more), the clock."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self._stream: Any = None
        with suppress(PyMongoError):
            self._stream = collection.watch([{"$match": {"operationType": "insert"}}], max_await_time_ms=1_000)

    def wait(self) -> bool:
        """Wait about a second for something to be staged; True at once when something was since the last call."""
        if self._stream is None:
            time.sleep(PAUSE_S)
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
        """End the change stream. Never raises."""
        if self._stream is not None:
            with suppress(PyMongoError):
                self._stream.close()


def key_of(record_id: Any) -> Any:
    """A staged `_id` as the key of a mapping: itself, or its BSON where it is no plain value (a document, NaN)."""
    plain = type(record_id) in (ObjectId, str, int)  # bson.Code is a str that no mapping takes as its key
    return record_id if plain else bson.encode({"_id": record_id})


def vendor_of(record: Mapping[str, Any], default: str = "") -> str:
    """Name of the record's vendor as in params/vendors; empty when it is unknown."""
    name = record.get("vendor") or default
    try:
        return load_vendor(str(name)).name if name else ""
    except ParameterError:
        return ""


def said_vendor(record: Mapping[str, Any]) -> str:
    """What the record calls its vendor, known or not."""
    return str(record.get("vendor") or "")[:LONGEST_NAME]


def raw_record(record: Mapping[str, Any], vendor: str) -> RawRecord:
    """A staged record as the pipeline reads it: its `payload` (an object, or JSON text), or else its other fields."""
    payload: Any = record.get("payload")
    if isinstance(payload, str | bytes):
        try:
            payload = json.loads(payload)
        except (ValueError, RecursionError):
            return RawRecord(0, {"raw": str(payload)[:500]}, "broken_json")
    elif payload is None:
        payload = {name: value for name, value in record.items() if name not in OWN_FIELDS}
    if not isinstance(payload, dict):
        return RawRecord(0, {"value": payload}, "not_an_object")
    problem = problem_of(payload, load_vendor(vendor)) if vendor else "unknown_vendor"
    return RawRecord(0, payload, problem, record.get("collected_at"))
