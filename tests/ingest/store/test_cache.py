"""The cache may be away, mute, full or restricted: it never raises, and it is not asked all the time."""

import socket
from dataclasses import replace

import pytest
from bson import ObjectId

from leadbook.core import connect
from leadbook.enrich.breaker import CircuitBreaker
from leadbook.ingest.site import Site
from leadbook.ingest.store.cache import CacheTruth, LeadCache
from leadbook.lead.keys import linkedin_key

ANA = {"linkedin_url": "https://www.linkedin.com/in/ana", "email": "ana@shop.example"}
BEN = {"linkedin_url": "https://www.linkedin.com/in/ben"}
HERE = "0123456789ab"


def cache(client, collection=HERE):
    return LeadCache(client, collection=collection, ttl_s=60)


def test_what_was_remembered_is_known_by_url_and_by_email(clean_redis):
    known, lead_id = cache(clean_redis), ObjectId()
    known.remember([(lead_id, ANA)])
    ana, ben = known.look_up([ANA, BEN])
    assert (ana.lead.id, ana.email.id, ben) == (lead_id, lead_id, (None, None))
    assert known.truth == CacheTruth(asked=2, hits=1, written=1)
    assert known.round_trips([{**ANA, "_id": lead_id}]) == 2


def test_another_collections_keys_are_foreign(clean_redis):
    cache(clean_redis, "ba9876543210").remember([(ObjectId(), ANA)])
    mine = cache(clean_redis)
    assert mine.look_up([ANA])[0].lead is None
    assert mine.truth.foreign == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_a_guest_in_somebodys_redis_writes_over_no_key_of_theirs(clean_redis, scripts):
    """A rehearsal in an adopted database may share Redis with production, and both may know the same person."""
    theirs = {linkedin_key(ANA["linkedin_url"]): b"n8n's", linkedin_key(BEN["linkedin_url"]): b'{"collection":"ab"}'}
    clean_redis.mset(theirs)
    guest = LeadCache(clean_redis, collection=HERE, ttl_s=60, spares=True)
    guest._scripts = scripts
    cleo = {"linkedin_url": "https://www.linkedin.com/in/cleo"}
    guest.remember([(ObjectId(), lead) for lead in (ANA, BEN, cleo)])
    assert {key: clean_redis.get(key) for key in theirs} == theirs
    assert [sighting.lead is not None for sighting in guest.look_up([ANA, BEN, cleo])] == [False, False, True]
    again = ObjectId()
    guest.remember([(again, cleo)])
    assert (guest.look_up([cleo])[0].lead.id == again) is scripts, "its own it may renew, where it can tell them"


@pytest.mark.parametrize(("profile", "whose", "kept"), [("ci", "environment", True), ("ci", "rehearsal", False),
                                                        ("production", "environment", False)])  # fmt: skip
def test_a_rehearsal_on_a_redis_of_others_is_a_guest(profile, whose, kept, database, clean_redis, endpoints, settings):
    database.create_collection(settings.collection)
    site = Site(
        endpoints=replace(endpoints, redis_source=whose), settings=settings.model_copy(update={"profile": profile})
    )
    key = linkedin_key(ANA["linkedin_url"])
    clean_redis.set(key, b"theirs")
    try:
        site.tools().cache.remember([(ObjectId(), ANA)])
        assert (clean_redis.get(key) == b"theirs") is kept
    finally:
        site.close()


def test_without_a_collection_nothing_is_asked_or_written(clean_redis):
    nowhere = cache(clean_redis, "")
    nowhere.remember([(ObjectId(), ANA)])
    assert nowhere.look_up([ANA])[0].lead is None and not nowhere.present
    assert clean_redis.dbsize() == 0


@pytest.fixture
def mute():
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_never_answers_costs_one_time_out_and_not_one_a_batch(mute, settings):
    impatient = settings.model_copy(update={"redis_socket_timeout_s": 0.05, "redis_connect_timeout_s": 0.05})
    client = connect.redis(f"redis://127.0.0.1:{mute}/0", impatient)
    away = cache(client)
    for _ in range(50):
        assert away.look_up([ANA, BEN]) == [(None, None), (None, None)]
        away.remember([(ObjectId(), ANA)])
    assert away.truth.failures <= 2 and away.truth.asked == 0 and away.truth.away == 100
    client.connection_pool.disconnect()


def test_where_scripts_are_forbidden_plain_sets_do(clean_redis, endpoints, settings):
    clean_redis.acl_setuser("limited", enabled=True, passwords=["+secret"], keys=["*"],
                            categories=["+@all", "-@scripting"])  # fmt: skip
    address = clean_redis.connection_pool.connection_kwargs
    client = connect.redis(f"redis://limited:secret@{address['host']}:{address['port']}/0", settings)
    try:
        limited = cache(client)
        limited.remember([(ObjectId(), ANA)])
        assert limited.look_up([ANA])[0].lead is not None
        assert 0 < clean_redis.ttl(linkedin_key(ANA["linkedin_url"])) <= 60
    finally:
        client.connection_pool.disconnect()
        clean_redis.acl_deluser("limited")


def test_a_server_that_takes_no_keys_is_asked_all_the_same(clean_redis):
    known = cache(clean_redis)
    known.remember([(ObjectId(), ANA)])
    clean_redis.config_set("maxmemory-policy", "noeviction")
    limit = clean_redis.config_get("maxmemory")["maxmemory"]
    clean_redis.config_set("maxmemory", 1)
    try:
        known.remember([(ObjectId(), BEN)])
        assert known.truth.failures == 1
        assert known.look_up([ANA])[0].lead is not None
    finally:
        clean_redis.config_set("maxmemory", limit)
        clean_redis.config_set("maxmemory-policy", "allkeys-lru")


def test_a_circuit_opens_for_longer_each_time_and_closes_at_once():
    now = [0.0]
    circuit = CircuitBreaker(strikes=2, pause_s=1.0, longest_s=3.0, clock=lambda: now[0])
    circuit.failed()
    assert circuit.allows
    for pause in (1.0, 2.0, 3.0, 3.0):
        circuit.failed()
        now[0] += pause - 0.01
        assert not circuit.allows
        now[0] += 0.02
        assert circuit.allows
    circuit.succeeded()
    circuit.failed()
    assert circuit.allows
