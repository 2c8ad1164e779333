"""Anomalies planted among good leads are found, counted and shown masked; good leads raise none."""

from datetime import timedelta

import pytest
from pandas import DataFrame

from analysis_leads import NOW, lead
from leadbook.analysis.anomalies import find_anomalies
from leadbook.analysis.completeness import completeness, source_outliers
from leadbook.core.checks import Verdict
from leadbook.phases.judging import checks_of
from leadbook.phases.p09 import checks, tables

PLANTED = {
    "one mailbox under several spellings": [
        {"email": "jane.doe@gmail.com"}, {"email": "JaneDoe+news@googlemail.com"},
    ],
    "same name and company": [
        {"full_name": "Jane Doe", "company_name": "Acme"}, {"full_name": "JANE doe ", "company_name": "ACME"},
    ],
    "one LinkedIn member with several URLs": [
        {"additional_data": {"linkedin_member_id": "77"}}, {"additional_data": {"linkedin_member_id": "77"}},
    ],
    "one phone number on five leads or more": [{"phone": "+14155550100"}] * 5,
    "dates in the future": [{"data_collected_date": NOW + timedelta(days=30)}],
    "updated before it was created": [{"updated_at": NOW - timedelta(days=1)}],
    "qualified against the rule": [{"is_qualified": True}, {"is_qualified": True, "email": "a@b.test",
                                                            "data_quality_score": 40}],
    "marked as in the CRM without a date": [{"crm_synced": True}],
    "required field blank": [{"job_title": "  "}],
    "throw-away or test e-mail domain": [{"email": "x@mailinator.com"}, {"email": "y@mx.yopmail.com"}],
    "role mailbox": [{"email": "Info@acme.test"}],
    "name in capitals only": [{"full_name": "JOHN SMITH"}],
    "digits, addresses or signs in the name": [{"full_name": "John 2nd <admin>"}],
    "e-mail or web address inside the job title": [{"job_title": "CMO, write to cmo@acme.test"}],
    "company that says nothing": [{"company_name": "Self employed"}, {"company_name": "--"}],
    "name equals company": [{"full_name": "Jane Doe", "company_name": "jane doe"}],
    "HTML entities or invisible characters": [{"job_title": "R&amp;D lead"}, {"company_name": "Mc\u200bX"}],
}  # fmt: skip


def test_every_rule_has_a_planted_case(ten, settings):
    assert {each.rule.name for each in find_anomalies(ten, settings, now=NOW)} == set(PLANTED)


def test_good_leads_raise_none(ten, settings):
    assert {each.rule.name: each.leads for each in find_anomalies(ten, settings, now=NOW) if each.leads} == {}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_anomaly_is_found(name, ten, settings):
    ten.insert_many([lead(f"odd{n}", **fields) for n, fields in enumerate(PLANTED[name])])
    found = {each.rule.name: each for each in find_anomalies(ten, settings, now=NOW)}
    assert found[name].leads == len(PLANTED[name])
    assert found[name].examples and found[name].rule.meaning and found[name].rule.advice


def test_nothing_personal_is_shown(ten, settings):
    secrets = {"email": "jane.secret@gmail.com", "full_name": "JANET SECRETSON", "phone": "+14155550199",
               "job_title": "write to jane.secret@gmail.com"}  # fmt: skip
    ten.insert_many([lead(f"secretslug{n}", **{**secrets, "email": f"info@secret{n}.test"}) for n in range(6)])
    ten.insert_many([lead("secretslug8", additional_data={"linkedin_member_id": "5"}),
                     lead("secretslug9", additional_data={"linkedin_member_id": "5"})])  # fmt: skip
    found = find_anomalies(ten, settings, now=NOW)
    shown = tables.anomalies(found).frame.to_string() + repr(found)
    for secret in ("jane.secret", "JANET", "SECRETSON", "4155550199", "secretslug"):
        assert secret not in shown, secret


def test_leads_that_share_a_switchboard_are_told_and_not_counted_as_duplicates(ten, settings):
    ten.insert_many([lead(f"desk{n}", phone="+14155550100") for n in range(6)])
    ten.insert_many([lead(f"twice{n}", additional_data={"linkedin_member_id": "5"}) for n in range(2)])
    found = find_anomalies(ten, settings, now=NOW)
    (check,) = checks_of({"FIN-ANOM-001": checks.anomalies(found, DataFrame(), 18)["FIN-ANOM-001"]}, settings)
    assert check.measured == 2 and check.evidence.startswith("1 of 3 rules found something among 18 leads")
    assert "Not counted" in check.evidence and "one phone number on five leads or more: 6" in check.evidence
    assert {each.rule.name for each in found if each.rule.kind == "shared"} == {
        "one phone number on five leads or more"
    }


def test_test_domains_are_allowed_on_rehearsal_only(ten, settings):
    ten.insert_one(lead("zoe", email="zoe@acme.example.com"))
    name = "throw-away or test e-mail domain"
    production = settings.model_copy(update={"profile": "production"})
    for chosen, count in ((settings, 0), (production, 1)):
        found = {each.rule.name: each.leads for each in find_anomalies(ten, chosen, now=NOW)}
        assert found[name] == count


def test_two_people_with_plain_different_addresses_are_no_duplicates(ten, settings):
    ten.insert_many([lead("kim", email="j.doe@acme.test"), lead("lou", email="jdoe@acme.test")])
    found = {each.rule.name: each.leads for each in find_anomalies(ten, settings, now=NOW)}
    assert found["one mailbox under several spellings"] == 0, "only Gmail ignores dots"


def test_anomalies_warn_and_never_fail(ten, settings):
    ten.insert_many(
        [lead(f"odd{n}", **fields) for n, fields in enumerate(PLANTED["one mailbox under several spellings"])]
    )
    found = find_anomalies(ten, settings, now=NOW)
    outliers = source_outliers(completeness(ten))
    made = {check.id: check for check in checks_of(checks.anomalies(found, outliers, 12), settings)}
    assert made["FIN-ANOM-001"].verdict is Verdict.WARN and made["FIN-ANOM-001"].measured == 2
    assert made["FIN-ANOM-002"].verdict is Verdict.PASS and made["FIN-ANOM-004"].verdict is Verdict.WARN


def test_without_leads_nothing_is_measured(leads, settings):
    found = find_anomalies(leads, settings)
    made = checks_of(checks.anomalies(found, source_outliers(completeness(leads)), 0), settings)
    assert {check.verdict for check in made} == {Verdict.NOT_MEASURED}
