"""What is stored is held against what the input holds: what is wrong is found, and nothing where all is right."""

from dataclasses import replace

import pytest

from ingest.vendor_records import contact, person
from leadbook.ingest import pipeline
from leadbook.lead.keys import linkedin_key
from leadbook.lead.score import Rules
from leadbook.phases.p04 import contents, documents, duplicates, lookups, quality, rules, runs
from leadbook.phases.p04.contents import FullRun
from leadbook.phases.p04.inputs import Inputs
from leadbook.rehearsal import sample


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return sample.write_sample(tmp_path_factory.mktemp("sample"), records=1000, seed=5)


def given(made):
    return Inputs(files=tuple((one.path, one.vendor) for one in made.files), facts=made)


@pytest.fixture
def run(site, leads, made):
    result = pipeline.run(list(given(made).sources()), site, workers=1)
    held = contents.planted(made, contents.second_pass(given(made).sources()))
    return FullRun(result=result, held=held)


def verdict(checks, check_id):
    return next(check.verdict.value for check in checks if check.id == check_id)


def test_a_sound_run_is_found_sound(run, leads, made, settings):
    passed = contents.second_pass(given(made).sources())
    assert (passed.read, passed.unique, passed.rejects) == (made.records, made.unique, sum(made.rejected.values()))
    assert passed.urls < run.held.urls and (passed.valid, passed.unique) == (run.held.valid, run.held.unique)
    for held in (passed, run.held):
        assert contents.accuracy(replace(run, held=held), leads).percent == 100
    assert not any(quality.broken_formats(leads).values())
    scores = quality.stored_scores(leads, Rules.of(settings))
    assert (scores.wrong, scores.leads, scores.max_points) == (0, made.unique, 120)
    assert scores.mean >= 80
    checks = (*runs.ledger_checks(run), *runs.batch_checks(run.result, 100))
    assert {check.verdict.value for check in checks} == {"pass"}
    assert "planted" in checks[2].evidence


def test_a_missing_an_extra_and_a_doubled_lead_are_found(run, leads):
    leads.drop_index("idx_linkedin_url_unique")
    some = list(leads.find({}, {"_id": 0, "email": 0}).limit(2))
    leads.delete_one({"linkedin_url": some[0]["linkedin_url"]})
    leads.insert_one({**some[1]})
    leads.insert_one({**some[1], "linkedin_url": "https://www.linkedin.com/in/somebody-else"})
    found = contents.accuracy(run, leads)
    assert (found.missing, found.extra, found.doubled) == (1, 1, 1)
    assert found.percent < 100


def test_leads_written_by_somebody_else_break_formats_and_scores(run, leads, settings):
    required = {"linkedin_url": "http://linkedin.com/in/X", "full_name": "X", "job_title": "", "company_name": "Y"}
    wrong = {"email": "X@Y.Example", "phone": "030 123", "is_qualified": "yes", "crm_sync_date": None}
    leads.insert_one(required | wrong | {"data_quality_score": 12})
    broken = [rule for rule, count in quality.broken_formats(leads).items() if count]
    assert len(broken) == 7
    assert quality.stored_scores(leads, Rules.of(settings)).wrong == 1
    leads.update_one({"linkedin_url": {"$ne": "http://linkedin.com/in/X"}}, {"$inc": {"data_quality_score": -1}})
    assert quality.stored_scores(leads, Rules.of(settings)).wrong == 2


@pytest.mark.parametrize("qualified", [True, False])
def test_a_lead_that_is_qualified_wrongly_is_found_whichever_way(run, leads, settings, qualified):
    leads.update_one({"is_qualified": not qualified}, {"$set": {"is_qualified": qualified}})
    scores = quality.stored_scores(leads, Rules.of(settings))
    assert verdict(quality.score_checks(scores, settings), "PIPE-SCR-001") == "fail"


def test_an_empty_run_is_not_measured_rather_than_passed(leads, settings):
    nothing, held = pipeline.PipelineResult(), contents.second_pass([])
    empty = FullRun(result=nothing, held=held)
    checks = [*runs.ledger_checks(empty), *runs.batch_checks(nothing, 500), documents.issue_check(nothing)]
    checks += quality.format_checks(quality.broken_formats(leads), 0, held.fill_rates)
    checks += quality.score_checks(quality.stored_scores(leads, Rules.of(settings)), settings)
    found = contents.accuracy(empty, leads)
    checks += duplicates.duplicate_checks(found, held.told_by, nothing, nothing, settings)
    assert {check.verdict.value for check in checks} == {"not measured"}


