"""SIGINT, SIGTERM and SIGHUP end a run in order: the kernel at once, then the report; a second SIGINT quits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """While entered, a signal is noted instead of tearing the run apart; `stop` is called to end what is running."""

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._name = ""
        self._before: dict[signal.Signals, Any] = {}

    def name(self) -> str:
        """Name of the signal that came, or an empty string."""
        return self._name

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._came) for number in SIGNALS}
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _came(self, number: int, frame: FrameType | None) -> None:
        again = bool(self._name) and number == signal.SIGINT
        self._name = self._name or signal.Signals(number).name
        self._stop()
        if again:
            os._exit(2)
