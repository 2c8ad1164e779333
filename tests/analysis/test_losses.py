"""A lead that was acknowledged and is gone is found, whoever bears witness; what has no witness is not measured."""

from dataclasses import replace
from datetime import timedelta

import pytest

from analysis_leads import NOW, lead
from leadbook.analysis.losses import Places
from leadbook.core.checks import Verdict, judge, not_applicable
from leadbook.core.definitions import catalogue
from leadbook.core.journal import Journal
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest.store.cache import LeadCache
from leadbook.lead.suppression import SUPPRESSED, SuppressionList
from leadbook.phases.judging import checks_of
from leadbook.phases.p09 import checks
from leadbook.phases.p09.evidence import RunEvidence, metrics
from leadbook.phases.p09.sections import FinalAnalysis


def evidence(**facts):
    """What phase 06 left, whose dump began before the leads of `lead` were made."""
    return RunEvidence(facts={"06": {"backup_taken_at": (NOW - timedelta(hours=1)).isoformat(), **facts}})


@pytest.fixture
def places(ten, database, settings, clean_redis):
    database[settings.staging_collection].drop()
    database[settings.rejected_collection].drop()
    return Places(leads=ten, staging=database[settings.staging_collection],
                           rejects=database[settings.rejected_collection], redis=clean_redis)  # fmt: skip


def judged(places, found=None, journal=None, settings=None):
    """The checks of 9.6 on losses, by id."""
    made = FinalAnalysis(places.leads, admin=places.leads.database.client, reporting_user=None, redis=places.redis,
                         settings=settings or Settings(), evidence=found or RunEvidence(),
                         journal=journal)  # fmt: skip
    made.final_statistics()
    return {check.id: check for check in made.losses().checks}


def staged(places, leads, outcome="stored"):
    """Staged records that were ended so, each with its lead's `_id` and URL."""
    places.staging.insert_many([
        {"_id": one["_id"], "vendor": "brightdata", "payload": {"url": one["linkedin_url"]},
         "pipeline": {"state": "done", "outcome": outcome, "ended_at": NOW - timedelta(days=1)}}
        for one in leads
    ])  # fmt: skip


def remember(places, leads):
    cache = LeadCache(places.redis, collection=collection_uuid(places.leads), ttl_s=600)
    cache.remember([(one["_id"], one) for one in leads])


# -------------------------------------------------------------------------------------------------- whoever witnesses


@pytest.mark.trust(
    way="Stored leads are deleted behind leadbook's back, then a few more are brought in", status=None,
    says=("4 absent by staging and Redis", "_id"),
    leaves="Whatever is left; FIN-LOSS-002 fails and names the records, so that their sources can be run again.",
)  # fmt: skip
def test_stored_leads_that_were_deleted_are_found_by_their_staged_records(places, trust):
    everyone = list(places.leads.find())
    staged(places, everyone)
    assert judged(places)["FIN-LOSS-002"].verdict is Verdict.PASS
    places.leads.delete_many({"_id": {"$in": [one["_id"] for one in everyone[:4]]}})
    places.leads.insert_many([lead(f"new{n}") for n in range(10)])
    staged(places, places.leads.find({"linkedin_url": {"$regex": "/new"}}))
    check = judged(places)["FIN-LOSS-002"]
    assert check.verdict is Verdict.FAIL and check.measured == 4
    assert str(everyone[0]["_id"]) in check.evidence and everyone[0]["linkedin_url"] not in check.evidence
    trust.check(None, check.evidence)


def test_leads_from_files_are_found_by_their_keys_in_redis(places):
    everyone = list(places.leads.find())
    remember(places, everyone)
    assert judged(places)["FIN-LOSS-002"].verdict is Verdict.PASS
    places.leads.delete_many({"_id": {"$in": [one["_id"] for one in everyone[:3]]}})
    places.leads.insert_many([lead(f"new{n}") for n in range(10)])
    check = judged(places)["FIN-LOSS-002"]
    assert check.verdict is Verdict.FAIL and check.measured == 3


