"""What alerting knows: troubles, what is to be told of them, and letters on their way; folded from entries of a file.

An entry is a flat JSON object with `e`, its kind, and `at`. Kinds: of a trouble `begun`, `graver`, `ended`, `again`,
`over`, `escalated`, `ack`, `asked` (an answer's time was over), `live` (a dry run has ended); of telling `news`; of
letters `letter`, `would`, `attempt`, `delivered`, `failed`, `hastened`, `moved`; `told` and `journalled` for the
journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from leadbook.alerts.records import CRITICAL, LEVELS

LONG_AGO = datetime.min.replace(tzinfo=UTC)
KEPT_OVER, KEPT_LETTERS, KEPT_JOURNAL = 200, 500, 2_000
"""Ended troubles, finished letters and entries for the journal that are kept in memory; the file keeps all."""
FINISHED = ("delivered", "would", "moved")


@dataclass(kw_only=True)
class Trouble:
    """An alert that goes on, or has ended. told_level: whom it was told to.  asked: since when an answer is waited for.

    channels: that were told.  ended: it seems to have ended then, and is over if it does not begin again.  dry: nothing
    of it was sent.
    """

    key: str
    level: int
    title: str
    lines: list[str]
    begun: datetime
    told_level: int
    asked: datetime
    dry: bool = False
    channels: set[str] = field(default_factory=set)
    ended: datetime | None = None
    over: datetime | None = None
    returns: int = 0
    by: str = ""
    until: datetime | None = None

    def answered(self, now: datetime) -> bool:
        """Whether somebody has answered and that holds still."""
        return bool(self.by) and (self.until is None or now < self.until)


@dataclass(kw_only=True)
class News:
    """Something to tell about a trouble: what (see `texts.WORDS`), when, since when the trouble goes on.

    seconds: that an answer was waited for, or that the trouble lasted.
    """

    id: int
    key: str
    what: str
    level: int
    title: str
    lines: list[str]
    at: datetime
    since: datetime
    returns: int = 0
    seconds: float = 0.0
    note: str = ""


@dataclass(kw_only=True)
class Letter:
    """A message for one channel. state: `waiting`, `attempt`, or of FINISHED, or `failed`.  due: not sent before.

    aside: written by a check beside a watch that hangs.  tried: when the last attempt began.
    """

    id: str
    channel: str
    news: list[int]
    level: int
    subject: str
    text: str
    at: datetime
    due: datetime
    state: str = "waiting"
    tries: int = 0
    tried: datetime = LONG_AGO
    reason: str = ""
    aside: bool = False


@dataclass(kw_only=True)
class Situation:
    """All that the entries say. waiting: news by channel that no letter tells yet.  latest: moment of the newest entry.
    journal: bodies of entries that the sprint's journal does not hold yet, by `_id`.
    """

    troubles: dict[str, Trouble] = field(default_factory=dict)
    past: list[Trouble] = field(default_factory=list)
    news: dict[int, News] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    waiting: dict[str, list[int]] = field(default_factory=dict)
    journal: dict[str, dict[str, Any]] = field(default_factory=dict)
    last_news: int = 0
    latest: datetime = LONG_AGO

    def apply(self, entry: Mapping[str, Any]) -> None:
        """Take one entry. Raises KeyError, ValueError or TypeError where it is none."""
        _sound(entry)
        at, kind = datetime.fromisoformat(entry["at"]), str(entry["e"])
        self.latest = max(self.latest, at)
        if kind == "news":
            self._news(entry, at)
        elif kind == "letter":
            self._letter(entry, at)
        elif kind == "moved":
            self._moved(entry)
        elif kind == "journalled":
            for oid in entry["oids"]:
                self.journal.pop(oid, None)
        elif kind == "hastened":
            self.letters[entry["letter"]].due = datetime.fromisoformat(entry["next"])
        elif kind in ("attempt", "delivered", "failed", "would"):
            self._on_its_way(kind, entry, at)
        elif kind == "begun":
            self.troubles[entry["key"]] = Trouble(
                key=entry["key"], level=entry["level"], title=entry["title"], lines=list(entry["lines"]),
                begun=datetime.fromisoformat(entry["since"]), told_level=entry["level"], asked=at, dry=entry["dry"],
            )  # fmt: skip
        elif kind != "told" and entry["key"] in self.troubles:
            self._of_trouble(kind, self.troubles[entry["key"]], entry, at)
        if oid := entry.get("oid"):
            self.journal = dict([*self.journal.items(), (oid, _for_journal(entry))][-KEPT_JOURNAL:])

    def _of_trouble(self, kind: str, trouble: Trouble, entry: Mapping[str, Any], at: datetime) -> None:
        if kind == "graver":
            trouble.level, trouble.title, trouble.lines = entry["level"], entry["title"], list(entry["lines"])
            trouble.told_level, trouble.asked = max(trouble.told_level, trouble.level), at
            trouble.by, trouble.until = "", None
        elif kind == "ended":
            trouble.ended = at
        elif kind == "again":
            trouble.ended, trouble.returns = None, trouble.returns + 1
        elif kind == "over":
            trouble.over = trouble.ended or at
            self.past = [*self.past, self.troubles.pop(trouble.key)][-KEPT_OVER:]
        elif kind == "escalated":
            trouble.told_level, trouble.asked = entry["level"], at
        elif kind == "ack":
            trouble.by, trouble.until = entry["by"], _moment(entry["until"])
        elif kind == "asked":
            trouble.by, trouble.until, trouble.asked = "", None, at
        elif kind == "live":
            trouble.dry, trouble.asked = False, at
            trouble.channels.clear()
        else:
            raise ValueError(f"no entry is called {kind}")

    def _news(self, entry: Mapping[str, Any], at: datetime) -> None:
        one = News(id=entry["id"], key=entry["key"], what=entry["what"], level=entry["level"], title=entry["title"],
                   lines=list(entry["lines"]), at=at, since=datetime.fromisoformat(entry["since"]),
                   returns=entry["returns"], seconds=entry["seconds"], note=entry["note"])  # fmt: skip
        self.news[one.id], self.last_news = one, max(self.last_news, one.id)
        for channel in entry["channels"]:
            self.waiting.setdefault(channel, []).append(one.id)
            if trouble := self.troubles.get(one.key):
                trouble.channels.add(channel)

    def _letter(self, entry: Mapping[str, Any], at: datetime) -> None:
        letter = Letter(id=entry["id"], channel=entry["channel"], news=list(entry["news"]), level=entry["level"],
                        subject=entry["subject"], text=entry["text"], at=at, due=at, aside=entry["aside"])  # fmt: skip
        self.letters[letter.id] = letter
        self.waiting[letter.channel] = [one for one in self.waiting.get(letter.channel, []) if one not in letter.news]
        self._forget(at)

    def _on_its_way(self, kind: str, entry: Mapping[str, Any], at: datetime) -> None:
        letter = self.letters[entry["letter"]]
        if letter.state in FINISHED:
            return
        letter.state, letter.reason = kind, entry.get("reason", "")
        if kind == "attempt":
            letter.tries, letter.tried = letter.tries + 1, at
        elif kind == "failed":
            letter.due = datetime.fromisoformat(entry["next"])

    def _moved(self, entry: Mapping[str, Any]) -> None:
        """What an address that is named no more was not told goes to others."""
        left = self.waiting.pop(entry["channel"], [])
        for letter in self.unfinished(entry["channel"]):
            letter.state, letter.reason = "moved", "the address is named no more"
            left = [*left, *letter.news]
        for channel in entry["to"]:
            self.waiting[channel] = sorted({*self.waiting.get(channel, []), *(one for one in left if one in self.news)})

    def unfinished(self, channel: str = "") -> list[Letter]:
        """Letters that have not arrived, the oldest first; of one channel where it is named."""
        return [one for one in self.letters.values() if one.state not in FINISHED and channel in ("", one.channel)]

    def _forget(self, now: datetime) -> None:
        """Keep memory bounded: what has arrived long ago is needed no more."""
        done = [one for one in self.letters.values() if one.state in FINISHED and now - one.at > timedelta(hours=2)]
        for letter in done[:-KEPT_LETTERS] if len(self.letters) > KEPT_LETTERS else []:
            del self.letters[letter.id]
        if len(self.news) > 4 * KEPT_LETTERS:
            needed = {one for ids in self.waiting.values() for one in ids}
            needed |= {one for letter in self.letters.values() for one in letter.news}
            self.news = {number: one for number, one in self.news.items() if number in needed}


def _sound(entry: Mapping[str, Any]) -> None:
    """Raises ValueError or TypeError before anything is taken of an entry that no watch writes."""
    moments = [datetime.fromisoformat(entry[key]) for key in ("at", "since", "until", "next") if entry.get(key)]
    texts = [entry[key] for key in ("key", "title", "by", "channel", "letter", "note") if key in entry]
    lines = entry.get("lines", [])
    if any(one.tzinfo is None for one in moments) or not isinstance(lines, list):
        raise ValueError("a moment without its zone, or lines that are none")
    if not all(isinstance(one, str) for one in (*texts, *lines)) or entry.get("level", 1) not in (*LEVELS,):
        raise ValueError("a text that is none, or no level")


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


_CALLED = {
    "begun": "begun", "graver": "graver", "escalated": "unanswered", "ack": "answered", "over": "over", "told": "told",
}  # fmt: skip


def _for_journal(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the journal's entry: what a person may read, and nothing of an address."""
    kept = {key: entry[key] for key in ("key", "level", "title", "channel", "levels", "dry") if key in entry}
    person = {"person": entry["by"]} if entry["e"] == "ack" else {}
    moments = {key: datetime.fromisoformat(entry[key]) for key in ("since", "ended", "until") if entry.get(key)}
    return {"event": _CALLED[entry["e"]], "moment": datetime.fromisoformat(entry["at"]), **kept, **person, **moments}


def urgent(level: int) -> bool:
    """Whether an alert of this level may use what the hourly limit keeps back, and waits for no long pause."""
    return level >= CRITICAL
