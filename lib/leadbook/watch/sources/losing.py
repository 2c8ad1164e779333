"""What deletes records of the sprint by itself, or refuses them: made while it runs, nothing else would tell of it."""

from __future__ import annotations

from leadbook.schema.state import losing
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading

EVERY_S = 60.0
"""Real seconds; MongoDB deletes by TTL indexes as often."""


class Losing(SourcePart):
    """The collections' options and indexes held against the design: a reading user may ask for them."""

    name, covers = "losing", ("mongodb.losing",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._last: tuple[float, float] | None = None

    def read(self, moment: Moment) -> SourceReading:
        """One listCollections and one listIndexes a collection, once in EVERY_S; between, what was found then."""
        if self._last is None or moment.real - self._last[0] >= EVERY_S:
            self._last = None
            settings = self._access.settings
            found = losing(self._access.collection(settings.collection), settings)
            self._last = moment.real, float(len(found))
        return SourceReading(readings={"mongodb.losing": self._last[1]})
