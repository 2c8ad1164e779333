"""Ends in order: SIGTERM, SIGINT (Ctrl-C) and SIGHUP let the batches at work finish, and the ledger be printed."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stop:
    """Why to stop: the name of the first signal, empty until there is one. Call it to ask."""

    def __init__(self) -> None:
        self.reason = ""

    def __call__(self) -> str:
        return self.reason


@contextmanager
def ends_in_order(notice: Callable[[str], None] = lambda _: None) -> Iterator[Stop]:
    """Signals ask to stop while this lasts, even where SIGINT was ignored by inheritance (jobs started with `&`).

    A second one raises KeyboardInterrupt. SIGHUP stays ignored where `nohup` ignores it. Outside the main thread
    nothing changes.
    """
    stop = Stop()

    def heard(number: int, _: FrameType | None) -> None:
        if stop.reason:
            raise KeyboardInterrupt
        stop.reason = f"stopped by {signal.Signals(number).name}"
        notice(f"{stop.reason}: what is at work is finished first; once more ends at once")

    before: dict[int, object] = {}
    try:
        for number in SIGNALS:
            if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, heard)
    except ValueError:  # not the main thread: whoever called us hears the signals
        pass
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
