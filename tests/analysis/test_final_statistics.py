"""Final statistics, completeness and cost: each number is the one that was stored."""

from collections import Counter
from datetime import UTC, datetime

import pytest

from leadbook.analysis.completeness import completeness, source_outliers
from leadbook.analysis.queries import COUNTERPARTS, queries
from leadbook.analysis.sessions import IngestSession
from leadbook.analysis.statistics import cost_per_qualified, read_statistics
from leadbook.analysis.totals import Totals, read_totals
from leadbook.core.checks import Verdict
from leadbook.phases.judging import checks_of
from leadbook.phases.p09 import checks, tables
from leadbook.phases.p09.documents import score_sentence


def files(read, stored=0, rejected=0, failed=0, names=("a.csv",), end="ended", content=""):
    told = Counter(read=read, stored=stored, rejected=rejected, failed=failed)
    told["duplicate"] = read - stored - rejected - failed
    marks = (content,) if content else ()
    return IngestSession(id=str(read), source="files", names=names, vendor="apollo", end=end, told=told,
                         contents=marks, paths=marks and ("p",))  # fmt: skip


def judged(told, settings):
    return {check.id: check for check in checks_of(told, settings)}


def test_the_statistics_are_what_was_stored(ten, settings):
    found = read_statistics(ten, settings)
    assert (found.total, found.unique, found.email, found.company, found.qualified) == (10, 10, 4, 8, 3)
    assert found.by_source == {"Apollo": 8, "BrightData": 2}
    assert found.by_score == {80: 2, 100: 8} and found.by_points == {80: 2, 100: 4, 120: 4}
    assert (found.mean_score, found.mean_points, found.max_points) == (96.0, 104.0, 120)


def test_the_sentence_tells_that_the_score_cannot_miss_its_target(ten, settings):
    text = score_sentence(read_statistics(ten, settings))
    assert "96.0" in text and "104.0 of 120 (86.7 %)" in text and "cannot score below 80" in text


def test_targets_stand_beside_what_was_counted(database, ten, settings):
    found = read_statistics(ten, settings)
    totals = read_totals(database["raw_leads"], [files(25_000, stored=10)])
    made = judged({**checks.counts(found, totals), **checks.quality(found)}, settings)
    assert made["FIN-COUNT-001"].verdict is Verdict.PASS and made["FIN-COUNT-001"].measured == 25_000
    assert made["FIN-COUNT-002"].verdict is Verdict.FAIL and made["FIN-COUNT-002"].measured == 10
    assert made["FIN-COUNT-004"].verdict is Verdict.WARN, "a stretch goal never fails"
    assert made["FIN-QUAL-002"].measured == 40.0 and made["FIN-QUAL-002"].verdict is Verdict.PASS
    assert made["FIN-QUAL-003"].measured == 80.0 and made["FIN-QUAL-003"].verdict is Verdict.FAIL, "more than 80"


def test_files_are_counted_once_however_often_they_are_brought_in(database):
    aborted, again = files(600, stored=500, failed=100, end="dead"), files(1_000, stored=450, rejected=50)
    third, other = files(1_000, rejected=50), files(7, stored=7, names=("b.csv",))
    totals = read_totals(database["raw_leads"], [aborted, again, third, other])
    assert totals.records == 1_007 and totals.files_stored == 957 and "a.csv (brought in 3 times)" in totals.source
    assert dict(totals.of_files) == {"stored": 957, "rejected": 50}
    restored = read_totals(database["raw_leads"], [again, files(1_000, stored=200, rejected=50)])
    assert restored.files_stored == 450, "what a later run stored had been lost meanwhile"


def test_files_of_one_name_and_other_content_are_several(database):
    cut, other = files(600, stored=400, rejected=100, failed=100, end="dead", content="c1"), files(300, content="c2")
    totals = read_totals(database["raw_leads"], [cut])
    assert totals.of_files["failed"] == 100
    mended = read_totals(database["raw_leads"], [cut, other, files(300, content="c2")])
    assert mended.records == 900 and mended.again == ("a.csv (brought in 2 times)",)
    assert mended.of_files == {"stored": 400, "rejected": 100, "duplicate": 400}, "it was mended since"
    old = read_totals(database["raw_leads"], [files(200), cut, other, files(100)])
    assert old.records == 900 and old.again == ("a.csv (brought in 3 times)",), "older sessions go by the name"


