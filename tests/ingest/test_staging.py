"""Staged records end once each, whoever works on them, whatever dies in between."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ingest.vendor_records import contact, person
from leadbook.ingest import drain as drain_module
from leadbook.ingest import staging as staging_module
from leadbook.ingest.batch import RecordBatch, process
from leadbook.ingest.drain import drain
from leadbook.ingest.staging import Staging, raw_record, vendor_of
from leadbook.lead.ledger import FAILED, STORED


@pytest.fixture
def staged(leads, database, settings):
    """The staging collection, empty, with its index."""
    return database[settings.staging_collection]


def stage(staged, *payloads, vendor="brightdata"):
    now = datetime.now(UTC)
    documents = [{"vendor": vendor, "payload": payload, "collected_at": now} for payload in payloads]
    return staged.insert_many(documents).inserted_ids


def test_a_drain_moves_every_record_to_its_outcome(site, staged, leads, database, settings):
    stage(staged, person("ana"), person("ana"), person("ben", name=None))
    stage(staged, contact("ana"), vendor="Apollo")
    stage(staged, person("cleo"), vendor="nobody knows")
    staged.insert_one({"vendor": "brightdata", **person("dora"), "_collector": "n8n"})
    result = drain(site, workers=1)
    assert (result.ledger.read, result.ledger.stored, result.ledger.filled) == (6, 2, 1)
    assert result.ledger.rejected == {"missing_full_name": 1, "unknown_vendor": 1}
    assert Staging(staged).left() == 0
    assert sum(Staging(staged).ended().values()) == staged.count_documents({}) == 6
    assert database[settings.rejected_collection].count_documents({"staged_id": {"$exists": True}}) == 2
    assert drain(site, workers=1).ledger.read == 0


def test_a_lead_takes_its_staged_records_id(site, staged, leads):
    (staged_id,) = stage(staged, person("ana"))
    drain(site, workers=1)
    assert leads.find_one({})["_id"] == staged_id


def test_fifty_workers_end_each_record_once(site, staged, leads):
    people = [person(f"p{number % 700}") for number in range(1000)]
    stage(staged, *people)
    busy = replace(site, settings=site.settings.model_copy(update={"batch_size": 20, "max_pool_size": 5}))
    with ThreadPoolExecutor(50) as pool:
        result = drain(busy, executor=pool, workers=50)
    assert (result.ledger.read, result.ledger.stored, result.ledger.failed) == (1000, 700, 0)
    assert leads.count_documents({}) == 700
    assert sum(Staging(staged).ended().values()) == 1000
    assert Staging(staged).ended()[STORED] == 700


@pytest.mark.parametrize("use_cache", [True, False])
def test_a_worker_that_died_before_it_could_end_its_records_changes_no_outcome(site, staged, leads, use_cache):
    site = replace(site, own_ids=True, use_cache=use_cache)
    stage(staged, person("ana"), person("ben"))
    claim = Staging(staged, lease_s=0.05).claim(10)
    records = [raw_record(record, "brightdata") for record in claim.records]
    ids = [record["_id"] for record in claim.records]
    batch = RecordBatch(source="dead", vendor="brightdata", records=records, ids=ids)
    assert process(batch, site.tools()).ledger.stored == 2  # ... and dies here
    time.sleep(0.1)
    assert drain(site, workers=1).ledger.stored == 2
    assert leads.count_documents({}) == 2
    assert Staging(staged).ended() == {STORED: 2}


def test_a_claim_that_lasts_is_not_taken_and_one_that_expired_is(staged):
    stage(staged, person("ana"))
    slow = Staging(staged, lease_s=0.2)
    first = slow.claim(10)
    assert not slow.claim(10).records
    time.sleep(0.3)
    second = slow.claim(10)
    assert len(second.records) == 1
    record_id = second.records[0]["_id"]
    assert slow.end(first, {record_id: STORED}) == {}
    assert slow.end(second, {record_id: STORED}) == {record_id: STORED}


def test_a_failed_record_is_tried_again_a_few_times(staged):
    (record_id,) = stage(staged, person("ana"))
    staging = Staging(staged)
    for _ in range(staging_module.MAX_ATTEMPTS):
        claim = staging.claim(10)
        staging.end(claim, {record_id: FAILED})
    assert not staging.claim(10).records
    assert staging.ended() == {FAILED: 1}


def test_following_wakes_up_for_what_is_staged_later(site, staged, leads, monkeypatch):
    monkeypatch.setattr(drain_module, "SESSION_S", 0.5)
    done = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(drain, site, follow=True, executor=pool, workers=1, stop=done.is_set)
        for slug in ("ana", "ben"):
            stage(staged, person(slug))
            deadline = time.monotonic() + 20
            while leads.count_documents({}) < (1 if slug == "ana" else 2) and time.monotonic() < deadline:
                time.sleep(0.05)
        done.set()
        assert running.result(timeout=20).ledger.stored == 2


@pytest.mark.parametrize(
    ("record", "problem"),
    [({"payload": '{"name": "Ana"}'}, None), ({"payload": "{broken"}, "broken_json"), ({"payload": 7}, "not_an_object"),
     ({"name": "Ana", "collected_at": 1}, None), ({"payload": {}}, "blank_record")],
)  # fmt: skip
def test_payloads_in_every_form(record, problem):
    assert raw_record({"_id": 1, **record}, "brightdata").problem == problem


def test_vendors_are_known_by_any_of_their_names():
    assert [vendor_of({"vendor": name}) for name in ("Bright Data", "brightdata", "?", None)] == ["brightdata"] * 2 + [
        ""
    ] * 2
    assert vendor_of({}, "apollo") == "apollo"


def test_outcomes_of_many_workers_add_up_to_what_was_staged(site, staged, leads):
    stage(
        staged,
        *[contact(f"p{number % 40}", Email=f"e{number % 25}@shop.example") for number in range(120)],
        vendor="apollo",
    )
    small = replace(site, settings=site.settings.model_copy(update={"batch_size": 10}))
    with ThreadPoolExecutor(8) as pool:
        drain(small, executor=pool, workers=8)
    kinds = Counter(outcome.partition(":")[0] for outcome in Staging(staged).ended())
    assert sum(Staging(staged).ended().values()) == 120 and set(kinds) <= {"stored", "filled", "duplicate"}
    assert leads.count_documents({}) == 40
    emails = [lead["email"] for lead in leads.find({"email": {"$exists": True}})]
    assert len(emails) == len(set(emails)) <= 25