def test_keys_of_another_collection_are_no_witness(places):
    cache = LeadCache(places.redis, collection="another one's", ttl_s=600)
    cache.remember([(one["_id"], one) for one in places.leads.find()])
    places.leads.delete_one({})
    assert judged(places)["FIN-LOSS-002"].verdict is Verdict.NOT_MEASURED


def test_fewer_leads_than_the_backup_held_are_a_loss(places):
    assert judged(places, evidence(backup_leads=10))["FIN-LOSS-002"].verdict is Verdict.PASS
    places.leads.delete_one({})
    check = judged(places, evidence(backup_leads=10))["FIN-LOSS-002"]
    assert check.verdict is Verdict.FAIL and check.measured == 1


def test_erased_persons_are_no_loss_and_others_still_are(places):
    everyone = list(places.leads.find())
    staged(places, everyone)
    remember(places, everyone)
    erased, lost = everyone[:2], everyone[2:3]
    places.leads.delete_many({"_id": {"$in": [one["_id"] for one in (*erased, *lost)]}})
    SuppressionList(places.leads.database[SUPPRESSED]).add([one["linkedin_url"] for one in erased])
    check = judged(places)["FIN-LOSS-002"]
    assert check.measured == 1 and "2 absent by staging and Redis, erased on request" in check.evidence


def test_a_lead_that_was_stored_again_is_no_loss(places):
    (one,) = places.leads.find({}).limit(1)
    staged(places, [one])
    places.leads.delete_one({"_id": one["_id"]})
    places.leads.insert_one(lead("again", linkedin_url=one["linkedin_url"]))
    assert judged(places)["FIN-LOSS-002"].verdict is Verdict.PASS


def test_a_staged_record_that_tells_no_url_is_named_by_its_id(places):
    (one,) = places.leads.find({}).limit(1)
    staged(places, [one])
    places.staging.update_one({}, {"$unset": {"payload": 1}})
    places.leads.delete_one({"_id": one["_id"]})
    check = judged(places)["FIN-LOSS-002"]
    assert check.measured == 1 and str(one["_id"]) in check.evidence


def test_a_record_whose_id_is_a_document_is_looked_for_like_any_other(places):
    kept, lost = ({"_id": {"workflow": 3, "item": name}, "linkedin_url": f"https://www.linkedin.com/in/{name}"}
                  for name in ("kept", "lost"))  # fmt: skip
    places.leads.insert_one(lead("kept", _id=kept["_id"]))
    staged(places, [kept, lost])
    check = judged(places)["FIN-LOSS-002"]
    assert check.verdict is Verdict.FAIL and check.measured == 1 and "'lost'" in check.evidence
    places.staging.update_many({}, {"$set": {"pipeline.outcome": "rejected:missing_job_title"}})
    places.rejects.insert_one({"staged_id": kept["_id"], "reason": "missing_job_title", "reasons": ["x"]})
    assert judged(places)["FIN-LOSS-003"].measured == 1


def test_fewer_leads_are_explained_by_those_that_erasures_deleted_and_by_no_more(places, endpoints, tmp_path):
    journal = Journal(places.leads.database, endpoints.mongodb_uri, tmp_path)
    before = journal.entry("action", action="erase", plan={"leads": 5}, done={"left": {}})
    journal.add([before | {"at": NOW - timedelta(days=9)}])  # by an older leadbook, before the backup
    journal.write("action", action="erase", plan={"leads": 1}, done={"deleted": {"leads": 1}})
    SuppressionList(places.leads.database[SUPPRESSED]).add(["https://www.linkedin.com/in/x", "member:1", "x@y.example"])
    places.leads.delete_one({})
    check = judged(places, evidence(backup_leads=10), journal)["FIN-LOSS-002"]
    assert check.verdict is Verdict.PASS
    assert "1 fewer than phase 06's backup counted, 1 erased on request since" in check.evidence
    assert "0 erased" not in check.evidence
    places.leads.delete_one({})
    check = judged(places, evidence(backup_leads=10), journal)["FIN-LOSS-002"]
    assert (check.verdict, check.measured) == (Verdict.FAIL, 1), "three keys tell one person"


