"""Score, qualification and stamps follow the parameters."""

import pytest

from leadbook.core.settings import Settings
from leadbook.lead.clock import now_ms
from leadbook.lead.score import Rules, stamp
from leadbook.rehearsal import people

LEAD = {
    "linkedin_url": "https://www.linkedin.com/in/ana", "full_name": "Ana", "job_title": "Growth Lead",
    "company_name": "Acme",
}  # fmt: skip
COMPANY = {"company_website": "https://acme.example", "company_industry": "Retail", "company_size": "11-50"}


def rules(**overrides):
    return Rules.of(Settings.from_mapping(overrides))


@pytest.mark.parametrize(
    ("extra", "points", "score"),
    [({}, 80, 80), ({"email": "a@b.example"}, 100, 100), (COMPANY, 100, 100),
     ({"email": "a@b.example", **COMPANY}, 120, 100),
     ({"company_website": "https://acme.example"}, 80, 80)],
)  # fmt: skip
def test_points_of_120_and_score_of_100(extra, points, score):
    judged = rules().judged({**LEAD, **extra})
    assert (judged["additional_data.quality_points"], judged["data_quality_score"]) == (points, score)


def test_weights_are_parameters():
    mine = rules(points_required_field=10, points_email=30, complete_company_fields="company_size")
    assert mine.points({**LEAD, "email": "a@b.example", "company_size": "1"}) == 40 + 30 + 20
    assert mine.max_points == 90


TITLES = {
    "Performance Marketing Manager": True, "PPC specialist": True, "Head of Digital": True, "Marketers' guild": True,
    "SEM/SEO Lead": True, "Demand Generation Director": True, "Director of Demand Generation": True,
    "Head of Demand Gen": True, "Demand-Gen Lead": True, "DemandGen Manager": True, "VP, DEMAND GENERATION": True,
    "Paid Social Manager": True, "Paid-Media Buyer": True, "Acquisitions Lead": True,
    "Semiconductor engineer": False, "Seminar host": False, "Assembly lead": False, "Accountant": False,
    "Supply and Demand Planner": False, "On Demand Engineer": False, "Oppct Analyst": False,
    "Unpaid Media Intern": False, "Telemarketing Agent": False, "Digitalis Researcher": False, "Sémantique": False,
    "": False,
}  # fmt: skip


@pytest.mark.parametrize(("title", "qualified"), TITLES.items())
def test_a_title_qualifies_by_whole_words_whose_last_may_go_on(title, qualified):
    assert rules().judged({**LEAD, "job_title": title, "email": "a@b.example"})["is_qualified"] is qualified


def test_the_server_judges_titles_as_python_does(leads):
    titles = [*TITLES, "МАРКЕТИНГ lead", "Телемаркетинг", "semé", None, 7]
    mine = rules(qualified_title_patterns=Settings().qualified_title_patterns + ", маркетинг")
    leads.insert_many([{**LEAD, "linkedin_url": f"u{number}", "job_title": title, "email": f"{number}@b.example",
                        "data_quality_score": 80} for number, title in enumerate(titles)])  # fmt: skip
    said = leads.aggregate([{"$set": {"said": mine.qualifying()}}, {"$sort": {"_id": 1}}])
    here = [mine.qualifies({"job_title": title, "email": "a@b.example"}, 80) for title in titles]
    assert [lead["said"] for lead in said] == here and sum(here) > 10


@pytest.mark.parametrize("lacking", [{"email": None}, {"data_quality_score": 70}, {"job_title": "Recruiter"}])
def test_the_server_asks_for_score_email_and_title(leads, lacking):
    good = {**LEAD, "email": "a@b.example", "data_quality_score": 80}
    leads.insert_many([good, {**good, "linkedin_url": "v", "email": "c@b.example", **lacking}])
    found = leads.aggregate([{"$sort": {"_id": 1}}, {"$set": {"said": rules().qualifying()}}])
    assert [lead["said"] for lead in found] == [True, False]


def test_each_made_marketer_has_a_title_that_qualifies():
    assert [title for title in people.TITLES if not rules().title.search(title)] == []


def test_without_email_or_score_nobody_qualifies():
    assert rules().judged(LEAD)["is_qualified"] is False
    assert (
        rules(qualified_min_score=100, points_email=0).judged({**LEAD, "email": "a@b.example"})["is_qualified"] is False
    )


def test_no_patterns_qualify_nobody():
    assert rules(qualified_title_patterns=" ").judged({**LEAD, "email": "a@b.example"})["is_qualified"] is False


def test_a_stamped_lead_has_defaults_and_times_and_no_nulls():
    at = now_ms()
    lead = stamp(dict(LEAD), rules(), at)
    assert lead["created_at"] == lead["updated_at"] == lead["data_collected_date"] == at
    assert (lead["email_verified"], lead["crm_synced"], lead["is_qualified"]) == (False, False, False)
    assert "crm_sync_date" not in lead and None not in lead.values()
    assert at.microsecond % 1000 == 0


def test_the_vendors_date_of_collection_is_kept():
    collected = now_ms().replace(year=2024)
    assert stamp({**LEAD, "data_collected_date": collected}, rules(), now_ms())["data_collected_date"] == collected
