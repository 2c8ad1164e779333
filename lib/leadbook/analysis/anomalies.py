"""What looks wrong among leads that every rule let in: found by pipelines, shown masked. Read-only.

None of these is proof: a switchboard is shared by honest people, and two people can share a guessed e-mail. They are
questions for the Data Researcher; what is certainly wrong is found by `integrity` and `completeness`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pymongo.collection import Collection

from leadbook.core.settings import Settings
from leadbook.lead.masks import mask_email, mask_name, mask_phone, mask_url

Kind = Literal["duplicate", "inconsistent", "suspicious"]
EXAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kind of oddity. meaning: why it matters.  advice: what to do.

    key: groups leads by this expression, groups of `least` and more are found; else `match` finds leads directly.
    """

    name: str
    kind: Kind
    meaning: str
    advice: str
    match: Mapping[str, Any]
    key: Any = None
    least: int = 2
    show: str = "full_name"


@dataclass(frozen=True, kw_only=True)
class Anomaly:
    """What a rule found. leads: how many are concerned.  groups: of leads that belong together, 0 where none do.

    examples: masked.
    """

    rule: Rule
    leads: int = 0
    groups: int = 0
    examples: tuple[str, ...] = ()


def find_anomalies(
    leads: Collection[dict[str, Any]], settings: Settings, *, now: datetime | None = None
) -> list[Anomaly]:
    """Every rule, also those that found nothing. Raises PyMongoError."""
    now = now or datetime.now(UTC)
    rules = (*_duplicates(), *_inconsistencies(settings, now), *_suspicions(settings))
    return [_grouped(leads, rule) if rule.key is not None else _matched(leads, rule) for rule in rules]


def _matched(leads: Collection[dict[str, Any]], rule: Rule) -> Anomaly:
    count = leads.count_documents(dict(rule.match))
    shown = leads.find(dict(rule.match), {rule.show: 1}).limit(EXAMPLES) if count else ()
    return Anomaly(rule=rule, leads=count, examples=tuple(_masked(rule.show, lead.get(rule.show)) for lead in shown))


def _grouped(leads: Collection[dict[str, Any]], rule: Rule) -> Anomaly:
    stages: list[dict[str, Any]] = [
        {"$match": dict(rule.match)},
        {"$group": {"_id": rule.key, "count": {"$sum": 1}, "example": {"$first": f"${rule.show}"}}},
        {"$match": {"count": {"$gte": rule.least}}},
        {"$sort": {"count": -1, "_id": 1}},
        {"$group": {"_id": None, "groups": {"$sum": 1}, "leads": {"$sum": "$count"},
                    "found": {"$push": {"example": "$example", "count": "$count"}}}},
        {"$project": {"groups": 1, "leads": 1, "found": {"$slice": ["$found", EXAMPLES]}}},
    ]  # fmt: skip
    row = next(iter(leads.aggregate(stages, allowDiskUse=True)), None)
    if row is None:
        return Anomaly(rule=rule)
    examples = tuple(f"{_masked(rule.show, one['example'])} ({one['count']} leads)" for one in row["found"])
    return Anomaly(rule=rule, leads=row["leads"], groups=row["groups"], examples=examples)


