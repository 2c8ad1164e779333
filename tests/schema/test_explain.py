"""Explain read from every generation of server, and the task book's queries held to their contracts."""

import re

import pytest

from leadbook.core.checks import Verdict
from leadbook.core.definitions import definition
from leadbook.phases.judging import attempt
from leadbook.phases.p02 import documents, plan_verdicts
from leadbook.rehearsal import sample
from leadbook.schema.contracts import example_lead, measure_contracts
from leadbook.schema.explain import Contract, PlanFacts, QueryResult, read_plan
from leadbook.schema.indexes import INDEXES
from leadbook.schema.scratch import SCRATCH_PREFIX
from leadbook.schema.state import apply
from leadbook.schema.studies import QueryStudy, study

NAMED = {index.name: index for index in INDEXES}

STATS = {"nReturned": 1, "executionTimeMillis": 3, "totalKeysExamined": 2, "totalDocsExamined": 1,
         "executionStages": {"stage": "COLLSCAN"}}  # fmt: skip
IXSCAN = {"stage": "IXSCAN", "indexName": "idx_a", "keyPattern": {"a": 1}}
FETCH = {"stage": "FETCH", "inputStage": IXSCAN}

SHAPES = {
    "classic": {"queryPlanner": {"winningPlan": FETCH, "rejectedPlans": [{"stage": "COLLSCAN"}]}},
    "slot-based engine": {
        "queryPlanner": {
            "winningPlan": {"queryPlan": {"planNodeId": 2, **FETCH}, "slotBasedPlan": {"stages": "[1] scan"}},
            "rejectedPlans": [{"queryPlan": {"stage": "COLLSCAN"}}],
        }
    },
    "express": {
        "queryPlanner": {"winningPlan": {"isCached": False, "stage": "EXPRESS_IXSCAN", "keyPattern": "{ a: 1 }",
                                         "indexName": "idx_a"}}
    },
    "sharded": {
        "queryPlanner": {
            "winningPlan": {
                "stage": "SHARD_MERGE",
                "shards": [{"shardName": "s0", "winningPlan": FETCH, "rejectedPlans": [{"stage": "COLLSCAN"}]},
                           {"shardName": "s1", "winningPlan": {"queryPlan": FETCH}, "rejectedPlans": []}],
            }
        }
    },
    "aggregation": {"stages": [{"$cursor": {"queryPlanner": {"winningPlan": FETCH}}}, {"$group": {"_id": 1}}]},
    "sharded aggregation": {
        "shards": {"s0": {"stages": [{"$cursor": {"queryPlanner": {"winningPlan": FETCH}}}]},
                   "s1": {"queryPlanner": {"winningPlan": {"queryPlan": FETCH}}}}
    },
    "or": {"queryPlanner": {"winningPlan": {"stage": "SUBPLAN", "inputStage": {"stage": "FETCH", "inputStage": {
        "stage": "OR", "inputStages": [IXSCAN, {**IXSCAN, "indexName": "idx_b"}]}}}}},
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_of_plan_is_walked_and_rejected_plans_are_not(name):
    facts = read_plan({**SHAPES[name], "executionStats": STATS})
    assert facts.indexes[0] == "idx_a"
    assert facts.collection_scan is False
    assert (facts.keys_examined, facts.docs_examined, facts.returned, facts.millis) == (2, 1, 1, 3.0)


def test_all_indexes_of_an_or_are_named():
    assert read_plan(SHAPES["or"]).indexes == ("idx_a", "idx_b")


@pytest.mark.parametrize(
    "plan",
    [
        {"stage": "COLLSCAN"},
        {"queryPlan": {"stage": "COLLSCAN"}},
        {"stage": "SORT", "inputStage": {"stage": "COLLSCAN"}},
        {"stage": "SHARD_MERGE", "shards": [{"winningPlan": FETCH}, {"winningPlan": {"stage": "COLLSCAN"}}]},
        {"stage": "OR", "inputStages": [IXSCAN, {"stage": "COLLSCAN"}]},
    ],
)
def test_a_collection_scan_is_seen_wherever_it_hides(plan):
    assert read_plan({"queryPlanner": {"winningPlan": plan}}).collection_scan is True


@pytest.mark.parametrize("planner", [{}, {"winningPlan": {"stage": "EOF"}}, {"winningPlan": {}}])
def test_no_plan_is_not_a_good_plan(planner):
    facts = read_plan({"queryPlanner": planner})
    assert facts.collection_scan is None and facts.millis is None and facts.examined_per_returned is None


def test_statistics_of_shards_are_summed_and_the_longest_time_counts():
    shards = {"shards": {"a": {"executionStats": STATS}, "b": {"executionStats": {**STATS, "executionTimeMillis": 9}}}}
    facts = read_plan(shards)
    assert (facts.docs_examined, facts.keys_examined, facts.millis) == (2, 4, 9.0)


def test_values_never_show_in_a_querys_shape():
    searched = {"email": "a@example.com", "linkedin_url": {"$in": ["x", "y"]}, "is_qualified": True}
    contract = Contract(title="", filter={**searched, "date": {"$gte": 1, "$lt": 2}})
    shape = "find({email: …, linkedin_url: {$in: [2 values]}, is_qualified: true, date: {$gte: …, $lt: …}})"
    assert contract.shape == shape


# ---------------------------------------------------------------------------------------------------- on a real server


@pytest.fixture(scope="module")
def filled(mongo, admin, settings):
    """The leads' collection with schema and 1,500 sample leads."""
    admin.drop_database(settings.database)
    leads = mongo[settings.database][settings.collection]
    apply(leads, admin, settings)
    leads.insert_many(sample.documents(1_500, seed=7))
    return leads


def checks_of(results, settings):
    return {
        check.id: check
        for check in plan_verdicts.queries(QueryStudy(subject="leads", queries=tuple(results)), settings)
    }


def test_every_query_of_the_task_book_keeps_its_contract(filled, settings):
    results = measure_contracts(filled)
    checks = checks_of(results, settings)
    assert len(checks) == 15
    assert {check.verdict for check in checks.values()} <= {Verdict.PASS, Verdict.WARN}
    won = {result.contract.title: result.plan.indexes for result in results}
    assert won["duplicate check by profile URL"] == ("idx_linkedin_url_unique",)
    assert won["duplicate check by e-mail"] == ("idx_email_unique",)
    assert won["a vendor's leads of one day"] == ("idx_data_source_data_collected_date",)
    assert all(result.plan.returned for result in results if result.contract.operation == "find"
               and result.contract.title != "qualified leads")  # fmt: skip


def test_each_query_is_judged_by_the_check_that_names_it(filled):
    """Checks are given by order: their titles hold the words of the queries."""
    judged = [result.contract.title for result in measure_contracts(filled) if result.contract.judged]
    for check_id, title in zip(plan_verdicts.PLANS, judged, strict=True):
        words = {word for word in re.findall(r"[a-z-]{5,}", title) if word not in ("collected", "whole")}
        assert any(word in definition(check_id).title.lower() for word in words), (check_id, title)


def test_a_missing_index_fails_its_query(filled, settings):
    filled.drop_index("idx_job_title")
    checks = checks_of(measure_contracts(filled), settings)
    filled.create_indexes([NAMED["idx_job_title"].model()])
    assert checks["MDB-PLAN-006"].verdict == Verdict.FAIL
    assert "COLLSCAN by no index" in checks["MDB-PLAN-006"].evidence
    assert checks["MDB-PLAN-004"].verdict == Verdict.PASS


def test_an_index_of_another_name_is_the_one_that_is_expected(filled, admin, settings):
    def evidence():
        found = study(filled, admin, settings, [])
        return {check.id: check for check in plan_verdicts.queries(found, settings)}["MDB-PLAN-006"].evidence

    filled.drop_index("idx_job_title")
    filled.create_index("job_title")
    assert "job_title_1" in evidence() and "expected" not in evidence()
    filled.drop_index("job_title_1")
    filled.create_index([("job_title", 1), ("phone", 1)])
    assert "expected idx_job_title" in evidence()
    filled.drop_index("job_title_1_phone_1")
    filled.create_indexes([NAMED["idx_job_title"].model()])


def test_counting_everything_is_shown_but_not_judged(filled, settings):
    """A hint forces its index, so that no server could fail a check of it."""
    plain, hinted = (result for result in measure_contracts(filled) if not result.contract.judged)
    assert plain.plan.collection_scan is True
    assert hinted.plan.collection_scan is False and hinted.contract.hint == "_id_"


def test_a_collection_that_does_not_exist_is_not_measured(filled, settings):
    results = measure_contracts(filled.database["nothing_here"])
    verdicts = {check.verdict for check_id, check in checks_of(results, settings).items() if check_id < "MDB-PLAN-013"}
    assert verdicts == {Verdict.NOT_MEASURED}


def test_too_few_leads_are_studied_on_a_scratch_collection_that_is_dropped(database, admin, settings):
    leads = database[settings.collection]
    apply(leads, admin, settings)
    found = study(leads, admin, settings, sample.documents(1_000, seed=1))
    assert found.documents == 1_000 and "scratch" in found.subject and "sample leads" in documents.basis(found)
    assert leads.count_documents({}) == 0
    assert not [name for name in database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_a_server_error_becomes_error_checks(database, settings):
    refused = database.client["not_ours"][settings.collection]
    found = attempt(lambda: study(refused, None, settings, sample.documents(10, seed=1)))
    checks = (*plan_verdicts.queries(found, settings), *plan_verdicts.indexes(found, refused.name, settings))
    assert len(checks) == 18
    assert {check.verdict for check in checks} <= {Verdict.ERROR, Verdict.NOT_MEASURED}
    assert all("not authorized" in check.evidence for check in checks)


def result(*, millis=1.0, docs=1, returned=1, stages=("FETCH", "IXSCAN")):
    plan = PlanFacts(stages=stages, indexes=("idx_a",), keys_examined=1, docs_examined=docs, returned=returned)
    contract = Contract(title="t", filter={"a": 1}, indexes=("idx_a",))
    return QueryResult(contract=contract, plan=plan, millis=millis, client_millis=1.0, subject="c")


def test_a_slow_query_fails_and_is_named(settings):
    checks = checks_of([result(), result(millis=250.0)], settings)
    assert checks["MDB-PLAN-015"].verdict == Verdict.FAIL and checks["MDB-PLAN-015"].measured == 250.0
    assert "over the target" in checks["MDB-PLAN-015"].evidence


def test_a_query_without_a_time_is_not_measured(settings):
    checks = checks_of([result(millis=None)], settings)
    assert checks["MDB-PLAN-015"].verdict == Verdict.NOT_MEASURED
    assert checks_of([], settings)["MDB-PLAN-015"].verdict == Verdict.NOT_MEASURED


@pytest.mark.parametrize(("docs", "verdict"), [(1, "pass"), (30, "warn"), (5_000, "fail")])
def test_wasted_work_warns_and_then_fails(settings, docs, verdict):
    assert checks_of([result(docs=docs)], settings)["MDB-PLAN-016"].verdict == verdict


def test_an_oddly_typed_lead_does_not_stop_the_study(database, settings):
    leads = database[settings.collection]
    leads.insert_one({"linkedin_url": "x", "email": "e", "location_state": "CA", "data_collected_date": "yesterday"})
    example = example_lead(leads)
    assert example["linkedin_url"] == "x" and example["data_collected_date"].year == 2025
