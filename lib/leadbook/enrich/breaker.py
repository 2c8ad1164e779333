"""A circuit breaker: stop asking somebody who does not answer, and try again after a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class CircuitBreaker:
    """Open after `strikes` failures in a row; then closed to callers for `pause_s`, doubled with each further
    failure.

    Safe in threads. `clock` is in seconds and only for tests.
    """

    def __init__(
        self, *, strikes: int = 1, pause_s: float = 1.0, longest_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.strikes, self.pause_s, self.longest_s, self._clock = strikes, pause_s, longest_s, clock
        self._failures, self._until = 0, 0.0
        self._lock = threading.Lock()

    @property
    def allows(self) -> bool:
        """Whether a call may be made now."""
        return self._clock() >= self._until

    def failed(self) -> None:
        """A call failed, or took so long that it might as well have."""
        with self._lock:
            self._failures += 1
            over = self._failures - self.strikes
            if over >= 0:
                self._until = self._clock() + min(self.pause_s * 2.0 ** min(over, 30), self.longest_s)

    def succeeded(self) -> None:
        """A call succeeded."""
        with self._lock:
            self._failures = 0
            self._until = 0.0
