"""Made vendor files with known contents: what the pipeline must find in them is written down beside.

Everything is synthetic and follows from the seed alone. `documents` makes ready leads for benchmarks.
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from leadbook.leads import people
from leadbook.leads.people import Person

__all__ = ["SampleFacts", "SampleFile", "documents", "write_sample"]

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


# Shares of the records. Apollo knows companies and e-mails; Bright Data knows neither, so most leads come from Apollo.
BRIGHTDATA_SHARE = 0.25
_BRIGHTDATA_REJECTS = {
    "vendor_error": 0.02, "missing_job_title": 0.04, "missing_company_name": 0.03, "missing_full_name": 0.005,
    "missing_linkedin_url": 0.005, "invalid_linkedin_url": 0.005, "not_a_person": 0.005, "broken_json": 0.005,
    "not_an_object": 0.001,
}  # fmt: skip
_APOLLO_REJECTS = {
    "missing_linkedin_url": 0.012, "invalid_linkedin_url": 0.004, "missing_job_title": 0.008, "missing_company_name": 0.006,
    "not_a_person": 0.002,
}  # fmt: skip
BRIGHTDATA_REPEATS, APOLLO_REPEATS = 0.12, 0.03
"""Repeats inside one file, as shares of its records."""
OVERLAP = 0.50
"""Share of Bright Data's people whom Apollo's file shows again, with e-mail and company."""


def write_sample(directory: Path | str, *, records: int, seed: int) -> SampleFacts:
    """Write `brightdata.jsonl` and `apollo.csv` into `directory` (made if missing) and say what is in them."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    generator = random.Random(seed)
    bright_records = round(records * BRIGHTDATA_SHARE)
    bright = _BrightData(bright_records, seed, generator)
    bright.write(directory / "brightdata.jsonl")
    apollo = _Apollo(records - bright_records, seed, generator, bright.people)
    apollo.write(directory / "apollo.csv")
    both = len(apollo.overlap)
    return SampleFacts(
        files=(
            SampleFile(path=directory / "brightdata.jsonl", vendor="brightdata", records=bright_records),
            SampleFile(path=directory / "apollo.csv", vendor="apollo", records=records - bright_records),
        ),
        records=records,
        unique=len(bright.people) + len(apollo.people) - both + bright.two_urls,
        repeats=bright.repeats + apollo.repeats + both,
        fills=both,
        rejected=dict(sorted((Counter(bright.rejects) + Counter(apollo.rejects)).items())),
        shared_emails=apollo.shared_emails,
        two_urls=bright.two_urls,
        with_email=apollo.with_email,
        with_company=apollo.with_company,
    )  # fmt: skip


def _counts(shares: dict[str, float], records: int) -> dict[str, int]:
    return {reason: round(share * records) for reason, share in shares.items() if round(share * records)}


# ---------------------------------------------------------------------------------------------------- Bright Data


