"""What goes over the wire and what a connection pool does, recorded by the driver's own listeners."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from pymongo import monitoring


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command as it went over the wire, without its documents (they may hold personal data).

    write_concern: the `writeConcern` field really sent, or None when the command had none.
    documents: how many documents, updates or deletes it carried. duration_ms: until the driver had the reply.
    """

    name: str
    database: str
    collection: str
    write_concern: Mapping[str, Any] | None
    documents: int
    ordered: bool | None
    duration_ms: float
    failure: str


class CommandTrace(monitoring.CommandListener):
    """Records commands while entered: `with trace: …`, then `trace.commands`. Pass it as a listener of `mongodb`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[tuple[int, Any], Mapping[str, Any]] = {}
        self._commands: list[Command] = []
        self._recording = False

    def __enter__(self) -> Self:
        with self._lock:
            self._commands, self._started, self._recording = [], {}, True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._recording = False

    @property
    def commands(self) -> list[Command]:
        """Commands in the order of their replies."""
        with self._lock:
            return list(self._commands)

    def named(self, name: str) -> list[Command]:
        """Commands of one name, such as `insert`."""
        return [command for command in self.commands if command.name == name]

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Driver's hook."""
        if not self._recording:
            return
        body = event.command
        counted = next((body[key] for key in ("documents", "updates", "deletes") if key in body), ())
        named = body.get(event.command_name)
        concern = body.get("writeConcern")
        kept = {
            "name": event.command_name, "database": event.database_name,
            "collection": named if isinstance(named, str) else "",
            "write_concern": dict(concern) if concern is not None else None,
            "documents": len(counted), "ordered": body.get("ordered"),
        }  # fmt: skip
        with self._lock:
            self._started[(event.request_id, event.connection_id)] = kept

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Driver's hook."""
        self._finish(event, "")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Driver's hook. Keeps the code's name only: a message may quote a document."""
        self._finish(event, str(event.failure.get("codeName") or event.failure.get("code") or "failed"))

    def _finish(self, event: Any, failure: str) -> None:
        with self._lock:
            kept = self._started.pop((event.request_id, event.connection_id), None)
            if kept is not None:
                self._commands.append(Command(**kept, duration_ms=event.duration_micros / 1000, failure=failure))


class PoolTrace(monitoring.ConnectionPoolListener):
    """Counts and times what a connection pool does. Pass it as a listener of `mongodb`; safe in any number of threads.

    checkouts and ready are durations in seconds (waiting for a connection; opening one, with TLS and authentication).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the number of connections open now (`open`)."""
        with self._lock:
            self._checkouts: list[float] = []
            self._ready: list[float] = []
            self._failures: list[str] = []
            self._open: int = getattr(self, "_open", 0)
            self.created = self.closed = self.cleared = 0

    @property
    def checkouts(self) -> list[float]:
        """Seconds each successful check-out took."""
        with self._lock:
            return list(self._checkouts)

    @property
    def ready(self) -> list[float]:
        """Seconds each new connection took to be usable."""
        with self._lock:
            return list(self._ready)

    @property
    def failures(self) -> list[str]:
        """Reason of each failed check-out, such as `timeout`."""
        with self._lock:
            return list(self._failures)

    @property
    def open(self) -> int:
        """Connections open now, in all pools of the client."""
        with self._lock:
            return self._open

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self._checkouts.append(event.duration or 0.0)

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self._failures.append(str(event.reason))

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self.created += 1
            self._open += 1

    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self._ready.append(event.duration or 0.0)

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self.closed += 1
            self._open -= 1

    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self.cleared += 1

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None:
        """Driver's hook; nothing to record."""

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        """Driver's hook; nothing to record."""

    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None:
        """Driver's hook; nothing to record."""

    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None:
        """Driver's hook; nothing to record."""

    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None:
        """Driver's hook; nothing to record."""


@dataclass(frozen=True, kw_only=True)
class PoolCounts:
    """What a pool did in some time; counts of several workers add up, levels are those of the busiest one.

    checkouts, failures: connections taken, and not given in time.  wait_s: waited for them in all.  in_use, waiting:
    most at once.  maximum: maxPoolSize, 0 where nothing is known.
    """

    checkouts: int = 0
    failures: int = 0
    wait_s: float = 0.0
    in_use: int = 0
    waiting: int = 0
    maximum: int = 0

    def __add__(self, other: PoolCounts) -> PoolCounts:
        return PoolCounts(
            checkouts=self.checkouts + other.checkouts, failures=self.failures + other.failures,
            wait_s=self.wait_s + other.wait_s, in_use=max(self.in_use, other.in_use),
            waiting=max(self.waiting, other.waiting), maximum=max(self.maximum, other.maximum),
        )  # fmt: skip

    def as_dict(self) -> dict[str, float]:
        """in_use, maximum, waiting, failures, and wait_ms: the mean wait for a connection."""
        wait_ms = 1000 * self.wait_s / self.checkouts if self.checkouts else 0.0
        return {"in_use": self.in_use, "maximum": self.maximum, "waiting": self.waiting, "failures": self.failures,
                "wait_ms": round(wait_ms, 3)}  # fmt: skip


class PoolUse(PoolTrace):
    """A PoolTrace that also knows how many connections are checked out now, by server.

    waiting: check-outs begun and not yet answered.
    """

    def __init__(self) -> None:
        self._in_use: Counter[Any] = Counter()
        self.waiting = self._most_in_use = self._most_waiting = 0
        super().__init__()

    @property
    def in_use(self) -> int:
        """Connections checked out now, in the busiest server's pool: each server has a pool of its own."""
        with self._lock:
            return max(self._in_use.values(), default=0)

    def taken(self, maximum: int) -> PoolCounts:
        """What the pool did since this was asked before, and forget it. maximum: its maxPoolSize."""
        with self._lock:
            found = PoolCounts(
                checkouts=len(self._checkouts), failures=len(self._failures), wait_s=sum(self._checkouts),
                in_use=self._most_in_use, waiting=self._most_waiting, maximum=maximum,
            )  # fmt: skip
            self._most_in_use, self._most_waiting = max(self._in_use.values(), default=0), self.waiting
        self.reset()
        return found

    def _count(self, address: Any, *, used: int, waiting: int) -> None:
        with self._lock:
            self._in_use[address] += used
            self.waiting += waiting
            self._most_in_use = max(self._most_in_use, self._in_use[address])
            self._most_waiting = max(self._most_waiting, self.waiting)

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None:
        """Driver's hook."""
        self._count(event.address, used=0, waiting=1)

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        """Driver's hook."""
        super().connection_checked_out(event)
        self._count(event.address, used=1, waiting=-1)

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        """Driver's hook."""
        super().connection_check_out_failed(event)
        self._count(event.address, used=0, waiting=-1)

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        """Driver's hook."""
        self._count(event.address, used=-1, waiting=0)


def concern_text(document: Mapping[str, Any] | None, none: str = "none") -> str:
    """A writeConcern as in `w: majority, wtimeout 5,000 ms`; none: what stands for one that was not sent."""
    parts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in (document or {}).items()}
    timeout = parts.pop("wtimeout", None)
    told = [f"{name}: {parts[name]}" for name in sorted(parts, key=lambda name: name != "w")]
    return ", ".join([*told, *([] if timeout is None else [f"wtimeout {timeout:,} ms"])]) or none