def test_redis_away_is_said(places):
    staged(places, places.leads.find())
    away = Places(leads=places.leads, staging=places.staging, rejects=places.rejects, redis=None)
    check = judged(away)["FIN-LOSS-002"]
    assert check.verdict is Verdict.PASS and "Redis is away" in check.evidence


def test_without_a_witness_no_loss_is_excluded(places):
    made = judged(places)
    assert made["FIN-LOSS-006"].verdict is Verdict.FAIL and made["FIN-LOSS-006"].measured == 10
    assert made["FIN-LOSS-005"].verdict is Verdict.NOT_APPLICABLE
    others = {name: check.verdict for name, check in made.items() if name not in ("FIN-LOSS-005", "FIN-LOSS-006")}
    del others["FIN-LAST-001"]
    assert set(others.values()) == {Verdict.NOT_MEASURED}


# ------------------------------------------------------------------------------------------------ outcomes and rejects


def test_staged_records_that_nobody_ended_have_no_outcome(places):
    staged(places, places.leads.find())
    assert judged(places)["FIN-LOSS-001"].verdict is Verdict.PASS
    places.staging.insert_many([{"payload": {}}, {"payload": {}, "pipeline": {"state": "claimed"}},
                                {"payload": {}, "pipeline": {"state": "done", "outcome": "failed"}}])  # fmt: skip
    check = judged(places)["FIN-LOSS-001"]
    assert check.verdict is Verdict.FAIL and check.measured == 3


def test_rejected_staged_records_are_kept_by_name(places):
    (one, two, three) = ({"_id": n, "linkedin_url": f"https://www.linkedin.com/in/r{n}"} for n in range(3))
    staged(places, [one, two, three], "rejected:missing_job_title")
    kept = {"reason": "x", "reasons": ["x"]}
    places.rejects.insert_many([{"staged_id": 0, **kept}, *({"source": "older", **kept} for _ in range(50))])
    places.leads.insert_one(lead("r1"))
    check = judged(places)["FIN-LOSS-003"]
    assert check.verdict is Verdict.FAIL and check.measured == 1, "one is kept, one became a lead, one is gone"


# ----------------------------------------------------------------------------------------------------------- evidence


def looked_at(settings, *phases):
    """Every check of these phases, recorded, and none failed."""
    known = [entry for entry in catalogue().values() if entry.phase in phases]
    made = [not_applicable(entry.id, "here", settings=settings) for entry in known]
    return {phase: [check for check in made if check.phase == phase] for phase in phases}


def performance(earlier, settings):
    found = RunEvidence(checks=earlier)
    made = checks_of(checks.performance(found, metrics(found)), settings)
    return next(check for check in made if check.id == "FIN-PERF-001")


@pytest.mark.parametrize("gone", ["03", "05", "08"])
def test_performance_is_not_measured_where_a_phase_left_nothing(settings, gone):
    whole = looked_at(settings, "03", "05", "08")
    assert performance(whole, settings).verdict is Verdict.PASS
    check = performance({**whole, gone: []}, settings)
    assert check.verdict is Verdict.NOT_MEASURED and gone in check.evidence
    lacking = performance({**whole, gone: whole[gone][1:]}, settings)
    assert lacking.verdict is (Verdict.PASS if gone == "08" else Verdict.NOT_MEASURED), "08 judges what it cannot see"
    failed = judge(next(c.id for c in catalogue().values() if c.phase == "08" and c.compare == "true"), False)
    warned = performance({**whole, gone: [failed]}, settings)
    assert warned.verdict is Verdict.WARN and failed.id in warned.evidence, "each stage is judged by its own checks"
    accepted = replace(failed, accepted="by the DBA")
    assert failed.id not in performance({**whole, gone: [*whole[gone], accepted]}, settings).evidence
