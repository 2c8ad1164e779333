"""The words of a message: short, without personal data, the same for Slack, mail and all others."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

from leadbook.alerts.records import LEVELS
from leadbook.alerts.states import News
from leadbook.core.redactor import Redactor
from leadbook.lead.masks import mask_people
from leadbook.watch.moments import duration

MOST_TOLD = 8
"""Alerts that one message tells in full; of the others it tells title and key."""
MOST_LINES, LONGEST_LINE, LONGEST_TITLE = 8, 400, 120
"""Of one alert; a line of an unreasonable finding is cut, so that a message stays readable."""
WORDS = {"begun": "NEW", "graver": "GRAVER", "unanswered": "UNANSWERED", "over": "OVER", "passed": "CAME AND WENT"}


def harmless(text: str, redactor: Redactor) -> str:
    """`text` in one line, without known secrets, e-mail addresses, LinkedIn addresses and telephone numbers."""
    text = "".join(one if one.isprintable() else " " for one in text)  # controls, and halves of letters
    text = mask_people(redactor.text(" ".join(text.split())))
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 1] + "…"


def moment(at: datetime) -> str:
    """`Tue 14:02 UTC`."""
    return f"{at:%a %H:%M} UTC"


def subject(heading: str, news: Sequence[News]) -> str:
    """What a mail's subject says: whose data, how grave, what."""
    first = _ordered(news)[0]
    title = first.title if len(first.title) <= LONGEST_TITLE else f"{first.title[: LONGEST_TITLE - 1]}…"
    more = f" and {len(news) - 1} more" if len(news) > 1 else ""
    whose = heading.partition(":")[0]
    return f"[leadbook] {whose}: {WORDS[first.what].lower()}, {LEVELS[first.level]}: {title}{more}"


def _ordered(news: Sequence[News]) -> list[News]:
    """What goes on first, the gravest above all."""
    return sorted(news, key=lambda one: (one.what in ("over", "passed"), -one.level, one.since, one.id))


def body(heading: str, news: Sequence[News], answer: str, held: str = "") -> str:
    """The message. heading: whose data and the target, the first line.  answer: the command that answers, with KEY.

    held: why it comes late, where it does.
    """
    ordered = _ordered(news)
    blocks = [_block(one, answer) for one in ordered[:MOST_TOLD]]
    rest = ordered[MOST_TOLD:]
    if rest:
        told = [f"- {WORDS[one.what]}, {LEVELS[one.level]}: {one.title} [{one.key}]" for one in rest[: 3 * MOST_TOLD]]
        more = [f"- and {len(rest) - len(told)} more; see `leadbook alerts`"] * (len(rest) > len(told))
        blocks.append("\n".join([f"Besides these {len(rest)}:", *told, *more]))
    return "\n\n".join([heading + (f"\n{held}" if held else ""), *blocks])


def _block(one: News, answer: str) -> str:
    first = f"{WORDS[one.what]}, {LEVELS[one.level]}: {one.title}"
    if one.what in ("over", "passed"):
        back = f"; it came back {one.returns} times meanwhile" if one.returns else ""
        return f"{first}\nFrom {moment(one.since)}, for {duration(one.seconds)}{back}."
    lines = [first, f"Since {moment(one.since)}.", *one.lines[:MOST_LINES]]
    if one.what == "unanswered":
        lines.append(f"Nobody has answered for {duration(one.seconds)}. {one.note}".rstrip())
    lines.append(f"To answer: {answer.replace('KEY', shlex.quote(one.key))}")
    return "\n".join(lines)
