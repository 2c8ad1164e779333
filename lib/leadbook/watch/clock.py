"""The sprint's clock: the real one, or in a rehearsal one that goes faster."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SprintClock:
    """Sprint time goes `factor` times as fast as real time, from the moment it was made. began: what it shows then, the
    real time where nothing else is said; a watch that is started again goes on where its series ended."""

    def __init__(self, factor: float = 1.0, *, began: datetime | None = None) -> None:
        self.factor = factor
        self._began, self._real = began, time.monotonic()
        if began is None and factor != 1:
            self._began = datetime.now(UTC)

    def now(self) -> datetime:
        """The sprint's time, UTC."""
        if self._began is None:  # the machine's own clock, which its keeper may set right meanwhile
            return datetime.now(UTC)
        return self._began + timedelta(seconds=self.sprint_seconds(time.monotonic() - self._real))

    def sprint_seconds(self, real: float) -> float:
        """How many seconds of the sprint pass in so many real ones."""
        return real * self.factor

    def real_seconds(self, sprint: float) -> float:
        """How many real seconds so many of the sprint take."""
        return sprint / self.factor
