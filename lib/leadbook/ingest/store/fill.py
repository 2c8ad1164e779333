"""What a second sighting may add to a stored lead: fields that it lacks. Never overwrites, never stores a null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["FIELDS", "additions", "mask"]

FIELDS = (
    "email", "phone", "location_city", "location_state", "location_country",
    "company_website", "company_industry", "company_size",
)  # fmt: skip
"""Fields a sighting may add. The four required ones are always there; the order is that of the bits in a Redis key,
so new fields go to the end."""

_BITS = tuple((name, 1 << bit) for bit, name in enumerate(FIELDS))


def mask(lead: Mapping[str, Any]) -> int:
    """Bit mask of the FIELDS that `lead` has."""
    return sum(bit for name, bit in _BITS if name in lead)


def additions(stored: Mapping[str, Any], sighting: Mapping[str, Any]) -> dict[str, Any]:
    """The FIELDS of `sighting` that `stored` lacks (absent or null), and `email_verified` with a verified e-mail."""
    adds = {name: sighting[name] for name in FIELDS if sighting.get(name) is not None and stored.get(name) is None}
    if "email" in adds and sighting.get("email_verified"):
        adds["email_verified"] = True
    return adds
