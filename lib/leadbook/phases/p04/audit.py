"""Independent recounts: what the input holds, what is stored, and whether the two agree. Read-only.

The recount goes through the files once with a plain Python set: no Redis, no MongoDB, no batches. Formats and
scores are recounted by the server, from the stored fields alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.pipeline import PipelineResult, RecordSource
from leadbook.lead.score import MAX_SCORE, REQUIRED, Rules
from leadbook.lead.vendors import Vendor, load_vendor

__all__ = ["Accuracy", "Formats", "Recount", "Scores", "accuracy", "formats", "recount", "scores"]

Leads = Collection[dict[str, Any]]

RAW = {
    "linkedin_url": ("linkedin_url", "linkedin_slug"), "full_name": ("full_name", "first_name", "last_name"),
    "job_title": ("job_title", "headline"), "company_name": ("company_name", "headline"), "email": ("email",),
    "phone": ("phone", "company_phone"), "location_city": ("location_city", "place"),
    "location_state": ("location_state", "place"), "location_country": ("location_country", "country_code", "place"),
    "company_website": ("company_website",), "company_industry": ("company_industry",),
    "company_size": ("company_size",),
}  # fmt: skip
"""Which vendor columns can give a field: it counts as present before cleaning where one of them holds anything."""


@dataclass(kw_only=True)
class Recount:
    """What the input holds. urls: of valid leads.  valid: sightings of them.  before: records whose columns hold
    anything for a field.  after: valid sightings that have the field."""

    read: int = 0
    valid: int = 0
    urls: set[str] = field(default_factory=set)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)

    def fill_rates(self) -> pd.DataFrame:
        """Field, % of records that held anything before cleaning, % of valid sightings that have it after."""
        read, valid = max(self.read, 1), max(self.valid, 1)
        rows = [(name, 100 * self.before[name] / read, 100 * self.after[name] / valid) for name in RAW]
        return pd.DataFrame(rows, columns=["field", "before", "after"])


def recount(sources: Iterable[RecordSource]) -> Recount:
    """Go through the sources once, in this process. Records of an unknown vendor (its name is empty) are rejects."""
    made = Recount()
    for source in sources:
        vendor = load_vendor(source.vendor) if source.vendor else None
        for record in source.records:
            made.read += 1
            if record.problem or vendor is None:
                continue
            made.before.update(_present(record.payload, vendor))
            cleaned = clean(record.payload, vendor)
            if not reject_reasons(cleaned.lead, cleaned):
                made.valid += 1
                made.urls.add(cleaned.lead["linkedin_url"])
                made.after.update(cleaned.lead.keys())
    return made


def _present(payload: Mapping[str, Any], vendor: Vendor) -> list[str]:
    paths = vendor.plan(payload).fields
    blank: tuple[Any, ...] = (None, "", [], {})
    held = {target for target, ways in paths.items() if any(_at(payload, way) not in blank for way in ways)}
    return [name for name, targets in RAW.items() if not held.isdisjoint(targets)]


def _at(value: Any, way: Sequence[str]) -> Any:
    """What stands at the end of a way into nested JSON; for JSON inside a cell, the cell if it names the key."""
    for key in way:
        if isinstance(value, str):
            return value if f'"{key}"' in value else None
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


# ------------------------------------------------------------------------------------------------------- accuracy


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Duplicate checks against the recount. checked: valid sightings.  missing: leads that the input holds and the
    collection does not (a false "duplicate").  extra: stored leads that the input does not hold.  doubled: stored
    twice (a false "new").  miscounted: how far the ledger's `stored` is off."""

    checked: int
    missing: int
    extra: int
    doubled: int
    miscounted: int

    @property
    def percent(self) -> float:
        """Sightings judged rightly, %; NaN when none was checked."""
        wrong = self.missing + self.extra + self.doubled + self.miscounted
        return 100 * max(0, self.checked - wrong) / self.checked if self.checked else float("nan")


def accuracy(truth: Recount, result: PipelineResult, leads: Leads, before: set[str] | None = None) -> Accuracy:
    """Compare stored leads with the input's. before: URLs stored before the run (none on a rehearsal)."""
    known = before or set()
    stored = Counter(lead["linkedin_url"] for lead in leads.find({}, {"linkedin_url": 1, "_id": 0}))
    new = truth.urls - known
    return Accuracy(
        checked=truth.valid,
        missing=len(truth.urls - stored.keys()),
        extra=len(stored.keys() - truth.urls - known),
        doubled=sum(count - 1 for count in stored.values()),
        miscounted=abs(result.ledger.stored - len(new)),
    )


