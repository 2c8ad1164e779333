"""Rejected records become leads once the rule that refused them has changed; the others stay, once each."""

from leadbook.leads.replay import replay
from leads.vendor_records import person


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
