"""HubSpot gets every qualified lead once; one bad contact keeps no other back; what broke off goes on."""

import multiprocessing
import signal
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.errors import BulkWriteError

from ingest import crash_target
from leadbook.commands.leads import crm_sync
from leadbook.core.errors import ParameterError
from leadbook.ingest import pipeline
from leadbook.ingest.crm import IN_A_ROW, MAX_ATTEMPTS, Crm
from leadbook.ingest.store.merge import Merger
from leadbook.ingest.store.store import LeadStore
from leadbook.lead.clock import now_ms
from leadbook.lead.score import Rules
from leadbook.lead.suppression import SUPPRESSED, SuppressionList
from leadbook.rehearsal.sandbox.server import Sandbox


def fill(leads, count, **fields):
    now = now_ms()
    rest = {"job_title": "Growth Lead", "company_name": "Example", "is_qualified": True, "crm_synced": False}
    leads.insert_many([
        {"_id": ObjectId(), "linkedin_url": f"https://www.linkedin.com/in/p{number}", "full_name": f"Ana N{number}",
         "email": f"p{number}@shop.example", "created_at": now, "updated_at": now, **rest, **fields}
        for number in range(count)
    ])  # fmt: skip


@pytest.fixture
def sandbox():
    with Sandbox(faults={}) as running:
        running.contacts.refused = lambda email: False
        yield running


def asked_for(leads):
    """Persons who asked for erasure, of the leads' database."""
    return SuppressionList(leads.database[SUPPRESSED])


def sync(leads, sandbox, limit=None, **how):
    made = Crm(leads, sandbox.services.hubspot, asked_for(leads), **{"pause_s": 0.001, **how})
    return made.sync(limit)


def test_every_qualified_lead_is_sent_and_marked(leads, sandbox):
    fill(leads, 250)
    leads.update_many({"email": {"$in": ["p1@shop.example", "p2@shop.example"]}}, {"$set": {"is_qualified": False}})
    result, again = sync(leads, sandbox), sync(leads, sandbox)
    assert (result.sent, result.created, result.stopped, again.sent) == (248, 248, "", 0)
    assert sandbox.calls == {("upsert", 200): 3}  # batches of at most 100
    assert leads.count_documents({"crm_synced": True, "crm_sync_date": {"$type": "date"}}) == 248
    held = sandbox.contacts.by_id
    assert len(held) == 248 and held["p5@shop.example"]["jobtitle"] == "Growth Lead"
    assert (held["p5@shop.example"]["firstname"], held["p5@shop.example"]["lastname"]) == ("Ana", "N5")


@pytest.mark.parametrize("kind", [423, 429, 477, 502, "reset", "garbage", "html"])
def test_faults_that_pass_are_waited_out(leads, sandbox, kind):
    fill(leads, 30)
    sandbox.script("upsert", kind, kind)
    result = sync(leads, sandbox)
    assert (result.sent, result.stopped, len(sandbox.contacts.by_id)) == (30, "", 30)
    assert result.created == (0 if kind in ("reset", "garbage", "html") else 30)  # answers lost on their way


@pytest.mark.parametrize("kind", [429, 500, "reset", 401, 403])
def test_faults_that_stay_stop_the_run_and_leave_the_leads_waiting(leads, sandbox, kind):
    fill(leads, 250)
    sandbox.script("upsert", *[kind] * 50)
    result = sync(leads, sandbox)
    assert result.sent == 0 and result.stopped.startswith("HubSpot: ") and not result.failed
    assert sum(sandbox.calls.values()) == (1 if kind in (401, 403) else 3)
    assert Crm(leads, sandbox.services.hubspot, asked_for(leads)).waiting() == 250


def test_the_days_limit_is_named(leads, sandbox, monkeypatch):
    fill(leads, 3)
    daily = {"status": "error", "policyName": "DAILY", "category": "RATE_LIMITS"}
    monkeypatch.setattr(sandbox, "answer", lambda *asked: (0, (429, {"Retry-After": "0"}, daily)))
    assert sync(leads, sandbox).stopped == "HubSpot: the day's calls are used up (429)"


def test_a_partial_answer_marks_only_what_was_taken(leads, sandbox):
    fill(leads, 120)
    sandbox.contacts.refused = lambda email: email.startswith("p7")
    result = sync(leads, sandbox)
    assert result.failed == {"VALIDATION_ERROR": 11} and result.sent == 109
    for _ in range(MAX_ATTEMPTS):
        sync(leads, sandbox)
    assert sandbox.calls["upsert", 207] == 1 + MAX_ATTEMPTS - 1  # then they are left alone
    bad = leads.find_one({"email": "p7@shop.example"})
    assert (bad["crm_synced"], bad["additional_data"]["crm_error"]) == (False, "VALIDATION_ERROR")
    assert "crm_sync_date" not in bad


