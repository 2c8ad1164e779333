"""Made vendor files with known contents: what the pipeline must find in them is written down beside.

Everything is synthetic and follows from the seed alone. `documents` makes ready leads for benchmarks.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from leadbook.core.settings import Settings
from leadbook.lead.score import Rules
from leadbook.rehearsal import exports, people
from leadbook.rehearsal.people import Person

_START = datetime(2025, 1, 29, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class SampleFile:
    """One made file. `records` counts every record in it, broken ones too."""

    path: Path
    vendor: str
    records: int


@dataclass(frozen=True, kw_only=True)
class SampleFacts:
    """What was planted. Always: records = unique + repeats + sum(rejected).

    unique: leads that must end up stored, each under its own URL. repeats: valid records of a lead seen before;
    `fills` of them bring a field that the first sighting lacks. shared_emails: leads whose guessed e-mail another
    person holds already (stored without it). two_urls: members that appear under a second URL (stored twice, flagged).
    with_email, with_company: leads that have an e-mail of their own, and industry with website and size, once
    repeats have filled gaps.
    """

    files: tuple[SampleFile, ...]
    records: int
    unique: int
    repeats: int
    fills: int
    rejected: dict[str, int] = field(default_factory=dict)
    shared_emails: int
    two_urls: int
    with_email: int
    with_company: int


def write_sample(directory: Path | str, *, records: int, seed: int) -> SampleFacts:
    """Write `brightdata.jsonl` and `apollo.csv` into `directory` (made if missing) and say what is in them."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    generator = random.Random(seed)
    bright_records = round(records * exports.BRIGHTDATA_SHARE)
    bright = exports.BrightData(bright_records, seed, generator)
    bright.write(directory / "brightdata.jsonl")
    apollo = exports.Apollo(records - bright_records, seed, generator, bright.numbers)
    apollo.write(directory / "apollo.csv")
    both = apollo.overlap
    return SampleFacts(
        files=(
            SampleFile(path=directory / "brightdata.jsonl", vendor="brightdata", records=bright_records),
            SampleFile(path=directory / "apollo.csv", vendor="apollo", records=records - bright_records),
        ),
        records=records,
        unique=len(bright.numbers) + len(apollo.numbers) - both + bright.two_urls,
        repeats=bright.repeats + apollo.repeats + both,
        fills=both,
        rejected=dict(sorted((Counter(bright.rejects) + Counter(apollo.rejects)).items())),
        shared_emails=apollo.shared_emails,
        two_urls=bright.two_urls,
        with_email=apollo.with_email,
        with_company=apollo.with_company,
    )


def documents(n: int, seed: int, start: int = 0) -> list[dict[str, Any]]:
    """`n` leads as the collection stores them, from person `start` on: every field but the absent `crm_sync_date`, and
    an e-mail for 46 of 100, as in the rehearsal's sprint; scored and qualified by leadbook's own rule.

    URL and e-mail are unique over all calls with the same seed whose ranges do not overlap. About 1 kB each in BSON.
    """
    return [_document(people.person(number, seed)) for number in range(start, start + n)]


_COUNTRIES = {"United States": "USA"}
_STATES = {
    "Arizona": "AZ",
    "California": "CA",
    "Texas": "TX",
    "New York": "NY",
    "Illinois": "IL",
    "Washington": "WA",
    "Ontario": "ON",
    "New South Wales": "NSW",
}
WITH_EMAIL = 6
"""So many of 13 sample leads have an e-mail."""
_ABOUT = "Plans, buys and measures paid campaigns across search and social; reports return on spend every week. "


@cache
def _rules() -> Rules:
    return Rules.of(Settings())


def _document(who: Person) -> dict[str, Any]:
    company, place = who.company, who.place
    at = _START + timedelta(seconds=who.number % 86_400)
    lead: dict[str, Any] = {
        "linkedin_url": f"https://www.linkedin.com/in/{who.slug}",
        "full_name": f"{who.first} {who.last}",
        "job_title": who.title,
        "company_name": company.name,
        "location_city": place[0],
        "location_state": _STATES.get(place[1], place[1]),
        "location_country": _COUNTRIES.get(place[2], place[2]),
        "email": who.email,
        "phone": who.phone,
        "company_website": f"https://www.{company.domain}",
        "company_industry": company.industry,
        "company_size": company.size,
        "data_source": "Apollo" if who.number % 4 else "BrightData",
        "data_collected_date": at,
        "email_verified": who.number % 2 == 0,
        "crm_synced": False,
        "created_at": at,
        "updated_at": at,
        "additional_data": {
            "linkedin_member_id": str(who.member_id),
            "about": _ABOUT * (1 + who.number % 3),
            "followers": who.number % 5000,
        },
    }
    if who.number % 13 >= WITH_EMAIL:
        del lead["email"]
    judged = _rules().judged(lead)
    lead["additional_data"]["quality_points"] = judged.pop("additional_data.quality_points")
    return lead | judged
