"""Integrity: broken documents, lost documents and missing indexes are seen."""

from dataclasses import replace

import pytest
from pymongo.errors import OperationFailure

from analysis_leads import lead
from leadbook.analysis.integrity import Breaking, IndexCount, Validation, breaking, guarded, index_counts
from leadbook.core.checks import Verdict
from leadbook.monitor.validation import review_latest
from leadbook.phases.judging import checks_of
from leadbook.phases.p09 import checks, sections
from leadbook.phases.p09.evidence import RunEvidence
from leadbook.phases.p09.sections import FinalAnalysis
from leadbook.rehearsal import sample


@pytest.fixture
def judged(admin, settings, clean_redis):
    """The checks of 9.5 and 9.6 over a collection, by id."""

    def judge(leads, user=admin, chosen=settings):
        made = FinalAnalysis(leads, admin=user, reporting_user=None, redis=clean_redis, settings=chosen,
                             evidence=RunEvidence())  # fmt: skip
        made.final_statistics()
        return {check.id: check for check in (*made.integrity().checks, *made.losses().checks)}

    return judge


def of_indexes(counts, settings, broken=None, unique=()):
    validation = Validation(mode="full", valid=True, documents=1, indexes=2, seconds=0.0, errors=(), warnings=())
    told = checks.integrity(validation, counts, set(unique), broken or Breaking(mode="strict / error"), 1)
    return {check.id: check for check in checks_of(told, settings)}


def test_a_whole_collection_passes(ten, judged):
    made = judged(ten)
    assert made["FIN-INT-001"].verdict in (Verdict.PASS, Verdict.WARN)
    counts = index_counts(ten)
    assert len(counts) == 12 and all(each.whole for each in counts)
    assert next(each for each in counts if each.name == "idx_email_unique").counted == 4, "sparse: leads with an e-mail"
    for check_id in ("FIN-INT-002", "FIN-INT-003", "FIN-INT-004", "FIN-LAST-001"):
        assert made[check_id].verdict is Verdict.PASS, check_id


def test_one_refusal_costs_only_the_checks_that_need_the_answer(ten, judged, monkeypatch):
    def refused(*_):
        raise OperationFailure("not authorized", 13)

    for name in ("index_counts", "guarded", "breaking", "review_latest"):
        monkeypatch.setattr(sections, name, refused)
    made = judged(ten)
    assert made["FIN-INT-001"].verdict in (Verdict.PASS, Verdict.WARN)
    for check_id in ("FIN-INT-002", "FIN-INT-003", "FIN-INT-004", "FIN-LAST-001"):
        assert made[check_id].verdict is Verdict.NOT_MEASURED and "not authorized" in made[check_id].evidence


def test_validate_is_complete_though_leads_came_a_moment_ago(leads, judged):
    leads.insert_many(sample.documents(500, 3))
    assert judged(leads)["FIN-INT-001"].verdict is Verdict.PASS


def test_parts_that_validate_passed_over_are_not_measured(settings):
    busy = "Could not complete validation of table:x. This is a transient issue as it was actively in use"
    other = Validation(mode="full", valid=True, documents=9, indexes=12, seconds=0.1, errors=(), warnings=(busy,) * 13,
                       passed_over=13)  # fmt: skip
    answers = checks.integrity(other, [], set(), Breaking(mode=""), 9)
    (check,) = checks_of({"FIN-INT-001": answers["FIN-INT-001"]}, settings)
    assert check.verdict is Verdict.NOT_MEASURED and check.measured is None
    assert "not completed (13 of 13 parts skipped" in check.evidence and "a minute after" in check.remedy
    told = replace(other, warnings=("Detected an unusual version",), passed_over=0)
    answers = checks.integrity(told, [], set(), Breaking(mode=""), 9)
    (check,) = checks_of({"FIN-INT-001": answers["FIN-INT-001"]}, settings)
    assert check.verdict is Verdict.WARN, "another warning is one"


def test_validate_may_be_gentle_or_off(ten, judged, settings):
    background = judged(ten, chosen=settings.model_copy(update={"validate_collection": "background"}))
    assert "background" in background["FIN-INT-001"].evidence
    off = judged(ten, chosen=settings.model_copy(update={"validate_collection": "off"}))
    assert off["FIN-INT-001"].verdict is Verdict.NOT_MEASURED


