"""What became of the staged records, counted from the data and exactly, without reading all of them each time.

Records end about in the order of their `_id`s. All before a mark have ended: they are counted once, when the mark moves
over them. Each snapshot counts only what lies behind it: what is open, what came since, and what ended meanwhile. The
mark stands before the oldest open record, and never less than SKEW_S before now, since collectors' clocks differ. Once
in RECOUNT snapshots everything is counted anew, unless staged records have an end of their own (`staging_ttl_days`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bson import ObjectId

from leadbook.core.connect import Collection
from leadbook.enrich.limits import MICRO, SPENDING
from leadbook.ingest.isolate import POISON
from leadbook.ingest.staging import LONGEST_NAME, STAGED_AT, WORKFLOW
from leadbook.lead.ledger import FILLED, STORED, rejected
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Growth, Moment, Numbers, SourcePart, SourceReading

RECOUNT = 120
"""Snapshots: once an hour at 30 s."""
SKEW_S = 120.0
"""Clocks of collectors under NTP differ by less (as `journal.SLACK`)."""
EXACT = 200_000
"""Up to so many leads are counted by the index on `_id` (about 0.4 us each); beyond, the server's own estimate serves,
which an unclean shutdown may leave wrong."""

_ENDED: dict[str, Any] = {"$eq": ["$pipeline.state", "done"]}
_HELD: dict[str, Any] = {"$and": [
    {"$eq": ["$pipeline.state", "claimed"]}, {"$eq": [{"$type": "$pipeline.token"}, "objectId"]}
]}  # fmt: skip


@dataclass(frozen=True)
class Key:
    """What records are counted by. outcome: of one that has ended; else `waiting`, `claimed` or `expired`."""

    workflow: str
    vendor: str
    outcome: str
    ended: bool


Tally = Counter[Key]


def outcomes(tally: Tally) -> Counter[str]:
    """Ended records by what became of them: stored, filled, duplicates, rejected; `staged` and `waiting` of all."""
    counts: Counter[str] = Counter()
    for key, count in tally.items():
        counts["staged"] += count
        if not key.ended:
            counts["waiting"] += count
            continue
        kind, _, _ = key.outcome.partition(":")
        word = {STORED: "stored", FILLED: "filled", "duplicate": "duplicates", "rejected": "rejected"}.get(kind)
        if word:
            counts[word] += count
    return counts


class SprintCounts(SourcePart):
    """The staging collection's records by collector, vendor and outcome, and the unique leads."""

    name, covers = "sprint", ("sprint",)
    patience_s = 8.0
    """Counting everything, at the beginning and once in RECOUNT snapshots, may take longer than other questions."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._settings = access.settings
        self._growth = Growth()
        self._before: Tally = Counter()
        self._mark: ObjectId | None = None
        self._age = 0
        self.tally: Tally = Counter()

    def read(self, moment: Moment) -> SourceReading:
        """Count what lies behind the mark, the leads, and what was spent."""
        staging = self._access.collection(self._settings.staging_collection)
        oldest_s = self._count(staging, moment)
        readings = self._readings()
        readings["sprint.leads"] = float(self._leads())
        readings["sprint.oldest_s"] = oldest_s * moment.speed
        counts = {name: readings[f"sprint.{name}"] for name in ("staged", "leads", "duplicates", "rejected")}
        counts["ended"] = float(sum(count for key, count in self.tally.items() if key.ended))
        readings |= {f"sprint.{name}": rate for name, rate in self._growth.per_second(moment, counts).items()}
        return SourceReading(readings=readings | self._money(moment), details=self._details())

    def _count(self, staging: Collection, moment: Moment) -> float:
        """Bring `tally` up to date; age of the oldest open record, real seconds, 0 where none is open."""
        self._age += 1
        if self._age > RECOUNT and not self._settings.staging_ttl_days:
            self._before, self._mark, self._age = Counter(), None, 0
        behind, oldest, oldest_s = _counted(staging, self._mark)
        self._access.own.scanned += behind.total()
        self.tally = self._before + behind
        skew = ObjectId.from_datetime(moment.server - timedelta(seconds=SKEW_S))
        mark = min(oldest, skew) if isinstance(oldest, ObjectId) else skew
        if oldest_s is not None and oldest is None:
            return oldest_s  # something open has no ObjectId: nothing can be set aside
        if self._mark is None or mark > self._mark:
            passed = _passed(staging, self._mark, mark)
            self._access.own.scanned += passed.total()
            if all(key.ended for key in passed):
                self._before, self._mark = self._before + passed, mark
        return oldest_s or 0.0

    def _readings(self) -> Numbers:
        states = Counter[str]()
        for key, count in self.tally.items():
            states[key.outcome] += count
        totals = outcomes(self.tally)
        return {
            **{f"sprint.{name}": float(totals[name]) for name in _TOTALS},
            "sprint.waiting": float(states["waiting"]),
            "sprint.claimed": float(states["claimed"] + states["expired"]),
            "sprint.expired": float(states["expired"]), "sprint.poison": float(states[rejected(POISON)]),
        }  # fmt: skip

    def _leads(self) -> int:
        leads = self._access.collection(self._settings.collection)
        about = leads.estimated_document_count()
        return about if about > EXACT else leads.count_documents({}, hint="_id_")

    def _money(self, moment: Moment) -> Numbers:
        if not self._settings.enrichment:
            return {}
        month = self._access.collection(SPENDING).find_one({"_id": f"{moment.server:%Y-%m}"}, {"spent": 1}) or {}
        spent = int(month.get("spent") or 0) / MICRO
        return {"sprint.spent_usd": spent, "sprint.budget_usd": self._settings.enrichment_budget_usd}

    def _details(self) -> dict[str, Any]:
        vendors: dict[str, Tally] = defaultdict(Counter)
        rejects: Counter[str] = Counter()
        for key, count in self.tally.items():
            vendors[key.vendor][key] += count
            if key.outcome.startswith("rejected:"):
                rejects[key.outcome.partition(":")[2]] += count
        return {
            "vendors": [
                {"vendor": vendor} | {name: outcomes(tally)[name] for name in (*_TOTALS, "waiting")}
                for vendor, tally in sorted(vendors.items())
            ],
            "rejects": dict(rejects.most_common()),
        }  # fmt: skip


_OTHER_IDS = ["number", "string", "object", "binData", "bool", "date", "timestamp"]
"""Types of `_id`s that a collector may choose itself; each is a range of the index."""
_TOTALS = ("staged", "stored", "filled", "duplicates", "rejected")


def _counted(staging: Collection, mark: ObjectId | None) -> tuple[Tally, Any, float | None]:
    """Records from `mark` on; `_id` of the oldest open one (None where it is no ObjectId), and its age in s.

    Records whose `_id` is no ObjectId lie behind every mark.
    """
    late = {"$or": [{"_id": {"$gte": mark}}, {"_id": {"$type": _OTHER_IDS}}]} if mark else {}
    expired = {"$lt": ["$pipeline.until", "$$NOW"]}
    state = {"$switch": {"branches": [
        {"case": _ENDED, "then": {"$ifNull": ["$pipeline.outcome", ""]}},
        {"case": {"$and": [_HELD, expired]}, "then": "expired"}, {"case": _HELD, "then": "claimed"},
    ], "default": "waiting"}}  # fmt: skip
    key = {"workflow": WORKFLOW, "vendor": "$vendor", "outcome": state, "ended": _ENDED}
    rows = list(staging.aggregate([
        {"$match": late},
        {"$group": {
            "_id": key, "count": {"$sum": 1}, "first": {"$min": "$_id"}, "last": {"$max": "$_id"},
            "at": {"$min": STAGED_AT}
        }},
        {"$set": {"age": {"$divide": [{"$subtract": ["$$NOW", "$at"]}, 1000]}}},
    ], hint="_id_"))  # fmt: skip
    open_ = [row for row in rows if not row["_id"]["ended"]]
    ages = [max(0.0, float(row["age"])) for row in open_ if row["age"] is not None]
    plain = all(isinstance(row[end], ObjectId) for row in open_ for end in ("first", "last"))
    oldest = min((row["first"] for row in open_), default=None) if plain else None
    return _tally(rows), oldest, max(ages, default=0.0) if open_ else None


def _passed(staging: Collection, since: ObjectId | None, until: ObjectId) -> Tally:
    """Records between two marks: they are counted for the last time."""
    between = {"_id": {"$lt": until, "$gte": since or ObjectId(b"\0" * 12)}}
    key = {"workflow": WORKFLOW, "vendor": "$vendor", "outcome": {"$ifNull": ["$pipeline.outcome", ""]},
           "ended": _ENDED}  # fmt: skip
    grouped = {"$group": {"_id": key, "count": {"$sum": 1}}}
    return _tally(staging.aggregate([{"$match": between}, grouped], hint="_id_"))


def _tally(rows: Iterable[Mapping[str, Any]]) -> Tally:
    tally: Tally = Counter()
    for row in rows:
        told = row["_id"]
        tally[Key(str(told.get("workflow") or "")[:LONGEST_NAME], str(told.get("vendor") or "")[:LONGEST_NAME],
                  str(told["outcome"]), bool(told["ended"]))] += row["count"]  # fmt: skip
    return tally
