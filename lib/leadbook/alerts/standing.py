"""How alerting stands, for page, terminal and command: what is open, who was told, what could not be delivered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from leadbook.alerts.channels import Recipients
from leadbook.alerts.records import LEVELS
from leadbook.alerts.states import Situation, Trouble
from leadbook.alerts.texts import moment

MOST_UNDELIVERED = 20
"""Letters that are listed one by one."""


def of(
    state: Situation, recipients: Recipients, now: datetime, *, dry: bool, problem: str = ""
) -> list[dict[str, Any]]:
    """What `Dispatcher.standing` tells, the gravest first."""
    troubles = sorted(state.troubles.values(), key=lambda one: (-one.level, one.begun))
    told = [
        {"kind": "alert", "at": one.begun.isoformat(), "key": one.key, "level": one.level, "title": one.title,
         "state": word(state, one, now), "answered": _answer(one, now)} for one in troubles
    ]  # fmt: skip
    return [*told, *_undelivered(state), *_partly(state), *_notes(state, recipients, dry=dry, problem=problem)]


def _undelivered(state: Situation) -> Iterator[dict[str, Any]]:
    failing = [one for one in state.unfinished() if one.state == "failed"]
    for letter in failing[:MOST_UNDELIVERED]:
        waiting = len(state.waiting.get(letter.channel, []))
        behind = f"; {waiting} more wait behind it" if waiting else ""
        title = f"not delivered by {letter.channel}: {letter.reason}, tried {_times(letter.tries)}, again at " \
                f"{moment(letter.due)}{behind}"  # fmt: skip
        yield {"kind": "undeliverable", "at": letter.at.isoformat(), "channel": letter.channel, "level": letter.level,
               "title": title, "subject": letter.subject, "tries": letter.tries, "next": letter.due.isoformat(),
               "state": letter.reason}  # fmt: skip


def _partly(state: Situation) -> Iterator[dict[str, Any]]:
    """The last letter of a channel that arrived, where some of its recipients were refused."""
    last = {one.channel: one for one in state.letters.values() if one.state == "delivered"}
    for letter in last.values():
        if letter.reason:
            yield {"kind": "undeliverable", "at": letter.at.isoformat(), "channel": letter.channel,
                   "level": letter.level, "title": f"partly delivered by {letter.channel}: {letter.reason}",
                   "subject": letter.subject, "tries": letter.tries, "next": "", "state": letter.reason}  # fmt: skip


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _notes(state: Situation, recipients: Recipients, *, dry: bool, problem: str) -> Iterator[dict[str, Any]]:
    if dry:
        yield _note("dry run: alerts are shown and recorded, none is sent; to send them: -p alerts=true")
    elif not recipients.all:
        yield _note(f"no alert can be sent: no level has an address; {recipients.notes[1].partition(':')[0]}")
    if recipients.all:
        yield from map(_note, recipients.notes.values())
    if problem:
        yield _note(f"alerts cannot be recorded ({problem}): after a restart messages may come twice; make room")
    busy = {one.channel for one in state.unfinished() if one.state == "failed"}
    for channel, ids in state.waiting.items():
        if ids and channel not in busy:
            yield _note(f"{len(ids)} messages to {channel} are held back: the hourly limit is reached")


def _note(text: str) -> dict[str, Any]:
    return {"kind": "note", "title": text, "state": ""}


def word_of(state: Situation, key: str, now: datetime) -> str:
    """The same word of one alert by its key."""
    trouble = state.troubles.get(key)
    return word(state, trouble, now) if trouble else "is not open"


def word(state: Situation, trouble: Trouble, now: datetime) -> str:
    """What has become of an open alert, in a few words."""
    parts = [_way(state, trouble)]
    if answer := _answer(trouble, now):
        parts.append(answer)
    elif trouble.told_level > trouble.level:
        parts.append(f"unanswered, escalated to {LEVELS[trouble.told_level]}")
    else:
        parts.append("not answered")
    if trouble.ended is not None:
        parts.append(f"seems to have ended {moment(trouble.ended)}")
    return ", ".join(parts)


def _answer(trouble: Trouble, now: datetime) -> str:
    """Who has answered, and until when that holds; empty where nobody has."""
    until = f" until {moment(trouble.until)}" if trouble.until else ""
    return f"answered by {trouble.by}{until}" if trouble.answered(now) else ""


def _way(state: Situation, trouble: Trouble) -> str:
    if trouble.dry:
        return f"would be sent to {_who(trouble)}"
    mine = [one for one in state.letters.values() if any(_is_of(state, number, trouble) for number in one.news)]
    missing = trouble.channels - {one.channel for one in mine if one.state == "delivered"}
    failing = [one for one in state.unfinished() if one.state == "failed" and one.channel in missing]
    if not trouble.channels:
        return "told to nobody: no address"
    if failing:
        return f"not delivered to {len(missing)} of {len(trouble.channels)}: {failing[-1].reason}"
    refused = "; ".join(sorted({one.reason for one in mine if one.state == "delivered" and one.reason}))
    return "being sent" if missing else f"sent to {_who(trouble)}" + (f" ({refused})" if refused else "")


def _is_of(state: Situation, number: int, trouble: Trouble) -> bool:
    news = state.news.get(number)
    return news is not None and news.key == trouble.key and news.at >= trouble.begun


def _who(trouble: Trouble) -> str:
    return ", ".join(sorted(trouble.channels)) or "nobody, no address is named"
