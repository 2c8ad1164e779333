"""A killed benchmark: what it changed is put back by the next one, and nothing that lives is touched."""

import json
import subprocess
import sys

import pytest
from tests.conftest import SMALL

from leadbook.errors import RefusedError
from leadbook.measure import profiler
from leadbook.schema import undo
from leadbook.settings import PROJECT


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
    return [name for name in names if "scratch" in name or name in ("system.profile", undo.COLLECTION)]


@pytest.mark.trust(
    way="The kernel of 03 is killed (SIGKILL) while it has the profiler on",
    status=None,
    says=("was killed; put back", "profiler level 0, slowms 77, sampleRate 0.5", "scratch collections dropped",
          "Redis keys removed"),
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
        assert profiler.current(database) == profiler.Level(level=0, slow_ms=77, sample_rate=0.5)
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


def test_what_cannot_be_put_back_is_told_and_kept(place):
    place.database[undo.COLLECTION].insert_one(
        {"_id": "0badcafe", "host": "elsewhere", "machine": "elsewhere", "pid": 1, "at": "2020-01-01T00:00:00+00:00",
         "profiler": {"level": 0, "slowms": 100, "sampleRate": 1.0, "server": "other.example:27017"}}
    )  # fmt: skip
    (line,) = undo.sweep(place.database, place.admin, place.redis)
    assert "not all could be put back" in line and "other.example:27017" in line and "slowms" in line
    assert place.database[undo.COLLECTION].count_documents({}) == 1


def test_a_session_that_ends_leaves_no_record(place):
    with place.scratch("some"):
        assert place.database[undo.COLLECTION].count_documents({}) == 1
    place.close()
    assert left(place) == []
