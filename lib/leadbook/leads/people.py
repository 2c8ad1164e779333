"""Synthetic people and companies: nobody real, domains under example.com, telephone numbers reserved for fiction."""

from __future__ import annotations

import random
from functools import lru_cache
from typing import Any, NamedTuple

from leadbook.leads import lexicon

__all__ = ["Company", "Person", "companies", "person"]

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
PLACES = (
    # city, state as vendors write it, country, code, what stands before a fictional local number
    ("Phoenix", "Arizona", "United States", "US", "+1602555"),
    ("San Francisco", "California", "United States", "US", "+1415555"),
    ("Austin", "Texas", "United States", "US", "+1512555"),
    ("New York", "New York", "United States", "US", "+1212555"),
    ("Chicago", "Illinois", "United States", "US", "+1312555"),
    ("Seattle", "Washington", "United States", "US", "+1206555"),
    ("Toronto", "Ontario", "Canada", "CA", "+1416555"),
    ("London", "England", "United Kingdom", "GB", "+44207946"),
    ("Berlin", "Berlin", "Germany", "DE", ""),
    ("Sydney", "New South Wales", "Australia", "AU", "+6125550"),
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
    for number, (adjective, noun) in enumerate((a, n) for a in _ADJECTIVES for n in _NOUNS):
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


def person(number: int, seed: int) -> Person:
    """Person `number` of the population `seed`; different numbers below 2**32 never share slug, member id or e-mail."""
    draw = (number * 2654435761 + seed * 40503) & 0xFFFFFFFF  # a bijection of number: unique, and looks drawn
    first, last = FIRST[draw % len(FIRST)], LAST[(draw >> 8) % len(LAST)]
    company = companies()[(draw >> 4) % 400]
    place = PLACES[(draw >> 12) % len(PLACES)]
    titles = OTHER_TITLES if draw % 10 == 0 else TITLES
    phone = f"{place[4]}0{draw % 1000:03d}" if place[4] else ""
    if place[3] == "US" or place[3] == "CA":
        phone = f"{place[4]}01{draw % 100:02d}"
    low = f"{first}.{last}".lower()
    return Person(
        number, first, last, f"{first}-{last}-{draw:08x}".lower(), draw or 1, titles[(draw >> 6) % len(titles)], company, place,
        f"{low}.{draw:x}@{company.domain}", phone,
    )  # fmt: skip


def shuffled(counts: dict[str, int], generator: random.Random) -> list[str]:
    """Each key as often as its count says, in an order drawn from `generator`."""
    kinds = [kind for kind, count in counts.items() for _ in range(count)]
    generator.shuffle(kinds)
    return kinds


def whole_place(place: tuple[Any, ...]) -> str:
    """ "Phoenix, Arizona, United States"."""
    return f"{place[0]}, {place[1]}, {place[2]}"
