"""Faults of other clients of MongoDB: a slow query, a runaway operation, hogged connections. They end with us."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.rehearsal.faults.fault import Fault, Repeated

CLIENT = "leadbook-fault"
SLOW_MS = 400.0
"""How long the slow query shall take: four times the server's slowms."""
TRIED_MS = 20.0
"""A trial of so long tells how much is SLOW_MS. Four times as long is still below slowms: a trial that the server calls
slow would be told before the fault begins."""
LONGEST_MS = 600_000
"""The server ends a runaway by itself after so long, whatever becomes of us."""
ROUNDS, TIMES = 100_000, 30
"""Of the runaway: about half a second a lead, and it can be killed after each. $range holds its rounds all at once, so
that many more would be refused."""
OPEN_S = 20.0
HOGGED = 300
"""Connections that the hog opens: three times what a pool of the task book's size holds."""


def _scan(rounds: int, times: int = 1) -> dict[str, Any]:
    """A filter on a field without an index that keeps the server busy for `times` x `rounds` a document, and finds
    nothing."""
    busy: Any = 1
    for count in (rounds, times):
        busy = {"$reduce": {"input": {"$range": [0, count]}, "initialValue": 0, "in": {"$add": ["$$value", busy]}}}
    return {"company_industry": {"$ne": "of nobody"}, "$expr": {"$lt": [busy, 0]}}


class SlowQuery(Repeated):
    """A report of somebody's that scans the leads, again and again."""

    name = "slow-query"
    told = "another client reads the leads by a field without an index, again and again"

    def prepare(self) -> None:
        """Find out how busy a query must be so as to take SLOW_MS."""
        client = self.held.enter_context(self.scene.application(CLIENT))
        self.leads = client[self.scene.settings.database][self.scene.settings.collection]
        rounds, ms = 100, 0.0
        while ms < TRIED_MS and rounds < 10_000_000:
            rounds *= 4
            ms = self._took_ms(rounds)
        self.rounds = round(rounds * SLOW_MS / max(ms, 1.0))

    def _took_ms(self, rounds: int) -> float:
        began = time.perf_counter()
        self.leads.find_one(_scan(rounds), max_time_ms=30_000)
        return (time.perf_counter() - began) * 1000

    def step(self) -> None:
        """One query."""
        self.leads.find_one(_scan(self.rounds), max_time_ms=30_000)


class Runaway(Fault):
    """An operation that does not come to an end."""

    name = "runaway"
    told = "an operation on the leads' database does not come to an end"
    intervals = 80

    def inject(self) -> None:
        """Start it; at its end it is killed at the server."""
        client = self.held.enter_context(self.scene.application(CLIENT))
        leads = client[self.scene.settings.database][self.scene.settings.collection]
        thread = threading.Thread(target=_run_away, args=(leads,), name=self.name, daemon=True)
        thread.start()
        self.held.callback(self._kill, thread)

    def _kill(self, thread: threading.Thread) -> None:
        mine: list[dict[str, Any]] = [{"$currentOp": {"allUsers": True}}, {"$match": {"command.comment": CLIENT}}]
        with self.scene.admin() as admin:
            while thread.is_alive():
                for found in admin.admin.aggregate(mine):
                    admin.admin.command("killOp", 1, op=found["opid"])
                thread.join(0.5)


def _run_away(leads: connect.Collection) -> None:
    with suppress(PyMongoError):
        leads.find_one(_scan(ROUNDS, TIMES), max_time_ms=LONGEST_MS, comment=CLIENT)


class Connections(Fault):
    """A client that opens connections and keeps them."""

    name = "connections"
    told = f"another client opens {HOGGED} connections and keeps them"

    def inject(self) -> None:
        """Open them; the driver does it in the background, within some seconds."""
        pool = {"min_pool_size": HOGGED, "max_pool_size": HOGGED, "max_connecting": 10}
        hog = self.scene.settings.model_copy(update=pool)
        until = time.monotonic() + OPEN_S
        with self.scene.admin() as admin:
            before = _open(admin)
            client = self.held.enter_context(connect.mongodb(self.scene.endpoints.mongodb_uri, hog))
            connect.ping_mongodb(client)
            while _open(admin) < before + HOGGED / 2 and time.monotonic() < until:
                time.sleep(0.1)


def _open(admin: connect.Client) -> int:
    return int(admin.admin.command("serverStatus")["connections"]["current"])
