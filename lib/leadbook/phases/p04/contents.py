"""What the input holds, told without the pipeline, and whether what is stored agrees with it. Read-only.

A made sample's contents are known: what was planted is written down beside it, and its addresses are read here by one
expression. For other input a second pass goes through it with the pipeline's own cleaning, but with a plain Python
set: no Redis, no MongoDB, no batches. That finds what these lose or double, not what cleaning misjudges.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pandas as pd
from pymongo.collection import Collection

from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.pipeline import PipelineResult, RecordSource
from leadbook.lead.vendors import Vendor, load_vendor
from leadbook.rehearsal.sample import SampleFacts

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


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the input holds. valid: sightings of valid leads.  unique: leads.  urls: addresses that may be stored.
    fill_rates: field, before and after: % of the valid sightings that held anything, and that have it cleaned.
    told_by: who says so."""

    read: int
    valid: int
    unique: int
    urls: frozenset[str]
    fill_rates: pd.DataFrame
    told_by: str

    @property
    def rejects(self) -> int:
        """Records that are no valid lead."""
        return self.read - self.valid


def second_pass(sources: Iterable[RecordSource]) -> Contents:
    """Go through the sources once, in this process."""
    read, urls = 0, list[str]()
    before, after = Counter[str](), Counter[str]()
    for source in sources:
        vendor = load_vendor(source.vendor)
        for record in source.records:
            read += 1
            if record.problem:
                continue
            cleaned = clean(record.payload, vendor)
            if not reject_reasons(cleaned.lead, cleaned):
                urls.append(cleaned.lead["linkedin_url"])
                before.update(_present(record.payload, vendor))
                after.update(cleaned.lead.keys())
    rates = [(name, *(100 * held[name] / max(len(urls), 1) for held in (before, after))) for name in RAW]
    unique = frozenset(urls)
    return Contents(
        read=read, valid=len(urls), unique=len(unique), urls=unique, told_by="a second pass with the same cleaning",
        fill_rates=pd.DataFrame(rates, columns=["field", "before", "after"]),
    )  # fmt: skip


def planted(facts: SampleFacts, seen: Contents) -> Contents:
    """What a made sample holds by what was planted in it; only the fill rates are those that were `seen`."""
    return replace(
        seen, read=facts.records, valid=facts.unique + facts.repeats, unique=facts.unique,
        urls=addresses(one.path for one in facts.files), told_by="what was planted in the made sample",
    )  # fmt: skip


def addresses(files: Iterable[Path]) -> frozenset[str]:
    """Every profile that stands anywhere in made files, rejected records' too, in the simplest form of its address."""
    slugs = (slug for path in files for slug in re.findall(r"linkedin\.com/in/([\w%-]+)", path.read_text("utf-8")))
    return frozenset(f"https://www.linkedin.com/in/{unquote(unquote(slug)).lower()}" for slug in slugs)


def _present(payload: Mapping[str, Any], vendor: Vendor) -> list[str]:
    blank: tuple[Any, ...] = (None, "", [], {})
    fields = vendor.plan(payload).fields
    held = {target for target, ways in fields.items() if any(_at(payload, way) not in blank for way in ways)}
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
class FullRun:
    """The full run. held: what its input holds."""

    result: PipelineResult
    held: Contents


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Duplicate checks against the input's contents. checked: valid sightings.  missing: leads that the input holds and
    the collection does not (a false "duplicate").  extra: stored leads that the input does not hold.  doubled: stored
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


def accuracy(run: FullRun, leads: Leads) -> Accuracy:
    """Compare the stored leads with the input's."""
    stored = Counter(lead["linkedin_url"] for lead in leads.find({}, {"linkedin_url": 1, "_id": 0}))
    held = run.held
    return Accuracy(
        checked=held.valid,
        missing=abs(held.unique - len(held.urls & stored.keys())),
        extra=len(stored.keys() - held.urls),
        doubled=sum(count - 1 for count in stored.values()),
        miscounted=abs(run.result.ledger.stored - held.unique),
    )
