"""Letters made of news: one for each channel and interval, at most so many an hour, the rest together in the next."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from leadbook.alerts import texts
from leadbook.alerts.course import Entry
from leadbook.alerts.states import News, Situation, urgent

HOUR = timedelta(hours=1)
KEPT_BACK = 5
"""A fifth of the hourly limit is kept for critical alerts."""


def written(state: Situation, now: datetime, *, most: int, heading: str, answer: str, dry: bool, aside: bool = False,
            only: Sequence[int] = ()) -> Iterator[Entry]:  # fmt: skip
    """Entries of the letters that may be sent now. most: an hour and channel.  only: news, where not all are meant.

    A channel that has not taken its last letter gets none: its news wait, and go out together.
    """
    for channel in sorted(state.waiting):
        ids = [one for one in state.waiting[channel] if not only or one in only]
        news = [state.news[one] for one in ids if one in state.news]
        if not news or (state.unfinished(channel) and not aside) or _is_full(state, channel, news, most, now):
            continue
        told = _paired(news)
        late = sorted({one.at for one in news if one.at < now - timedelta(seconds=1)})
        held = _held(state, channel, late, most) if told else ""
        letter = {
            "e": "letter", "at": now.isoformat(), "id": secrets.token_hex(6), "channel": channel, "news": ids,
            "level": max(one.level for one in news), "aside": aside,
            "subject": texts.subject(heading, told), "text": texts.body(heading, told, answer, held),
        }  # fmt: skip
        yield letter
        if dry:
            yield {"e": "would", "at": now.isoformat(), "letter": letter["id"]}


def _is_full(state: Situation, channel: str, news: Sequence[News], most: int, now: datetime) -> bool:
    sent = sum(1 for one in state.letters.values() if one.channel == channel and now - one.at < HOUR)
    return sent >= (most if any(urgent(one.level) for one in news) else most - most // KEPT_BACK)


def _paired(news: Sequence[News]) -> list[News]:
    """The newest of each trouble; what began and ended before it could be told is told as one."""
    begun = {one.key for one in news if one.what == "begun"}
    newest = {one.key: one for one in news}
    return [
        replace(one, what="passed") if one.what == "over" and one.key in begun
        else replace(one, what="begun") if one.key in begun and one.what == "graver" else one
        for one in newest.values()
    ]  # fmt: skip


def _held(state: Situation, channel: str, late: Sequence[datetime], most: int) -> str:
    """Why a letter comes late, where it does."""
    before = [one for one in state.letters.values() if one.channel == channel]
    if not late or not before:
        return ""
    last = max(before, key=lambda one: one.at)
    why = f"this address gets at most {most} messages an hour" if last.tries <= 1 else "this address did not answer"
    return f"{len(late)} message{'s were' if len(late) > 1 else ' was'} held back since {texts.moment(late[0])}: {why}."
