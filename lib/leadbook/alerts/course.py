"""What is to be told of troubles, and when: entries of the book that follow from what goes on, and from time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId

from leadbook.alerts.channels import Recipients
from leadbook.alerts.records import CRITICAL, LEVELS, Alert, Channel
from leadbook.alerts.states import Situation, Trouble
from leadbook.core.settings import Settings

HIGHEST = 3
"""The level to which an alert that nobody answers rises."""

Entry = dict[str, Any]


class Course:
    """Decides for one state. dry: nothing is sent, all is recorded. Entries that it gives have not been applied yet."""

    def __init__(self, settings: Settings, state: Situation, recipients: Recipients, *, dry: bool) -> None:
        self.state, self.recipients, self.dry = state, recipients, dry
        self.answer_within = timedelta(minutes=settings.alert_answer_minutes)
        self.hold = timedelta(minutes=settings.alert_hold_minutes)
        self._number = state.last_news

    def of_alert(self, alert: Alert, now: datetime) -> Iterator[Entry]:
        """An alert that goes on: told when it begins and when it gets graver, and not again."""
        trouble = self.state.troubles.get(alert.key)
        if trouble is None:
            since = min(alert.at, now)
            yield self._of("begun", alert.key, now, journal=True, **_told(alert), dry=self.dry, since=since.isoformat())
            yield self._news("begun", alert, now, since, self.recipients.of(alert.level))
            return
        if trouble.ended is not None:
            yield self._of("again", alert.key, now)
        if alert.level > trouble.level:
            yield self._of("graver", alert.key, now, journal=True, **_told(alert))
            yield self._news("graver", alert, now, trouble.begun, self.recipients.of(alert.level))
        elif not self.dry and self.recipients.all and (trouble.dry or not trouble.channels):  # nobody was told
            yield self._of("live", alert.key, now)
            yield self._news("begun", alert, now, trouble.begun, self.recipients.of(trouble.level))
        else:
            trouble.lines, trouble.title = list(alert.lines), alert.title

    def of_ended(self, keys: Sequence[str], now: datetime) -> Iterator[Entry]:
        """Troubles that go on no more: it is told once they have stayed away for a while."""
        yield from (self._of("ended", key, now) for key in keys if self.state.troubles[key].ended is None)

    def of_time(self, now: datetime) -> Iterator[Entry]:
        """What follows from time alone: an alert is over, an answer has run out, nobody has answered."""
        for trouble in list(self.state.troubles.values()):
            if trouble.ended is not None:
                if now - trouble.ended >= self.hold:
                    yield from self._over(trouble, now)
            elif trouble.by and not trouble.answered(now):
                yield self._of("asked", trouble.key, now)
                note = f"{trouble.by} had answered, but the time that was asked for is over."
                yield self._unanswered(trouble, now, trouble.told_level, note)
            elif not trouble.by and trouble.told_level < HIGHEST and now - trouble.asked >= self.answer_within:
                level = trouble.told_level + 1
                yield self._of("escalated", trouble.key, now, journal=True, level=level, title=trouble.title)
                yield self._unanswered(trouble, now, level, self.recipients.notes.get(level, ""))

    def _over(self, trouble: Trouble, now: datetime) -> Iterator[Entry]:
        yield self._of("over", trouble.key, now, journal=True, level=trouble.level, title=trouble.title,
                       ended=(trouble.ended or now).isoformat())  # fmt: skip
        if trouble.dry and not self.dry:
            return
        told = [channel for name, channel in self.recipients.all.items() if name in trouble.channels]
        alert = Alert(key=trouble.key, level=trouble.level, title=trouble.title, lines=(), at=now)
        lasted = ((trouble.ended or now) - trouble.begun).total_seconds()
        yield self._news("over", alert, now, trouble.begun, told, returns=trouble.returns, seconds=lasted)

    def _unanswered(self, trouble: Trouble, now: datetime, level: int, note: str) -> Entry:
        alert = Alert(key=trouble.key, level=trouble.level, title=trouble.title, lines=trouble.lines, at=trouble.begun)
        channels = self.recipients.at(level) if level < CRITICAL else self.recipients.of(level)
        waited = (now - trouble.asked).total_seconds()
        note = note or f"It is told to {LEVELS[level]} now."
        return self._news("unanswered", alert, now, trouble.begun, channels, seconds=waited, note=note)

    def _of(self, kind: str, key: str, at: datetime, *, journal: bool = False, **told: Any) -> Entry:
        oid = {"oid": str(ObjectId())} if journal else {}
        return {"e": kind, "at": at.isoformat(), "key": key, **told, **oid}

    def _news(self, what: str, alert: Alert, at: datetime, since: datetime, channels: Sequence[Channel], *,
              returns: int = 0, seconds: float = 0.0, note: str = "") -> Entry:  # fmt: skip
        self._number = max(self._number + 1, time.time_ns())  # a cron's check numbers its own beside a watch's
        return {
            "e": "news", "at": at.isoformat(), "id": self._number, "key": alert.key, "what": what, **_told(alert),
            "since": since.isoformat(), "channels": [channel.name for channel in channels], "returns": returns,
            "seconds": seconds, "note": note,
        }  # fmt: skip


def _told(alert: Alert) -> Entry:
    return {"level": alert.level, "title": alert.title, "lines": list(alert.lines)}
