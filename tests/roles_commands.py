"""What leadbook's commands, and n8n's workflows, do with their users: each yields what it told that matters."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

from tests.roles_ground import DATABASE, Ground

from leadbook.commands import doctor as doctors
from leadbook.commands import sprint
from leadbook.commands.act import act
from leadbook.commands.cleanup import cleanup
from leadbook.commands.erase import erase
from leadbook.commands.leads import ingest_staged, replay_rejected
from leadbook.commands.place import addresses
from leadbook.commands.recover import recover
from leadbook.commands.watching import parts
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.rehearsal import collectors
from leadbook.rehearsal.sample import documents

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


def follow(settings: Settings) -> Told:
    """A follower that is told to end after two seconds."""
    told: list[str] = []
    timer = threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        ingest_staged(settings, follow=True, notice=told.append)
    finally:
        timer.cancel()
    yield from ((f"notice {number}", line) for number, line in enumerate(told))


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


def doctor(settings: Settings) -> Told:
    """What is wrong with users."""
    for one in doctors.examine(settings):
        if one.state == "problem" and one.about.startswith("MongoDB"):
            yield one.about, f"{one.text} -> {one.todo}"


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


def kill(ground: Ground, victim: str) -> Command:
    """Another user's operation, listed and ended."""

    def do(settings: Settings) -> Told:
        def scan() -> None:
            try:
                uri = f"{ground.state.admin_uri}&appName=n8n"
                with connect.mongodb(uri, settings) as client:
                    client[DATABASE][settings.collection].find_one({"$where": "sleep(3000) || true"})
            except Exception:
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


def writers(settings: Settings) -> Told:
    """An order to followers."""
    act(settings, ["writers=3"])
    yield from ()


def recovered(settings: Settings) -> Told:
    """Leads that were deleted come back from staging."""
    recover(settings, "both")
    yield from ()


def erased(ground: Ground) -> Command:
    """One person."""

    def do(settings: Settings) -> Told:
        lead = ground.root[DATABASE][settings.collection].find_one({}, {"linkedin_url": 1})
        erase(settings, lead["linkedin_url"] if lead else "https://www.linkedin.com/in/nobody")
        yield from ()

    return do


def cleaned(ground: Ground) -> Command:
    """A scratch collection that a killed trial left."""

    def do(settings: Settings) -> Told:
        ground.root[DATABASE]["leadbook_scratch_trial_5f000000_0123456789abcdef01234567"].insert_one({"a": 1})
        found = cleanup(settings)
        left = found.left.found if found.left else 0
        if left:
            yield "left", f"{left} things are left"

    return do


def replayed(settings: Settings) -> Told:
    """Rejected records once more."""
    replay_rejected(settings)
    yield from ()


def leads(count: int) -> list[dict[str, object]]:
    """Made leads, stored by hand."""
    return documents(count, 3)