class _BrightData:
    """Profiles as the API answers them, one JSON object a line."""

    def __init__(self, records: int, seed: int, generator: random.Random) -> None:
        self.rejects = _counts(_BRIGHTDATA_REJECTS, records)
        self.repeats = round(records * BRIGHTDATA_REPEATS)
        self.two_urls = records // 1000
        self.generator = generator
        count = records - sum(self.rejects.values()) - self.repeats - self.two_urls
        self.people = [people.person(number, seed) for number in range(count)]
        self.spare = [people.person(number, seed) for number in range(count, count + sum(self.rejects.values()))]

    def write(self, path: Path) -> None:
        kinds = people.shuffled(
            {"person": len(self.people), "repeat": self.repeats, "two_urls": self.two_urls, **self.rejects},
            self.generator,
        )
        upcoming, spare = iter(self.people), iter(self.spare)
        written: list[Person] = []
        lines = []
        for position, kind in enumerate(kinds):
            if kind == "person" or not written:
                who = next(upcoming, None)
                if who is None:  # cannot happen while a file has at least one person
                    continue
                if kind != "person":  # nobody to repeat yet: swap with the next person's turn
                    kinds[kinds.index("person", position)] = kind
                written.append(who)
                record = self.profile(who, position)
            elif kind == "repeat":
                who = written[self.generator.randrange(len(written))]
                record = self.profile(who, position, url=_variant(who.slug, position))
            elif kind == "two_urls":
                who = written[position % len(written)]
                record = self.profile(who, position, url=f"https://www.linkedin.com/in/{who.slug}-{position}")
            else:
                record = self.reject(kind, next(spare), position)
            lines.append(record if type(record) is bytes else orjson.dumps(record))
        path.write_bytes(b"\n".join(lines) + b"\n")

    def profile(self, who: Person, position: int, url: str = "") -> dict[str, Any]:
        """A profile; now and then with the oddities of real exports that must be repaired."""
        url = url or f"https://www.linkedin.com/in/{who.slug}"
        place, company = who.place, who.company
        record: dict[str, Any] = {
            "id": who.slug, "linkedin_id": who.slug, "linkedin_num_id": str(who.member_id),
            "name": _NAME_FORMS[who.number % 25](who) if who.number % 25 < len(_NAME_FORMS) else f"{who.first} {who.last}",
            "city": f"Greater {place[0]} Area" if who.number % 40 == 7 else people.whole_place(place), "location": place[0],
            "country_code": place[3], "position": _POSITIONS[who.number % 4](who),
            "current_company": {"name": company.name, "company_id": company.slug, "link": f"https://www.linkedin.com/company/{company.slug}"},
            "current_company_name": company.name, "about": f"{who.title} with a taste for measurable results. " * (1 + who.number % 4),
            "followers": who.number % 5000, "connections": who.number % 500, "url": url, "input_url": url,
            "experience": [{"title": who.title, "company": company.name, "start_date": "Jan 2022", "end_date": "Present"}],
            "timestamp": _iso(position), "input": {"url": url},
        }  # fmt: skip
        if who.number % 30 == 3:
            record["current_company"] = {}
        if who.number % 50 == 9:
            record["location"] = None
            del record["experience"]
        return record

    def reject(self, kind: str, who: Person, position: int) -> dict[str, Any] | bytes:
        record = self.profile(who, position)
        if kind == "vendor_error":
            return {
                "timestamp": _iso(position),
                "input": {"url": record["url"]},
                "error": "Crawl failed",
                "error_code": "dead_page",
            }
        if kind == "broken_json":
            return orjson.dumps(record)[: 200 + position % 200]
        if kind == "not_an_object":
            return b'["not", "a", "profile"]'
        if kind == "missing_job_title":
            record["position"] = (None, "--", ". at .", "")[position % 4]
        elif kind == "missing_company_name":
            record |= {
                "current_company": {},
                "current_company_name": (None, "none", "--")[position % 3],
                "position": who.title,
            }
        elif kind == "missing_full_name":
            record["name"] = (None, "", ".")[position % 3]
        elif kind == "missing_linkedin_url":
            record = {
                key: value
                for key, value in record.items()
                if key not in ("url", "input_url", "input", "id", "linkedin_id")
            }
        else:
            bad = (
                "https://www.linkedin.com/feed/update/urn:li:activity:1"
                if kind == "invalid_linkedin_url"
                else f"https://www.linkedin.com/company/{who.company.slug}"
            )
            record |= {"url": bad, "input_url": bad, "input": {"url": bad}, "id": None, "linkedin_id": None}
        return record


_NAME_FORMS: tuple[Callable[[Person], str], ...] = (
    lambda who: f"{who.first} {who.last} 🚀",
    lambda who: f"{who.first} {who.last}, MBA",
    lambda who: f"(Dr) {who.first} {who.last}",
    lambda who: f"\u202a{who.first} {who.last}\u202c",
)
_POSITIONS: tuple[Callable[[Person], str], ...] = (
    lambda who: who.title,
    lambda who: f"{who.title} at {who.company.name}",
    lambda who: who.title,
    lambda who: f"{who.title} at {who.company.name} | Speaker",
)
_HOSTS = ("uk", "au", "in", "de", "jp")


