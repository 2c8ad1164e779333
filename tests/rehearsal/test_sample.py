"""The made sample: deterministic, and exactly what its facts say."""

from collections import Counter

import pytest

from ingest.task_book_validator import violations
from leadbook.core.settings import Settings
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.readers.records import read_records
from leadbook.ingest.store.merge import additions
from leadbook.lead.score import Rules
from leadbook.lead.vendors import load_vendor
from leadbook.rehearsal.sample import documents, write_sample


def read_all(facts):
    """(unique leads by URL, repeats, rejects by reason, flags), by the pure half of the pipeline."""
    leads, repeats, rejected, flags = {}, 0, Counter(), Counter()
    fills = 0
    for file in facts.files:
        vendor, count = load_vendor(file.vendor), 0
        for record in read_records(file.path, vendor):
            count += 1
            if record.problem:
                rejected[record.problem] += 1
                continue
            cleaned = clean(record.payload, vendor)
            reasons = reject_reasons(cleaned.lead, cleaned)
            if reasons:
                rejected[reasons[0]] += 1
                continue
            assert violations(cleaned.lead) == []
            url = cleaned.lead["linkedin_url"]
            if url in leads:
                repeats += 1
                fills += bool(additions(leads[url], cleaned.lead))
            flags.update(cleaned.flags)
            leads[url] = cleaned.lead | leads.get(url, {})
        assert count == file.records
    assert fills == facts.fills
    return leads, repeats, dict(sorted(rejected.items())), flags


@pytest.mark.parametrize(("records", "seed"), [(26_000, 20_000), (3_000, 7), (500, 1), (100, 2)])
def test_the_facts_are_true(tmp_path, records, seed):
    facts = write_sample(tmp_path, records=records, seed=seed)
    leads, repeats, rejected, flags = read_all(facts)
    assert (len(leads), repeats, rejected) == (facts.unique, facts.repeats, facts.rejected)
    assert facts.records == records == facts.unique + facts.repeats + sum(facts.rejected.values())
    assert len({lead["email"] for lead in leads.values() if "email" in lead}) == facts.with_email
    assert flags["email_guessed"] >= facts.shared_emails
    company = ("company_industry", "company_website", "company_size")
    assert sum(all(lead.get(field) for field in company) for lead in leads.values()) == facts.with_company


def test_the_targets_are_within_reach(tmp_path):
    facts = write_sample(tmp_path, records=26_000, seed=20_000)
    assert facts.unique >= 20_000
    assert 0.40 < facts.with_email / facts.unique < 0.50
    assert 0.83 < facts.with_company / facts.unique < 0.90
    assert facts.fills > 2_000 and facts.repeats > facts.fills and facts.shared_emails and facts.two_urls


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    one, two, other = (
        write_sample(tmp_path / name, records=400, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    for first, second, third in zip(one.files, two.files, other.files, strict=True):
        assert first.path.read_bytes() == second.path.read_bytes() != third.path.read_bytes()


def test_documents_are_whole_unique_and_fit_the_validator():
    made = documents(3_000, 5) + documents(3_000, 5, start=3_000)
    mails = [one["email"] for one in made if "email" in one]
    assert len({one["linkedin_url"] for one in made}) == 6_000 and len(mails) == len(set(mails))
    assert all(violations(one) == [] for one in made)
    assert all(value is not None for one in made for value in one.values())
    assert all(made[0].keys() - one.keys() <= {"email"} for one in made)
    assert documents(2, 5, start=10) == documents(12, 5)[10:]


def test_documents_are_qualified_by_the_rule_as_the_sprints_leads_are():
    made, rules = documents(2_600, 5), Rules.of(Settings())
    assert all(one["is_qualified"] is rules.qualifies(one, one["data_quality_score"]) for one in made)
    assert all(rules.points(one) == one["additional_data"]["quality_points"] for one in made)
    assert {one["is_qualified"] for one in made if "email" not in one} == {False}
    share = sum(one["is_qualified"] for one in made) / len(made)
    assert 0.38 < share < 0.48, "43 % of a sprint's leads are, not all with a fitting title"
