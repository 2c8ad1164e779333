"""A killed benchmark: what it changed is put back by the next one, and nothing that lives is touched."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from pymongo.errors import PyMongoError
from tests.conftest import SMALL

from leadbook.bench import profiler
from leadbook.core import connect
from leadbook.core.errors import RefusedError
from leadbook.core.settings import PROJECT
from leadbook.rehearsal import servers
from leadbook.schema import undo


@pytest.fixture
def victim(place):
    """A process that switched the profiler on and waits to be killed."""
    argv = [sys.executable, "-m", "tests.measure.victim", json.dumps(SMALL)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=PROJECT)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()


def left(place):
    names = [*place.database.list_collection_names(), *place.admin["local"].list_collection_names()]
    records = place.database[undo.COLLECTION].find({})
    return [*(name for name in names if "scratch" in name or name == "system.profile"), *records]


@pytest.mark.trust(
    way="The kernel of 03 is killed (SIGKILL) while it has the profiler on",
    status=None,
    says=("was killed or interrupted; put back", "profiler level 0, slowms 77, sampleRate 0.5",
          "scratch collections dropped", "Redis keys removed"),
    leaves="Nothing: the next phase puts profiler, slowms, scratch collections and Redis keys back, and says so.",
)  # fmt: skip
def test_a_killed_benchmark_is_undone_by_the_next(place, admin, settings, request, trust):
    database = admin[settings.database]
    database.command("profile", 0, slowms=77, sampleRate=0.5)
    try:
        victim = request.getfixturevalue("victim")
        assert profiler.current(database).slow_ms == 5
        said = []
        said += undo.sweep(place.database, place.admin, place.redis, own=True)
        assert (said, profiler.current(database).slow_ms) == ([], 5), "who lives is left alone"
        victim.kill()
        victim.wait()
        assert len(left(place)) == 4 and place.redis.dbsize() == 1
        said += undo.sweep(place.database, place.admin, place.redis, own=True)
        assert profiler.current(database) == profiler.ProfilerLevel(level=0, slow_ms=77, sample_rate=0.5)
        assert (left(place), place.redis.dbsize(), len(said)) == ([], 0, 1)
        trust.check(None, said[0])
        said += undo.sweep(place.database, place.admin, place.redis, own=True)
        assert len(said) == 1
    finally:
        database.command("profile", 0, slowms=100, sampleRate=1.0)


def test_two_at_the_profiler_would_put_each_others_value_back(place, victim):
    with pytest.raises(RefusedError, match="has changed the profiler"), profiler.profiling(place):
        raise AssertionError("never reached")
    victim.kill()
    victim.wait()
    assert len(undo.sweep(place.database, place.admin, place.redis, own=True)) == 1


def test_the_servers_profile_collection_stays_only_where_it_was_before(place, admin, settings):
    profiler.catch(place, place.keep("slow", 5))
    assert "system.profile" not in admin[settings.database].list_collection_names()
    admin[settings.database].command("profile", 2)
    admin[settings.database].command("profile", 0)
    profiler.catch(place, place.keep("slow", 5))
    assert "system.profile" in admin[settings.database].list_collection_names()


def elsewhere(**more):
    """The record of a session on another machine, renewed a year ago unless `more` says otherwise."""
    return {
        "_id": "0badcafe", "host": "elsewhere", "machine": "elsewhere", "pid": 1, "at": "2020-01-01T00:00:00+00:00",
        "seen": datetime(2020, 1, 1, tzinfo=UTC), **more,
    }  # fmt: skip


def test_what_cannot_be_put_back_is_told_and_kept(place):
    profiler_before = {"level": 0, "slowms": 100, "sampleRate": 1.0, "server": "other.example:27017"}
    place.database[undo.COLLECTION].insert_one(elsewhere(profiler=profiler_before))
    (line,) = undo.sweep(place.database, place.admin, place.redis)
    assert "not all could be put back" in line and "other.example:27017" in line and "slowms" in line
    assert place.database[undo.COLLECTION].count_documents({}) == 1


def test_a_session_of_another_machine_lives_as_long_as_it_renews_its_record(place):
    """Its benchmark may take a day; nobody here can ask for its process, whatever time its clock shows."""
    records, name = place.database[undo.COLLECTION], f"{undo.SCRATCH_PREFIX}x_0badcafe_5f000000_{'0' * 24}abcdef"
    place.database.create_collection(name)
    records.insert_one(elsewhere(seen=datetime.now(UTC) - timedelta(minutes=5)))
    assert undo.sweep(place.database, place.admin, place.redis) == [] and left(place)[0] == name
    records.update_one({}, {"$set": {"seen": datetime.now(UTC) - timedelta(minutes=11)}})
    (line,) = undo.sweep(place.database, place.admin, place.redis)
    assert "1 scratch collections dropped" in line and left(place) == []


def test_a_session_renews_its_record_until_it_ends(place, monkeypatch):
    monkeypatch.setattr(undo.owner, "BEAT_S", 0.05)
    records = place.database[undo.COLLECTION]
    place.begin()
    first = records.find_one({})["seen"]
    time.sleep(0.5)
    assert records.find_one({})["seen"] > first
    place.close()
    assert not [one for one in threading.enumerate() if one.name == "leadbook-Ticker"] and left(place) == []


def test_two_that_change_the_same_at_once_are_one_and_a_refusal(place, admin, settings):
    """Eight begin at the same moment: one is told to go on, and what it recorded stays recorded."""
    sessions = [undo.Changes(place.database) for _ in range(8)]
    gate, won, refused = threading.Barrier(8), [], []

    def change(session):
        session.begin()
        gate.wait()
        try:
            with session.changed("profiler", {"level": 0, "slowms": 100}, admin):
                won.append(session.token)
                gate.wait()
        except RefusedError:
            refused.append(session.token)
            gate.wait()
        session.end()

    threads = [threading.Thread(target=change, args=(one,)) for one in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(refused), left(place)) == (1, 7, [])


@pytest.mark.trust(
    way="An election while 03 has the profiler on", status=None, says=("profiler level 0, slowms 77", "put back"),
    leaves="The profiler of every member as it was; where the member is away, the next phase does it and says so.",
)  # fmt: skip
def test_after_an_election_the_member_that_was_changed_is_put_back(own_servers, settings, trust):
    state = own_servers(members=3, redis=False)
    with connect.mongodb(state.admin_uri, settings) as admin:
        database, session = admin[settings.database], undo.Changes(admin[settings.database])
        first = undo.address_of(admin)
        database.command("profile", 0, slowms=77)
        with session.changed("profiler", {"level": 0, "slowms": 77}, admin) as member:
            database.command("profile", 1, slowms=5, read_preference=member)
            admin.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=10)
            assert wait_for(lambda: undo.address_of(admin) not in ("", first))
            assert slow_ms(database, member) == 5
        assert (slow_ms(database, member), slow_ms(database, undo.Member(undo.address_of(admin)))) == (77, 100)

        held = next(one for one in state.members if f":{one.port}" in undo.address_of(admin))
        with (
            pytest.raises(RefusedError, match=r"slowms.*77.*next phase"),
            session.changed("profiler", {"level": 0, "slowms": 77}, admin) as member,
        ):
            database.command("profile", 1, slowms=5, read_preference=member)
            os.kill(held.pid, signal.SIGKILL)
            assert wait_for(lambda: undo.address_of(admin) not in ("", member.server))
        session.end()
        (line,) = undo.sweep(database, admin, None)
        assert "not all could be put back" in line
        servers.up(settings.model_copy(update={"members": 3}), redis=False, folder=state.folder)
        assert wait_for(lambda: database.command("profile", 0, slowms=6, read_preference=member))
        said = []
        assert wait_for(lambda: said.extend(undo.sweep(database, admin, None)) or "; put back:" in said[-1])
        assert slow_ms(database, member) == 77 and database[undo.COLLECTION].find_one({}) is None
        trust.check(None, said[-1])


def slow_ms(database, member):
    return database.command("profile", -1, read_preference=member)["slowms"]


def wait_for(condition):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        with contextlib.suppress(PyMongoError):
            if condition():
                return True
        time.sleep(0.2)
    return False


def test_a_session_that_ends_leaves_no_record(place):
    with place.scratch("some"):
        assert place.database[undo.COLLECTION].count_documents({}) == 1
    place.close()
    assert left(place) == []