def _variant(slug: str, position: int) -> str:
    """The same profile's address written otherwise."""
    forms = (
        f"https://{_HOSTS[position % 5]}.linkedin.com/in/{slug}/",
        f"http://www.linkedin.com/in/{slug}?_l=en_us",
        f"https://www.linkedin.com/in/{slug.upper()}",
        f"linkedin.com/in/{slug}/details/experience/",
        f"https://www.linkedin.com/in/{quote(slug).replace('-', '%252D')}",
    )
    return forms[position // 5 % 5]


def _iso(position: int) -> str:
    return (_START + timedelta(seconds=position)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


# --------------------------------------------------------------------------------------------------------- Apollo

_COLUMNS = (
    "First Name", "Last Name", "Title", "Company Name", "Email", "Email Status", "Contact Owner", "Mobile Phone", "Corporate Phone",
    "# Employees", "Industry", "Person Linkedin Url", "Website", "City", "State", "Country", "Seniority", "Keywords",
)  # fmt: skip


class _Apollo:
    """Contacts as the CSV export writes them, with the exporter's own address on every row."""

    def __init__(self, records: int, seed: int, generator: random.Random, known: list[Person]) -> None:
        self.rejects = _counts(_APOLLO_REJECTS, records)
        self.repeats = round(records * APOLLO_REPEATS)
        self.shared_emails = records // 4000
        self.generator = generator
        count = records - sum(self.rejects.values()) - self.repeats
        self.overlap = generator.sample(known, min(int(len(known) * OVERLAP), count))
        first = 10_000_000  # numbers that no Bright Data person has
        fresh = [people.person(number, seed) for number in range(first, first + count - len(self.overlap))]
        self.people = self.overlap + fresh
        generator.shuffle(self.people)
        self.spare = [
            people.person(number, seed) for number in range(2 * first, 2 * first + sum(self.rejects.values()))
        ]
        self.emails = {who.number: who.email for who in self.people if self._has_email(who)}
        holders = [who for who in fresh if who.number in self.emails]
        for giver, taker in zip(
            holders[: self.shared_emails], holders[-self.shared_emails :] if self.shared_emails else [], strict=False
        ):
            self.emails[taker.number] = giver.email
        self.with_email = len(set(self.emails.values()))
        self.with_company = sum(1 for who in self.people if self._has_company(who))

    @staticmethod
    def _has_email(who: Person) -> bool:
        return who.member_id % 100 < 51

    @staticmethod
    def _has_company(who: Person) -> bool:
        return who.member_id % 97 < 94

    def write(self, path: Path) -> None:
        kinds = people.shuffled({"person": len(self.people), "repeat": self.repeats, **self.rejects}, self.generator)
        upcoming, spare = iter(self.people), iter(self.spare)
        written: list[Person] = []
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(_COLUMNS)
            for position, kind in enumerate(kinds):
                if kind == "person" or not written:
                    if kind != "person":
                        kinds[kinds.index("person", position)] = kind
                    written.append(next(upcoming))
                    writer.writerow(self.row(written[-1], position))
                elif kind == "repeat":
                    who = written[self.generator.randrange(len(written))]
                    writer.writerow(self.row(who, position, url=_variant(who.slug, position)))
                else:
                    writer.writerow(self.reject(kind, next(spare), position))

    def row(self, who: Person, position: int, url: str = "") -> list[str]:
        company, place = who.company, who.place
        known = self._has_company(who)
        email = self.emails.get(who.number, "")
        phone = who.phone if who.number % 3 else ""
        return [
            who.first, who.last, who.title, company.name, email.upper() if who.number % 20 == 1 else email,
            "Verified" if email == who.email else "Extrapolated" if email else "", "exporter@example.org",
            f"'{phone}" if phone and who.number % 2 else phone, "", str(company.employees), company.industry if known else "",
            url or f"http://www.linkedin.com/in/{who.slug}", f"http://www.{company.domain}", place[0], place[1], place[2],
            "senior", "growth; paid media",
        ]  # fmt: skip

    def reject(self, kind: str, who: Person, position: int) -> list[str]:
        row = self.row(who, position)
        if kind == "missing_linkedin_url":
            row[11] = ("", "--", "N/A")[position % 3]
        elif kind == "invalid_linkedin_url":
            row[11] = ("https://example.com/in/nobody", "https://www.linkedin.com/in/", "see profile")[position % 3]
        elif kind == "missing_job_title":
            row[2] = ("", "--", ". at .")[position % 3]
        elif kind == "missing_company_name":
            row[3] = ("none", "--", "")[position % 3]
        else:
            row[0], row[1] = who.company.name, "GmbH"
        return row


# ------------------------------------------------------------------------------------------------------ documents


def documents(n: int, seed: int, start: int = 0) -> list[dict[str, Any]]:
    """`n` leads as the collection stores them, every field of the task book but `crm_sync_date`, from person `start` on.

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
_ABOUT = "Plans, buys and measures paid campaigns across search and social; reports return on spend every week. "


def _document(who: Person) -> dict[str, Any]:
    company, place = who.company, who.place
    at = _START + timedelta(seconds=who.number % 86_400)
    return {
        "linkedin_url": f"https://www.linkedin.com/in/{who.slug}",
        "full_name": f"{who.first} {who.last}",
        "job_title": who.title,
        "company_name": company.name,
        "location_city": place[0],
        "location_state": _STATES.get(place[1], place[1]),
        "location_country": _COUNTRIES.get(place[2], place[2]),
        "email": who.email,
        "phone": who.phone or "+16025550100",
        "company_website": f"https://www.{company.domain}",
        "company_industry": company.industry,
        "company_size": company.size,
        "data_source": "Apollo" if who.number % 4 else "BrightData",
        "data_collected_date": at,
        "data_quality_score": 100,
        "is_qualified": who.number % 10 != 0,
        "email_verified": who.number % 2 == 0,
        "crm_synced": False,
        "created_at": at,
        "updated_at": at,
        "additional_data": {
            "linkedin_member_id": str(who.member_id),
            "about": _ABOUT * (1 + who.number % 3),
            "followers": who.number % 5000,
            "quality_points": 120,
        },
    }
