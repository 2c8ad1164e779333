"""Executors of batches: in this process, in processes of our own, or whatever the caller brings (threads, Dask)."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import wait as wait_for
from typing import Any, ParamSpec, TypeVar

from leadbook.core import write_errors as faults
from leadbook.core.errors import ParameterError, UnreachableError

P = ParamSpec("P")
T = TypeVar("T")


DIED = (BrokenExecutor, EOFError, ConnectionError)
"""What an executor raises when a worker's process ended: at work, or while it was being started."""


def submitted(executor: Executor, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
    """The call's future; of an executor that has broken down, or can start no worker, one that failed already."""
    try:
        return executor.submit(fn, *args, **kwargs)
    except (RuntimeError, EOFError, OSError) as error:
        future: Future[T] = Future()
        future.set_exception(error)
        return future


def told(error: Exception) -> str:
    """One line on what ended a worker."""
    if isinstance(error, DIED):
        return "a worker failed: its process died (killed, or out of memory)"
    return f"a worker failed: {faults.described(error)}"


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


class Warming(Executor):
    """Runs calls here until the pool's processes are up, then there: starting them (about 1 s) costs no standstill.

    Where no process can be started, everything runs here.
    """

    def __init__(self, pool: Executor, workers: int, site: Any) -> None:
        self._pool, self._here = pool, Inline()
        self._starting = warm(pool, workers, site)

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future of the pool, or one that is done already."""
        up = any(future.done() and future.exception() is None for future in self._starting)
        return (self._pool if up else self._here).submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the pool."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)


class Cluster(Executor):
    """A Dask cluster's executor that ends its client with itself; the cluster stays."""

    def __init__(self, client: Any) -> None:
        self._client, self._executor = client, client.get_executor()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """A future of the cluster."""
        future: Future[T] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Close the connection to the scheduler."""
        self._executor.shutdown(wait=wait)
        self._client.close()


def started(executor: str, workers: int, site: Any) -> Executor:
    """The executor that the setting names; the caller shuts it down.

    Raises ParameterError where Dask is asked for and not installed, and UnreachableError for a scheduler that is away.
    """
    if executor == "threads":
        return ThreadPoolExecutor(workers)
    if executor == "processes":
        return Warming(processes(workers), workers, site)
    return _dask(executor)


def _dask(address: str) -> Executor:
    try:
        from distributed import Client
    except ImportError:
        hint = "install it: pip install -r requirements-dask.txt"
        raise ParameterError("executor", f"{address} is a Dask scheduler, and Dask is not installed", hint) from None
    try:
        return Cluster(Client(address, timeout=10))  # type: ignore[no-untyped-call]
    except OSError as error:
        raise UnreachableError("Dask scheduler", address, faults.line(error)) from None


def processes(workers: int) -> ProcessPoolExecutor:
    """Worker processes that leave Ctrl-C and hang-ups to us and end when we do.

    They are forked from a server process that has the modules loaded and no client, no thread and no connection (where
    there is none, as on Windows, they start afresh).
    """
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["leadbook.ingest.pipeline"])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


def warm(pool: Executor, workers: int, site: Any) -> list[Future[None]]:
    """Start the pool's processes now, each with its clients; done when they are up."""
    return [submitted(pool, _warmed, site) for _ in range(workers)]


def _warmed(site: Any) -> None:
    site.tools()
    time.sleep(0.05)  # long enough for the next call to start a further process


def _begin() -> None:
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="leadbook-end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    """A worker waits on a pipe that it holds open itself, so that a killed parent would leave it behind for ever."""
    parent: Any = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
