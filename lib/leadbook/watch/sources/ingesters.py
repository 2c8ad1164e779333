"""What the followers say of themselves, and who acted: the sprint's journal, read a little at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bson import ObjectId

from leadbook.core import journal
from leadbook.ingest.logbook import DEAD_S, SIGNS
from leadbook.watch.records import Event
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment, Numbers, SourcePart, SourceReading

WINDOW = timedelta(seconds=DEAD_S + 120)
"""Entries so far back are read: who gave no sign for DEAD_S is dead, and clocks differ by up to two minutes."""
_ACTED = ("action", "by", "hash")
"""What is told of an action besides its entry's `_id`."""


class Ingesters(SourcePart):
    """Followers of the staging collection: how many live, how fast they insert, and what their pools hold."""

    name, covers = "ingest", ("ingest",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._sign: datetime | None = None
        self._is_first = True
        self._looked: datetime | None = None
        self._seen: set[ObjectId] = set()

    def read(self, moment: Moment) -> SourceReading:
        """The journal's newest entries, by `_id`."""
        entries = self._access.collection(journal.COLLECTION)
        sessions = list(entries.aggregate(_sessions(moment.server - WINDOW)))
        signs = [row["sign"] for row in sessions if row["sign"] is not None]
        if self._is_first and not signs:
            signs = [row["at"] for row in entries.find({"kind": {"$in": [*SIGNS]}}, {"at": 1}).sort("_id", -1).limit(1)]
        self._is_first = False
        self._sign = max([*signs, *([self._sign] if self._sign else [])], default=None)
        alive = [row for row in sessions if _lives(row, moment)]
        found = SourceReading(readings={"ingest.followers": float(len(alive))}, events=self._actions(moment))
        if self._sign is not None:
            age = (moment.server - self._sign).total_seconds()
            found.readings["ingest.beat_age_s"] = max(0.0, age) * moment.speed
        works = [row["beat"]["work"] for row in alive if (row["beat"] or {}).get("work")]
        found.readings |= _told(works)
        if not works:
            why = "no follower lives" if not alive else "no follower told of its work yet: each does once a minute"
            found.unmeasured["ingest.documents_per_s"] = found.unmeasured["ingest.pool_in_use"] = why
        return found

    def _actions(self, moment: Moment) -> list[Event]:
        """Who acted since the snapshot before; two minutes are looked back, since machines' clocks differ.

        Nothing of what was done: a plan may name a person's record.
        """
        since = ObjectId.from_datetime((self._looked or moment.server) - journal.SLACK)
        fresh = self._access.collection(journal.COLLECTION).find(
            {"_id": {"$gt": since}, "kind": "action"}, dict.fromkeys(_ACTED, 1)
        )
        there = {entry["_id"]: entry for entry in fresh}
        found = [there[one] for one in sorted(there.keys() - self._seen)] if self._looked else []
        self._looked, self._seen = moment.server, set(there)
        return [
            Event(at=moment.at, kind="acted", source="actions",
                  told={"entry": str(entry["_id"]), **{name: str(entry.get(name, "")) for name in _ACTED}})
            for entry in found
        ]  # fmt: skip


def _sessions(since: datetime) -> list[dict[str, Any]]:
    is_sign, is_beat = {"$in": ["$kind", [*SIGNS]]}, {"$eq": ["$kind", "session.beat"]}
    return [
        {"$match": {"_id": {"$gte": ObjectId.from_datetime(since)},
                    "kind": {"$in": [*SIGNS, "session.ended"]}, "at": {"$type": "date"}}},
        {"$group": {
            "_id": "$session", "sign": {"$max": {"$cond": [is_sign, "$at", None]}},
            "end": {"$max": {"$cond": [is_sign, None, "$at"]}},
            "beat": {"$max": {"$cond": [is_beat, {"at": "$at", "source": "$source", "work": "$work"}, None]}},
            "source": {"$max": {"$cond": [{"$eq": ["$kind", "session.begun"]}, "$source", None]}},
        }},
    ]  # fmt: skip


def _lives(row: Mapping[str, Any], moment: Moment) -> bool:
    """Whether a session is a follower that gave a sign lately and did not end since."""
    sign, end = row["sign"], row["end"]
    source = row["source"] or (row["beat"] or {}).get("source") or "staging"
    if sign is None or source != "staging" or (end is not None and end >= sign):
        return False
    return bool((moment.server - sign.astimezone(UTC)).total_seconds() <= DEAD_S)


def _told(works: list[Mapping[str, Any]]) -> Numbers:
    """Readings of all followers together: rates and writers add up, of pools and batches the fullest counts."""
    rates = [work["documents_per_s"] for work in works if work.get("documents_per_s") is not None]
    made: Numbers = {}
    if rates:
        made["ingest.documents_per_s"] = float(sum(rates))
        done = sum(int(work.get("documents") or 0) for work in works)
        made["ingest.documents_per_insert"] = done / max(1, sum(int(work.get("batches") or 0) for work in works))
    if works:
        made["ingest.batch_size"] = float(max(int(work.get("batch_size") or 0) for work in works))
        made["ingest.writers"] = float(sum(int(work.get("writers") or 0) for work in works))
    pools = [work["pool"] for work in works if (work.get("pool") or {}).get("maximum")]
    names = {"pool_in_use": "in_use", "pool_maximum": "maximum", "pool_wait_ms": "wait_ms", "pool_waiting": "waiting"}
    if pools:
        busiest = max(pools, key=lambda pool: (pool["in_use"] / pool["maximum"], pool["wait_ms"]))
        made |= {f"ingest.{ours}": float(busiest[theirs]) for ours, theirs in names.items()}
    return made