def test_the_application_may_not_validate_and_that_is_no_pass(ten, judged, mongo):
    check = judged(ten, mongo)["FIN-INT-001"]
    assert check.verdict in (Verdict.NOT_MEASURED, Verdict.PASS, Verdict.WARN)
    assert check.verdict is not Verdict.NOT_MEASURED or "MONGODB_ADMIN_URI" in check.remedy


def test_documents_that_the_validator_only_warned_of_are_counted(ten, judged):
    ten.insert_one(lead("bad", job_title=7))
    check = judged(ten)["FIN-INT-003"]
    assert check.verdict is Verdict.FAIL and check.measured == 1 and "moderate / warn" in check.evidence


def test_without_validator_or_indexes_nothing_is_measured(database, settings):
    plain = database["plain"]
    plain.insert_one({"a": 1})
    made = of_indexes(index_counts(plain), settings, breaking(plain), guarded(plain))
    assert made["FIN-INT-003"].verdict is Verdict.NOT_MEASURED
    assert made["FIN-INT-002"].verdict is Verdict.NOT_MEASURED
    assert made["FIN-INT-004"].verdict is Verdict.FAIL


def test_an_index_that_lost_documents_fails(settings):
    broken = IndexCount(name="idx", keys="a", unique=False, counted=9, expected=10)
    check = of_indexes([broken, broken], settings)["FIN-INT-002"]
    assert check.verdict is Verdict.FAIL and "9 of 10" in check.evidence


def test_an_index_that_cannot_be_walked_through_is_told_and_stops_no_close(ten, judged, admin, settings):
    """MongoDB refuses such a hint, or leads through it to some of the documents only: neither is a lost document."""
    admin[ten.database.name].command("collMod", ten.name, index={"name": "idx_job_title", "hidden": True})
    admin[ten.database.name].command("collMod", ten.name, index={"name": "idx_email_unique", "hidden": True})
    for theirs in ([("nickname", "text")], [("place", "2dsphere")], [("spot", "2d")], [("$**", 1)], [("a", "hashed")]):
        ten.create_index(theirs)
    made = judged(ten)
    found = made["FIN-INT-002"]
    assert (found.verdict, found.measured) == (Verdict.WARN, 0) and "11 indexes, each counted" in found.evidence
    for name in ("idx_job_title (hidden)", "nickname_text (text)", "place_2dsphere (2dsphere)", "$**_1 (wildcard)"):
        assert name in found.evidence
    assert made["FIN-INT-004"].verdict is Verdict.PASS, "a hidden unique index still refuses"
    skipped = IndexCount(name="text", keys="a", unique=False, skipped="text")
    broken = IndexCount(name="idx", keys="a", unique=False, counted=9, expected=10)
    assert of_indexes([skipped, broken], settings)["FIN-INT-002"].verdict is Verdict.FAIL


def test_a_partial_or_compound_unique_index_guards_nothing(ten, judged):
    ten.drop_index("idx_linkedin_url_unique")
    ten.create_index("linkedin_url", unique=True, partialFilterExpression={"is_qualified": True})
    ten.create_index([("linkedin_url", 1), ("data_source", 1)], unique=True)
    check = judged(ten)["FIN-INT-004"]
    assert check.verdict is Verdict.FAIL and "no unique index on linkedin_url" in check.evidence


def test_a_half_done_last_insert_is_seen(ten, judged):
    ten.insert_one(lead("late", updated_at=None))
    check = judged(ten)["FIN-LAST-001"]
    assert check.verdict is Verdict.FAIL and check.measured == 1
    assert (review_latest(ten).found, review_latest(ten).faulty) == (11, 1)


def test_where_nothing_is_stored_nothing_is_whole(leads, judged):
    made = judged(leads)
    for check_id in ("FIN-INT-001", "FIN-INT-002", "FIN-INT-003", "FIN-LAST-001"):
        assert made[check_id].verdict is Verdict.NOT_MEASURED, check_id
