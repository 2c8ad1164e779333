"""Processes that make the load, so that Python's lock is not what is measured: threads in each, closed or open loop."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Any

from pymongo.errors import ServerSelectionTimeoutError

from leadbook.measure.histograms import Latencies
from leadbook.measure.operations import LoadTarget, Operations, Task

CLIENT_BOUND = 0.80
"""Share of one core used by a Python process above which it, not the server, is what was measured. At 80 % use of a
single server its callers wait four times the service time on average (M/M/1: use / (1 - use)); below, the rest is the
database's."""
SWITCH_SECONDS = 0.0005
"""How soon a thread gives Python's lock away (default 5 ms): waiting for it must not be taken for the server's time."""
READY_SECONDS, PATIENCE = 0.04, 60.0
"""From the last process being ready to the common start; how long to wait for the last one."""


@dataclass(kw_only=True)
class TaskOutcome:
    """What came of the tasks of one name, over all processes after `join`.

    latencies: of calls in seconds from the intended start (open loop) or the real one (closed).  service: from the real
    start in both.  lag: real minus intended start.  checkouts: waits for a connection.  ends: (seconds since the common
    start, documents done, latency) of each call.  began, ended: seconds since the common start.
    """

    name: str
    latencies: Latencies = field(default_factory=Latencies)
    service: Latencies = field(default_factory=Latencies)
    lag: Latencies = field(default_factory=Latencies)
    checkouts: Latencies = field(default_factory=Latencies)
    ends: list[tuple[float, int, float]] = field(default_factory=list)
    planned: int = 0
    skipped: int = 0
    sent: int = 0
    done: int = 0
    wrong: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    began: float = float("inf")
    ended: float = 0.0
    cpu_seconds: float = 0.0
    processes: int = 1
    opened: int = 0

    @property
    def seconds(self) -> float:
        """From the first start to the last end."""
        return max(self.ended - self.began, 1e-9)

    @property
    def rate(self) -> float:
        """Documents or keys done a second."""
        return self.done / self.seconds

    @property
    def cores(self) -> float:
        """CPU of the load processes over wall time, all processes together."""
        return self.cpu_seconds / self.seconds

    def join(self, other: TaskOutcome) -> None:
        """Take the results of another process in: histograms merged, counts added."""
        for name in ("latencies", "service", "lag", "checkouts"):
            getattr(self, name).merge(getattr(other, name))
        for name in ("ends", "planned", "skipped", "sent", "done", "wrong", "cpu_seconds", "processes", "opened"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.errors = dict(Counter(self.errors) + Counter(other.errors))
        self.began, self.ended = min(self.began, other.began), max(self.ended, other.ended)


# -------------------------------------------------------------------------------------------------- inside a process


def run_tasks(target: LoadTarget, tasks: Sequence[Task]) -> list[TaskOutcome]:
    """Run tasks side by side in this process; in a crew every process starts at the same moment.

    Raises ServerSelectionTimeoutError where MongoDB went away meanwhile.
    """
    with contextlib.ExitStack() as stack:
        try:
            runs = [_Run(task, stack.enter_context(Operations.open(target, task))) for task in tasks]
        except BaseException:
            if _meeting is not None:
                _meeting[0].abort()
            raise
        origin = _common_start()
        threads = [
            threading.Thread(target=run.work, args=(origin,), daemon=True)
            for run in runs
            for _ in range(run.task.threads)
        ]
        for thread in threads:
            thread.start()
        time.sleep(max(0.0, origin - time.monotonic()))
        cpu = time.process_time()
        for thread in threads:
            thread.join()
        cpu = time.process_time() - cpu
        lost = next((run.operations.lost for run in runs if run.operations.lost), None)
        if lost is not None:
            raise ServerSelectionTimeoutError(str(lost))
        return [run.outcome(cpu / len(runs)) for run in runs]


_meeting: tuple[Any, Any] | None = None
"""In a crew's process: the barrier where all meet when ready, and the moment of the start that they share."""


def _common_start() -> float:
    """The moment, on the monotonic clock, at which every process starts."""
    soon = time.monotonic() + READY_SECONDS
    if _meeting is None:
        return soon
    barrier, moment = _meeting
    if barrier.wait(PATIENCE) == 0:
        moment.value = time.monotonic() + READY_SECONDS
    barrier.wait(PATIENCE)
    return float(moment.value)


class _Run:
    """One task at work; `work` is what each of its threads does."""

    def __init__(self, task: Task, operations: Operations) -> None:
        self.task, self.operations = task, operations
        self._lock = threading.Lock()
        self._next = 0
        self.made = TaskOutcome(name=task.name, planned=task.planned)

    def work(self, origin: float) -> None:
        calls: list[tuple[float, float, float, int]] = []
        skipped = 0
        while self.operations.lost is None and (number := self._take()) is not None:
            due = origin + (self.task.arrivals[number] if self.task.arrivals is not None else 0.0)
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.monotonic()
            if self.task.arrivals is not None and began - due > self.task.skip_after:
                skipped += 1
                continue
            done = self.operations.call(number)
            calls.append((due, began, time.monotonic(), done))
        self._keep(origin, calls, skipped)

    def _take(self) -> int | None:
        with self._lock:
            if self._next >= self.task.planned:
                return None
            self._next += 1
            return self._next - 1

    def _keep(self, origin: float, calls: list[tuple[float, float, float, int]], skipped: int) -> None:
        timed = self.task.arrivals is not None
        with self._lock:
            made = self.made
            made.skipped += skipped
            for due, began, ended, done in calls:
                latency = ended - (due if timed else began)
                made.latencies.record(latency)
                made.service.record(ended - began)
                if timed:
                    made.lag.record(max(began - due, 0.0))
                made.ends.append((ended - origin, done, latency))
                made.done += done
                made.began, made.ended = min(made.began, began - origin), max(made.ended, ended - origin)

    def outcome(self, cpu_seconds: float) -> TaskOutcome:
        used = self.operations
        return replace(
            self.made, cpu_seconds=cpu_seconds, sent=used.sent, wrong=used.wrong, errors=dict(used.errors),
            checkouts=Latencies(used.trace.checkouts), opened=used.trace.created,
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------ around the processes


def _begin(barrier: Any, moment: Any) -> None:
    """In a new process: know where to meet, and end with the process that started this one, also when it is killed."""
    global _meeting
    _meeting = (barrier, moment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setswitchinterval(SWITCH_SECONDS)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _nothing() -> None:
    """Imports have happened when this returns."""


class Crew:
    """Load processes that stay from run to run. Close it."""

    def __init__(self, processes: int) -> None:
        self.processes = processes
        context = multiprocessing.get_context("spawn")
        self._barrier = context.Barrier(processes)
        self._pool = ProcessPoolExecutor(
            processes, mp_context=context, initializer=_begin, initargs=(self._barrier, context.Value("d", 0.0))
        )
        for _ in range(processes):
            self._pool.submit(_nothing)  # starts a process each; the first run waits for them

    def run(self, target: LoadTarget, shares: Sequence[Sequence[Task]]) -> dict[str, TaskOutcome]:
        """One list of tasks for each process; outcomes joined by name.

        Raises ValueError for more lists than processes, and what a process raised while it got ready.
        """
        if len(shares) > self.processes:
            raise ValueError(f"{len(shares)} shares for {self.processes} processes")
        padded = [*shares, *([()] * (self.processes - len(shares)))]
        futures = [self._pool.submit(run_tasks, target, tasks) for tasks in padded]
        self._raise_first(futures)
        joined: dict[str, TaskOutcome] = {}
        for outcome in (one for future in futures for one in future.result()):
            if outcome.name in joined:
                joined[outcome.name].join(outcome)
            else:
                joined[outcome.name] = outcome
        return joined

    def _raise_first(self, futures: Sequence[Future[list[TaskOutcome]]]) -> None:
        errors = [error for future in futures if (error := future.exception()) is not None]
        if errors:
            with contextlib.suppress(Exception):
                self._barrier.reset()
            raise next((one for one in errors if not isinstance(one, threading.BrokenBarrierError)), errors[0])

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(cancel_futures=True)
