"""What a vendor's answer means, whoever the vendor is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any


class Meaning(StrEnum):
    """What an answer means for the lead. CAPPED, UNSURE and PAUSED: nobody was asked."""

    FOUND = "found"
    NOTHING = "nothing known"
    ERASE = "erasure requested"
    PENDING = "still running"
    AGAIN = "try again"
    SPENT = "quota spent"
    DENIED = "key refused"
    INVALID = "refused as invalid"
    AWAY = "no answer"
    CAPPED = "spending cap reached"
    UNSURE = "spending not known"
    PAUSED = "circuit open"


@dataclass(frozen=True, slots=True)
class VendorResponse:
    """What a vendor said. body: its JSON.  status: of HTTP, 0 when there was none.  after_s: Retry-After, seconds."""

    meaning: Meaning
    status: int = 0
    body: Any = None
    after_s: float = 0.0

    def at(self, *path: str) -> Any:
        """The value at `path` inside the body; None when the way is blocked."""
        return inside(self.body, *path)


def inside(value: Any, *path: str) -> Any:
    """The value at `path` inside nested mappings; None when the way is blocked, whatever the vendor sent."""
    for name in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def usual(status: int) -> Meaning:
    """The meaning that HTTP itself gives a status (RFC 9110)."""
    if 200 <= status < 300:
        return Meaning.FOUND
    if status in (401, 403):
        return Meaning.DENIED
    if status == 402:
        return Meaning.SPENT
    if status == 404:
        return Meaning.NOTHING
    if status in (408, 423, 425, 429) or status >= 500:
        return Meaning.AGAIN
    return Meaning.INVALID


def retry_after_s(text: str | None) -> float | None:
    """Seconds that a Retry-After asks to wait: a number or a date (RFC 9110); None where it says neither."""
    said = (text or "").strip()
    if re.fullmatch(r"\d{1,9}(?:\.\d{1,9})?", said):
        return float(said)
    try:
        return max((parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):  # no date, or one without a zone or with one of no place on Earth
        return None
