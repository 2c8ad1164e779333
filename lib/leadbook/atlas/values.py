"""Values out of JSON that another made: of the wanted kind, or nothing."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
WIDEST = {4: 8, 6: 32}
"""Shortest prefix of an access list's entry by IP version: a wider one lets in networks of strangers; the IPv6 one is
what a provider is given."""


def at(body: Any, path: str) -> Any:
    """The value at a dotted path; None where a step is missing."""
    for step in path.split("."):
        body = body.get(step) if isinstance(body, Mapping) else None
    return body


def text(body: Any, path: str) -> str:
    """A string of printable characters, others as spaces: it goes on to terminals and pages; empty where there is
    none."""
    found = at(body, path)
    return "".join(one if one.isprintable() else " " for one in found) if isinstance(found, str) else ""


def number(body: Any, path: str) -> float | None:
    """A number; None where there is none, or none that can be reckoned with (1e999, NaN)."""
    found = at(body, path)
    if not isinstance(found, int | float) or isinstance(found, bool):
        return None
    try:
        return float(found) if math.isfinite(found) else None
    except OverflowError:
        return None


def whole(body: Any, path: str) -> int | None:
    """A whole number; None where there is none."""
    found = number(body, path)
    return None if found is None else int(found)


def flag(body: Any, path: str) -> bool | None:
    """True or False; None where neither is said."""
    found = at(body, path)
    return found if isinstance(found, bool) else None


def moment(body: Any, path: str) -> datetime | None:
    """A time (ISO 8601); None where there is none."""
    try:
        found = datetime.fromisoformat(text(body, path))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def many(body: Any, path: str = "") -> list[dict[str, Any]]:
    """A list's mappings; empty where there is no list."""
    found = at(body, path) if path else body
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def words(body: Any, path: str) -> tuple[str, ...]:
    """A list's strings; empty where there is no list."""
    found = at(body, path)
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def network(address: str) -> str:
    """`203.0.113.7/32`, `::/0`: a network or an address in its shortest form; as it is where it is neither."""
    try:
        return str(ipaddress.ip_network(address, strict=False))
    except ValueError:
        return address