def test_a_lead_that_is_taken_later_loses_its_error(leads, sandbox):
    fill(leads, 5)
    sandbox.contacts.refused = lambda email: True
    sync(leads, sandbox)
    sandbox.contacts.refused = lambda email: False
    assert sync(leads, sandbox).sent == 5
    assert leads.count_documents({"additional_data.crm_error": {"$exists": True}}) == 0


def test_conflicts_are_halved_until_each_offender_is_alone(leads, sandbox):
    fill(leads, 100)
    bad = {"p13@shop.example", "p14@shop.example", "p80@shop.example"}
    sandbox.contacts.conflicting = bad.__contains__
    result = sync(leads, sandbox)
    assert (result.sent, result.failed) == (97, {"CONFLICT (409)": 3})
    assert {one["email"] for one in leads.find({"crm_synced": False})} == bad
    assert sandbox.calls["upsert", 409] < 3 * 8  # halving, not one by one


def test_a_property_that_hubspot_lacks_stops_at_once(leads, sandbox):
    fill(leads, 100)
    result = sync(leads, sandbox, id_property="linkedin_url")
    assert result.stopped == "HubSpot has no contact property 'linkedin_url': create it there"
    assert sum(sandbox.calls.values()) == 1 and not result.failed
    sandbox.contacts.properties.add("linkedin_url")
    assert sync(leads, sandbox, id_property="linkedin_url").sent == 100
    assert "https://www.linkedin.com/in/p5" in sandbox.contacts.by_id


def test_when_every_lead_is_refused_the_fault_lies_elsewhere(leads, sandbox):
    fill(leads, 300)
    sandbox.script("upsert", *[400] * 1000)
    result = sync(leads, sandbox)
    assert "in a row and took none: VALIDATION_ERROR (400)" in result.stopped
    assert sum(result.failed.values()) == IN_A_ROW


def test_a_run_killed_before_it_could_mark_goes_on_and_makes_no_contact_twice(leads, sandbox, monkeypatch):
    fill(leads, 250)
    made = Crm(leads, sandbox.services.hubspot, asked_for(leads), pause_s=0.001)
    marks, mark = [], made._taken

    def killed(*args):
        marks.append(1)
        if len(marks) == 2:
            raise KeyboardInterrupt
        mark(*args)

    monkeypatch.setattr(made, "_taken", killed)
    with pytest.raises(KeyboardInterrupt):
        made.sync()
    assert len(sandbox.contacts.by_id) == 200 and leads.count_documents({"crm_synced": True}) == 100
    result = sync(leads, sandbox)
    assert (result.sent, result.created, result.updated) == (150, 50, 100)
    assert len(sandbox.contacts.by_id) == leads.count_documents({"crm_synced": True}) == 250


def test_a_process_killed_while_hubspot_was_answering_loses_and_doubles_nothing(site, leads, sandbox):
    fill(leads, 250)
    sandbox.slow_s = 30.0
    sandbox.script("upsert", 0, "slow")  # the second batch is taken, and the answer never comes
    process = multiprocessing.get_context("spawn").Process(
        target=crash_target.sync, args=(replace(site, services=sandbox.services),)
    )
    process.start()
    while len(sandbox.contacts.by_id) < 200 and process.is_alive():
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(sandbox.contacts.by_id) == 200 and leads.count_documents({"crm_synced": True}) == 100
    result = sync(leads, sandbox)
    assert (result.sent, result.created, result.updated) == (150, 50, 100)
    assert len(sandbox.contacts.by_id) == leads.count_documents({"crm_synced": True}) == 250


def test_a_lead_that_changed_while_it_was_sent_is_sent_again(leads, sandbox, monkeypatch):
    fill(leads, 3)
    upsert = sandbox.contacts.upsert

    def meanwhile(body):
        leads.update_one({"email": "p1@shop.example"}, {"$set": {"phone": "+4930123456", "updated_at": now_ms()}})
        return upsert(body)

    leads.update_many({}, {"$set": {"updated_at": None}})
    monkeypatch.setattr(sandbox.contacts, "upsert", meanwhile)
    first = sync(leads, sandbox)
    monkeypatch.undo()
    assert (first.sent, first.changed) == (2, 1)
    assert sync(leads, sandbox).sent == 1 and sandbox.contacts.by_id["p1@shop.example"]["phone"] == "+4930123456"


def test_an_answer_that_names_nobody_confirms_nobody(leads, sandbox):
    fill(leads, 4)
    sandbox.script("upsert", "odd")
    result = sync(leads, sandbox)
    assert result.sent == 0 and result.failed == {"not confirmed": 4}
    assert sync(leads, sandbox).sent == 4


