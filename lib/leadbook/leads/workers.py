"""Executors of batches: in this process, in processes of our own, or whatever the caller brings (threads, Dask)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import wait as wait_for
from typing import Any, ParamSpec, TypeVar

__all__ = ["Inline", "processes", "warm"]

P = ParamSpec("P")
T = TypeVar("T")


class Inline(Executor):
    """Runs each call at once in the caller's thread: for small inputs, where processes would cost more than they
    save."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future that is done already."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  (the contract of futures: the caller sees it)
            future.set_exception(error)
        return future


def processes(workers: int) -> ProcessPoolExecutor:
    """Worker processes that start afresh (no client crosses a fork), leave Ctrl-C to us and end when we do."""
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def warm(pool: Executor, workers: int, site: Any) -> None:
    """Start the pool's processes now, each with its clients, so that the first batch does not wait for them."""
    for _ in range(workers):
        pool.submit(_warmed, site)


def _warmed(site: Any) -> None:
    site.tools()
    time.sleep(0.05)  # long enough for the next call to start a further process


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="leadbook-end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    """A worker waits on a pipe that it holds open itself, so that a killed parent would leave it behind for ever."""
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
