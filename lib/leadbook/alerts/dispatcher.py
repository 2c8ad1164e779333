"""Alerts on their way to people: what begins is told once, escalated while nobody answers, and its end is told.

Every step is in the book before it is done: a process killed between sending and recording repeats one message, and
says that it may be a repetition; none is lost.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import RLock, Thread
from typing import Any, Self

from bson import ObjectId

from leadbook.alerts import letters, standing, texts
from leadbook.alerts.book import AlertBook
from leadbook.alerts.channels import recipients_of
from leadbook.alerts.course import Course, Entry
from leadbook.alerts.postman import Postman
from leadbook.alerts.records import Alert, Delivery
from leadbook.alerts.states import Letter, urgent
from leadbook.core.journal import Journal
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings

LOCK, ASIDE_LOCK = "alerts.lock", "alerts-check.lock"
LONGEST_PAUSE_MIN = 32
"""Between two attempts: 1, 2, 4, 8, 16 and from then on 32 minutes."""
HASTE = timedelta(minutes=1)
"""Between two attempts at what holds a critical alert, or what one waits behind."""
REPEATED = "(This may be a repetition: leadbook was stopped before it knew whether the message had arrived.)"
LATE = timedelta(minutes=5)
"""A letter that comes later says when it was written."""
ASIDE_S = 60.0
"""What a check sent beside a hanging watch is taken over by the watch after so long."""


class Dispatcher:
    """Alerting of one watch folder. It is told at each interval what goes on, and does the rest by itself.

    Where the setting `alerts` is not true all is a dry run: recorded, and nothing leaves.  heading: the first line of
    each message, MADE-UP DATA or REAL DATA and the target.  journal: of the sprint, where it is told.
    """

    def __init__(self, settings: Settings, folder: Path, *, heading: str, journal: Journal | None = None) -> None:
        self.settings, self.folder, self.heading, self.journal = settings, folder, heading, journal
        self.dry = not settings.alerts
        self.book, self.recipients = AlertBook(folder), recipients_of(settings)
        self._redactor, self._postman = Redactor.from_environment(settings), Postman(self._report)
        self._now, self._lock, self._writer = datetime.now(UTC), RLock(), Thread()
        self._locked, self._mine = dict[str, int](), set[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ what goes on

    def take(self, alerts: Sequence[Alert], now: datetime) -> None:
        """All alerts that go on at this moment; then as `tick`. What goes on no more is over. Never raises for a
        receiver or a full disk."""
        with self._lock:
            if not self._leads():
                return
            self.book.refresh()
            open_ones = {alert.key: self._harmless(alert) for alert in alerts}
            course = self._course()
            self.book.append([entry for alert in open_ones.values() for entry in course.of_alert(alert, now)])
            gone = [key for key in self.book.state.troubles if key not in open_ones]
            self.book.append(list(course.of_ended(gone, now)))
            self.tick(now)

    def tell(self, alert: Alert, now: datetime, wait_s: float = 12.0) -> str:
        """Tell one alert from outside the watch, such as that it stopped; nothing else ends by that. What became of it.

        Beside a watch that hangs and holds the folder, this sends that alert's own message and no other.
        """
        with self._lock:
            leads = self._leads()
            if not leads and not self._locks(ASIDE_LOCK):
                return "another check is telling it"
            self.book.refresh()
            entries = list(self._course().of_alert(self._harmless(alert), now))
            self.book.append(entries)
            news = [entry["id"] for entry in entries if entry["e"] == "news"]
            if leads:
                self.tick(now)
            elif news:
                self._write_letters(now, aside=True, only=news)
                self._send_due(now, aside=True)
        self.wait(wait_s)
        return standing.word_of(self.book.state, alert.key, now)

    def tick(self, now: datetime) -> None:
        """What time brings: escalation, recovery, letters that are due, attempts that failed. Returns at once."""
        with self._lock:
            self._now = now
            if not self._leads():
                return
            self.book.refresh()
            self._redirect(now)
            self.book.append(list(self._course().of_time(now)))
            self._write_letters(now)
            self._postman.look()
            self._hasten(now)
            self._send_due(now)
            self._journal()

    def standing(self) -> list[dict[str, Any]]:
        """What a page or terminal shows: open alerts, letters that cannot be delivered (or not to everybody; they have
        no `next`), levels without an address.

        Each has `kind` (`alert`, `undeliverable`, `note`), `title` and `state`; an alert `at` (since), `key`, `level`
        and `answered` (by whom, empty while nobody has); what is undeliverable `at`, `channel`, `tries`, `next`.
        JSON-ready, without addresses.
        """
        with self._lock:
            self.book.refresh()
            return standing.of(self.book.state, self.recipients, self._now, dry=self.dry, problem=self.book.problem)

    def wait(self, seconds: float) -> bool:
        """Wait until no attempt is under way, so long at most; whether it is so."""
        return self._postman.wait(seconds)

    def close(self, wait_s: float = 10.0) -> None:
        """Wait for what is under way and let another process lead. What has not arrived stays in the book."""
        self._postman.wait(wait_s)
        if self._writer.is_alive():
            self._writer.join(wait_s)
        for descriptor in self._locked.values():
            os.close(descriptor)
        self._locked.clear()

    # ---------------------------------------------------------------------------------------------------- how it goes

    def _leads(self) -> bool:
        return self._locks(LOCK)

    def _locks(self, name: str) -> bool:
        """Whether this process holds a lock of the folder, taken now if it is free. A full disk locks nobody out."""
        if name in self._locked:
            return True
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._locked[name] = descriptor
        return True

    def _course(self) -> Course:
        return Course(self.settings, self.book.state, self.recipients, dry=self.dry)

    def _harmless(self, alert: Alert) -> Alert:
        clean = [texts.harmless(line, self._redactor) for line in alert.lines]
        key, title = (texts.harmless(text, self._redactor) for text in (alert.key, alert.title))
        return replace(alert, key=key, title=title, lines=tuple(filter(None, clean)))

    def _redirect(self, now: datetime) -> None:
        """What waits for an address that the environment names no more goes to those that it names."""
        state, known = self.book.state, self.recipients.all
        if self.dry or not known:
            return
        left = {name for name, ids in state.waiting.items() if ids} | {one.channel for one in state.unfinished()}
        to = [channel.name for channel in self.recipients.at(1)]
        self.book.append([{"e": "moved", "at": now.isoformat(), "channel": name, "to": to}
                          for name in sorted(left - known.keys())])  # fmt: skip

    def _write_letters(self, now: datetime, *, aside: bool = False, only: Sequence[int] = ()) -> None:
        answer = f"leadbook ack KEY --profile {self.settings.profile}"
        self.book.append(list(letters.written(
            self.book.state, now, most=self.settings.alert_most_an_hour, heading=self.heading, answer=answer,
            dry=self.dry, aside=aside, only=only,
        )))  # fmt: skip

    def _hasten(self, now: datetime) -> None:
        """A critical alert waits for no longer pause, neither in its own letter nor behind another's."""
        state = self.book.state
        for letter in state.unfinished():
            news = [state.news[one].level for one in state.waiting.get(letter.channel, ()) if one in state.news]
            soon = max(now, letter.tried + HASTE)
            if letter.state == "failed" and letter.due > soon and urgent(max([letter.level, *news])):
                entry = {"e": "hastened", "at": now.isoformat(), "letter": letter.id, "next": soon.isoformat()}
                self.book.append([entry])

    def _send_due(self, now: datetime, *, aside: bool = False) -> None:
        """Begin an attempt for each letter that is due; what a killed process had begun is due at once."""
        if self.dry:
            return
        for letter in self.book.state.unfinished():
            channel = self.recipients.all.get(letter.channel)
            ours = letter.aside == aside or (letter.aside and now - letter.at > timedelta(seconds=ASIDE_S))
            begun = letter.state == "attempt"
            if channel is None or not ours or letter.id in self._mine or self._postman.busy(letter.channel):
                continue
            if begun or letter.due <= now:
                self._mine.add(letter.id)
                self.book.append([{"e": "attempt", "at": now.isoformat(), "letter": letter.id}])
                self._postman.send(letter.id, channel, letter.subject, _worded(letter, now, repeated=begun))

    def _report(self, letter_id: str, delivery: Delivery) -> None:
        """What became of an attempt, from its thread."""
        with self._lock:
            letter = self.book.state.letters.get(letter_id)
            late = letter_id not in self._mine
            self._mine.discard(letter_id)
            if letter is None or (late and not delivery.delivered):
                return
            base = {"at": self._now.isoformat(), "letter": letter_id, "reason": delivery.reason}
            if delivery.delivered:
                self.book.append([{"e": "delivered", **base}, *self._told(letter)])
                return
            pause = delivery.retry_after_s or 60.0 * min(2 ** max(letter.tries - 1, 0), LONGEST_PAUSE_MIN)
            self.book.append([{"e": "failed", **base, "next": (self._now + timedelta(seconds=pause)).isoformat()}])

    def _told(self, letter: Letter) -> Iterable[Entry]:
        """For the journal: which levels have been told of what, and by which kind of channel."""
        levels = [level for level, named in self.recipients.named.items() if letter.channel in [c.name for c in named]]
        news = [self.book.state.news[one] for one in letter.news if one in self.book.state.news]
        for key in sorted({one.key for one in news if one.what != "over"}):
            yield {"e": "told", "at": self._now.isoformat(), "key": key, "levels": levels,
                   "channel": letter.channel.partition(" ")[0], "oid": str(ObjectId())}  # fmt: skip

    def _journal(self) -> None:
        """Carry what the journal lacks over to it, in a thread: the database may be away."""
        lacking: Mapping[str, dict[str, Any]] = dict(self.book.state.journal)
        if self.journal is None or not lacking or self._writer.is_alive():
            return
        self._writer = Thread(target=self._carry, args=(self.journal, lacking), name="alerts to journal", daemon=True)
        self._writer.start()

    def _carry(self, journal: Journal, lacking: Mapping[str, dict[str, Any]]) -> None:
        entries = [journal.entry("alert", **body) | {"_id": ObjectId(oid)} for oid, body in lacking.items()]
        with suppress(OSError):
            journal.add(entries)
            with self._lock:
                self.book.append([{"e": "journalled", "at": self._now.isoformat(), "oids": list(lacking)}])


def _worded(letter: Letter, now: datetime, *, repeated: bool) -> str:
    """The text of a letter, and what its reader must know of its way."""
    late = f"(Written {texts.moment(letter.at)}; it could not be delivered before.)" if now - letter.at > LATE else ""
    return "\n\n".join(filter(None, [letter.text, late, REPEATED if repeated else ""]))