def test_a_failed_record_fails_and_an_unbalanced_count_fails(run):
    other = replace(run, held=replace(run.held, unique=run.held.unique - 1))
    assert verdict(runs.ledger_checks(other), "PIPE-LED-003") == "fail"
    run.result.ledger = pipeline.Ledger.of(
        [*["stored"] * (run.result.ledger.read - 1), "failed"], read=run.result.ledger.read
    )
    assert verdict(runs.ledger_checks(run), "PIPE-LED-002") == "fail"


@pytest.mark.parametrize(
    ("size", "read", "verdicts"),
    [(500, (500, 500, 120), ["pass", "pass"]), (500, (40,), ["pass", "not applicable"]),
     (50, (50, 50, 20), ["pass", "fail"]), (800, (800, 30), ["fail", "pass"])],
)  # fmt: skip
def test_batches_of_another_size_than_the_task_books_are_found(size, read, verdicts):
    parts = [(index, "a", pipeline.Ledger.of(["stored"] * count, read=count)) for index, count in enumerate(read)]
    checks = runs.batch_checks(pipeline.PipelineResult(batches=parts), size)
    assert [check.verdict.value for check in checks] == verdicts


def test_fill_rates_look_into_nested_columns(vendor_file):
    paths = (vendor_file(person("ana"), person("ben", current_company={}), name="b.jsonl"),
             vendor_file(contact("cleo", Email="--"), name="a.jsonl"))  # fmt: skip
    source = Inputs(files=tuple(zip(paths, ("brightdata", "apollo"), strict=True)))
    rates = contents.second_pass(source.sources()).fill_rates.set_index("field")
    assert rates.loc["company_website", "before"] == 50, "of the two that are valid"
    assert rates.loc["email", "after"] == 0


def test_rejects_without_an_address_do_not_hide_that_cleaning_lost_addresses(vendor_file):
    rejects = [contact(f"reject-{n}", Email=None, **{"First Name": None, "Last Name": None}) for n in range(10)]
    kept, lost = ([contact(f"{kind}-{n}", **more) for n in range(5)]
                  for kind, more in (("kept", {}), ("lost", {"Email": "no address"})))  # fmt: skip
    source = Inputs(files=((vendor_file(*rejects, *kept, *lost, name="a.jsonl"), "apollo"),))
    seen = contents.second_pass(source.sources())
    assert (seen.read, seen.valid) == (20, 10)
    assert list(seen.fill_rates.set_index("field").loc["email"]) == [100, 50]
    assert verdict(quality.format_checks({}, 10, seen.fill_rates), "PIPE-MAP-003") == "fail"


def test_every_probe_comes_out_as_stated(database, settings):
    writes, said = rules.probed_writes(database, settings)
    assert len(writes) == 7 and not rules.wrong([*rules.probed_rules(), *writes]) and "stores 1" in said
    assert not rules.vendors_lacking()
    assert not [name for name in database.list_collection_names() if name.startswith("leadbook_scratch_")]


def test_lookups_count_round_trips_and_answers(site, run, leads, clean_redis, settings):
    found = lookups.look_up(site, clean_redis, leads, rounds=2)
    assert (found.round_trips, found.answered, found.leads) == (2, 500, 500)
    assert lookups.look_up(site, None, leads, rounds=2).redis_ms is None


def test_keys_are_read_before_they_are_written_again(site, run, leads, clean_redis, settings):
    gone = [lead["linkedin_url"] for lead in leads.find().limit(settings.batch_size)][:3]
    for url in gone:
        assert clean_redis.delete(site.keys + linkedin_key(url))
    found = lookups.look_up(site, clean_redis, leads, rounds=2)
    assert (found.answered, found.known) == (found.leads - 3, found.leads - 3)
    assert verdict(duplicates.lookup_checks(found, settings), "PIPE-N8N-004") == "fail"


def test_a_key_that_does_not_name_its_lead_is_no_right_answer(site, run, leads, clean_redis, settings):
    found = lookups.look_up(site, clean_redis, leads, rounds=2)
    checks = duplicates.lookup_checks(replace(found, answered=1), settings)
    assert verdict(checks, "PIPE-N8N-004") == "fail"
