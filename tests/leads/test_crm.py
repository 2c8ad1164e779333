"""HubSpot gets every qualified lead once; one bad contact keeps no other back; what broke off goes on."""

import pytest
from bson import ObjectId

from leadbook.leads.crm import MAX_ATTEMPTS, Crm
from leadbook.leads.sandbox import Sandbox
from leadbook.leads.score import now_ms


def fill(leads, count, **fields):
    now = now_ms()
    rest = {"job_title": "Growth Lead", "company_name": "Example", "is_qualified": True, "crm_synced": False}
    leads.insert_many([
        {"_id": ObjectId(), "linkedin_url": f"https://www.linkedin.com/in/p{number}", "full_name": f"Ana N{number}",
         "email": f"p{number}@shop.example", "created_at": now, "updated_at": now, **rest, **fields}
        for number in range(count)
    ])  # fmt: skip


def sync(leads, sandbox):
    return Crm(leads, sandbox.services.hubspot, pause_s=0.001).sync()


def test_every_qualified_lead_is_sent_and_marked(leads):
    fill(leads, 250)
    leads.update_many({"email": {"$in": ["p1@shop.example", "p2@shop.example"]}}, {"$set": {"is_qualified": False}})
    with Sandbox(faults={}, refused=lambda email: False) as sandbox:
        result = sync(leads, sandbox)
        again = sync(leads, sandbox)
        assert len(sandbox.contacts) == 248
    assert (result.sent, result.created, result.stopped, again.sent) == (248, 248, "", 0)
    assert leads.count_documents({"crm_synced": True, "crm_sync_date": {"$type": "date"}}) == 248
    assert sandbox.contacts["p5@shop.example"]["jobtitle"] == "Growth Lead"


def test_faults_that_pass_are_waited_out(leads):
    fill(leads, 250)
    with Sandbox(
        faults={"upsert": ((423, 0.3), (429, 0.3), (477, 0.2), (502, 0.2))}, refused=lambda email: False
    ) as sandbox:
        assert sync(leads, sandbox).sent == 250


def test_a_partial_answer_marks_only_what_was_taken(leads):
    fill(leads, 120)
    with Sandbox(faults={}, refused=lambda email: email.startswith("p7")) as sandbox:
        result = sync(leads, sandbox)
        assert result.failed == {"VALIDATION_ERROR": 11} and result.sent == 109
        for _ in range(MAX_ATTEMPTS):
            sync(leads, sandbox)
        assert sync(leads, sandbox).sent == 0 and sandbox.calls["upsert", 207] == 1 + MAX_ATTEMPTS - 1
    bad = leads.find_one({"email": "p7@shop.example"})
    assert (bad["crm_synced"], bad["additional_data"]["crm_error"]) == (False, "VALIDATION_ERROR")


@pytest.mark.parametrize("status", [400, 409])
def test_a_batch_refused_as_a_whole_is_halved_until_the_offender_is_alone(leads, status):
    fill(leads, 40)
    sandbox = Sandbox(faults={})
    answer = sandbox._upsert

    def upsert(body):
        if any(item["id"] == "p13@shop.example" for item in body["inputs"]):
            return status, {}, {"status": "error", "message": "Contact already exists"}
        return answer(body)

    sandbox._upsert, sandbox.refused = upsert, lambda email: False
    with sandbox:
        result = sync(leads, sandbox)
    assert (result.sent, result.failed) == (39, {f"status {status}": 1})


def test_a_refused_key_stops_and_leaves_the_leads_waiting(leads):
    fill(leads, 250)
    with Sandbox(faults={"upsert": ((401, 1.0),)}) as sandbox:
        result = sync(leads, sandbox)
        assert result.stopped == "HubSpot: key refused (401)" and sum(sandbox.calls.values()) == 1
        assert Crm(leads, sandbox.services.hubspot).waiting() == 250


def test_a_run_that_broke_off_before_it_could_mark_goes_on(leads):
    fill(leads, 30)
    with Sandbox(faults={}, refused=lambda email: False) as sandbox:
        sync(leads, sandbox)
        leads.update_many({}, {"$set": {"crm_synced": False}})  # as if it had died before marking
        result = sync(leads, sandbox)
        assert (result.sent, result.created, result.updated, len(sandbox.contacts)) == (30, 0, 30, 30)
