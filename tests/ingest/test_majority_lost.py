"""A replica set that loses its majority in the middle: told soon, with true counts, and mended by the next run."""

import os
import signal
import threading
import time
from datetime import UTC, datetime

import pymongo
import pytest

from ingest.vendor_records import person
from leadbook.backup.backup import back_up
from leadbook.backup.restore import restore
from leadbook.commands import leads as commands
from leadbook.core import connect
from leadbook.core.errors import LeadbookError
from leadbook.ingest import pipeline
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.rehearsal import servers
from leadbook.rehearsal.sample import documents
from leadbook.schema.state import apply

COUNT = 6_000

PATIENCE_S, LEASE_S = 5.0, 20.0
"""Shorter than a user's, who waits 30 s for MongoDB and 120 s for a claim to expire."""


@pytest.fixture(scope="module")
def members(settings, tmp_path_factory):
    """A replica set of three, of all these tests: its settings and its state."""
    wanted = settings.model_copy(update={"members": 3, "batch_size": 50, "server_selection_timeout_ms": 4_000})
    folder = tmp_path_factory.mktemp("members")
    yield wanted, servers.up(wanted, owner_pid=os.getpid(), redis=False, folder=folder)
    servers.down(folder)


@pytest.fixture
def three(members):
    """The replica set, empty and with all its members: its state, and a site on it."""
    wanted, made = members
    state = servers.up(wanted, owner_pid=os.getpid(), redis=False, folder=made.folder)
    endpoints = servers.resolve(wanted, folder=state.folder)
    site = Site(endpoints=endpoints, settings=wanted, use_cache=False, patience_s=PATIENCE_S)
    with connect.mongodb(endpoints.admin_uri, wanted) as admin:
        admin.drop_database(wanted.database)
        apply(admin[wanted.database][wanted.collection], admin, wanted)
        yield state, site, admin
    Site.close()


def sources():
    records = [pipeline.RawRecord(number, person(f"p{number}"), None) for number in range(COUNT)]
    return [pipeline.RecordSource(name="made", vendor="brightdata", records=records)]


@pytest.mark.slow
def test_with_a_member_dead_indexes_are_built_and_a_backup_is_restored(three, tmp_path):
    """MongoDB's default waits for every member that holds data before an index counts as built: for ever."""
    state, site, admin = three
    database, name = admin[site.settings.database], site.settings.collection
    database[name].insert_many(documents(300, 3))
    database[name].drop_index("idx_crm_synced")
    dead = next(one for one in state.members if one.port != admin.primary[1])
    os.kill(dead.pid, signal.SIGKILL)
    with pymongo.timeout(20):
        assert [change.applied for change in apply(database[name], admin, site.settings)] == [True]
        backup = back_up(database, [name], tmp_path, site.settings)
        (restored,) = restore(backup.path, database)
    assert restored.documents == 300
    assert set(database[restored.name].index_information()) == set(database[name].index_information())
    Site.close()


def stage(admin, settings):
    admin[settings.database][settings.staging_collection].insert_many([
        {"vendor": "brightdata", "payload": person(f"p{number}"), "collected_at": datetime.now(UTC)}
        for number in range(COUNT)
    ])  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.trust(
    way="two of three members of the replica set die in the middle of an ingest or a drain", status=2,
    says=("until then read", "run it again to bring in the rest"),
    leaves="told within a minute; what is not known to be stored counts as failed, and the next run tells",
)  # fmt: skip
@pytest.mark.parametrize("kind", ["files", "staged"])
def test_a_lost_majority_is_told_soon_and_counts_nothing_as_stored(three, trust, kind, monkeypatch):
    """A file's batch is always under way, and fails. Of a drain none fails where the end met every worker while it was
    claiming: what nobody worked on waits, and is no failure."""
    monkeypatch.setattr("leadbook.ingest.drain.LEASE_S", LEASE_S)
    state, site, admin = three
    if kind == "staged":
        stage(admin, site.settings)
    killed = []

    def kill():
        leads = admin[site.settings.database][site.settings.collection]
        while leads.count_documents({}) < 300:
            time.sleep(0.01)
        for process in [one for one in state.members if one.port != admin.primary[1]]:
            os.kill(process.pid, signal.SIGKILL)
        killed.append(time.monotonic())

    def run():
        return drain(site, workers=2) if kind == "staged" else pipeline.run(sources(), site, workers=2)

    killer = threading.Thread(target=kill)
    killer.start()
    first = run()
    seconds = time.monotonic() - killed[0]
    killer.join()
    with pytest.raises(LeadbookError) as caught:
        commands._told(first, site)
    trust.check(caught.value.exit_status, str(caught.value))
    print(f"told after {seconds:.1f} s: {caught.value}")  # noqa: T201
    assert seconds < 30 + PATIENCE_S and len(str(caught.value).splitlines()) == 1
    first.ledger.assert_balanced()
    assert first.problem and first.in_doubt <= first.ledger.failed
    assert first.ledger.failed > 0 or kind == "staged"
    Site.close()
    servers.up(site.settings, owner_pid=os.getpid(), redis=False, folder=state.folder)
    leads = admin[site.settings.database][site.settings.collection]
    there = leads.count_documents({})
    assert first.ledger.stored <= there <= first.ledger.stored + first.in_doubt
    second = run()
    assert not second.problem and second.ledger.failed == 0
    assert leads.count_documents({}) == COUNT
    if kind == "staged":
        staged = admin[site.settings.database][site.settings.staging_collection]
        told = first.ledger.stored + second.ledger.stored
        assert told <= COUNT <= told + first.in_doubt
        assert Staging(staged).ended() == {"stored": COUNT}
