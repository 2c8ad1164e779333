"""Durations and moments as people write them (`30s`, `5m`, `2h`; `18:00`, `2026-12-01T18:00Z`, `8h`) and read them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from leadbook.core.errors import UsageError

UNITS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
LONGEST_S = 30 * 86_400.0


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = round(abs(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} d {hours % 24} h"


def seconds_of(text: str, option: str) -> float:
    """`30s`, `5m`, `1.5h`, `90` in seconds. Raises UsageError naming the option."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*(ms|[smhd]?)", text.strip())
    seconds = float(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST_S:
        raise UsageError(f"{option} {text!r} is no duration; write it like 30s, 5m or 2h, 30 days at most")
    return seconds


def moment_of(text: str, option: str, now: datetime) -> datetime:
    """A moment after `now`: a duration from now on, a time of day of this machine's zone, or ISO 8601 with a zone.

    A time of day that has passed is tomorrow's. Raises UsageError naming the option.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,2}:\d{2}", text):
        hour, minute = map(int, text.split(":"))
        if hour > 23 or minute > 59:
            raise UsageError(f"{option} {text!r} is no time of day")
        local = now.astimezone()
        moment = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return moment if moment > local else (moment.replace(tzinfo=None) + timedelta(days=1)).astimezone()
    if re.fullmatch(r"\d{4}-\d\d-\d\d[T ].*", text):
        return _iso(text, option, now)
    try:
        return now + timedelta(seconds=seconds_of(text, option))
    except UsageError:
        raise UsageError(f"{option} {text!r} is no moment; write it like 18:00, 2026-12-01T18:00Z or 8h") from None


def _iso(text: str, option: str, now: datetime) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{option} {text!r} is no moment: {error}") from None
    if moment.tzinfo is None:
        raise UsageError(f"{option} {text!r} names no zone; add Z for UTC, or +02:00")
    if moment <= now:
        raise UsageError(f"{option} {text!r} has passed already")
    return moment
