"""Attempts to deliver, each in a thread of its own, so that a receiver that hangs holds up nobody."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from leadbook.alerts.records import Channel, Delivery
from leadbook.alerts.sending import deliver

DEADLINE_S = 10.0
"""An attempt that has no outcome by then has failed. If its outcome comes later, it counts still."""
MOST_HANGING = 3
"""Attempts on one channel that may hang at once: a receiver that drips bytes must not take one thread after another."""

Report = Callable[[str, Delivery], None]


@dataclass(kw_only=True)
class _Flight:
    letter: str
    channel: str
    begun: float = field(default_factory=time.monotonic)
    thread: threading.Thread
    given_up: bool = False


class Postman:
    """Sends letters in threads. report: called with a letter's id and what became of it, from any thread."""

    def __init__(self, report: Report) -> None:
        self._report, self._flights = report, list[_Flight]()

    def send(self, letter: str, channel: Channel, subject: str, text: str) -> None:
        """Begin an attempt."""
        thread = threading.Thread(
            target=self._fly, args=(letter, channel, subject, text), name=f"alert to {channel.name}", daemon=True
        )
        self._flights.append(_Flight(letter=letter, channel=channel.name, thread=thread))
        thread.start()

    def _fly(self, letter: str, channel: Channel, subject: str, text: str) -> None:
        self._report(letter, deliver(channel, subject, text))

    def busy(self, channel: str) -> bool:
        """Whether an attempt on this channel is under way, or too many hang."""
        mine = [one for one in self._flights if one.channel == channel and one.thread.is_alive()]
        return any(not one.given_up for one in mine) or len(mine) >= MOST_HANGING

    def look(self) -> None:
        """Give up what has taken too long, and report it so."""
        self._flights = [one for one in self._flights if one.thread.is_alive()]
        for one in self._flights:
            if not one.given_up and time.monotonic() - one.begun > DEADLINE_S:
                one.given_up = True
                self._report(one.letter, Delivery(delivered=False, reason=f"no answer within {DEADLINE_S:.0f} s"))

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way, so long at most; whether it is so."""
        end = time.monotonic() + seconds
        while any(not one.given_up for one in self._flights) and time.monotonic() < end:
            for one in self._flights:
                one.thread.join(0.02)
            self.look()
        return not any(not one.given_up for one in self._flights)
