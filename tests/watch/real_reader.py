"""A reader over real servers, of the monitor's own sources: what tests of the loop watch with."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from leadbook.commands.place import hurried
from leadbook.core import connect
from leadbook.monitor.mongodb import MongoSource
from leadbook.monitor.redis_server import RedisSource
from leadbook.watch.records import Event, LiveSnapshot


class FastClock:
    """A sprint's clock that goes `factor` times as fast."""

    def __init__(self, factor: float = 1.0, began: datetime | None = None) -> None:
        self.factor, self._begin, self._real = factor, began or datetime.now(UTC), time.monotonic()

    def now(self) -> datetime:
        return self._begin + timedelta(seconds=(time.monotonic() - self._real) * self.factor)

    def real_seconds(self, sprint: float) -> float:
        return sprint / self.factor


class RealReader:
    """serverStatus and INFO of each snapshot; a server that is away is unmeasured, and told when it comes and goes."""

    def __init__(self, endpoints, settings, clock) -> None:
        self.clock, self._away, self._stack = clock, set(), ExitStack()
        settings = hurried(settings, 300)
        client = self._stack.enter_context(connect.mongodb(endpoints.admin_uri, settings))
        redis = connect.redis(endpoints.redis_url, settings)
        self._stack.callback(redis.close)
        self._sources = [MongoSource(client), RedisSource(redis)]

    def __enter__(self):
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def read(self, number, interval_s):
        at, readings, unmeasured, events = self.clock.now(), {}, {}, []
        for source in self._sources:
            try:
                found = source.read()
                readings |= {f"{source.name}.{name}": float(value) for name, value in found.values.items()}
                kind, away = "back", False
            except (PyMongoError, RedisError) as error:
                unmeasured[source.name] = type(error).__name__
                kind, away = "away", True
            if away != (source.name in self._away):
                events.append(Event(at=at, kind=kind, source=source.name))
                self._away ^= {source.name}
        return LiveSnapshot(at=at, number=number, watch="test", interval_s=interval_s, readings=readings,
                            unmeasured=unmeasured, events=tuple(events))  # fmt: skip