def _masked(field: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    text = str(value or "")
    masks = {"email": mask_email, "linkedin_url": mask_url, "phone": mask_phone}
    return masks.get(field, mask_name)(text)


# ------------------------------------------------------------------------------------------------------------ rules


def _text(field: str) -> dict[str, Any]:
    return {"$trim": {"input": {"$toLower": f"${field}"}}}


def _mailbox() -> dict[str, Any]:
    """The mailbox behind an address: lower case, no plus tag, and no dots where Gmail ignores them."""
    local = {"$arrayElemAt": [{"$split": [{"$arrayElemAt": ["$$parts", 0]}, "+"]}, 0]}
    domain = {"$arrayElemAt": ["$$parts", 1]}
    undotted = {"$replaceAll": {"input": local, "find": ".", "replacement": ""}}
    gmail = {"$in": [domain, ["gmail.com", "googlemail.com"]]}
    return {"$let": {
        "vars": {"parts": {"$split": [_text("email"), "@"]}},
        "in": {"$cond": [gmail, {"$concat": [undotted, "@gmail.com"]}, {"$concat": [local, "@", domain]}]},
    }}  # fmt: skip


def _duplicates() -> tuple[Rule, ...]:
    with_email, text = {"email": {"$regex": "^[^@]+@[^@]+$"}}, {"$type": "string"}
    return (
        Rule(name="one mailbox under several spellings", kind="duplicate", match=with_email, key=_mailbox(),
              show="email",
              meaning="capitals, plus tags or Gmail's dots: the unique index sees different addresses",
              advice="compare the leads; keep one address, do not merge two people"),
        Rule(name="same name and company", kind="duplicate", match={"full_name": text, "company_name": text},
              key={"name": _text("full_name"), "company": _text("company_name")},
              meaning="often one person with two profiles, sometimes two people of one name",
              advice="open both profiles; merge only with a second sign of identity"),
        Rule(name="one LinkedIn member with several URLs", kind="duplicate", show="linkedin_url",
              match={"additional_data.linkedin_member_id": {"$exists": True, "$ne": None}},
              key="$additional_data.linkedin_member_id",
              meaning="the member id is the same, so this is one person", advice="merge; keep the vanity URL"),
        Rule(name="one phone number on five leads or more", kind="duplicate", match={"phone": {"$gt": ""}},
              key="$phone", least=5, show="phone", meaning="a switchboard, not a person's line",
              advice="do not use it as a direct line, never merge on it"),
    )  # fmt: skip


_DATES = ("data_collected_date", "created_at", "updated_at")


def _inconsistencies(settings: Settings, now: datetime) -> tuple[Rule, ...]:
    soon = now + timedelta(days=1)
    return (
        Rule(name="dates in the future", kind="inconsistent", show="data_collected_date",
              match={"$or": [{name: {"$gt": soon}} for name in _DATES]},
              meaning="a clock or a time zone is wrong at the source", advice="find the source; correct the dates"),
        Rule(name="updated before it was created", kind="inconsistent",
              match={"$expr": {"$and": [{"$gt": ["$updated_at", None]}, {"$lt": ["$updated_at", "$created_at"]}]}},
              meaning="two writers set the timestamps", advice="let only the pipeline set them"),
        Rule(name="qualified against the rule", kind="inconsistent",
              match={"is_qualified": True, "$or": [{"email": {"$exists": False}},
                                                   {"data_quality_score": {"$lt": settings.qualified_min_score}}]},
              meaning="marked qualified without an e-mail, or below the least score",
              advice="score these leads again with the current parameters"),
        Rule(name="marked as in the CRM without a date", kind="inconsistent",
              match={"crm_synced": True, "crm_sync_date": {"$in": [None]}},
              meaning="the CRM transfer was not recorded in full", advice="compare with the CRM, set the date"),
        Rule(name="required field blank", kind="inconsistent", show="linkedin_url",
              match={"$or": [{name: {"$regex": r"^\s*$"}} for name in ("full_name", "job_title", "company_name")]},
              meaning="present for the validator, empty for people", advice="collect again or reject"),
    )  # fmt: skip


def _suspicions(settings: Settings) -> tuple[Rule, ...]:
    words = _words()
    domains = words["disposable_domains"] + ([] if settings.is_rehearsal else words["reserved_domains"])
    return (
        Rule(name="throw-away or test e-mail domain", kind="suspicious", show="email",
              match={"email": {"$regex": rf"@(?:[^@]+\.)?(?:{_any(domains)})$", "$options": "i"}},
              meaning="nobody reads it", advice="remove the address; the lead may stay"),
        Rule(name="role mailbox", kind="suspicious", show="email",
              match={"email": {"$regex": rf"^(?:{_any(words['role_mailboxes'])})@", "$options": "i"}},
              meaning="reaches a team, not the lead", advice="keep as the company's address, not as the lead's"),
        Rule(name="name in capitals only", kind="suspicious",
              match={"full_name": {"$regex": r"^(?=.*[A-Z]{3})[^a-z]*$"}},
              meaning="typed or exported carelessly; looks like shouting in a mail",
              advice="put into usual spelling before mailing"),
        Rule(name="digits, addresses or signs in the name", kind="suspicious",
              match={"full_name": {"$regex": r"[0-9@<>{}|]|https?:"}},
              meaning="not a name, or more than one", advice="look at the profile"),
        Rule(name="e-mail or web address inside the job title", kind="suspicious", show="job_title",
              match={"job_title": {"$regex": r"[^\s@]+@[^\s@]+\.[a-z]{2,}|https?://", "$options": "i"}},
              meaning="personal data where nobody looks for it",
              advice="move the address to its field, clean the title"),
        Rule(name="company that says nothing", kind="suspicious", show="company_name",
              match={"company_name": {"$regex": rf"^\s*(?:{_any(words['empty_companies'])})\s*$", "$options": "i"}},
              meaning="filled, but with a placeholder",
              advice="enrich the company, or do not count it as company data"),
        Rule(name="name equals company", kind="suspicious",
              match={"$expr": {"$and": [{"$gt": ["$full_name", ""]},
                                        {"$eq": [_text("full_name"), _text("company_name")]}]}},
              meaning="a company posing as a person, or a self-employed one", advice="look at the profile"),
        Rule(name="HTML entities or invisible characters", kind="suspicious",
              match={"$or": [{name: {"$regex": "&(?:#?\\w+);|[\u200b\u200e\u200f\u202a-\u202e]"}}
                             for name in ("full_name", "job_title", "company_name")]},
              meaning="the source was scraped without decoding", advice="decode at the source, clean again"),
    )  # fmt: skip


@cache
def _words() -> dict[str, list[str]]:
    text = (Path(__file__).parent / "suspicious.yaml").read_text(encoding="utf-8")
    return {name: [str(word) for word in words if word is not None] for name, words in yaml.safe_load(text).items()}


def _any(words: Sequence[str]) -> str:
    return "|".join(map(re.escape, words))
