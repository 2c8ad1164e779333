"""Made exports of two vendors, with a planted number of repeats, rejects and oddities."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson

from leadbook.rehearsal import people
from leadbook.rehearsal.people import Person

# Shares of the records. Apollo knows companies and e-mails; Bright Data knows neither, so most leads come from Apollo.
BRIGHTDATA_SHARE = 0.25
_BRIGHTDATA_REJECTS = {
    "vendor_error": 0.02,
    "missing_job_title": 0.04,
    "missing_company_name": 0.03,
    "missing_full_name": 0.005,
    "missing_linkedin_url": 0.005,
    "invalid_linkedin_url": 0.005,
    "not_a_person": 0.005,
    "broken_json": 0.005,
    "not_an_object": 0.001,
}
_APOLLO_REJECTS = {
    "missing_linkedin_url": 0.012,
    "invalid_linkedin_url": 0.004,
    "missing_job_title": 0.008,
    "missing_company_name": 0.006,
    "not_a_person": 0.002,
}
_BRIGHTDATA_REPEATS, _APOLLO_REPEATS = 0.12, 0.03
_OVERLAP = 0.50
"""Share of Bright Data's people whom Apollo's file shows again, with e-mail and company."""

_START = datetime(2025, 1, 29, 12, 0, tzinfo=UTC)
_APOLLO_NUMBERS, SPARE_NUMBERS = 10_000_000, 20_000_000
"""First numbers of people whom only Apollo has, and of people in rejected rows."""


def counts_of(shares: dict[str, float], records: int) -> dict[str, int]:
    """How many of so many records each share is; what rounds to none is left out."""
    return {reason: round(share * records) for reason, share in shares.items() if round(share * records)}


def _iso(position: int) -> str:
    return (_START + timedelta(seconds=position)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def variant(slug: str, position: int) -> str:
    """The same profile's address written otherwise."""
    forms = (
        f"https://{('uk', 'au', 'in', 'de', 'jp')[position % 5]}.linkedin.com/in/{slug}/",
        f"http://www.linkedin.com/in/{slug}?_l=en_us",
        f"https://www.linkedin.com/in/{slug.upper()}",
        f"linkedin.com/in/{slug}/details/experience/",
        f"https://www.linkedin.com/in/{quote(slug).replace('-', '%252D')}",
    )
    return forms[position // 5 % 5]


def turns(kinds: list[str]) -> Iterator[tuple[int, str, int]]:
    """(position, kind, person's index) for each record; a repeat names a person shown before it.

    Where a repeat would come before anybody, it changes places with the first person.
    """
    first = kinds.index("person")
    early = next((position for position, kind in enumerate(kinds) if kind in ("repeat", "two_urls")), len(kinds))
    if early < first:
        kinds[early], kinds[first] = kinds[first], kinds[early]
    shown = 0
    for position, kind in enumerate(kinds):
        if kind == "person":
            yield position, kind, shown
            shown += 1
        else:
            yield position, kind, (position * 7919) % shown if shown else 0


# ---------------------------------------------------------------------------------------------------- Bright Data

_NAMES: tuple[Callable[[Person], str], ...] = (
    lambda who: f"{who.first} {who.last} 🚀",
    lambda who: f"{who.first} {who.last}, MBA",
    lambda who: f"(Dr) {who.first} {who.last}",
    lambda who: f"\u202a{who.first} {who.last}\u202c",
)


class BrightData:
    """Profiles as the API answers them, one JSON object a line. `numbers`: the people that must be stored."""

    def __init__(self, records: int, seed: int, generator: random.Random) -> None:
        self.rejects = counts_of(_BRIGHTDATA_REJECTS, records)
        self.repeats = round(records * _BRIGHTDATA_REPEATS)
        self.two_urls = records // 1000
        self.seed, self._generator = seed, generator
        count = records - sum(self.rejects.values()) - self.repeats - self.two_urls
        self.numbers = range(count)

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """(kind, the record as JSON text), in the order in which the API gives them; kind: `person`, `repeat`,
        `two_urls`, or why it is rejected."""
        counts = {"person": len(self.numbers), "repeat": self.repeats, "two_urls": self.two_urls, **self.rejects}
        for position, kind, index in turns(people.shuffled(counts, self._generator)):
            yield kind, self._line(position, kind, index)

    def write(self, path: Path) -> None:
        """Write the file."""
        with path.open("wb", buffering=1024 * 1024) as file:
            file.writelines(line + b"\n" for _, line in self.lines())

    def _line(self, position: int, kind: str, index: int) -> bytes:
        if kind not in ("person", "repeat", "two_urls"):
            return _rejected_profile(kind, people.person(SPARE_NUMBERS + position, self.seed), position)
        who, url = people.person(self.numbers[index], self.seed), ""
        if kind == "repeat":
            url = variant(who.slug, position)
        elif kind == "two_urls":
            url = f"https://www.linkedin.com/in/{who.slug}-{position}"
        return orjson.dumps(_profile(who, position, url))


def _profile(who: Person, position: int, url: str = "") -> dict[str, Any]:
    """A profile; now and then with the oddities of real exports that have to be repaired."""
    url = url or f"https://www.linkedin.com/in/{who.slug}"
    place, company, number = who.place, who.company, who.number
    record: dict[str, Any] = {
        "id": who.slug,
        "linkedin_id": who.slug,
        "linkedin_num_id": str(who.member_id),
        "name": _NAMES[number % 25](who) if number % 25 < len(_NAMES) else f"{who.first} {who.last}",
        "city": f"Greater {place[0]} Area" if number % 40 == 7 else f"{place[0]}, {place[1]}, {place[2]}",
        "location": None if number % 50 == 9 else place[0],
        "country_code": place[3],
        "position": (
            who.title,
            f"{who.title} at {company.name}",
            who.title,
            f"{who.title} at {company.name} | Speaker",
        )[number % 4],
        "current_company": {}
        if number % 30 == 3
        else {
            "name": company.name,
            "company_id": company.slug,
            "link": f"https://www.linkedin.com/company/{company.slug}",
        },
        "current_company_name": company.name,
        "about": f"{who.title} with a taste for measurable results. " * (1 + number % 4),
        "followers": number % 5000,
        "connections": number % 500,
        "url": url,
        "input_url": url,
        "timestamp": _iso(position),
        "input": {"url": url},
    }
    if number % 50 != 9:  # keys are omitted as well as null
        record["experience"] = [
            {"title": who.title, "company": company.name, "start_date": "Jan 2022", "end_date": "Present"}
        ]
    return record


def _rejected_profile(kind: str, who: Person, position: int) -> bytes:
    record = _profile(who, position)
    if kind == "broken_json":
        return orjson.dumps(record)[: 200 + position % 200]
    if kind == "not_an_object":
        return b'["not", "a", "profile"]'
    if kind == "vendor_error":
        record = {key: record[key] for key in ("timestamp", "input")}
        record |= {"error": "Crawl failed", "error_code": "dead_page"}
    elif kind == "missing_job_title":
        record["position"] = (None, "--", ". at .", "")[position % 4]
    elif kind == "missing_company_name":
        nobody = (None, "none", "--")[position % 3]
        record |= {"current_company": {}, "current_company_name": nobody, "position": who.title}
    elif kind == "missing_full_name":
        record["name"] = (None, "", ".")[position % 3]
    else:
        bad = {
            "missing_linkedin_url": None,
            "invalid_linkedin_url": "https://www.linkedin.com/feed/update/urn:li:activity:1",
            "not_a_person": f"https://www.linkedin.com/company/{who.company.slug}",
        }[kind]
        record |= {"url": bad, "input_url": bad, "input": {"url": bad}, "id": None, "linkedin_id": None}
    return orjson.dumps(record)


# --------------------------------------------------------------------------------------------------------- Apollo

COLUMNS = (
    *("First Name", "Last Name", "Title", "Company Name", "Email", "Email Status", "Contact Owner", "Mobile Phone"),
    *("Corporate Phone", "# Employees", "Industry", "Person Linkedin Url", "Website", "City", "State", "Country"),
    *("Seniority", "Keywords"),
)


class Apollo:
    """Contacts as the CSV export writes them, with the exporter's own address on every row.

    `numbers`: the people that must be stored (or, `overlap` of them, found and filled). `with_email` and `with_company`
    count people with an e-mail of their own, and with industry, website and size.
    """

    def __init__(self, records: int, seed: int, generator: random.Random, known: range) -> None:
        self.rejects = counts_of(_APOLLO_REJECTS, records)
        self.repeats = round(records * _APOLLO_REPEATS)
        self.shared_emails = records // 4000
        self.seed, self._generator = seed, generator
        count = records - sum(self.rejects.values()) - self.repeats
        self.overlap = min(int(len(known) * _OVERLAP), count)
        fresh = range(_APOLLO_NUMBERS, _APOLLO_NUMBERS + count - self.overlap)
        self.numbers = [*generator.sample(known, self.overlap), *fresh]
        generator.shuffle(self.numbers)
        holders = [number for number in fresh if self._has_email(number)]
        pairs = [(holders[-1 - index], holders[index]) for index in range(self.shared_emails)]
        self._borrowed = {taker: people.person(giver, seed).email for taker, giver in pairs}
        self.with_email = sum(map(self._has_email, self.numbers)) - self.shared_emails
        self.with_company = sum(1 for number in self.numbers if _knows_company(people.draw_of(number, seed)))

    def _has_email(self, number: int) -> bool:
        return people.draw_of(number, self.seed) % 100 < 51

    def rows(self) -> Iterator[tuple[str, list[str]]]:
        """(kind, the values of COLUMNS), in the export's order; kind: `person`, `repeat`, or why it is rejected."""
        counts = {"person": len(self.numbers), "repeat": self.repeats, **self.rejects}
        for position, kind, index in turns(people.shuffled(counts, self._generator)):
            if kind in ("person", "repeat"):
                who = people.person(self.numbers[index], self.seed)
                yield kind, self._row(who, variant(who.slug, position) if kind == "repeat" else "")
            else:
                who = people.person(SPARE_NUMBERS + 1_000_000 + position, self.seed)
                yield kind, self._rejected(kind, who, position)

    def write(self, path: Path) -> None:
        """Write the file."""
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(row for _, row in self.rows())

    def _row(self, who: Person, url: str = "") -> list[str]:
        company, place, number = who.company, who.place, who.number
        email = self._borrowed.get(number) or (who.email if self._has_email(number) else "")
        phone = who.phone if number % 3 else ""
        status = "Verified" if email == who.email else "Extrapolated" if email else ""
        return [
            *(who.first, who.last, who.title, company.name, email.upper() if number % 20 == 1 else email, status),
            *("exporter@example.org", f"'{phone}" if phone and number % 2 else phone, "", str(company.employees)),
            company.industry if _knows_company(who.member_id) else "",
            url or f"http://www.linkedin.com/in/{who.slug}",
            *(f"http://www.{company.domain}", place[0], place[1], place[2], "senior", "growth; paid media"),
        ]

    def _rejected(self, kind: str, who: Person, position: int) -> list[str]:
        row, third = self._row(who), position % 3
        if kind == "missing_linkedin_url":
            row[11] = ("", "--", "N/A")[third]
        elif kind == "invalid_linkedin_url":
            row[11] = ("https://example.com/in/nobody", "https://www.linkedin.com/in/", "see profile")[third]
        elif kind == "missing_job_title":
            row[2] = ("", "--", ". at .")[third]
        elif kind == "missing_company_name":
            row[3] = ("none", "--", "")[third]
        else:
            row[0], row[1] = who.company.name, "GmbH"
        return row


def _knows_company(draw: int) -> bool:
    return draw % 97 < 94
