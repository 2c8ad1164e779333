"""A call repeated from a thread of its own: what reads servers or processes while something else runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

__all__ = ["Ticker"]


class Ticker:
    """Calls `call` every `every_s` seconds while entered, first after `first_after_s`; never again once left.

    A call that takes longer than its turn delays the next one; missed turns are not caught up. `call` must not raise.
    """

    def __init__(self, call: Callable[[], None], every_s: float, *, first_after_s: float = 0.0) -> None:
        self._call, self._every_s, self._first_after_s = call, every_s, first_after_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leadbook-ticker", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        due = time.monotonic() + self._first_after_s
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            self._call()
            due = max(due + self._every_s, time.monotonic())
