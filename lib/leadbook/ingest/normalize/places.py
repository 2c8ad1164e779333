"""Places: "Phoenix, Arizona, United States" as city, state and country, each in one spelling.

States of the USA, Canada and Australia are stored as their postal codes and the USA as "USA", as in the task book's
example document; other countries by their English name (Unicode CLDR, by Babel).
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple

from babel import Locale

from leadbook.lead import lexicon
from leadbook.lead.fields import LENGTHS
from leadbook.lead.texts import is_placeholder, remembered, tidy


class Location(NamedTuple):
    """Any part may be empty. `region`: the country's alpha-2 code."""

    city: str = ""
    state: str = ""
    country: str = ""
    region: str | None = None


def _codes(entries: tuple[str, ...]) -> dict[str, str]:
    """Both a state's name and its code, case-folded -> code."""
    pairs = [entry.rpartition(" ") for entry in entries]
    return {key.casefold(): code for name, _, code in pairs for key in (name, code)}


_STATES = {region: _codes(entries) for region, entries in lexicon.table("states").items()}
_AREA = re.compile(
    r"(?:greater\s+)?(?P<city>.+?)(?:\s*,?\s+(?:bay)?\s*(?:metropolitan|metro)?\s*(?:area|region|metroplex))",
    re.IGNORECASE,
)
_GREATER = re.compile(r"greater\s+(?P<city>\w.*)", re.IGNORECASE)
_NOWHERE = frozenset(lexicon.phrases("nowhere"))
_ALIASES = {alias: code for code, aliases in lexicon.table("country_aliases").items() for alias in aliases}
_NAMES = {code: name for code, (name,) in lexicon.table("country_names").items()}
_NO_COUNTRY = ("ZZ", "EU", "UN", "XA", "XB")


@cache
def _countries() -> tuple[dict[str, str], dict[str, str]]:
    """(name or alpha-2 code, case-folded -> code; code -> name)."""
    names = {
        code: name
        for code, name in Locale("en").territories.items()
        if len(code) == 2 and code.isalpha() and code not in _NO_COUNTRY
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
    return _countries()[1][code][: LENGTHS["location_country"]] if code else text


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


@remembered
def read(raw: Any = "", city: Any = "", state_name: Any = "", country_name: Any = "", code: Any = "") -> Location:
    """A place from one whole string `raw` and from separate columns; a column that says something wins.

    `code`, an alpha-2 country code, helps only where no country is named.
    """
    whole, city, state_name, country_name, code = (
        text if len(text := tidy(value)) <= 300 else "" for value in (raw, city, state_name, country_name, code)
    )
    parts = _whole(whole)
    city, state_name, country_name = ("" if _nowhere(text) else text for text in (city, state_name, country_name))
    if city and ("," in city or _area(city)):
        inside = _whole(city)
        city = inside.city
        state_name, country_name = state_name or inside.state, country_name or inside.country
    elif not city:
        city = parts.city
    state_name, country_name = state_name or parts.state, country_name or parts.country
    region = region_of(country_name) or (_state_region(state_name) if state_name and not country_name else None)
    if region is None and not country_name and len(code) == 2:
        region = region_of(code)
    if region and not country_name:
        country_name = region
    named = country(country_name)
    is_country = len(city) > 2 and region_of(city) is not None and country(city) == named
    if is_country and city.casefold() not in ("singapore", "luxembourg"):
        city = ""
    return Location(_fit("city", city), _fit("state", state(state_name, region)), _fit("country", named), region)


def _fit(part: str, text: str) -> str:
    """A place that is too long is no place: it is left out, never cut to something else."""
    return text if len(text) <= LENGTHS[f"location_{part}"] else ""


def _nowhere(text: str) -> bool:
    return is_placeholder(text) or text.casefold() in _NOWHERE


def _area(text: str) -> str:
    match = _AREA.fullmatch(text) or _GREATER.fullmatch(text)
    return match.group("city").strip(" ,") if match else ""


def _whole(text: str) -> Location:
    """Split a whole place string. One part: a country, a metropolitan area, a state of the USA, or else a city."""
    parts = [part.strip() for part in text.split(",") if not _nowhere(part.strip())]
    if not parts or _nowhere(text):
        return Location()
    last, folded = parts[-1], parts[-1].casefold()
    is_state = folded in _STATES["US"]
    region = region_of(last) if len(last) > 2 or len(parts) > 2 or not is_state else None
    if len(parts) == 1:
        if region and len(last) > 2 and not is_state:
            return Location(last if folded == "singapore" else "", "", last)
        if is_state and folded != "new york":
            return Location("", last, "US")
    elif region and folded != "georgia":
        parts.pop()
        return _split(parts, last)
    elif (found := _state_region(last)) is not None:
        return _split(parts, found)
    return Location(_area(parts[0]) or parts[0], ", ".join(parts[1:]))


def _split(parts: list[str], country_name: str) -> Location:
    """City and state from what stands before the country; "Bogota, D.C., Capital District" keeps "Bogota, D.C."."""
    area = _area(parts[0])
    if len(parts) == 1:
        if parts[0].casefold() in _STATES.get(region_of(country_name) or "", ()):
            return Location("", parts[0], country_name)
        return Location(area or parts[0], "", country_name)
    return Location(area or ", ".join(parts[:-1]), parts[-1], country_name)
