"""One reading of everything: each source by itself, none of which can stop, hang or falsify the others. Read-only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import psutil
import pymongo
from bson.errors import BSONError
from pymongo.errors import ExecutionTimeout, PyMongoError
from redis import exceptions as redis_errors
from redis.exceptions import RedisError

from leadbook.core import connect, write_errors
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.lead.masks import mask_people
from leadbook.monitor.slow import server_time
from leadbook.watch.clock import SprintClock
from leadbook.watch.names import READINGS
from leadbook.watch.records import Event, LiveSnapshot
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.arrivals import Collectors
from leadbook.watch.sources.atlas import AtlasMetrics, stand_in
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading
from leadbook.watch.sources.clients import MongoClients, RedisClients
from leadbook.watch.sources.counts import SprintCounts
from leadbook.watch.sources.ingesters import Ingesters
from leadbook.watch.sources.losing import Losing
from leadbook.watch.sources.members import BackupAge, DiskSpace, Elections, Members, OplogSpan
from leadbook.watch.sources.probes import CanaryProbe, MongoProbe, RedisProbe
from leadbook.watch.sources.servers import Host, MongoStatus, RedisStatus
from leadbook.watch.sources.slow import RedisSlow, SlowQueries

FAILURES = (PyMongoError, RedisError, BSONError, LeadbookError, OSError, psutil.Error, LookupError, TypeError,
            ValueError, ArithmeticError)  # fmt: skip
"""What a source may raise; whatever a record holds, or a tier answers, the other sources are read."""


class SnapshotReader:
    """Reads snapshots while entered. watch: name of the watching process, on each of them.

    Its connections are its own, at most two a member and user besides the driver's monitors, called `leadbook-watch`.
    A server that is away costs a snapshot at most 3 s. Raises ParameterError for an address that cannot be used.
    """

    def __init__(self, settings: Settings, endpoints: connect.Endpoints, clock: SprintClock, *, watch: str) -> None:
        self._settings, self._clock, self._watch = settings, clock, watch
        self._access = Access(settings, endpoints)
        self._elections = Elections()
        self._away: dict[str, float] = {}
        self._parts: Sequence[SourcePart] = ()

    def __enter__(self) -> Self:
        self._access.__enter__()
        self._parts = _parts(self._access)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._access.__exit__(kind, error, trace)

    def read(self, number: int, interval_s: float) -> LiveSnapshot:
        """One snapshot. number: of the series.  interval_s: until the next one, by the sprint's clock. Never raises for
        a server that is away or refuses: see `unmeasured` and the events `away` and `back`."""
        at, began = self._clock.now(), time.perf_counter()
        found, cost = SourceReading(), dict[str, float]()
        gone: dict[str, str] = {}
        with self._access.trace:
            hello = self._hello(gone)
            moment = Moment(
                number=number, at=at, real=time.monotonic(), server=server_time(hello), speed=self._clock.factor
            )
            if "mongodb" not in gone:
                found.add(self._elections.read(moment, hello))
            for part in self._parts:
                started = time.perf_counter()
                found.add(self._guarded(part, moment, gone))
                cost[part.name] = cost.get(part.name, 0.0) + 1000 * (time.perf_counter() - started)
        reads = [one.duration_ms for one in self._access.trace.commands if one.name in READS]
        self._access.own.reads += len(reads)
        self._access.own.read_us += 1000 * sum(reads)
        self._tell_absence(found, gone, at)
        _clients_together(found)
        stand_in(found)
        cost["all"] = 1000 * (time.perf_counter() - began)
        redis_ms = sum(cost.get(part.name, 0.0) for part in self._parts if part.server == "redis")
        found.readings["watch.cost_ms"] = cost["all"]
        found.readings["watch.server_ms"] = redis_ms + sum(
            command.duration_ms for command in self._access.trace.commands
        )
        return LiveSnapshot(
            at=at, number=number, watch=self._watch, interval_s=interval_s, events=tuple(found.events),
            readings={name: value for name, value in found.readings.items() if name in READINGS},
            unmeasured=found.unmeasured, details=_of_nobody(found.details),
            cost_ms={name: round(ms, 2) for name, ms in cost.items()},
        )  # fmt: skip

    def _hello(self, gone: dict[str, str]) -> dict[str, Any]:
        """What the primary says of itself; nothing where there is none that answers."""
        try:
            return self._access.first()
        except FAILURES as error:
            gone["mongodb"] = f"MongoDB is away: {self._access.why(error, ())}"
            return {}

    def _guarded(self, part: SourcePart, moment: Moment, gone: dict[str, str]) -> SourceReading:
        """What a part says; where it cannot, why. Once a server has failed to answer it is not asked any more."""
        if part.server in gone:
            return SourceReading(unmeasured=dict.fromkeys(part.covers, gone[part.server]))
        try:
            with pymongo.timeout(part.patience_s) if part.server == "mongodb" else nullcontext():
                return part.read(moment)
        except FAILURES as error:
            why = self._access.why(error, part.needs)
            if part.server and _is_away(error):
                gone[part.server] = f"{_NAMES[part.server]} is away: {why}"
                why = gone[part.server]
            return SourceReading(unmeasured=dict.fromkeys(part.covers, why))

    def _tell_absence(self, found: SourceReading, gone: dict[str, str], at: datetime) -> None:
        """Events `away` and `back`, and for how long it was, by the sprint's clock."""
        for server in _NAMES:
            if server in gone and server not in self._away:
                self._away[server] = time.monotonic()
                found.events.append(Event(at=at, kind="away", source=server, told={"why": gone[server]}))
            elif server not in gone and server in self._away:
                seconds = self._clock.sprint_seconds(time.monotonic() - self._away.pop(server))
                found.events.append(Event(at=at, kind="back", source=server, seconds=round(seconds, 1)))


READS = ("find", "aggregate", "count", "getMore", "listIndexes")
_NAMES = {"mongodb": "MongoDB", "redis": "Redis"}


def _parts(access: Access) -> Sequence[SourcePart]:
    """All sources, in the order in which they are read: what tells of trouble first."""
    counts, probe = SprintCounts(access), MongoProbe(access)
    return (
        CanaryProbe(access), MongoStatus(access), RedisStatus(access), Host(access), probe, RedisProbe(access, probe),
        Members(access), DiskSpace(access), OplogSpan(access), counts, Collectors(access, counts), Ingesters(access),
        Losing(access), MongoClients(access), RedisClients(access), SlowQueries(access), RedisSlow(access),
        BackupAge(access), AtlasMetrics(access),
    )  # fmt: skip


def _is_away(error: Exception) -> bool:
    """Whether the server did not answer at all, rather than refuse or be late with one question."""
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError):
        return True
    return write_errors.is_in_doubt(error) and not isinstance(error, ExecutionTimeout)


def _of_nobody(told: Any) -> Any:
    """The tables without people: whoever may insert into the staging collection chooses a collector's name."""
    if isinstance(told, str):
        return mask_people(told)
    if isinstance(told, dict):
        return {_of_nobody(name): _of_nobody(value) for name, value in told.items()}
    return [_of_nobody(one) for one in told] if isinstance(told, list | tuple) else told


def _clients_together(found: SourceReading) -> None:
    """Clients of both servers in one table."""
    redis = found.details.pop("redis_clients", [])
    if redis or "clients" in found.details:
        found.details["clients"] = [*found.details.get("clients", ()), *redis]
