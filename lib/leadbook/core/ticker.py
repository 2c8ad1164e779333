"""Something repeated from a thread of its own: what reads servers, or keeps them busy, while something else runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Repeater:
    """Repeats `step` while entered, never again once left. `step` must not raise.

    began: seconds on the monotonic clock when the block was entered.  patience_s: how long leaving waits for a step.
    """

    patience_s = 60.0

    def __init__(self, *, first_after_s: float = 0.0) -> None:
        self.began = time.monotonic()
        self._first_after_s = first_after_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"leadbook-{type(self).__name__}", daemon=True)

    def step(self) -> float:
        """One piece of work; returns the seconds to rest."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=self.patience_s)

    def stop(self) -> None:
        """Begin no further step; leaving the block waits for the one under way."""
        self._stop.set()

    def _run(self) -> None:
        rest = self._first_after_s
        while not self._stop.wait(rest):
            rest = self.step()


class Ticker(Repeater):
    """Calls `call` every `every_s` seconds while entered, first after `first_after_s`.

    A call that takes longer than its turn delays the next one; missed turns are not caught up. `call` must not raise.
    """

    patience_s = 30.0

    def __init__(self, call: Callable[[], None], every_s: float, *, first_after_s: float = 0.0) -> None:
        super().__init__(first_after_s=first_after_s)
        self._call, self._every_s = call, every_s
        self._due: float | None = None

    def step(self) -> float:
        """Call; the rest of the turn is left."""
        due = self.began + self._first_after_s if self._due is None else self._due
        self._call()
        now = time.monotonic()
        self._due = max(due + self._every_s, now)
        return self._due - now
