"""When trouble begins and when it is over: never by one reading that jumps about its limit."""

from __future__ import annotations

from collections import deque
from datetime import datetime


class Hysteresis:
    """On once trouble was seen `needed` times, every other interval at least; off after `clear_for` quiet ones in a
    row.

    A value between `clear` and the limit is neither: it ends nothing and begins nothing.
    since: the first trouble of those that began it.  ended: the first of the quiet intervals, None while it goes on.
    held: intervals since it began.
    """

    def __init__(self, needed: int, clear_for: int) -> None:
        self._needed, self._clear_for = needed, clear_for
        self._recent: deque[tuple[datetime, bool]] = deque(maxlen=2 * needed - 1)
        self._quiet = 0
        self.is_on, self.held = False, 0
        self.since: datetime | None = None
        self.ended: datetime | None = None

    @property
    def stirs(self) -> bool:
        """Whether it is on, or trouble was seen lately."""
        return self.is_on or any(was for _, was in self._recent)

    def take(self, at: datetime, *, trouble: bool, quiet: bool) -> None:
        """The next interval."""
        self._recent.append((at, trouble))
        if self.is_on:
            self._go_on(at, quiet)
            return
        seen = [moment for moment, was in self._recent if was]
        if trouble and len(seen) >= self._needed:
            self.is_on, self.since, self.ended, self._quiet, self.held = True, seen[0], None, 0, 1

    def _go_on(self, at: datetime, quiet: bool) -> None:
        self.held += 1
        self._quiet = self._quiet + 1 if quiet else 0
        if self._quiet == 1:
            self.ended = at
        if self._quiet >= self._clear_for:
            self.is_on = False
            self._recent.clear()
        elif not self._quiet:
            self.ended = None
