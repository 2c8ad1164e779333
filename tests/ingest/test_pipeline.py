"""Files end to end: every record counted, nothing stored twice, nothing lost, with or without the cache."""

import json

import pytest

from ingest.vendor_records import contact, person
from leadbook.core.provenance import collection_uuid
from leadbook.ingest import pipeline
from leadbook.ingest.site import Site
from leadbook.lead import keys
from leadbook.rehearsal import sample

URL = "https://www.linkedin.com/in/"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return sample.write_sample(tmp_path_factory.mktemp("sample"), records=1500, seed=7)


def sources(made):
    return [pipeline.file_source(one.path, one.vendor) for one in made.files]


def contents(leads):
    """Stored leads without what differs between two honest runs."""
    hidden = {"_id": 0, "created_at": 0, "updated_at": 0, "data_collected_date": 0}
    return {lead["linkedin_url"]: lead for lead in leads.find({}, hidden)}


def test_a_made_sample_gives_exactly_what_was_planted(site, leads, made):
    result = pipeline.finish(pipeline.run(sources(made), site, workers=1), site)
    ledger = result.ledger
    assert (ledger.read, ledger.stored, ledger.filled) == (made.records, made.unique, made.fills)
    assert ledger.duplicates == made.repeats - made.fills
    assert ledger.rejected == made.rejected
    assert leads.count_documents({}) == made.unique
    assert leads.count_documents({"email": {"$exists": True}}) == made.with_email
    assert sum(result.sources.values(), pipeline.Ledger()) == ledger
    assert result.problem == ""


def test_a_second_run_stores_and_fills_nothing_and_keeps_no_reject_twice(site, leads, made, database, settings):
    pipeline.run(sources(made), site, workers=1)
    before, rejects = contents(leads), database[settings.rejected_collection].count_documents({})
    again = pipeline.run(sources(made), site, workers=1).ledger
    assert (again.stored, again.filled, again.failed) == (0, 0, 0)
    assert contents(leads) == before
    assert database[settings.rejected_collection].count_documents({}) == rejects == sum(made.rejected.values())


def test_without_redis_the_result_is_the_same(site, leads, made, endpoints, settings):
    pipeline.run(sources(made), site, workers=1)
    with_cache = contents(leads)
    leads.delete_many({})
    without = Site(endpoints=endpoints, settings=settings, use_cache=False)
    for stored in (made.unique, 0):
        assert pipeline.run(sources(made), without, workers=1).ledger.stored == stored
    assert contents(leads) == with_cache


def test_processes_give_the_same_set(site, at, leads, made):
    result = pipeline.run(sources(made), at(batch_size=100), workers=2)
    assert result.workers == 2
    assert (result.ledger.stored, result.ledger.failed) == (made.unique, 0)
    assert leads.count_documents({}) == made.unique


def test_a_cache_restarted_empty_is_healed_by_what_mongodb_knows(site, leads, made, clean_redis):
    pipeline.run(sources(made), site, workers=1)
    clean_redis.flushdb()
    healed = pipeline.run(sources(made), site, workers=1)
    assert (healed.ledger.stored, healed.ledger.filled) == (0, 0)
    assert healed.ledger.duplicate["mongodb"] > 0 and healed.cache.false_new > 0
    assert pipeline.run(sources(made), site, workers=1).ledger.duplicate["mongodb"] == 0


def test_keys_are_written_for_stored_leads_and_expire(site, leads, ingest, vendor_file, clean_redis):
    ingest(vendor_file(contact("ana")), vendor="apollo")
    stored = leads.find_one({})
    for key in (keys.linkedin_key(f"{URL}ana"), keys.email_key("ana@shop.example")):
        assert keys.decode(clean_redis.get(key), collection_uuid(leads)).id == stored["_id"]
        assert 0 < clean_redis.ttl(key) <= 7 * 86_400


def test_a_key_left_by_a_dropped_collection_is_not_believed(site, leads, ingest, vendor_file, clean_redis):
    clean_redis.set(keys.linkedin_key(f"{URL}ana"), keys.encode("0" * 12, leads.insert_one(
        {"linkedin_url": "x"}).inserted_id, 0))  # fmt: skip
    clean_redis.set(keys.linkedin_key(f"{URL}ben"), "1")
    result = ingest(vendor_file(person("ana"), person("ben")))
    assert (result.ledger.stored, result.cache.foreign) == (2, 2)


@pytest.mark.parametrize("on_duplicate", ["fill", "skip"])
def test_leads_deleted_behind_the_caches_back_are_stored_again(at, leads, ingest, vendor_file, on_duplicate):
    site = at(on_duplicate=on_duplicate)
    path = vendor_file(*[person(f"p{number}") for number in range(60)])
    ingest(path, site=site)
    leads.delete_many({"linkedin_url": {"$regex": "[0-5]$"}})
    result = ingest(path, site=site)
    assert (result.ledger.stored, result.cache.stale) == (36, 36)
    assert result.ledger.duplicate["redis"] == 24