# ------------------------------------------------------------------------------------------------ formats, scores


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Stored leads that break a rule, by rule. leads: how many were looked at."""

    leads: int
    violations: Mapping[str, int]

    @property
    def total(self) -> int:
        """Violations of all rules."""
        return sum(self.violations.values())

    def table(self) -> pd.DataFrame:
        """Rule, leads that break it."""
        return pd.DataFrame(list(self.violations.items()), columns=["rule", "leads that break it"])


def _not(name: str, pattern: str) -> dict[str, Any]:
    return {name: {"$exists": True, "$not": {"$regex": pattern}}}


FORMATS: dict[str, dict[str, Any]] = {
    "the four required fields are there": {"$or": [{name: {"$in": [None, ""]}} for name in REQUIRED]},
    "linkedin_url is https://www.linkedin.com/in/…": _not("linkedin_url", r"^https://www\.linkedin\.com/in/[^/?#\s]+$"),
    "email has the form of RFC 5322": _not("email", r"^[^@\s]+@[^@\s]+\.[^@\s.]+$"),
    "email is in its key form (lower case)": _not("email", r"^[^A-Z]+$"),
    "phone is E.164": _not("phone", r"^\+[1-9][0-9]{6,14}$"),
    "company_website has a scheme": _not("company_website", r"^https?://"),
    "no field is null": {"$or": [{name: {"$type": "null"}} for name in (
        "email", "phone", "location_city", "location_state", "location_country", "crm_sync_date",
        "data_quality_score")]},
    "the three times are dates": {"$or": [{name: {"$not": {"$type": "date"}}} for name in (
        "created_at", "updated_at", "data_collected_date")]},
    "status fields are booleans": {"$or": [{name: {"$not": {"$type": "bool"}}} for name in (
        "is_qualified", "email_verified", "crm_synced")]},
}  # fmt: skip
"""The task book's formats, each as the filter of leads that break it."""


def formats(leads: Leads) -> Formats:
    """Count stored leads that break a format (each rule reads the collection once)."""
    return Formats(
        leads=leads.estimated_document_count(),
        violations={rule: leads.count_documents(broken) for rule, broken in FORMATS.items()},
    )


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores recomputed by the server. histogram: leads by points.  wrong: leads whose score, points or
    qualification is not what the stored fields give.  mean, mean_points: of the stored values; NaN without
    leads."""

    leads: int
    mean: float
    mean_points: float
    max_points: int
    qualified: int
    wrong: int
    histogram: Mapping[int, int]


def _has(name: str) -> dict[str, Any]:
    return {"$gt": [{"$strLenCP": {"$ifNull": [f"${name}", ""]}}, 0]}


def scores(leads: Leads, rules: Rules) -> Scores:
    """Recompute every stored lead's points by an aggregation and compare."""
    points = {"$add": [
        *[{"$cond": [_has(name), rules.required, 0]} for name in REQUIRED],
        {"$cond": [_has("email"), rules.email, 0]},
        {"$cond": [{"$and": [_has(name) for name in rules.company_fields]}, rules.company, 0]},
    ]}  # fmt: skip
    right = {"$and": [
        {"$eq": ["$additional_data.quality_points", "$points"]},
        {"$eq": ["$data_quality_score", {"$min": [MAX_SCORE, "$points"]}]},
        {"$eq": ["$is_qualified", rules.qualifying()]},
    ]}  # fmt: skip
    rows = list(leads.aggregate([
        {"$set": {"points": points}},
        {"$group": {
            "_id": "$points", "leads": {"$sum": 1}, "score": {"$sum": "$data_quality_score"},
            "qualified": {"$sum": {"$cond": ["$is_qualified", 1, 0]}}, "wrong": {"$sum": {"$cond": [right, 0, 1]}},
            "stored": {"$sum": "$additional_data.quality_points"},
        }},
    ]))  # fmt: skip
    count = sum(row["leads"] for row in rows)
    nan = float("nan")
    return Scores(
        leads=count,
        mean=sum(row["score"] for row in rows) / count if count else nan,
        mean_points=sum(row["stored"] for row in rows) / count if count else nan,
        max_points=rules.max_points,
        qualified=sum(row["qualified"] for row in rows),
        wrong=sum(row["wrong"] for row in rows),
        histogram={row["_id"]: row["leads"] for row in sorted(rows, key=lambda row: row["_id"])},
    )
