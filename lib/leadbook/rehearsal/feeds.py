"""What collectors of four vendors are given to stage: payloads with a planted number of repeats, rejects and people.

Bright Data and Apollo send what their exports hold; Apify and People Data Labs send profiles of people of their own,
and of some whom Apollo knows too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from leadbook.rehearsal import exports, people
from leadbook.rehearsal.people import Person

GOOD = frozenset({"person", "repeat", "two_urls"})
"""Kinds of records that become a lead, or another sighting of one."""
SHARES = {"brightdata": 0.20, "apollo": 0.50, "apify": 0.15, "peopledatalabs": 0.15}
_FIRST = {"apify": 30_000_000, "peopledatalabs": 40_000_000}
"""First numbers of people whom only this vendor has."""
_KNOWN = 0.10
"""Share of a profile vendor's people whom Apollo has, too."""
_REPEATS = 0.03
_REJECTS = {"vendor_error": 0.01, "missing_linkedin_url": 0.01, "missing_job_title": 0.008}


@dataclass(frozen=True, kw_only=True)
class MadeRecord:
    """One record of a vendor. rejected: why it becomes no lead, empty where it does."""

    payload: Any
    rejected: str = ""


def feeds(records: int, seed: int) -> tuple[dict[str, list[MadeRecord]], int]:
    """What each vendor's collectors stage, in order, and how many leads that must come to."""
    generator = random.Random(seed)
    sizes = {vendor: round(records * share) for vendor, share in SHARES.items()}
    sizes["apollo"] += records - sum(sizes.values())
    bright = exports.BrightData(sizes["brightdata"], seed, generator)
    apollo = exports.Apollo(sizes["apollo"], seed, generator, bright.numbers)
    found = {
        "brightdata": [_sighting(kind, line.decode()) for kind, line in bright.lines()],
        "apollo": [_sighting(kind, dict(zip(exports.COLUMNS, row, strict=True))) for kind, row in apollo.rows()],
    }
    numbers = {*bright.numbers, *apollo.numbers}
    for vendor, profile in _PROFILES.items():
        mine = _numbers(vendor, sizes[vendor], apollo.numbers, generator)
        numbers |= set(mine)
        kinds = people.shuffled(_kinds(sizes[vendor], len(mine)), generator)
        found[vendor] = [
            _sighting(kind, _payload(profile, kind, people.person(number, seed))) for kind, number in _who(kinds, mine)
        ]
    return found, len(numbers) + bright.two_urls


def _sighting(kind: str, payload: Any) -> MadeRecord:
    return MadeRecord(payload=payload, rejected="" if kind in GOOD else kind)


def _kinds(records: int, persons: int) -> dict[str, int]:
    rejects = exports.counts_of(_REJECTS, records)
    return {"person": persons, "repeat": records - persons - sum(rejects.values()), **rejects}


def _numbers(vendor: str, records: int, known: list[int], generator: random.Random) -> list[int]:
    """Who is in a profile vendor's records: people of its own, and some whom Apollo has."""
    rejects = sum(exports.counts_of(_REJECTS, records).values())
    count = records - rejects - round(records * _REPEATS)
    shared = min(round(count * _KNOWN), len(known))
    first = _FIRST[vendor]
    return [*generator.sample(known, shared), *range(first, first + count - shared)]


def _who(kinds: list[str], numbers: list[int]) -> Iterator[tuple[str, int]]:
    """(kind, number of the person) for each record."""
    for position, kind, index in exports.turns(kinds):
        yield kind, numbers[index] if kind in GOOD else exports.SPARE_NUMBERS + 2_000_000 + position


def _payload(profile: Callable[[Person], dict[str, Any]], kind: str, who: Person) -> Mapping[str, Any]:
    if kind == "vendor_error":
        return {"error": "profile could not be read", "input": who.slug}
    record = profile(who)
    for name in {"missing_linkedin_url": _ADDRESSES, "missing_job_title": _TITLES}.get(kind, ()):
        record.pop(name, None)
    return record


_ADDRESSES = ("linkedinUrl", "publicIdentifier", "linkedin_url", "linkedin_username")
_TITLES = ("jobTitle", "job_title")


def _apify(who: Person) -> dict[str, Any]:
    company, place = who.company, who.place
    return {
        "linkedinUrl": f"https://www.linkedin.com/in/{who.slug}", "publicIdentifier": who.slug,
        "fullName": f"{who.first} {who.last}", "jobTitle": who.title, "companyName": company.name,
        "companyWebsite": f"www.{company.domain}", "companyIndustry": company.industry, "companySize": company.size,
        "email": who.email if who.number % 2 else None, "mobileNumber": who.phone,
        "addressWithCountry": ", ".join(place[:3]),
    }  # fmt: skip


def _peopledatalabs(who: Person) -> dict[str, Any]:
    company, place = who.company, who.place
    return {
        "linkedin_url": f"linkedin.com/in/{who.slug}", "linkedin_username": who.slug,
        "full_name": f"{who.first} {who.last}".lower(), "job_title": who.title.lower(),
        "job_company_name": company.name.lower(), "job_company_website": company.domain,
        "job_company_industry": company.industry.lower(), "job_company_size": company.size,
        "work_email": who.email if who.number % 2 else None, "mobile_phone": who.phone,
        "location_locality": place[0].lower(), "location_region": place[1].lower(),
        "location_country": place[2].lower(),
    }  # fmt: skip


_PROFILES = {"apify": _apify, "peopledatalabs": _peopledatalabs}
