"""Vendors' timestamps as aware UTC datetimes, cut to milliseconds as MongoDB stores them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from leadbook.lead.clock import to_ms

_OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
_NEWEST = datetime(2100, 1, 1, tzinfo=UTC)
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\s*([AP]M)?)?", re.IGNORECASE)


def utc(value: Any) -> datetime | None:
    """The moment that `value` names, or None when it names none between 2000 and 2100.

    Reads ISO 8601 (a date alone is midnight; no zone means UTC), Unix seconds and milliseconds, and `1/29/2025 3:04 PM`
    as month first, which is how US exports write it.
    """
    if isinstance(value, str):
        return _from_text(value.strip())
    if isinstance(value, datetime):
        return _bounded(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _from_number(value)
    return None


def _from_text(text: str) -> datetime | None:
    if not text or len(text) > 40:
        return None
    try:
        return _bounded(datetime.fromisoformat(text))
    except ValueError:
        pass
    if text.isascii() and text.isdigit():
        return _from_number(int(text))
    match = _US_DATE.fullmatch(text)
    if match is None:
        return None
    month, day, year, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    if half := match.group(7):
        hour = hour % 12 + (12 if half.upper() == "PM" else 0)
    try:
        return _bounded(datetime(year, month, day, hour, minute, second, tzinfo=UTC))
    except ValueError:
        return None


def _from_number(number: float) -> datetime | None:
    try:
        seconds = number / 1000 if abs(number) >= 1e11 else float(number)
        return _bounded(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
    except (OverflowError, ValueError):
        return None


def _bounded(moment: datetime) -> datetime | None:
    try:
        if moment.tzinfo is not UTC:
            moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return to_ms(moment) if _OLDEST <= moment < _NEWEST else None
