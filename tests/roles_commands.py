"""What leadbook's commands, and n8n's workflows, do with their users: each yields what it told that matters."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.roles_ground import DATABASE, Ground, Outcome

from leadbook.commands import sprint
from leadbook.commands.act import act
from leadbook.commands.cleanup import cleanup
from leadbook.commands.doctor import examine as doctors
from leadbook.commands.erase import erase
from leadbook.commands.leads import ingest_staged, replay_rejected
from leadbook.commands.place import addresses
from leadbook.commands.recover import recover
from leadbook.commands.watching import parts
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.lead.suppression import SUPPRESSED, SuppressionList, keys_of
from leadbook.provision.roles import Role
from leadbook.rehearsal import collectors
from leadbook.rehearsal.sample import documents
from leadbook.schema.state import apply

Told = Iterator[tuple[str, str]]
Command = Callable[[Settings], Told]


def n8n(ground: Ground, user: str) -> Command:
    """What the workflows ask of MongoDB: batches staged, and a look-up by URL."""

    def do(settings: Settings) -> Told:
        with connect.mongodb(ground.uri(user), settings) as client:
            database = client[settings.database]
            collectors.stage(database[settings.staging_collection], collectors.plan(120, 7), 0.0)
            database[settings.collection].find_one({"linkedin_url": "https://www.linkedin.com/in/nobody"})
        yield from ()

    return do


def ingest(settings: Settings) -> Told:
    """One drain of what is staged."""
    ingest_staged(settings)
    yield from ()


def watch(settings: Settings) -> Told:
    """Two snapshots; what could not be read."""
    endpoints = addresses(settings)
    with parts.reader(settings, endpoints, parts.clock(settings, None)) as reader:
        reader.read(1, 30.0)
        time.sleep(1.2)
        seen = reader.read(2, 30.0)
    yield from seen.unmeasured.items()


def status(settings: Settings) -> Told:
    """The ten lines."""
    yield from enumerate_lines(sprint.lines(sprint.status(settings)))


def enumerate_lines(lines: Iterator[str]) -> Told:
    """Numbered."""
    yield from ((f"line {number}", line) for number, line in enumerate(lines))


def profiler(settings: Settings) -> Told:
    """On, and off."""
    for words in (["profiler=on", "slowms=50"], ["profiler=off"]):
        act(settings, words)
    yield from ()


def hide(settings: Settings) -> Told:
    """An index hidden and shown again; what the plan could not tell."""
    found = act(settings, ["hide_index=idx_job_title"])
    act(settings, ["unhide_index=idx_job_title"])
    yield from ((f"warning {number}", line) for number, line in enumerate(found.plan.warns))
    if found.plan.needs:
        yield "needs", found.plan.needs


def kill(ground: Ground) -> Command:
    """Another user's operation, listed and ended."""

    def do(settings: Settings) -> Told:
        def scan() -> None:
            try:
                uri = f"{ground.state.admin_uri}&appName=n8n"
                with connect.mongodb(uri, settings) as client:
                    client[DATABASE][settings.collection].find_one({"$where": "sleep(3000) || true"})
            except Exception:  # noqa: BLE001  it is ended on purpose
                return

        threading.Thread(target=scan, daemon=True).start()
        until = time.monotonic() + 4
        rows = []
        while not rows and time.monotonic() < until:
            rows = act(settings.model_copy(update={"approve": ""}), ["kill_operation", "older=0.2"]).plan.rows
        if not rows:
            yield "list", "no operation was listed"
            return
        act(settings, ["kill_operation", f"opid={rows[0]['opid']}", "older=0"])

    return do


def follow(settings: Settings) -> Told:
    """A follower that is told to end after two seconds."""
    timer = threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        ingest_staged(settings, follow=True)
    finally:
        timer.cancel()
    yield from ()


def quiet(do: Callable[[Settings], object]) -> Command:
    """A command of which only its error is of interest."""

    def told(settings: Settings) -> Told:
        do(settings)
        yield from ()

    return told


def doctor(settings: Settings) -> Told:
    """What it has against users."""
    for one in doctors.examine(settings):
        if one.state == "problem" and one.about.startswith("MongoDB"):
            yield one.about, f"{one.text} -> {one.todo}"


def erased(ground: Ground) -> Command:
    """One person."""

    def do(settings: Settings) -> Told:
        lead = ground.root[DATABASE][settings.collection].find_one({}, {"linkedin_url": 1})
        erase(settings, lead["linkedin_url"] if lead else "https://www.linkedin.com/in/nobody")
        yield from ()

    return do


SECTIONS = {"03": ("subject", "index_prices", "slow_query")}
"""Sections of a phase that need a privilege which no other section of it needs; its long benchmarks are left out."""


class Places:
    """Where privileges are missed: phases and commands by the names that the roles' table uses."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.commands: dict[str, Command] = {
            "n8n": n8n(ground, "leadbook_application"), "ingest": ingest, "watch": watch, "status": status,
            "watch without a reporting user": watch, "act profiler": profiler, "act hide_index": hide,
            "act kill_operation": kill(ground), "erase": erased(ground), "ingest --follow": follow,
            "act writers": quiet(lambda settings: act(settings, ["writers=3"])), "cleanup": quiet(cleanup),
            "replay": quiet(replay_rejected), "recover": quiet(lambda settings: recover(settings, "both")),
            "doctor": doctor,
        }  # fmt: skip
        ground.phase("02")
        self._leads = ground.root[DATABASE][ground.settings.collection]
        self._fill()

    def _fill(self) -> None:
        """Leads, staged records, and one lead whose person asked for erasure since."""
        self._leads.insert_many(documents(700, 3))
        self._stage()
        one = self._leads.find_one({"email": {"$exists": False}}) or self._leads.find_one()
        SuppressionList(self._leads.database[SUPPRESSED]).add(keys_of(one or {}))

    def _stage(self) -> None:
        staging = self._leads.database[self.ground.settings.staging_collection]
        collectors.stage(staging, collectors.plan(120, 7), 0.0)

    def _empty(self) -> None:
        self.ground.root.drop_database(DATABASE)

    def go(self, where: str, role: Role) -> Outcome:
        """Do it as the three users, or as the one user of the monitor's role."""
        if where == "02":
            self._empty()
            self._leads.database.create_collection(self._leads.name)  # its validator is still to come
        if where == "01 on an empty database":
            self._empty()
        if where == "ingest":
            self._stage()
        with pytest.MonkeyPatch.context() as patch:
            if role.name == "leadbook_monitor":
                patch.setenv("MONGODB_URI", self.ground.uri(role.name))
                patch.delenv("MONGODB_ADMIN_URI")
            if role.name == "leadbook_monitor" or where.endswith("without a reporting user"):
                patch.delenv("MONGODB_REPORTING_URI")
            return self.ground.command(where, self.commands[where]) if where in self.commands else self._phase(where)

    def _phase(self, where: str) -> Outcome:
        done = self.ground.phase(where[:2], only=SECTIONS.get(where, ()))
        if where in ("02", "01 on an empty database"):
            self._empty()
            restored = self.ground.root[DATABASE]
            apply(restored[self._leads.name], self.ground.root, self.ground.settings)
            self._fill()
        return done
