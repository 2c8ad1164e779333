"""What a fault is, and what it works on."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import ClassVar, Protocol

import redis as redis_py
from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings
from leadbook.rehearsal import servers
from leadbook.rehearsal.crew import CollectorCrew
from leadbook.rehearsal.servers.state import State


class KillableFollower(Protocol):
    """The follower of a rehearsal: a process that may be killed and started again."""

    def kill(self) -> None:
        """End it and its workers by SIGKILL."""

    def start(self) -> None:
        """Start another one where none runs."""


@dataclass(frozen=True, kw_only=True)
class FaultScene:
    """What faults work on. interval_s: between two snapshots of the watch, in real seconds."""

    settings: Settings
    endpoints: connect.Endpoints
    crew: CollectorCrew
    follower: KillableFollower
    interval_s: float

    def application(self, name: str) -> connect.Client:
        """Another client of the application's user, which servers know by `name`."""
        uri = self.endpoints.mongodb_uri
        joined = f"{uri}{'&' if '?' in uri else '?'}appName={name}"
        return connect.mongodb(joined, self.settings.model_copy(update={"min_pool_size": 0}))

    def admin(self) -> connect.Client:
        """A client of the DBA's user."""
        return connect.mongodb(self.endpoints.admin_uri, self.settings.model_copy(update={"min_pool_size": 0}))

    def redis(self) -> redis_py.Redis:
        """A client of Redis."""
        return connect.redis(self.endpoints.redis_url, self.settings)

    def servers(self) -> State:
        """The rehearsal's own servers. Raises RefusedError where there are none."""
        state = servers.status()
        if state is None:
            raise RefusedError("there are no rehearsal servers; `leadbook up` starts them")
        return state

    def start_servers(self) -> None:
        """Start what was killed, with its data. Raises ServerError."""
        members = len(self.servers().members) or self.settings.members
        servers.up(
            self.settings.model_copy(update={"members": members}), owner_pid=os.getpid(),
            mongodb=self.endpoints.source == "rehearsal", redis=self.endpoints.redis_source == "rehearsal",
        )  # fmt: skip


class Fault:
    """Something that goes wrong. `inject` puts it in, `end` undoes it; `end` may be called twice, or without `inject`.

    name: of the command line.  told: what is done, a clause.  needs: servers that must be the rehearsal's own, of
    `mongodb`, `redis` and `members` (three or more).  intervals: how many intervals of the watch it lasts by default.
    """

    name: ClassVar[str] = ""
    told: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset()
    intervals: ClassVar[int] = 12

    def __init__(self, scene: FaultScene) -> None:
        self.scene = scene
        self.held = ExitStack()
        """What is given up at its end: clients, and what undoes a part of it."""

    def prepare(self) -> None:
        """What takes time, before it is put in. Raises as `inject`."""

    def inject(self) -> None:
        """Put it in. Raises LeadbookError, PyMongoError and RedisError where that cannot be done."""
        raise NotImplementedError

    def end(self) -> None:
        """Undo it. Raises as `inject`."""
        self.held.close()

    @classmethod
    def unfit(cls, settings: Settings, endpoints: connect.Endpoints) -> str:
        """Why it cannot be put in here, in words; empty where it can."""
        if "mongodb" in cls.needs and endpoints.source != "rehearsal":
            return "it touches MongoDB itself, which is not the rehearsal's own here"
        if "redis" in cls.needs and endpoints.redis_source != "rehearsal":
            return "it touches Redis itself, which is not the rehearsal's own here"
        state = servers.status() if "members" in cls.needs else None
        if "members" in cls.needs and (len(state.members) if state else settings.members) < 3:
            return "it needs a replica set of three members"
        return ""


class Repeated(Fault):
    """A fault that is a step done again and again until its end, from threads of its own.

    threads: so many at once.  pause: rest between two steps, in intervals of the watch.
    """

    threads: ClassVar[int] = 1
    pause: ClassVar[float] = 0.25

    def __init__(self, scene: FaultScene) -> None:
        super().__init__(scene)
        self._stop = threading.Event()
        self._at_work: list[threading.Thread] = []

    def step(self) -> None:
        """Once. Raises PyMongoError."""
        raise NotImplementedError

    def inject(self) -> None:
        """Start the threads."""
        self._at_work = [threading.Thread(target=self._run, name=self.name, daemon=True) for _ in range(self.threads)]
        for thread in self._at_work:
            thread.start()

    def end(self) -> None:
        """No further step; waits for the one under way."""
        self._stop.set()
        for thread in self._at_work:
            thread.join()
        super().end()

    def _run(self) -> None:
        while not self._stop.is_set():
            with suppress(PyMongoError):  # a server that another fault ended; the next step tries again
                self.step()
            self._stop.wait(self.pause * self.scene.interval_s)
