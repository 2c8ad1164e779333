"""Places: "Phoenix, Arizona, United States" as city, state and country, each in one spelling.

States of the USA, Canada and Australia are stored as their postal codes and the USA as "USA", as in the task book's
example document; other countries by their English name (Unicode CLDR, by Babel).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple

from babel import Locale

from leadbook.leads.texts import is_placeholder, tidy

__all__ = ["Place", "country", "read", "region_of", "state"]

CITY_LENGTH, STATE_LENGTH, COUNTRY_LENGTH = 100, 50, 50
"""Characters allowed by the task book's validator."""


class Place(NamedTuple):
    """Any part may be empty. `is_area`: a metropolitan area stood for the city. `region`: the country's alpha-2 code."""

    city: str = ""
    state: str = ""
    country: str = ""
    is_area: bool = False
    region: str | None = None


_US = """Alabama AL,Alaska AK,Arizona AZ,Arkansas AR,California CA,Colorado CO,Connecticut CT,Delaware DE,District of Columbia DC,
Florida FL,Georgia GA,Hawaii HI,Idaho ID,Illinois IL,Indiana IN,Iowa IA,Kansas KS,Kentucky KY,Louisiana LA,Maine ME,Maryland MD,
Massachusetts MA,Michigan MI,Minnesota MN,Mississippi MS,Missouri MO,Montana MT,Nebraska NE,Nevada NV,New Hampshire NH,New Jersey NJ,
New Mexico NM,New York NY,North Carolina NC,North Dakota ND,Ohio OH,Oklahoma OK,Oregon OR,Pennsylvania PA,Puerto Rico PR,
Rhode Island RI,South Carolina SC,South Dakota SD,Tennessee TN,Texas TX,Utah UT,Vermont VT,Virginia VA,Washington WA,
West Virginia WV,Wisconsin WI,Wyoming WY"""
_CA = """Alberta AB,British Columbia BC,Manitoba MB,New Brunswick NB,Newfoundland and Labrador NL,Nova Scotia NS,Ontario ON,
Prince Edward Island PE,Quebec QC,Québec QC,Saskatchewan SK,Yukon YT"""
_AU = """New South Wales NSW,Victoria VIC,Queensland QLD,South Australia SA,Western Australia WA,Tasmania TAS,Australian Capital Territory ACT,
Northern Territory NT"""


def _codes(table: str) -> dict[str, str]:
    pairs = [entry.strip().rpartition(" ") for entry in table.replace("\n", "").split(",")]
    return {key.casefold(): code for name, _, code in pairs for key in (name, code)}


_STATES = {"US": _codes(_US), "CA": _codes(_CA), "AU": _codes(_AU)}
_AREA = re.compile(
    r"(?:greater\s+)?(?P<city>.+?)(?:\s*,?\s+(?:bay|city)?\s*(?:metropolitan|metro)?\s*(?:area|region|metroplex))",
    re.IGNORECASE,
)
_GREATER = re.compile(r"greater\s+(?P<city>\w.*)", re.IGNORECASE)
_NOWHERE = frozenset({"contact info", "contact information", "remote", "worldwide", "global", "earth", "anywhere"})
_ALIASES = {
    "usa": "US", "u.s.a.": "US", "u.s.": "US", "united states of america": "US", "america": "US", "uk": "GB", "u.k.": "GB",
    "great britain": "GB", "england": "GB", "scotland": "GB", "wales": "GB", "northern ireland": "GB", "turkey": "TR",
    "turkiye": "TR", "czech republic": "CZ", "hong kong": "HK", "hong kong sar": "HK", "macau": "MO", "macao": "MO",
    "south korea": "KR", "korea": "KR", "republic of korea": "KR", "viet nam": "VN", "russian federation": "RU", "uae": "AE",
    "ivory coast": "CI", "deutschland": "DE", "españa": "ES", "italia": "IT", "brasil": "BR", "méxico": "MX", "schweiz": "CH",
    "suisse": "CH", "österreich": "AT", "nederland": "NL", "the netherlands": "NL", "holland": "NL", "belgië": "BE",
    "polska": "PL", "sverige": "SE", "danmark": "DK", "norge": "NO", "suomi": "FI", "macedonia": "MK", "burma": "MM",
    "palestine": "PS", "taiwan, province of china": "TW", "myanmar": "MM", "bosnia and herzegovina": "BA",
}  # fmt: skip
_NAMES = {"US": "USA", "HK": "Hong Kong", "MO": "Macao", "MM": "Myanmar", "PS": "Palestine", "TR": "Turkey"}


