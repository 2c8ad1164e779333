"""Scratch collections look like the leads' and never stay behind."""

import dataclasses
import os
import signal
import threading
import time

import pytest
from pymongo import WriteConcern

from leadbook.core import connect
from leadbook.measure.session import PREFIX, BenchmarkSession
from leadbook.rehearsal import servers
from leadbook.schema.indexes import INDEXES
from leadbook.schema.scratch import sweep


def test_a_scratch_collection_has_the_leads_validator_and_indexes_and_is_gone_afterwards(place, scratches):
    with place.scratch("some", documents=25) as collection:
        assert collection.name.startswith(PREFIX)
        assert collection.count_documents({}) == 25
        assert len(list(collection.list_indexes())) == 12
        (found,) = collection.database.list_collections(filter={"name": collection.name})
        assert "validator" in found["options"]
    assert scratches() == []


def test_it_is_dropped_after_an_exception_too(place, scratches):
    with pytest.raises(RuntimeError, match="boom"), place.scratch("some"):
        raise RuntimeError("boom")
    assert scratches() == []


def test_a_kept_one_stays_until_close(place, scratches):
    kept = place.keep("kept", 10)
    assert scratches() == [kept.name]
    place.close()
    assert scratches() == []


def test_only_old_leftovers_are_dropped(place, scratches):
    old, fresh = f"{PREFIX}x_{1_700_000_000:x}_abcdef", f"{PREFIX}my_leads"
    place.database.create_collection(old)
    place.database.create_collection(fresh)
    with place.scratch("young") as young:
        assert sweep(place.database) == [old]
        assert {young.name, fresh} == set(scratches())


def test_documents_are_handed_out_once(place):
    first, second = place.documents(50), place.documents(50)
    assert not {one["linkedin_url"] for one in first} & {one["linkedin_url"] for one in second}


def test_a_direct_client_speaks_to_the_primary_alone(place):
    with place.client(direct=True) as client:
        assert client.topology_description.topology_type_name in ("Single", "Unknown")
        client.admin.command("ping")
        assert client.address == place.mongodb.primary


def test_on_own_servers_a_lone_collection_is_not_replicated_and_is_dropped(place, admin):
    assert place.on_own_servers
    before = _last_operation(admin)
    with place.lone({"alone": INDEXES}) as made:
        collection = made["alone"]
        collection.insert_many(place.documents(20))
        assert (collection.database.name, collection.count_documents({})) == ("local", 20)
        assert len(list(collection.list_indexes())) == len(INDEXES) + 1
        assert not _operations(admin, before, collection.name)
    assert not admin["local"].list_collection_names(filter={"name": {"$regex": f"^{PREFIX}"}})


@pytest.mark.parametrize("whose", ["environment", "production"])
def test_on_other_servers_a_lone_collection_is_a_scratch_collection_like_any_other(place, scratches, whose):
    if whose == "production":
        place.settings = place.settings.model_copy(
            update={"profile": "production", "approve": f"benchmarks on {place.settings.database}"}
        )
    else:
        place.endpoints = dataclasses.replace(place.endpoints, source="environment")
    with place.lone({"alone": INDEXES[:1]}) as made:
        collection = made["alone"]
        assert scratches() == [collection.name]
        assert collection.write_concern.document == {"w": 1}
    assert scratches() == []


def _last_operation(admin):
    return admin["local"]["oplog.rs"].find_one(sort=[("$natural", -1)])["ts"]


def _operations(admin, after, name):
    return [one for one in admin["local"]["oplog.rs"].find({"ts": {"$gt": after}}) if name in str(one.get("ns"))]


@pytest.mark.slow
def test_settling_waits_for_a_member_that_lags_and_gives_up_on_one_that_is_away(own_servers, settings):
    state = own_servers(members=3, redis=False)
    endpoints = servers.resolve(settings, folder=state.folder)
    with connect.mongodb(endpoints.mongodb_uri, settings) as mongo:
        place = BenchmarkSession(mongodb=mongo, admin=mongo, redis=None, endpoints=endpoints, settings=settings)
        place.settle()
        lagging = next(process for process in state.members if process.port != mongo.primary[1])
        scratch = place.database["leads"].with_options(write_concern=WriteConcern(w=1))
        os.kill(lagging.pid, signal.SIGSTOP)
        thread = threading.Timer(0.5, os.kill, (lagging.pid, signal.SIGCONT))
        thread.start()
        try:
            scratch.insert_one({"linkedin_url": "x"})
            started = time.monotonic()
            place.settle()
            assert 0.3 < time.monotonic() - started < 1.9
            os.kill(lagging.pid, signal.SIGSTOP)
            scratch.insert_one({"linkedin_url": "y"})
            place.settle()
            started = time.monotonic()
            place.settle()
            assert time.monotonic() - started < 0.1
        finally:
            thread.join()
            os.kill(lagging.pid, signal.SIGCONT)
