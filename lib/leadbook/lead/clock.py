"""Moments as MongoDB keeps them: in UTC, cut to milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime


def to_ms(moment: datetime) -> datetime:
    """`moment` without what is beyond milliseconds."""
    beyond = moment.microsecond % 1000
    return moment.replace(microsecond=moment.microsecond - beyond) if beyond else moment


def now_ms() -> datetime:
    """Now, as it is read back once it was sent."""
    return to_ms(datetime.now(UTC))
