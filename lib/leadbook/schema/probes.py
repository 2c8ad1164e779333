"""Probe inserts: what the server really does with good, incomplete, mistyped and duplicate leads.

Every probe document carries its own `_id` and `data_source: leadbook-probe`; all are removed at the end, also on error,
and leftovers of a killed run are removed at the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from bson import ObjectId
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError, WriteError

from leadbook.core.settings import Settings
from leadbook.core.write_errors import DUPLICATE as DUPLICATE_KEY
from leadbook.lead.fields import DEFAULTS, TIMESTAMPS
from leadbook.schema.scratch import scratch

_SOURCE = "leadbook-probe"
WOULD_FAIL = 20294
"""Id of the log message "Document would fail validation"."""
STORED, DUPLICATE, INVALID = "stored", "refused: duplicate key", "refused: failed validation"


@dataclass(frozen=True, kw_only=True)
class LeadProbe:
    """One attempt.

    first: overrides of a lead inserted before, None for none.  second: overrides of the probed lead. In both, `...`
    removes a field and "other" makes a value different.  lenient, strict: the outcome where the validator only warns,
    and where it refuses.  lesson: what it teaches.
    """

    name: str
    question: str
    second: Mapping[str, Any]
    lenient: str
    strict: str
    first: Mapping[str, Any] | None = None
    lesson: str = ""


PROBES: tuple[LeadProbe, ...] = (
    LeadProbe(name="good lead", question="The task book's sample lead?", second={}, lenient=STORED, strict=STORED),
    LeadProbe(name="missing field", question="A lead without company_name?", second={"company_name": ...},
          lenient=STORED, strict=INVALID),
    LeadProbe(name="wrong type", question="data_quality_score as text?", second={"data_quality_score": "85"},
          lenient=STORED, strict=INVALID),
    LeadProbe(name="null defaults", question="data_quality_score and crm_sync_date null, as n8n writes them?",
          second={"data_quality_score": None, "crm_sync_date": None}, lenient=STORED, strict=STORED,
          lesson="the validator accepts these two nulls; this project leaves the fields out"),
    LeadProbe(name="duplicate URL", question="A second lead with the same linkedin_url?", first={"email": ...},
          second={"email": ...}, lenient=DUPLICATE, strict=DUPLICATE),
    LeadProbe(name="duplicate e-mail", question="Another person with the same e-mail?", first={},
          second={"linkedin_url": "other"}, lenient=DUPLICATE, strict=DUPLICATE),
    LeadProbe(name="no e-mail twice", question="Two leads that leave e-mail out?", first={"email": ...},
          second={"email": ..., "linkedin_url": "other"}, lenient=STORED, strict=STORED,
          lesson="a sparse index ignores documents without the field"),
    LeadProbe(name="null e-mail twice", question="Two leads with email: null?", first={"email": None},
          second={"email": None, "linkedin_url": "other"}, lenient=DUPLICATE, strict=INVALID,
          lesson="a sparse unique index holds explicit nulls: only one lead may have email: null, so it is left out"),
    LeadProbe(name="no URL twice", question="Two leads without linkedin_url?",
          first={"linkedin_url": ..., "email": ...},
          second={"linkedin_url": ..., "email": ...}, lenient=DUPLICATE, strict=INVALID,
          lesson="a unique index that is not sparse holds one document without the field, then refuses"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What the server did.

    outcome: stored, or refused and why.  detail: of a refusal.  key: part of the probe's URL
    and e-mail that no other document has.
    """

    probe: LeadProbe
    outcome: str
    expected: str
    detail: str = ""
    key: str = ""

    @property
    def as_expected(self) -> bool:
        """Whether the server did what its settings promise."""
        return self.outcome == self.expected


@dataclass(frozen=True, kw_only=True)
class ProbeRun:
    """All probes under one validation setting. remaining: probe documents left behind after the clean-up."""

    subject: str
    level: str
    action: str
    results: tuple[ProbeResult, ...]
    remaining: int

    @property
    def mode(self) -> str:
        """Level and action, as `moderate / warn`."""
        return f"{self.level} / {self.action}"

    def outcome(self, name: str) -> ProbeResult:
        """The result of a probe by name. Raises KeyError."""
        return {result.probe.name: result for result in self.results}[name]


