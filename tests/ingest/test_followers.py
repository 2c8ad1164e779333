"""Followers as services: they share the work, take over from the dead, and outlast a MongoDB that is away.

LEADBOOK_STAGED asks for more records than the suite has time for.
"""

import json
import os
import signal
import threading
import time
from datetime import UTC, datetime

import pytest

from ingest.background import Command, until
from ingest.vendor_records import person
from leadbook.commands import leads as commands
from leadbook.core import connect
from leadbook.core.journal import Journal
from leadbook.ingest import drain as drain_module
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.lead.ledger import Ledger
from leadbook.rehearsal import servers
from leadbook.schema.state import apply

STAGED = int(os.environ.get("LEADBOOK_STAGED", "20000"))
TWICE = 10
"""One record in so many is of a person who was staged before."""


@pytest.fixture
def staged(leads, database, settings):
    """The staging collection, empty, with its index."""
    return database[settings.staging_collection]


def stage(staged, count):
    """So many records, small ones; how many people they are of."""
    people = [f"p{number if number % TWICE else number // 2}" for number in range(count)]
    at = datetime.now(UTC)
    staged.insert_many([{"vendor": "brightdata", "payload": person(one), "collected_at": at} for one in people])
    return len(set(people))


def follower(endpoints, settings):
    return Command(["ingest", "--staged", "--follow", "--json"], endpoints, settings, writers=2)


@pytest.mark.slow
@pytest.mark.trust(
    way="two followers drain the same staged records, and one of them is killed (SIGKILL) in the middle", status=0,
    says=("stopped by SIGTERM", '"claimed": 0'),
    leaves="each record once in effect, and once in the two ledgers together: the journal has that of the killed one",
)  # fmt: skip
@pytest.mark.parametrize("killed", [False, True], ids=["both end in order", "one is killed"])
def test_two_followers_share_and_their_ledgers_add_up(
    site, staged, leads, endpoints, settings, database, trust, killed
):
    journal = Journal(database, endpoints.mongodb_uri)
    two = [follower(endpoints, settings) for _ in range(2)]
    try:
        until(lambda: len(journal.entries("session.begun")) == 2)
        unique = stage(staged, STAGED)
        until(lambda: len(staged.distinct("pipeline.session", {"pipeline.state": "done"})) == 2)
        if killed:
            two[0].kill()  # the other takes what it held, in seconds
        until(lambda: not Staging(staged).left(), max(200, STAGED / 80))
        ends = []
        for one in two[int(killed) :]:
            one.process.send_signal(signal.SIGTERM)
            status, out, err = one.ended()
            trust.check(status, out + err)
            ends.append(Ledger.from_dict(json.loads(out)))
    finally:
        for one in two:
            one.kill()
    if killed:
        journal.collection.update_many({}, [{"$set": {"at": {"$subtract": ["$at", 600_000]}}}])
        commands.ingest_staged(site.settings)
    told = {one["session"]: one for one in journal.entries("session.ended")}
    assert sum(one.get("dead", False) for one in told.values()) == int(killed)
    ledgers = [Ledger.from_dict(one["ledger"]) for one in told.values()]
    total = sum(ledgers, Ledger())
    assert all(one in ledgers for one in ends) and all(one.read for one in ledgers[: 1 + killed])
    assert total.read == STAGED == staged.count_documents({"pipeline.state": "done"})
    assert total.stored == unique == leads.count_documents({}) == len(leads.distinct("linkedin_url"))
    assert total.outcomes() == Staging(staged).ended()
    batches = [Ledger.from_dict(one["ledger"]) for one in journal.entries("session.batch")]
    assert sum(batches, Ledger()).read == STAGED or killed


@pytest.mark.slow
@pytest.mark.trust(
    way="MongoDB goes away while a follower works, and comes back later", status=None,
    says=("MongoDB is away (", "waiting for it", "MongoDB answers again, after"),
    leaves="the follower goes on by itself; every record once, and the ledger is what the database holds",
)  # fmt: skip
def test_a_follower_outlasts_a_mongodb_that_is_away(own_servers, settings, monkeypatch, trust):
    monkeypatch.setattr(drain_module, "SESSION_S", 0.5)
    state = own_servers(members=1, redis=False)
    wanted = settings.model_copy(update={"batch_size": 20, "server_selection_timeout_ms": 2_000})
    endpoints = servers.resolve(wanted, folder=state.folder)
    site = Site(endpoints=endpoints, settings=wanted, use_cache=False, patience_s=2.0)
    lines, results, stop = [], [], threading.Event()

    def follow():
        results.append(drain(site, follow=True, workers=1, notice=lines.append, stop=stop.is_set))
        Site.close()

    with connect.mongodb(endpoints.admin_uri, wanted) as admin:
        leads = admin[wanted.database][wanted.collection]
        apply(leads, admin, wanted)
        staged = admin[wanted.database][wanted.staging_collection]
        unique = stage(staged, 2_000)
        thread = threading.Thread(target=follow)
        thread.start()
        until(lambda: leads.count_documents({}) > 200)
        (member,) = state.members
        os.kill(member.pid, signal.SIGKILL)
        until(lambda: any("is away" in line for line in lines))
        time.sleep(3.0)
        assert thread.is_alive()
        servers.up(wanted, owner_pid=os.getpid(), redis=False, folder=state.folder)
        until(lambda: leads.count_documents({}) == unique, 90)
        until(lambda: not Staging(staged).left())
        stop.set()
        thread.join(timeout=60)
        (result,) = results
        trust.check(None, " ".join(lines))
        assert len([line for line in lines if "MongoDB" in line]) == 2
        assert result.problem == "" and result.staging["waiting"] == result.staging["claimed"] == 0
        assert result.ledger.outcomes() == Staging(staged).ended()
        assert result.ledger.read == 2_000 and result.ledger.stored == unique


def test_a_follower_that_is_stopped_while_mongodb_is_away_says_so(own_servers, settings, monkeypatch):
    monkeypatch.setattr(drain_module, "SESSION_S", 0.5)
    state = own_servers(members=1, redis=False)
    wanted = settings.model_copy(update={"batch_size": 20, "server_selection_timeout_ms": 1_000})
    endpoints = servers.resolve(wanted, folder=state.folder)
    site = Site(endpoints=endpoints, settings=wanted, use_cache=False, patience_s=1.0)
    with connect.mongodb(endpoints.admin_uri, wanted) as admin:
        apply(admin[wanted.database][wanted.collection], admin, wanted)
        stage(admin[wanted.database][wanted.staging_collection], 500)
    lines, alive = [], [state.members[0].pid]

    def kill(result):
        if result.ledger.read and alive:
            os.kill(alive.pop(), signal.SIGKILL)

    result = drain(site, follow=True, workers=1, notice=lines.append, progress=kill, stop=lambda: bool(lines))
    Site.close()
    assert len(lines) == 1 and "is away" in lines[0] and result.problem
    result.ledger.assert_balanced()


def test_a_problem_that_mongodb_does_not_cure_ends_a_follower(site, staged, leads, monkeypatch):
    from leadbook.ingest import isolate

    def full(*_):
        raise OSError(24, "Too many open files")

    stage(staged, 5)
    monkeypatch.setattr(isolate, "process", full)
    result = drain(site, follow=True, workers=1)
    assert "Too many open files" in result.problem and result.staging["waiting"] == 5
    assert {record["pipeline"]["attempts"] for record in staged.find()} == {0}
