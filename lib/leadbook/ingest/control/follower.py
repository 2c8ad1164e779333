"""A follower's ear: it looks at the control document every few seconds, between its turns."""

from __future__ import annotations

import time

from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.ingest.control.orders import Orders, read

LOOK_S = 2.0
"""A follower at work looks so often. Its workers come back after five seconds at most."""


class Ear:
    """Hears new orders. own: the settings that the follower was started with.  heard: the orders that hold."""

    def __init__(self, own: Settings) -> None:
        self.own, self.heard, self._due = own, Orders(), 0.0

    def listen(self, database: connect.Database) -> Settings | None:
        """The settings to go on with; None where nothing changed, it is too early, or MongoDB does not answer: what
        was asked for before holds then."""
        now = time.monotonic()
        if now < self._due:
            return None
        self._due = now + LOOK_S
        try:
            found = read(database)
        except PyMongoError:
            return None
        if found == self.heard:
            return None
        self.heard = found
        return found.obeyed(self.own)

    def told(self) -> str:
        """What holds, in a line."""
        asked = ", ".join(f"{name} {value}" for name, value in self.heard.values().items() if value is not None)
        return f"orders {self.heard.version}: {asked or 'its own settings again'}"