@cache
def _countries() -> tuple[dict[str, str], dict[str, str]]:
    """(name or alpha-2 code, case-folded -> code; code -> name)."""
    territories = Locale("en").territories
    names = {
        code: name
        for code, name in territories.items()
        if len(code) == 2 and code.isalpha() and code not in ("ZZ", "EU", "UN", "XA", "XB")
    }
    codes = {name.casefold(): code for code, name in names.items()}
    codes |= {code.casefold(): code for code in names} | _ALIASES
    return codes, names | _NAMES


@lru_cache(maxsize=4096)
def region_of(text: str) -> str | None:
    """ISO 3166 alpha-2 code of a country's name or code, or None."""
    return _countries()[0].get(text.strip().casefold())


def country(text: str) -> str:
    """A country's name in one spelling: "US" and "United States" are "USA". Unknown ones stay as they are."""
    code = region_of(text)
    return _countries()[1][code][:COUNTRY_LENGTH] if code else text


@lru_cache(maxsize=4096)
def state(text: str, region: str | None) -> str:
    """A state's postal code in the USA, Canada and Australia; any other as written."""
    return _STATES.get(region or "", {}).get(text.casefold(), text)


def _state_region(text: str) -> str | None:
    """The country that a state's name alone tells; two-letter codes and "Victoria" count for the USA only."""
    folded = text.casefold()
    if folded in _STATES["US"]:
        return "US"
    return next((region for region in ("CA", "AU") if len(folded) > 3 and folded in _STATES[region]), None)


def read(raw: Any = "", city: Any = "", state_name: Any = "", country_name: Any = "", code: Any = "") -> Place:
    """A place from one whole string `raw` and from separate columns; a column that says something wins.

    `code`, an alpha-2 country code, helps only where no country is named.
    """
    return _read(tidy(raw), tidy(city), tidy(state_name), tidy(country_name), tidy(code))


@lru_cache(maxsize=65536)
def _read(whole: str, city: str, state_name: str, country_name: str, code: str) -> Place:
    parts = _whole(whole)
    city, state_name, country_name = ("" if _nowhere(text) else text for text in (city, state_name, country_name))
    area = False
    if city and ("," in city or _area(city)):
        named = _whole(city)
        city, area = named.city, named.is_area
        state_name, country_name = state_name or named.state, country_name or named.country
    elif not city:
        city, area = parts.city, parts.is_area
    state_name, country_name = state_name or parts.state, country_name or parts.country
    region = region_of(country_name) or (_state_region(state_name) if state_name and not country_name else None)
    if region is None and not country_name and len(code) == 2:
        region = region_of(code)
    if region and not country_name:
        country_name = region
    if (
        city
        and region_of(city)
        and len(city) > 2
        and country(city) == country(country_name)
        and city.casefold() not in ("singapore", "luxembourg")
    ):
        city = ""
    return Place(
        _fit(city, CITY_LENGTH),
        _fit(state(state_name, region), STATE_LENGTH),
        _fit(country(country_name), COUNTRY_LENGTH),
        area,
        region,
    )


def _fit(text: str, length: int) -> str:
    """A place that is too long is no place: it is left out, never cut to something else."""
    return text if len(text) <= length else ""


def _nowhere(text: str) -> bool:
    return is_placeholder(text) or text.casefold() in _NOWHERE


def _area(text: str) -> str:
    match = _AREA.fullmatch(text) or _GREATER.fullmatch(text)
    return match.group("city").strip(" ,") if match else ""


@lru_cache(maxsize=32768)
def _whole(text: str) -> Place:
    """Split a whole place string. One part: a country, a metropolitan area, a state of the USA, or else a city."""
    if _nowhere(text):
        return Place()
    parts = [part.strip() for part in text.split(",") if not _nowhere(part.strip())]
    if not parts:
        return Place()
    last = parts[-1]
    region = region_of(last) if len(last) > 2 or len(parts) > 2 or last.casefold() not in _STATES["US"] else None
    if len(parts) == 1:
        if region and len(last) > 2 and not (last.casefold() in _STATES["US"]):
            return Place("" if last.casefold() != "singapore" else last, "", last)
        if last.casefold() in _STATES["US"] and last.casefold() != "new york":
            return Place("", last, "US")
    elif region and last.casefold() not in ("georgia",):
        parts.pop()
        return _split(parts, last)
    elif (found := _state_region(last)) is not None:
        return _split(parts, found)
    area = _area(parts[0])
    return Place(area or parts[0], ", ".join(parts[1:]) if len(parts) > 1 else "", "", bool(area))


def _split(parts: list[str], country_name: str) -> Place:
    """City and state from what stands before the country; "Bogota, D.C., Capital District" keeps "Bogota, D.C."."""
    area = _area(parts[0])
    if len(parts) == 1:
        return Place(area or parts[0], "", country_name, bool(area))
    city = ", ".join(parts[:-1]) if not area else area
    return Place(city, parts[-1], country_name, bool(area))
