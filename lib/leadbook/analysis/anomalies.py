"""What looks wrong among leads that every rule let in: found by pipelines, shown masked. Read-only.

None of these is proof: a switchboard is shared by honest people, and two people can share a guessed e-mail. They are
questions for the Data Researcher; what is certainly wrong is found by `integrity` and `completeness`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pymongo.collection import Collection

from leadbook.core.settings import Settings
from leadbook.lead.masks import mask_email, mask_name, mask_phone, mask_url

Kind = Literal["duplicate", "shared", "inconsistent", "suspicious"]
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
    rules = _rules(settings, now or datetime.now(UTC))
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


def _rules(settings: Settings, now: datetime) -> Iterator[Rule]:
    """The rules of `anomalies.yaml`, filled in. Addresses of reserved domains are what a rehearsal's leads have."""
    words = _read("suspicious.yaml")
    domains = words["disposable_domains"] + ([] if settings.is_rehearsal else words["reserved_domains"])
    values = {"tomorrow": now + timedelta(days=1), "qualified_min_score": settings.qualified_min_score}
    values |= {
        name: "|".join(map(re.escape, found)) for name, found in {**words, "disposable_domains": domains}.items()
    }
    for entry in _read("anomalies.yaml"):
        yield Rule(**entry | {"match": _filled(entry["match"], values)})


def _filled(given: Any, values: Mapping[str, Any]) -> Any:
    """`given` with the values of its %names%; one that stands alone keeps its type."""
    if isinstance(given, dict):
        return {name: _filled(one, values) for name, one in given.items()}
    if isinstance(given, list):
        return [_filled(one, values) for one in given]
    if not isinstance(given, str):
        return given
    return values.get(given.strip("%"), re.sub(r"%(\w+)%", lambda found: str(values[found[1]]), given))


@cache
def _read(name: str) -> Any:
    return yaml.safe_load((Path(__file__).parent / name).read_text(encoding="utf-8"))