def sample_lead(*, key: str | None = None) -> dict[str, Any]:
    """The task book's sample lead (step 1.1.2.6) with defaults, timestamps and a URL and e-mail of its own."""
    key = key or token_hex(6)
    return {
        "_id": ObjectId(), "linkedin_url": f"https://www.linkedin.com/in/leadbook-probe-{key}",
        "full_name": "Test User",
        "job_title": "Test Title", "company_name": "Test Company", "email": f"probe-{key}@example.com",
        "data_source": _SOURCE, **DEFAULTS, **dict.fromkeys(TIMESTAMPS["insert"], datetime.now(UTC)),
    }  # fmt: skip


def probe(collection: Collection[dict[str, Any]], level: str, action: str,
          probes: tuple[LeadProbe, ...] = PROBES) -> ProbeRun:  # fmt: skip
    """Run the probes on `collection`, whose validation setting is `level` / `action`; leaves nothing behind."""
    collection.delete_many({"data_source": _SOURCE})
    try:
        results = tuple(_attempt(collection, one, level, action) for one in probes)
    finally:
        collection.delete_many({"data_source": _SOURCE})
    remaining = collection.count_documents({"data_source": _SOURCE})
    return ProbeRun(subject=collection.name, level=level, action=action, results=results, remaining=remaining)


def _attempt(collection: Collection[dict[str, Any]], one: LeadProbe, level: str, action: str) -> ProbeResult:
    key = token_hex(6)
    expected = one.strict if action == "error" and level != "off" else one.lenient
    outcome, detail = STORED, ""
    try:
        for overrides in (one.first, one.second):
            if overrides is not None:
                _insert(collection, _lead(key, overrides))
    except WriteError as error:
        outcome, detail = _refusal(error)
    finally:
        collection.delete_many({"data_source": _SOURCE})
    return ProbeResult(probe=one, outcome=outcome, expected=expected, detail=detail, key=key)


def _lead(key: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    lead = sample_lead(key=key)
    for name, value in overrides.items():
        if value is ...:
            del lead[name]
        else:
            lead[name] = f"{lead[name]}-{value}" if value == "other" else value
    return lead


def _insert(collection: Collection[dict[str, Any]], lead: dict[str, Any]) -> None:
    """Insert and read back: an acknowledgement alone proves nothing."""
    collection.insert_one(lead)
    if collection.find_one({"_id": lead["_id"]}, {"_id": 1}) is None:
        raise LookupError("acknowledged, but not found")


def _refusal(error: WriteError) -> tuple[str, str]:
    details: Mapping[str, Any] = error.details or {}
    if error.code == DUPLICATE_KEY:
        return DUPLICATE, f"E11000 on {', '.join(details.get('keyPattern', {})) or 'unknown key'}"
    if error.code == 121:
        return INVALID, "DocumentValidationFailure (121)"
    return f"refused: error {error.code}", str(error.code)


def probe_modes(collection: Collection[dict[str, Any]], settings: Settings) -> list[ProbeRun]:
    """The probes under the configured setting, under moderate / warn and under strict / error.

    Rehearsal probes the leads' own collection, where there is one, under its configured setting; production, and the
    other settings, use scratch collections with the same validator and indexes.
    """
    configured = (settings.validation_level, settings.validation_action)
    others = [mode for mode in (("moderate", "warn"), ("strict", "error")) if mode != configured]
    runs = []
    there = collection.name in collection.database.list_collection_names(filter={"name": collection.name})
    if settings.is_production or not there:  # an insert would make the collection, without validator and indexes
        others.insert(0, configured)
    else:
        runs.append(probe(collection, *configured))
    for level, action in others:
        with scratch(collection.database, "probe", settings, level=level, action=action) as trial:
            runs.append(probe(trial, level, action))
    return runs


def logged_documents(admin: MongoClient[dict[str, Any]] | None, run: ProbeRun) -> int | None:
    """How many of the run's documents the server wrote whole into its log. None where the log may not be read.

    Reads the last 1,024 lines by getLog, which needs clusterMonitor.
    """
    if admin is None:
        return None
    try:
        lines = admin.admin.command("getLog", "global")["log"]
    except PyMongoError:
        return None
    warnings = [line for line in lines if f'"id":{WOULD_FAIL}' in line]
    return sum(any(result.key in line for line in warnings) for result in run.results)
