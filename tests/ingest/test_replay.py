"""Rejected records become leads once the rule that refused them has changed; the others stay, once each."""

import json
from datetime import UTC, datetime

import pytest

from ingest.vendor_records import person
from leadbook.ingest.drain import drain
from leadbook.ingest.replay import replay
from leadbook.lead import vendors


def test_what_passes_now_leaves_the_rejected_and_the_rest_stays(
    site, leads, ingest, vendor_file, database, settings, admin
):
    rejected = database[settings.rejected_collection]
    admin[database.name].command(
        "collMod", leads.name, validationAction="error", validationLevel="strict",
        validator={"full_name": {"$ne": "Too New"}},
    )  # fmt: skip
    ingest(vendor_file(person("ana", name="Too New"), person("ben", name=None), "{broken"))
    assert rejected.count_documents({}) == 3
    admin[database.name].command("collMod", leads.name, validator={})
    result = replay(site)
    assert (result.ledger.read, result.ledger.stored, result.ledger.rejects) == (3, 1, 2)
    assert sorted(record["reason"] for record in rejected.find()) == ["broken_json", "missing_full_name"]
    again = replay(site)
    assert (again.ledger.read, again.ledger.stored, again.ledger.rejects) == (2, 0, 2)
    assert rejected.count_documents({}) == 2
    assert leads.count_documents({}) == 1


def test_a_reject_that_is_stored_by_now_is_no_reject_any_more(site, ingest, vendor_file, database, settings):
    ingest(vendor_file(person("ana", name=None), name="first.jsonl"))
    rejected = database[settings.rejected_collection]
    rejected.update_one({}, {"$set": {"payload": '{"id": "ana", "name": "Ana", "position": "Lead", "url": '
                                      '"https://linkedin.com/in/ana", "current_company_name": "X"}'}})  # fmt: skip
    ingest(vendor_file(person("ana")))
    assert replay(site).ledger.duplicates == 1
    assert rejected.count_documents({}) == 0


@pytest.mark.trust(
    way="collectors stage records of a vendor that params/vendors does not know", status=None,
    says=("unknown_vendor 2", "replay stored 2"),
    leaves="they are rejected with their vendor's name; once its file is there, leadbook replay takes them",
)  # fmt: skip
def test_a_vendor_that_was_unknown_is_taken_by_replay_once_its_file_is_there(
    site, leads, database, settings, tmp_path, monkeypatch, trust
):
    staged, rejected = database[settings.staging_collection], database[settings.rejected_collection]
    for name, vendor in {"ana": "zoomy", "ben": "Zoomy", "cleo": "", "dora": 7}.items():
        staged.insert_one({"vendor": vendor, "payload": json.dumps(person(name)), "collected_at": datetime.now(UTC)})
    staged.insert_one({"vendor": "zoomy", "payload": 7})
    first = drain(site, workers=1)
    assert first.ledger.rejected == {"not_an_object": 1, "unknown_vendor": 4}
    assert sorted(one["vendor"] for one in rejected.find()) == ["", "7", "Zoomy", "zoomy", "zoomy"]
    assert replay(site).ledger.rejected == {"not_an_object": 1, "unknown_vendor": 4}
    for path in vendors.VENDORS.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    same = (vendors.VENDORS / "brightdata.yaml").read_text().replace("Bright Data", "Zoomy")
    (tmp_path / "zoomy.yaml").write_text(same)
    monkeypatch.setattr(vendors, "VENDORS", tmp_path)
    second = replay(site)
    trust.check(
        None, f"unknown_vendor {4 - second.ledger.rejected['unknown_vendor']}, replay stored {second.ledger.stored}"
    )
    assert second.ledger.rejected == {"not_an_object": 1, "unknown_vendor": 2}
    assert leads.count_documents({}) == 2 and rejected.count_documents({}) == 3


def test_a_reject_that_cannot_be_read_stops_no_replay(site, leads, ingest, vendor_file, database, settings):
    ingest(vendor_file(person("ana", name=None), person("ben", name=None), person("cleo", name=None)))
    rejected = database[settings.rejected_collection]
    first, second, _ = rejected.find()
    rejected.update_one({"_id": first["_id"]}, {"$set": {"payload": "[" * 100_000}})
    rejected.update_one({"_id": second["_id"]}, {"$set": {"payload": '"text"'}})
    result = replay(site)
    assert (result.ledger.read, result.problem) == (3, "")
    assert result.ledger.rejected == {"broken_json": 1, "missing_full_name": 1, "not_an_object": 1}


def test_a_replay_that_cannot_go_on_says_why_and_stops_at_once(site, leads, ingest, vendor_file):
    ingest(vendor_file(*[person(f"p{number}", name=None) for number in range(3)]))
    small = site.settings.model_copy(update={"batch_size": 1})
    stopped = replay(type(site)(endpoints=site.endpoints, settings=small), stop=lambda: "stopped by SIGTERM")
    assert (stopped.ledger.read, stopped.problem) == (1, "stopped by SIGTERM")
