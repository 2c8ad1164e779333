"""Faults of a rehearsal sprint, on real servers: put in, and undone whatever happens."""

import json
import os
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest

from leadbook.core import connect
from leadbook.core.errors import RefusedError, UsageError
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.rehearsal import servers, shape
from leadbook.rehearsal.crew import CollectorCrew
from leadbook.rehearsal.faults import caches, clients, members, registry, senders, undo
from leadbook.rehearsal.faults.fault import FaultScene
from leadbook.schema.state import apply


class NoFollower:
    def kill(self):
        raise AssertionError

    start = kill


def scene_of(settings, endpoints, crew=None):
    crew = crew or SimpleNamespace(per_s=100.0)
    return FaultScene(settings=settings, endpoints=endpoints, crew=crew, follower=NoFollower(), interval_s=0.2)


def until(condition, seconds=10.0):
    over = time.monotonic() + seconds
    while not condition() and time.monotonic() < over:
        time.sleep(0.02)
    assert condition()


def test_what_a_crew_sends_beyond_its_plan_is_counted_and_the_ledger_is_exact(
    settings, database, admin, endpoints, clean_redis
):
    apply(database[settings.collection], admin, settings)
    staging = database[settings.staging_collection]
    planned = shape.long_plan(500, 3, 2)
    with CollectorCrew(staging, planned, 4.0) as crew:
        scene = scene_of(settings, endpoints, crew)
        faults = [kind(scene) for kind in (senders.SilentCollector, senders.DuplicateStorm, senders.RejectStorm)]
        for fault in faults:
            fault.prepare()
            fault.inject()
        sent = planned.facts()["records"]
        until(lambda: crew.facts()["records"] > sent and crew.facts()["rejected"].get("broken_json", 0) > 20, 30.0)
        assert crew.working, "one holds back what it has"
        for fault in faults:
            fault.end()
            fault.end()
        until(lambda: not crew.working)
    facts = crew.facts()
    assert facts["records"] > planned.facts()["records"] and facts["rejected"]["broken_json"] > 20
    assert staging.count_documents({}) == facts["records"]
    ledger = drain(Site(endpoints=endpoints, settings=settings), workers=1).ledger
    Site.close()
    assert (ledger.read, ledger.stored) == (facts["records"], facts["unique"])
    assert dict(ledger.rejected) == facts["rejected"]


def test_a_storm_repeats_only_what_its_collector_has_sent(settings, database):
    staging = database[settings.staging_collection]
    with CollectorCrew(staging, shape.long_plan(500, 3, 2), 4.0) as crew:
        name = crew.names[0]
        until(lambda: staging.count_documents({"collector.workflow": name}) > 0)
        crew.silence(*crew.names)
        time.sleep(0.2)
        sent = {str(one["payload"]) for one in staging.find()}
        crew.repeat(name, 1_000)
        assert crew.extra["records"] == 1_000
        again = [str(one["payload"]) for one in staging.find({"collector.execution": {"$regex": "^again-"}})]
        assert len(again) == 1_000 and set(again) < sent


def test_a_crew_that_is_left_ends_at_once(settings, database):
    began = time.monotonic()
    with CollectorCrew(database[settings.staging_collection], shape.long_plan(500, 3, 2), 600.0) as crew:
        crew.silence(*crew.names)
    assert time.monotonic() - began < 5 and not crew.working


def test_a_slow_query_scans_and_a_runaway_is_killed(settings, database, admin, endpoints):
    database[settings.collection].insert_many({"company_industry": "made", "linkedin_url": str(n)} for n in range(500))
    slow, runaway = clients.SlowQuery(scene_of(settings, endpoints)), clients.Runaway(scene_of(settings, endpoints))
    slow.prepare()
    logged = [json.loads(line) for line in admin.admin.command("getLog", "global")["log"]]
    slowly = [one for one in logged if one["msg"] == "Slow query" and one["attr"].get("appName") == clients.CLIENT]
    assert not [one["attr"] for one in slowly if one["attr"]["ns"].startswith(settings.database)]
    slow.inject()
    runaway.inject()

    def at_work(**match):
        match = {f"command.{key}": value for key, value in match.items()}
        return list(admin.admin.aggregate([{"$currentOp": {"allUsers": True}}, {"$match": match}]))

    until(lambda: any(one.get("planSummary") == "COLLSCAN" for one in at_work(find=settings.collection)))
    until(lambda: at_work(comment=clients.CLIENT))
    assert at_work(comment=clients.CLIENT)[0]["appName"] == clients.CLIENT
    slow.end()
    runaway.end()
    until(lambda: not at_work(find=settings.collection))
    runaway.end()


def test_redis_is_given_back_the_room_it_had_also_after_a_kill(settings, own_servers, monkeypatch):
    state = own_servers(mongodb=False)
    monkeypatch.setenv("LEADBOOK_STATE", str(state.folder))
    endpoints = connect.Endpoints(mongodb_uri="", admin_uri="", reporting_uri=None, redis_url=state.redis_url,
                                  source="environment", redis_source="rehearsal")  # fmt: skip
    redis = connect.redis(state.redis_url, settings)
    before = redis.config_get("maxmemory")["maxmemory"]
    for number in range(2_000):
        redis.set(f"lead:url:{number}", "x" * 500)
    killed = caches.Evictions(scene_of(settings, endpoints))
    killed.inject()
    redis.set("one", "more")
    assert redis.config_get("maxmemory")["maxmemory"] != before and redis.info("stats")["evicted_keys"] > 100
    assert undo.put_back(state.folder, redis) == [f"Redis's maxmemory is {before} bytes again"]
    assert redis.config_get("maxmemory")["maxmemory"] == before and not undo.put_back(state.folder, redis)

    caches.CacheLoss(scene_of(settings, endpoints)).inject()
    assert redis.dbsize() == 0
    gone = caches.RedisKilled(scene_of(settings, endpoints))
    gone.inject()
    until(lambda: servers.status().dead)
    monkeypatch.setenv(servers.OWNER_VARIABLE, str(os.getpid()))
    gone.end()
    assert redis.ping()
    redis.close()


def test_a_file_system_that_others_need_is_not_filled(settings, endpoints, monkeypatch):
    own = SimpleNamespace(source="rehearsal", redis_source="rehearsal")
    monkeypatch.setattr(members, "LARGEST", 1)
    assert "others need it" in registry.fit(settings, own)[1]["disk-full"]
    with pytest.raises(RefusedError, match="disk-full cannot be put in here"):
        registry.refuse_unfit([registry.at("disk-full", 0, 0, 30)], settings, own)


def test_servers_of_others_get_no_fault_that_touches_them(settings):
    theirs = SimpleNamespace(source="environment", redis_source="environment")
    names, unfit = registry.fit(settings, theirs)
    assert set(names) == {"slow-query", "duplicate-storm", "connections", "silent-collector", "reject-storm", "runaway",
                          "follower-killed", "nothing-collected"}  # fmt: skip
    assert set(names) | set(unfit) == set(registry.FAULTS)


def test_faults_one_after_the_other_fit_into_a_sprint_or_are_refused():
    planned = list(registry.every(list(registry.FAULTS), 8, 30))
    assert [one.name for one in planned] == list(registry.FAULTS) and planned[-1].ends_s <= 8 * 3600
    assert all(later.at_s >= earlier.ends_s + registry.QUIET * 30 for earlier, later in pairwise(planned))
    with pytest.raises(UsageError, match="give more --hours"):
        list(registry.every(list(registry.FAULTS), 1, 30))
    with pytest.raises(UsageError, match="did you mean 'cache-loss'"):
        registry.named("cache-los")
