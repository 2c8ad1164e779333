"""Who asked for erasure stays out, whichever way a lead comes, and whenever the request came."""

import pytest

from ingest.vendor_records import person
from leadbook.ingest.batch import RecordBatch, process
from leadbook.ingest.replay import replay
from leadbook.ingest.store.merge import Merger
from leadbook.ingest.store.rejects import RejectedLeads
from leadbook.lead import suppression
from leadbook.lead.suppression import SUPPRESSED, SuppressionList
from leadbook.lead.vendors import RawRecord

ANA = "https://www.linkedin.com/in/ana"


def batch(*records):
    raw = [RawRecord(number, record, None) for number, record in enumerate(records)]
    return RecordBatch(source="test", vendor="brightdata", records=raw)


@pytest.fixture
def erasures(database):
    return SuppressionList(database[SUPPRESSED])


def test_a_request_that_comes_while_a_worker_is_at_work_is_heard(site, leads, erasures):
    tools = site.tools()
    assert process(batch(person("ben")), tools).ledger.stored == 1
    erasures.add([ANA])
    assert process(batch(person("ana")), tools).ledger.rejected == {"erasure_request": 1}
    assert leads.count_documents({"linkedin_url": ANA}) == 0


def test_a_known_lead_that_is_erased_before_it_can_be_filled_is_not_stored_again(
    site, leads, erasures, monkeypatch, clean_redis
):
    tools = site.tools()
    process(batch(person("ana")), tools)
    clean_redis.flushdb()
    fill = Merger.merge

    def erased_meanwhile(self, *given, **named):
        erasures.add([ANA])
        leads.delete_one({"linkedin_url": ANA})
        return fill(self, *given, **named)

    monkeypatch.setattr(Merger, "merge", erased_meanwhile)
    assert process(batch(person("ana")), tools).ledger.rejected == {"erasure_request": 1}
    assert leads.count_documents({}) == 0


def test_a_rejected_record_of_an_erased_person_is_no_lead_after_a_replay_and_leaves_no_payload(
    site, leads, ingest, vendor_file, erasures, database, settings, admin
):
    admin[database.name].command(
        "collMod", leads.name, validationAction="error", validationLevel="strict",
        validator={"full_name": {"$ne": "Too New"}},
    )  # fmt: skip
    ingest(vendor_file(person("ana", name="Too New")))
    admin[database.name].command("collMod", leads.name, validator={})
    erasures.add([ANA])
    assert replay(site).ledger.stored == 0
    (kept,) = database[settings.rejected_collection].find()
    assert (kept["reason"], kept["payload"], leads.count_documents({})) == ("erasure_request", '{"erased": true}', 0)
    assert replay(site).ledger.rejected == {"erasure_request": 1}


def test_who_is_erased_when_all_is_written_but_the_last_look_leaves_neither_lead_nor_key_nor_reject(
    site, leads, erasures, monkeypatch, clean_redis, database, settings
):
    keep = RejectedLeads.keep

    def erased_meanwhile(self, rejects):
        keep(self, rejects)
        erasures.add([ANA])

    monkeypatch.setattr(RejectedLeads, "keep", erased_meanwhile)
    done = process(batch(person("ana"), person("ana", position=None), person("ben")), site.tools())
    assert done.ledger.rejected == {"erasure_request": 2} and done.ledger.stored == 1
    assert [lead["linkedin_url"] for lead in leads.find()] == ["https://www.linkedin.com/in/ben"]
    assert list(clean_redis.scan_iter()) == [b"lead:linkedin:https://www.linkedin.com/in/ben"]
    kept = list(database[settings.rejected_collection].find())
    assert [(one["reason"], one["payload"]) for one in kept] == [("erasure_request", '{"erased": true}')] * 2


def test_a_long_list_tells_the_same_as_a_short_one(erasures, monkeypatch):
    erasures.add([ANA, "ana@shop.example"])
    for few in (500, 1):
        monkeypatch.setattr(suppression, "FEW", few)
        assert erasures.among([ANA, "ben@shop.example"]) == {ANA} and erasures.among([]) == set()