def test_a_limit_is_kept(leads, sandbox):
    fill(leads, 50)
    assert sync(leads, sandbox, limit=20, batch=15).sent == 20
    assert sync(leads, sandbox).sent == 30


def test_a_lead_without_additional_data_bears_no_note_but_keeps_nobody_back(leads, sandbox):
    fill(leads, 3)
    leads.update_one({"email": "p1@shop.example"}, {"$set": {"additional_data": None}})
    sandbox.contacts.refused = lambda email: email == "p1@shop.example"
    assert sync(leads, sandbox).as_dict() == {
        "sent": 2, "created": 2, "updated": 0, "changed": 0, "failed": {"VALIDATION_ERROR": 1}, "erased": 0,
        "calls": 1, "stopped": "",
    }  # fmt: skip


def test_the_command_needs_crm_on_and_uses_the_sandbox_on_a_rehearsal(leads, settings):
    with pytest.raises(ParameterError, match="crm=true"):
        crm_sync(settings)
    fill(leads, 5)
    said = crm_sync(settings.model_copy(update={"crm": True}), limit=3)
    assert said["sandbox"] and said["sent"] + sum(said["failed"].values()) == 3


def test_a_lead_that_is_filled_after_it_was_sent_is_sent_again_once(leads, sandbox, settings):
    fill(leads, 3)
    assert sync(leads, sandbox).sent == 3
    merger = Merger(LeadStore(leads), Rules.of(settings))
    began_before_the_sync = now_ms() - timedelta(minutes=5)
    sighting = {"linkedin_url": "https://www.linkedin.com/in/p1", "phone": "+4930123456"}
    (filled,) = merger.merge([sighting], began_before_the_sync)
    assert filled.added == ("phone",)
    assert [sync(leads, sandbox).sent for _ in range(2)] == [1, 0]
    assert sandbox.contacts.by_id["p1@shop.example"]["phone"] == "+4930123456" and len(sandbox.contacts.by_id) == 3


def test_a_lead_that_anybody_changed_after_it_was_sent_is_sent_again_once(leads, sandbox):
    fill(leads, 3)
    sync(leads, sandbox)
    later = now_ms() + timedelta(milliseconds=5)
    leads.update_one({"email": "p1@shop.example"}, {"$set": {"job_title": "Head of Growth", "updated_at": later}})
    time.sleep(0.01)
    assert [sync(leads, sandbox).sent for _ in range(2)] == [1, 0]
    assert sandbox.contacts.by_id["p1@shop.example"]["jobtitle"] == "Head of Growth"


def test_a_lead_that_hubspot_gave_up_on_is_tried_again_once_it_was_filled(leads, sandbox, settings):
    fill(leads, 1, additional_data={"crm_attempts": MAX_ATTEMPTS, "crm_error": "VALIDATION_ERROR"})
    assert sync(leads, sandbox).sent == 0
    sighting = {"linkedin_url": "https://www.linkedin.com/in/p0", "phone": "+4930123456"}
    Merger(LeadStore(leads), Rules.of(settings)).merge([sighting], now_ms())
    assert sync(leads, sandbox).sent == 1


@pytest.mark.trust(
    way="a lead is stored, or comes back with a backup, though its person asked for erasure; then the CRM is synced",
    status=None, says=("'sent': 2", "'erased': 1"), leaves="the CRM never hears of that person",
)  # fmt: skip
def test_a_person_who_asked_for_erasure_is_never_sent(site, leads, sandbox, database, trust):
    fill(leads, 3)
    SuppressionList(database[SUPPRESSED]).add(["https://www.linkedin.com/in/p1"])
    there = replace(site, services=sandbox.services)
    trust.check(None, str(pipeline.crm_of(there, sandbox.services.hubspot).sync().as_dict()))
    assert set(sandbox.contacts.by_id) == {"p0@shop.example", "p2@shop.example"}


class Unmarked:
    """A real collection whose marks are carried out, and reported as not acknowledged in time."""

    def __init__(self, collection):
        self.collection, self.write_concern = collection, collection.write_concern

    def bulk_write(self, marks, **how):
        self.collection.bulk_write(marks, **how)
        raise BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64, "errmsg": "timed out"}]})

    def __getattr__(self, name):
        return getattr(self.collection, name)


def test_marks_that_nobody_acknowledged_stop_the_run_in_one_line_and_count_as_nothing(leads, sandbox):
    fill(leads, 3)
    result = sync(Unmarked(leads), sandbox)
    assert result.sent == 0 and result.stopped.startswith("MongoDB: BulkWriteError")
    leads.update_many({}, {"$set": {"crm_synced": False}})  # as after a failover
    assert sync(leads, sandbox).sent == 3 and len(sandbox.contacts.by_id) == 3
