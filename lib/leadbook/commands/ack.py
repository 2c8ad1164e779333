"""Alerts seen and answered by people: what is open, a test message to each address, an answer, a watch that stopped."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from leadbook.alerts import standing
from leadbook.alerts.book import AlertBook
from leadbook.alerts.channels import recipients_of
from leadbook.alerts.dispatcher import Dispatcher
from leadbook.alerts.postman import Postman
from leadbook.alerts.records import LEVELS, Alert, Delivery
from leadbook.alerts.states import Trouble
from leadbook.alerts.texts import harmless, moment
from leadbook.commands.place import addresses as endpoints_of
from leadbook.commands.place import hurried
from leadbook.core import addresses, connect
from leadbook.core.errors import UsageError, did_you_mean
from leadbook.core.journal import Journal
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.phases.live import messages
from leadbook.watch.place import folder_of

TEST_S = 12.0
"""A test waits so long for all addresses together; they are tried at once."""
PATIENCE_MS = 1_000
STALE = "WATCH-STALE"
"""The key of the alert that the watch itself has stopped."""


@dataclass(frozen=True, kw_only=True)
class Alerting:
    """How alerting stands. entries: as `Dispatcher.standing` tells.  channels: names by level.  past: that ended."""

    dry: bool
    entries: list[dict[str, Any]]
    channels: Mapping[str, list[str]]
    past: list[dict[str, Any]]

    @property
    def troubled(self) -> bool:
        """Whether a message could not be delivered."""
        return any(one["kind"] == "undeliverable" for one in self.entries)


def alerting(settings: Settings) -> Alerting:
    """What is open, sent, undeliverable, and who is told at which level. Reads only. Raises as `place.addresses`."""
    book = AlertBook(folder_of(settings, endpoints_of(settings)))
    book.refresh()
    known = recipients_of(settings)
    entries = standing.of(book.state, known, _now(book), dry=not settings.alerts)
    channels = {name: [channel.name for channel in known.of(level)] for level, name in LEVELS.items()}
    return Alerting(dry=not settings.alerts, entries=entries, channels=channels,
                    past=[_past(one) for one in book.state.past])  # fmt: skip


def _now(book: AlertBook) -> datetime:
    """This moment, or the book's latest: a rehearsal's clock may run ahead."""
    return max(datetime.now(UTC), book.state.latest)


def _past(one: Trouble) -> dict[str, Any]:
    over = one.over or one.begun
    return {"key": one.key, "title": one.title, "level": one.level, "since": one.begun.isoformat(),
            "over": over.isoformat(), "returns": one.returns, "by": one.by}  # fmt: skip


def try_all(settings: Settings) -> dict[str, Delivery | None]:
    """Send a test message to each address; what became of it, by name. None, and nothing sent, in a dry run.

    Raises UsageError where no level has an address.
    """
    known = recipients_of(settings)
    if not known.all:
        raise UsageError(f"no address to send to; {known.notes[1].partition(':')[0]}")
    if not settings.alerts:
        return dict.fromkeys(known.all)
    found: dict[str, Delivery] = {}
    postman = Postman(lambda name, delivery: found.update({name: delivery}))
    subject, text = trial_message(settings)
    for name, channel in known.all.items():
        postman.send(name, channel, subject, text)
    postman.wait(TEST_S)
    nothing = Delivery(delivered=False, reason=f"no answer within {TEST_S:.0f} s")
    return {name: found.get(name, nothing) for name in known.all}


def trial_message(settings: Settings) -> tuple[str, str]:
    """Subject and text of a test message."""
    first = messages.heading(settings, addresses.shown(endpoints_of(settings).mongodb_uri))
    return (
        f"[leadbook] {first.partition(':')[0]}: a test",
        f"{first}\nThis is a test of leadbook's alerts. Nothing has happened, and there is nothing to do.",
    )


def ack(settings: Settings, key: str, *, by: str = "", seconds: float | None = None) -> str:
    """Answer an open alert: it is escalated no more, until it gets graver or the time is over. What was done, a line.

    by: who; empty: the user of this machine.  seconds: how long it holds, s; None: until the alert is over. The running
    watch takes it up at its next snapshot. Raises UsageError for an alert that is not open, and OSError where it cannot
    be recorded.
    """
    book = AlertBook(folder_of(settings, endpoints_of(settings)))
    book.refresh()
    trouble = book.state.troubles.get(key)
    if trouble is None:
        known = sorted(book.state.troubles)
        hint = did_you_mean(key, known) or (f"open are {', '.join(known)}" if known else "none is open")
        raise UsageError(f"no open alert is called {harmless(key, Redactor.from_environment(settings))!r}; {hint}")
    now = _now(book)
    until = None if seconds is None else now + timedelta(seconds=seconds)
    person = harmless(by or getpass.getuser(), Redactor.from_environment(settings))
    book.acknowledge(key, by=person, now=now, until=until)
    held = f"until {moment(until)}, or until it gets graver" if until else "until it is over or gets graver"
    return f"{key} ({trouble.title}) is answered by {person}; it is escalated no more {held}"


@contextmanager
def dispatching(settings: Settings, endpoints: connect.Endpoints, folder: Path) -> Iterator[tuple[Dispatcher, Journal]]:
    """The dispatcher of a watch folder, and the sprint's journal into which it writes what happens; closed at the end.

    Sends only where the setting `alerts` is true. Asks no server before there is something to write.
    """
    heading = messages.heading(settings, addresses.shown(endpoints.mongodb_uri))
    with connect.mongodb(endpoints.mongodb_uri, hurried(settings, PATIENCE_MS)) as client:
        journal = Journal(client[settings.database], endpoints.mongodb_uri)
        with Dispatcher(settings, folder, heading=heading, journal=journal) as dispatcher:
            yield dispatcher, journal


def tell_stale(settings: Settings, endpoints: connect.Endpoints, why: str, wait_s: float = TEST_S) -> str:
    """Tell people that the watch has stopped, once while it is so; what became of it, in a few words.

    why: one line, such as that of `leadbook watch --check`. When the watch runs again, that is told too. Each call
    escalates what nobody answers and tries undelivered messages again, unless the watch hangs and holds the folder.
    Never raises for a receiver.
    """
    now = datetime.now(UTC)
    alert = Alert(key=STALE, level=2, title="The watch of the sprint has stopped", at=now, lines=(
        why, "Nobody is warned of anything else until it runs again.",
        f"To do (DBA): leadbook watch --profile {settings.profile}",
    ))  # fmt: skip
    with dispatching(settings, endpoints, folder_of(settings, endpoints)) as (dispatcher, _):
        return dispatcher.tell(alert, now, wait_s)
