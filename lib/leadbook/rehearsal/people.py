"""Synthetic people and companies: nobody real, domains under example.com, telephone numbers reserved for fiction."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import NamedTuple

from leadbook.lead import lexicon

FIRST, LAST, TITLES, OTHER_TITLES, INDUSTRIES, _ADJECTIVES, _NOUNS = (
    lexicon.phrases(key, "people")
    for key in ("first_names", "last_names", "titles", "other_titles", "industries", "adjectives", "nouns")
)
SIZES = (
    (8, "2-10"),
    (34, "11-50"),
    (120, "51-200"),
    (380, "201-500"),
    (760, "501-1000"),
    (2600, "1001-5000"),
    (14000, "10001+"),
)
AREA_CODES = lexicon.phrases("area_codes", "people")
PLACES = (
    # city, state and country as vendors write them, code; what stands before a local number of the range for fiction
    ("Phoenix", "Arizona", "United States", "US", ""),
    ("San Francisco", "California", "United States", "US", ""),
    ("Austin", "Texas", "United States", "US", ""),
    ("New York", "New York", "United States", "US", ""),
    ("Chicago", "Illinois", "United States", "US", ""),
    ("Seattle", "Washington", "United States", "US", ""),
    ("Denver", "Colorado", "United States", "US", ""),
    ("Toronto", "Ontario", "Canada", "CA", ""),
    ("London", "England", "United Kingdom", "GB", "+442079460"),
    ("Sydney", "New South Wales", "Australia", "AU", "+612555000"),
)


class Company(NamedTuple):
    """A made company. `employees` is a head count, `size` its range."""

    name: str
    slug: str
    domain: str
    industry: str
    employees: int
    size: str


class Person(NamedTuple):
    """A made person; `number` makes slug, member id and e-mail unique."""

    number: int
    first: str
    last: str
    slug: str
    member_id: int
    title: str
    company: Company
    place: tuple[str, str, str, str, str]
    email: str
    phone: str


@lru_cache(maxsize=1)
def companies() -> tuple[Company, ...]:
    """Four hundred companies, the same each time."""
    made = []
    names = [(adjective, noun) for adjective in _ADJECTIVES for noun in _NOUNS]
    for number, (adjective, noun) in enumerate(names):
        slug = f"{adjective}-{noun}".lower()
        employees, size = SIZES[number % len(SIZES)]
        made.append(
            Company(
                f"{adjective} {noun}",
                slug,
                f"{slug}.example.com",
                INDUSTRIES[number % len(INDUSTRIES)],
                employees,
                size,
            )
        )
    return tuple(made)


def draw_of(number: int, seed: int) -> int:
    """What person `number` is drawn by, and their member id: a bijection of numbers below 2**32."""
    return (number * 2654435761 + seed * 40503) & 0xFFFFFFFF


def person(number: int, seed: int) -> Person:
    """Person `number` of the population `seed`; different numbers below 2**32 never share slug, member id or e-mail."""
    draw = draw_of(number, seed)
    first, last = FIRST[draw % len(FIRST)], LAST[(draw >> 8) % len(LAST)]
    company = companies()[(draw >> 4) % 400]
    place = PLACES[(draw >> 12) % len(PLACES)]
    titles = OTHER_TITLES if draw % 10 == 0 else TITLES
    if place[4]:
        phone = f"{place[4]}{draw % 1000:03d}"[:12]
    else:
        phone = f"+1{AREA_CODES[(draw >> 9) % len(AREA_CODES)]}55501{draw % 100:02d}"
    return Person(
        number=number,
        first=first,
        last=last,
        slug=f"{first}-{last}-{draw:08x}".lower(),
        member_id=draw or 1,
        title=titles[(draw >> 6) % len(titles)],
        company=company,
        place=place,
        email=f"{first}.{last}.{draw:x}@{company.domain}".lower(),
        phone=phone,
    )


def shuffled(counts: dict[str, int], generator: random.Random) -> list[str]:
    """Each key as often as its count says, in an order drawn from `generator`."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    generator.shuffle(kinds)
    return kinds