@pytest.mark.parametrize("on_duplicate", ["fill", "skip"])
def test_a_single_lead_deleted_behind_the_caches_back_is_stored_again(at, leads, ingest, vendor_file, on_duplicate):
    site = at(on_duplicate=on_duplicate)
    path = vendor_file(*[contact(f"p{number}", Email=f"p{number}@shop.example") for number in range(300)])
    ingest(path, vendor="apollo", site=site)
    leads.delete_one({"linkedin_url": f"{URL}p77"})
    result = ingest(path, vendor="apollo", site=site)
    assert (result.ledger.stored, result.cache.stale, result.ledger.duplicate["redis"]) == (1, 1, 299)
    assert leads.find_one({"linkedin_url": f"{URL}p77"})["email"] == "p77@shop.example"


def test_skip_leaves_stored_leads_as_they_are(at, leads, ingest, vendor_file):
    site = at(on_duplicate="skip")
    ingest(vendor_file(person("ana")), site=site)
    before = leads.find_one({})
    result = ingest(vendor_file(contact("ana"), contact("ana")), vendor="apollo", site=site)
    assert result.ledger.duplicate == {"batch": 1, "redis": 1, "mongodb": 0}
    assert leads.find_one({}) == before


def test_fill_gives_a_bright_data_lead_apollos_email(leads, ingest, vendor_file, clean_redis):
    ingest(vendor_file(person("ana")))
    result = ingest(vendor_file(contact("ana")), vendor="apollo")
    assert result.ledger.filled == 1
    stored = leads.find_one({})
    assert (stored["email"], stored["data_source"]) == ("ana@shop.example", "BrightData")
    assert stored["is_qualified"] is True and None not in stored.values()
    assert clean_redis.get(keys.email_key("ana@shop.example"))
    again = ingest(vendor_file(contact("ana")), vendor="apollo")
    assert again.ledger.duplicate == {"batch": 0, "redis": 1, "mongodb": 0}


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two runs"])
def test_two_people_with_one_email_are_never_merged(leads, ingest, vendor_file, together):
    ana, ben = contact("ana", Email="info@shop.example"), contact("ben", Email="info@shop.example")
    if together:
        ingest(vendor_file(ana, ben), vendor="apollo")
    else:
        ingest(vendor_file(ana), vendor="apollo")
        ingest(vendor_file(ben), vendor="apollo")
    assert leads.count_documents({}) == 2
    second = leads.find_one({"linkedin_url": f"{URL}ben"})
    assert "email" not in second
    assert second["additional_data"]["email_conflict"] == "info@shop.example"
    assert "email_conflict" in second["additional_data"]["flags"]
    assert second["additional_data"]["quality_points"] == 100


def test_one_member_under_two_urls_is_flagged_and_not_merged(leads, ingest, vendor_file):
    record = {"linkedin_num_id": "123456", "name": "Ana Example"}
    result = ingest(vendor_file(person("ana", **record), person("ana-after-wedding", **record), person("ben")))
    assert (result.ledger.stored, result.flags["same_member"]) == (3, 2)
    flagged = {lead["linkedin_url"] for lead in leads.find({"additional_data.flags": "same_member"})}
    assert flagged == {f"{URL}ana", f"{URL}ana-after-wedding"}


def test_rejects_are_kept_with_payload_and_reasons(ingest, vendor_file, database, settings):
    result = ingest(vendor_file(person("ana"), person("ben", name=None, position=None), "{broken", person("cleo")))
    assert (result.ledger.stored, result.ledger.rejects) == (2, 2)
    kept = {record["record_number"]: record for record in database[settings.rejected_collection].find()}
    assert kept[2]["reasons"] == ["missing_full_name", "missing_job_title"]
    assert json.loads(kept[2]["payload"])["id"] == "ben"
    assert kept[3]["reason"] == "broken_json" and "{broken" in kept[3]["payload"]
    assert {record["source"] for record in kept.values()} == {"leads.jsonl"}


def test_a_follower_of_a_refused_lead_is_judged_by_itself(
    site, leads, ingest, vendor_file, monkeypatch, admin, database
):
    admin[database.name].command(
        "collMod", leads.name, validationAction="error", validationLevel="strict",
        validator={"full_name": {"$ne": "Bad Example"}},
    )  # fmt: skip
    result = ingest(vendor_file(person("ana", name="Bad Example"), person("ana")))
    assert result.ledger.rejected == {"validation": 1}
    assert result.ledger.stored == 1


def test_a_stored_lead_has_every_default_and_no_null(leads, ingest, vendor_file):
    ingest(vendor_file(person("ana")))
    stored = leads.find_one({})
    assert {name: stored[name] for name in ("is_qualified", "email_verified", "crm_synced")} == {
        "is_qualified": False, "email_verified": False, "crm_synced": False,
    }  # fmt: skip
    assert stored["created_at"] == stored["updated_at"]
    assert (stored["data_quality_score"], stored["additional_data"]["quality_points"]) == (80, 80)
    assert None not in stored.values() and "crm_sync_date" not in stored


def test_an_unreachable_server_fails_records_and_stops_the_run(endpoints, settings, vendor_file):
    from dataclasses import replace

    nobody = replace(endpoints, mongodb_uri="mongodb://localhost:9/", redis_url="redis://localhost:9/0")
    quick = settings.model_copy(update={"server_selection_timeout_ms": 200})
    site = Site(endpoints=nobody, settings=quick)
    result = pipeline.run([pipeline.file_source(vendor_file(person("ana")), "brightdata")], site, workers=1)
    assert (result.ledger.read, result.ledger.failed) == (1, 1)
    assert result.problem
    Site.close()
