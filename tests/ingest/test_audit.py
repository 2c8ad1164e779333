"""Independent recounts find what is wrong, and nothing where all is right."""

import json
from dataclasses import replace

import pytest

from ingest.vendor_records import contact, person
from leadbook.ingest import pipeline
from leadbook.ingest.drain import drain
from leadbook.lead.score import Rules
from leadbook.phases.p04 import audit, probes, verdicts
from leadbook.phases.p04.inputs import Inputs, choose
from leadbook.rehearsal import sample


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return sample.write_sample(tmp_path_factory.mktemp("sample"), records=1000, seed=5)


def given(made):
    return Inputs(files=tuple((one.path, one.vendor) for one in made.files), facts=made)


@pytest.fixture
def run(site, leads, made):
    return pipeline.run(list(given(made).sources()), site, workers=1)


def verdict(checks, check_id):
    return next(check.verdict.value for check in checks if check.id == check_id)


def test_a_sound_run_is_found_sound(run, leads, made, settings):
    truth = audit.recount(given(made).sources())
    assert (truth.read, len(truth.urls)) == (made.records, made.unique)
    assert audit.accuracy(truth, run, leads).percent == 100
    assert audit.formats(leads).total == 0
    scores = audit.scores(leads, Rules.of(settings))
    assert (scores.wrong, scores.leads, scores.max_points) == (0, made.unique, 120)
    assert scores.mean >= 80
    checks = verdicts.ledger_checks(run, truth)
    assert {check.verdict.value for check in checks} == {"pass"}


def test_a_missing_an_extra_and_a_doubled_lead_are_found(run, leads, made):
    truth = audit.recount(given(made).sources())
    leads.drop_index("idx_linkedin_url_unique")
    some = list(leads.find({}, {"_id": 0, "email": 0}).limit(2))
    leads.delete_one({"linkedin_url": some[0]["linkedin_url"]})
    leads.insert_one({**some[1]})
    leads.insert_one({**some[1], "linkedin_url": "https://www.linkedin.com/in/somebody-else"})
    found = audit.accuracy(truth, run, leads)
    assert (found.missing, found.extra, found.doubled) == (1, 1, 1)
    assert found.percent < 100


def test_leads_written_by_somebody_else_break_formats_and_scores(run, leads, settings):
    required = {"linkedin_url": "http://linkedin.com/in/X", "full_name": "X", "job_title": "", "company_name": "Y"}
    wrong = {"email": "X@Y.Example", "phone": "030 123", "is_qualified": "yes", "crm_sync_date": None}
    leads.insert_one(required | wrong | {"data_quality_score": 12})
    broken = [rule for rule, count in audit.formats(leads).violations.items() if count]
    assert len(broken) == 7
    assert audit.scores(leads, Rules.of(settings)).wrong == 1
    leads.update_one({"linkedin_url": {"$ne": "http://linkedin.com/in/X"}}, {"$inc": {"data_quality_score": -1}})
    assert audit.scores(leads, Rules.of(settings)).wrong == 2


def test_an_empty_run_is_not_measured_rather_than_passed(leads, settings):
    nothing = pipeline.PipelineResult()
    checks = verdicts.ledger_checks(nothing, audit.Recount())
    checks += verdicts.quality_checks(audit.formats(leads), audit.Recount().fill_rates(),
                                      audit.scores(leads, Rules.of(settings)), settings)  # fmt: skip
    checks.append(verdicts.issue_check(verdicts.issues(nothing), 0))
    found = audit.accuracy(audit.Recount(), nothing, leads)
    checks += verdicts.duplicate_checks(found, nothing, nothing, settings)
    assert {check.verdict.value for check in checks} == {"not measured"}


def test_a_failed_record_fails_and_an_unbalanced_count_fails(run, made):
    truth = audit.recount(given(made).sources())
    truth.urls.pop()
    assert verdict(verdicts.ledger_checks(run, truth), "PIPE-LED-003") == "fail"
    run.ledger = pipeline.Ledger.of([*["stored"] * (run.ledger.read - 1), "failed"], read=run.ledger.read)
    assert verdict(verdicts.ledger_checks(run, truth), "PIPE-LED-002") == "fail"


def test_fill_rates_look_into_nested_columns(vendor_file):
    paths = (vendor_file(person("ana"), person("ben", current_company={}), name="b.jsonl"),
             vendor_file(contact("cleo", Email="--"), name="a.jsonl"))  # fmt: skip
    source = Inputs(files=tuple(zip(paths, ("brightdata", "apollo"), strict=True)))
    rates = audit.recount(source.sources()).fill_rates().set_index("field")
    assert rates.loc["company_website", "before"] == pytest.approx(100 / 3)
    assert rates.loc["email", "after"] == 0


def test_every_probe_comes_out_as_stated(site, database):
    writes, said = probes.write_errors(site, database)
    assert all(probe.right for probe in [*probes.rules(), *writes]) and "stores 1" in said
    assert not probes.vendors_lacking()
    assert not [name for name in database.list_collection_names() if name.startswith("leadbook_scratch_")]


def test_lookups_count_round_trips_and_answers(site, run, leads, clean_redis, settings):
    found = probes.lookups(site, clean_redis, leads, rounds=2)
    assert (found.round_trips, found.answered, found.leads) == (2, 500, 500)
    assert probes.lookups(site, None, leads, rounds=2).redis_ms is None


def test_production_without_files_or_staged_records_has_no_input(settings, database, tmp_path):
    real = settings.model_copy(update={"profile": "production"})
    staging = database[settings.staging_collection]
    assert choose(real, tmp_path, staging) is None
    staging.insert_one({"vendor": "brightdata", "payload": person("ana")})
    sources = list(choose(real, tmp_path, staging).sources())
    assert [(source.vendor, len(list(source.records))) for source in sources] == [("brightdata", 1)]
    assert not list(tmp_path.iterdir())


def test_leads_qualified_by_other_patterns_are_found_and_the_remedy_judges_them_anew(run, leads, settings):
    rules = Rules.of(settings)
    changed = leads.update_many({"is_qualified": True, "job_title": "PPC Manager"}, {"$set": {"is_qualified": False}})
    assert audit.scores(leads, rules).wrong == changed.modified_count > 0
    assert leads.update_many(*rules.rejudging()).modified_count == changed.modified_count
    assert audit.scores(leads, rules).wrong == 0
    found = replace(audit.scores(leads, rules), wrong=1)
    checks = verdicts.quality_checks(audit.formats(leads), audit.Recount().fill_rates(), found, settings)
    remedy = next(check.remedy for check in checks if check.id == "PIPE-SCR-001")
    assert all(json.dumps(part, ensure_ascii=False) in remedy for part in rules.rejudging())


def test_a_recount_counts_records_of_unknown_vendors_and_of_none(site, leads, settings, database, tmp_path):
    real = settings.model_copy(update={"profile": "production"})
    staging = database[settings.staging_collection]
    staging.insert_many(
        [{"vendor": vendor, "payload": person("ana")} for vendor in ("brightdata", "zoomy", None, ["a"])]
    )
    staging.insert_one({"payload": person("ben")})
    given = choose(real, tmp_path, staging)
    for sources in (given.sources(), list(given.sources())):  # one by one, and all made before the first is read
        truth = audit.recount(sources)
        assert (truth.read, truth.valid, len(truth.urls)) == (5, 1, 1)
    result = drain(site, workers=1)
    checks = verdicts.ledger_checks(result, audit.recount(given.sources()))
    assert {check.verdict.value for check in checks} == {"pass"}