def test_an_empty_collection_fails_the_counts_and_measures_no_quality(leads, settings):
    found = read_statistics(leads, settings)
    told = {**checks.counts(found, Totals()), **checks.quality(found), **checks.completeness(completeness(leads))}
    made = judged({**told, **checks.cost(found, settings)}, settings)
    assert made["FIN-COUNT-001"].verdict is Verdict.FAIL and made["FIN-COUNT-002"].verdict is Verdict.FAIL
    for check in ("FIN-QUAL-001", "FIN-QUAL-002", "FIN-QUAL-003", "FIN-SRC-001", "FIN-SCORE-001", "FIN-COMP-001",
                  "FIN-COST-001"):  # fmt: skip
        assert made[check].verdict is Verdict.NOT_MEASURED, check


def test_the_cost_is_the_sprint_by_qualified_leads(ten, settings):
    found = read_statistics(ten, settings)
    paid = settings.model_copy(update={"sprint_cost_usd": 1.5})
    assert cost_per_qualified(found, paid) == 0.5
    assert judged(checks.cost(found, paid), paid)["FIN-COST-001"].verdict is Verdict.PASS
    assert "assumption" in judged(checks.cost(found, paid), paid)["FIN-COST-001"].evidence
    dear = settings.model_copy(update={"sprint_cost_usd": 3.0})
    assert judged(checks.cost(found, dear), dear)["FIN-COST-001"].verdict is Verdict.FAIL
    nobody = paid.model_copy(update={"profile": "production"})
    check = judged(checks.cost(found, nobody), nobody)["FIN-COST-001"]
    assert check.verdict is Verdict.NOT_MEASURED and "sprint_cost_basis" in check.remedy, "the default is a rehearsal's"
    told = nobody.model_copy(update={"sprint_cost_basis": "invoices of May"})
    assert "invoices of May" in judged(checks.cost(found, told), told)["FIN-COST-001"].evidence
    unknown = settings.model_copy(update={"sprint_cost_usd": 0.0})
    assert judged(checks.cost(found, unknown), unknown)["FIN-COST-001"].verdict is Verdict.NOT_MEASURED


def test_completeness_counts_neither_null_nor_blank(leads, settings):
    collection = leads.database["leadbook_scratch_fields"]
    collection.insert_many([
        {"linkedin_url": "a", "full_name": "A", "job_title": "  ", "company_name": None, "data_source": "s",
         "is_qualified": False},
        {"linkedin_url": "b", "full_name": "B", "job_title": "x", "company_name": "c", "data_source": "t"},
    ])  # fmt: skip
    frame = completeness(collection)
    overall = frame[frame["source"] == "all"].set_index("field")["present"]
    assert [overall[name] for name in ("full_name", "job_title", "company_name", "is_qualified")] == [2, 1, 1, 1]
    check = judged(checks.completeness(frame), settings)["FIN-COMP-001"]
    assert check.verdict is Verdict.FAIL and check.measured == 2


def test_a_source_that_fills_a_field_much_less_is_found(ten):
    found = source_outliers(completeness(ten))
    assert ("BrightData", "company_industry") in set(zip(found["source"], found["field"], strict=True))
    assert "Apollo" not in set(found["source"])


def test_the_table_of_counterparts_names_every_statement_of_the_task_book():
    frame = tables.counterparts().frame
    assert len(frame) == len(queries()) + len(COUNTERPARTS)
    left = " ".join(frame["task book (SQL)"])
    for word in ("COUNT(DISTINCT linkedin_url)", "AVG(data_quality_score)", "VACUUM ANALYZE", "COPY", "shared_buffers"):
        assert word in left


def test_the_counterparts_can_be_pasted_and_a_day_is_a_day():
    run = dict(zip(*(tables.counterparts().frame[name] for name in ("remark", "run here (MongoDB)")), strict=True))
    assert run["leads with an e-mail; by index"] == 'aggregate([{$match: {email: {$gt: ""}}}, {$count: "count"}])'
    assert 'data_collected_date: {$gte: ISODate("' in run["leads of one day; by index"]
    (day,) = (one for one in queries(datetime(2026, 5, 2, 9, 30, tzinfo=UTC)) if one.name == "leads of one day")
    assert day.pipeline[0]["$match"] == {"data_collected_date": {"$gte": datetime(2026, 5, 1, tzinfo=UTC)}}


@pytest.mark.parametrize("query", queries(), ids=lambda query: query.name)
def test_queries_only_read(query):
    stages = {name for stage in query.pipeline for name in stage}
    assert not stages & {"$out", "$merge"}
