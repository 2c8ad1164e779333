"""A rehearsal is emptied, and nothing else ever is."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from bson import ObjectId

from ingest.vendor_records import person
from leadbook.core.errors import RefusedError
from leadbook.core.provenance import Target, collection_uuid
from leadbook.ingest.site import Site
from leadbook.ingest.trials import rehearsal
from leadbook.lead import keys
from leadbook.rehearsal import adoption
from leadbook.schema.state import actual, apply


@pytest.fixture
def phase(admin, clean_redis, endpoints, settings):
    """What a notebook holds, on a rehearsal's database of its own."""
    settings = settings.model_copy(update={"database": "leadbook_test_rehearsal"})
    admin.drop_database(settings.database)
    endpoints = replace(endpoints, mongodb_uri=endpoints.admin_uri)  # the application user knows one database only
    opened = SimpleNamespace(mongodb=admin, admin=admin, redis=clean_redis, endpoints=endpoints, settings=settings)
    apply(admin[settings.database][settings.collection], admin, settings)
    yield opened
    admin.drop_database(settings.database)


def site(phase):
    return Site(endpoints=phase.endpoints, settings=phase.settings)


def ensure_leads(phase, **how):
    return rehearsal.ensure_leads(site(phase), phase.mongodb, phase.admin, **how)


def leads(phase):
    return phase.mongodb[phase.settings.database][phase.settings.collection]


@pytest.mark.trust(
    way="a rehearsal is given a Redis that holds other databases' duplicate keys too", status=None,
    says=("documents", "keys of earlier runs were removed"),
    leaves="every key that names another collection, or was written by somebody else",
)  # fmt: skip
def test_reset_empties_leads_and_their_keys_and_keeps_the_collection_validator_and_indexes(phase, trust):
    uuid = collection_uuid(leads(phase))
    assert ensure_leads(phase, records=200) > 100
    ours = len(phase.redis.keys("lead:*"))
    foreign = {
        b"somebody:elses": b"1", f"{keys.LINKEDIN_PREFIX}plain".encode(): b"1",
        f"{keys.LINKEDIN_PREFIX}other".encode(): keys.encode("0123456789ab", ObjectId(), 3).encode(),
        f"{keys.EMAIL_PREFIX}other".encode(): keys.encode("0123456789ab", ObjectId(), 3).encode(),
    }  # fmt: skip
    phase.redis.mset(foreign)
    before = actual(leads(phase))
    said = rehearsal.reset(site(phase))
    trust.check(None, said)
    assert f"and {ours:,} keys" in said and ours > 100
    assert leads(phase).count_documents({}) == 0
    assert actual(leads(phase)) == before and collection_uuid(leads(phase)) == uuid
    assert {key: phase.redis.get(key) for key in phase.redis.keys("*")} == foreign


def test_a_lead_collections_keys_leave_without_it_and_nobody_elses(phase, clean_redis):
    clean_redis.set(keys.linkedin_key("u"), keys.encode("0123456789ab", ObjectId(), 3))
    assert rehearsal.forget_keys(clean_redis, "", "ba9876543210") == 0
    assert rehearsal.forget_keys(None, "0123456789ab") == 0
    assert rehearsal.forget_keys(clean_redis, "0123456789ab") == 1 and clean_redis.dbsize() == 0


def test_on_servers_of_others_only_an_adopted_database_is_emptied(phase):
    phase.endpoints = replace(phase.endpoints, source="environment", redis_source="environment")
    leads(phase).insert_one({"linkedin_url": "https://www.linkedin.com/in/somebody-real"})
    with pytest.raises(RefusedError, match="leadbook adopt"):
        rehearsal.reset(site(phase))
    assert leads(phase).count_documents({}) == 1
    target = Target.read(phase.mongodb, phase.settings, phase.endpoints).as_dict()
    leads(phase).database[adoption.MARKER].insert_one({"_id": "adopted", **target})
    assert "1 documents" in rehearsal.reset(site(phase))


def test_production_is_never_emptied(phase):
    phase.settings = phase.settings.model_copy(update={"profile": "production"})
    with pytest.raises(RefusedError, match="production refuses"):
        rehearsal.reset(site(phase))


def test_production_never_gets_made_leads(phase):
    phase.settings = phase.settings.model_copy(update={"profile": "production"})
    assert ensure_leads(phase) == 0
    assert leads(phase).count_documents({}) == 0


def test_leads_that_are_there_are_left_alone(phase):
    leads(phase).insert_one({"linkedin_url": "https://www.linkedin.com/in/ana"} | {"full_name": person("ana")["name"]})
    assert ensure_leads(phase) == 1
