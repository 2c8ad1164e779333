"""The final push: is everything drained, does anything still arrive, and is the database as it should be left?

Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pymongo.collection import Collection
from pymongo.database import Database

from leadbook.core.connect import LENIENT
from leadbook.core.settings import Settings
from leadbook.ingest.staging import STAGED_AT, Staging
from leadbook.schema.scratch import NAMED, is_left
from leadbook.schema.state import Change, everywhere

Document = dict[str, Any]
LAST = timedelta(hours=1)
PARTS = 12
"""The last hour of inserts is told in parts of five minutes, a shorter sprint in as many parts of a second or more."""


@dataclass(frozen=True, kw_only=True)
class Drained:
    """Staging and leads at the end. staged: records there are.  waiting: nobody has claimed them.  claimed: somebody
    has.  expired: of those, by workers that gave no sign.  oldest_s: age of the oldest without an outcome.
    arrived: records and leads more than were counted before.  quiet_s: since the last record was staged; None where
    none tells."""

    staged: int
    waiting: int
    claimed: int
    expired: int
    oldest_s: float | None
    arrived: int
    quiet_s: float | None


def read_drained(staging: Collection[Document], leads: Collection[Document], before: tuple[int, int]) -> Drained:
    """Look once more after so many records and leads were counted. Raises PyMongoError."""
    held, now = Staging(staging), (staging.count_documents({}), leads.count_documents({}))
    left, claimed = held.backlog(), held.claimed()
    newest = {"$group": {"_id": None, "last": {"$max": STAGED_AT}}}
    quiet = {"$set": {"quiet": {"$divide": [{"$subtract": ["$$NOW", "$last"]}, 1000]}}}
    row = next(iter(held.collection.aggregate([newest, quiet])), {"quiet": None})
    return Drained(
        staged=now[0], waiting=max(0, left.left - claimed.count), claimed=claimed.count, expired=claimed.expired,
        oldest_s=left.oldest_s, quiet_s=row["quiet"],
        arrived=sum(max(0, one - then) for one, then in zip(now, before, strict=True)),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LastInserts:
    """The end of the sprint's inserts. last: when the newest lead was stored; None without one.  parts: a row each:
    `from`, `to` (UTC) and `leads`."""

    last: datetime | None
    parts: pd.DataFrame


def last_inserts(leads: Collection[Document]) -> LastInserts:
    """When the last leads were stored, by their `created_at`. Raises PyMongoError."""
    lenient, columns = leads.with_options(codec_options=LENIENT), ["from", "to", "leads"]
    dated: Document = {"$match": {"created_at": {"$type": "date"}}}
    ends = {"$group": {"_id": None, "first": {"$min": "$created_at"}, "last": {"$max": "$created_at"}}}
    row = next(iter(lenient.aggregate([dated, ends])), None)
    if row is None or not isinstance(row["first"], datetime) or not isinstance(row["last"], datetime):
        return LastInserts(last=None, parts=pd.DataFrame(columns=columns))
    begin = max(row["first"], row["last"] - LAST)
    parts = int(min(PARTS, max(1.0, (row["last"] - begin).total_seconds())))
    width = max((row["last"] - begin) / parts, timedelta(milliseconds=1))
    part = {"$trunc": {"$divide": [{"$subtract": ["$created_at", begin]}, width / timedelta(milliseconds=1)]}}
    late: Document = {"$match": {"created_at": {"$gte": begin}}}
    counted = {"$group": {"_id": {"$min": [part, parts - 1]}, "leads": {"$sum": 1}}}
    found = {int(one["_id"]): one["leads"] for one in lenient.aggregate([dated, late, counted])}
    rows = [
        (f"{begin + width * number:%H:%M:%S}", f"{begin + width * (number + 1):%H:%M:%S}", found.get(number, 0))
        for number in range(parts)
    ]
    return LastInserts(last=row["last"], parts=pd.DataFrame(rows, columns=columns))


def unlike_design(leads: Collection[Document], settings: Settings) -> list[Change]:
    """Where the leads' validator and indexes are not as designed, and whatever deletes or refuses records of another
    collection by itself; more indexes are no fault. Raises PyMongoError."""
    return [
        one for one in everywhere(leads, settings)
        if (not one.is_extra if one.collection == leads.name else one.loses)
    ]  # fmt: skip


def left_behind(database: Database[Document]) -> Sequence[str]:
    """Scratch collections whose makers have ended. Raises PyMongoError."""
    return sorted(filter(is_left, database.list_collection_names(filter=NAMED)))
