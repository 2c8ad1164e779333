"""Recommendations rest on measurements, the pressing ones first; metrics come from the records of earlier phases."""

from datetime import UTC, datetime, timedelta

from leadbook.analysis.anomalies import find_anomalies
from leadbook.analysis.completeness import completeness
from leadbook.analysis.statistics import read_statistics
from leadbook.core.checks import Unmeasured, Verdict, judge, warned
from leadbook.phases.judging import checks_of
from leadbook.phases.p09 import checks as told
from leadbook.phases.p09.evidence import RunEvidence, metrics, slow_end, trends
from leadbook.phases.p09.recommendations import recommend
from made_facts import batch_size_decision


def advice(ten, settings, evidence=None, checks=()):
    found, fields = read_statistics(ten, settings), completeness(ten)
    anomalies = find_anomalies(ten, settings)
    return recommend(found, anomalies, fields, list(checks), evidence or RunEvidence(), settings)


def earlier(settings):
    return RunEvidence(
        checks={"08": [judge("MON-RATE-001", 4000, settings=settings), judge("MON-POOL-002", 2.0, settings=settings),
                       judge("MON-DUP-001", 3.0, settings=settings), judge("MON-QUERY-003", 9.0, settings=settings),
                       judge("MON-ERR-001", 2), judge("MON-POOL-003", 0), judge("MON-DISK-001", 96.0),
                       judge("MON-ADV-004", "needed", evidence="disk 96 %", remedy="next tier")]},
        facts={"03": batch_size_decision(1_000, "+300 %"),
               "08": {"insert_rate": 4000.0, "insert_rate_by_batch_size": {"100": 1000.0, "500": 4000.0},
                      "duplicate_check_redis_p99_ms": 3.0, "checkout_p99_ms": None,
                      "trend": {"inserts_per_s": {"first_third": 100.0, "last_third": 150.0},
                                "pool_wait_ms": {"first_third": None, "last_third": 2.0}}}},
    )  # fmt: skip


def test_each_has_evidence_and_an_estimate_and_high_priority_comes_first(ten, settings):
    made = advice(ten, settings, earlier(settings))
    assert made and all(each.evidence and each.impact and each.action for each in made)
    order = [each.priority for each in made]
    assert order == sorted(order, key=["high", "medium", "low"].index)
    topics = {each.topic: each for each in made}
    assert "+300 %" in topics["Batch size"].impact and "batches of 1000" in topics["Batch size"].action
    scale = topics["Scale the database"]
    assert scale.action == "next tier" and "from 96 % to" in scale.impact
    assert topics["Quality score"].impact.endswith("no lead scores below 80")
    assert "at most 4 more" in topics["E-mail"].impact or "at most 5 more" in topics["E-mail"].impact


def test_a_failed_check_becomes_the_first_recommendation(ten, settings):
    failed = judge("FIN-READY-002", 2)
    made = advice(ten, settings, checks=[failed])
    assert (
        made[0].priority == "high" and made[0].evidence.startswith("FIN-READY-002") and made[0].action == failed.remedy
    )


def test_warnings_of_this_phase_are_not_repeated_as_failures(ten, settings):
    made = advice(ten, settings, checks=[warned("FIN-COUNT-004", 10, evidence="a stretch goal")])
    assert not [each for each in made if each.priority == "high" and "FIN-COUNT-004" in each.evidence]


def test_every_warning_is_there_a_missing_backup_first_and_nothing_is_cut(ten, settings):
    long = "idx_a: redundant prefix; " * 30
    lifetime = judge("MDB-SCH-010", False, evidence="raw_leads: its records are kept")
    evidence = RunEvidence(checks={"02": [lifetime], "03": [judge("BCH-IDX-003", 4, evidence=long)],
                                   "05": [judge("LOAD-TUN-001", "needed", evidence="8 writers: faster, +60 %")],
                                   "08": [warned("MON-HOST-001", 91.0, evidence="busy")]})  # fmt: skip
    mine = [
        judge("FIN-PUSH-008", False, evidence="no backup", settings=settings),
        judge("FIN-ANOM-004", 5, evidence="BrightData email 17 %"),
        judge("FIN-INT-001", Unmeasured("not completed (13 of 13 parts skipped)")), judge("FIN-ANOM-001", 18),
    ]  # fmt: skip
    made = advice(ten, settings, evidence, mine)
    assert made[0].topic == "A proven backup was begun after the last lead" and made[0].priority == "high"
    assert made[0].impact == "it becomes true: A proven backup was begun after the last lead"
    rows = {each.evidence.partition(",")[0]: each for each in made}
    assert rows["FIN-INT-001"].priority == "high" and "13 of 13" in rows["FIN-INT-001"].evidence
    assert "BrightData" in rows["FIN-ANOM-004"].evidence and rows["FIN-ANOM-004"].about == "data"
    assert "FIN-ANOM-001" not in rows, "its rules have a row each"
    assert long in rows["BCH-IDX-003"].evidence and "MON-HOST-001" in rows
    assert "staging_ttl_days: 90, rejected_ttl_days: 90), then run notebook 02" in rows["MDB-SCH-010"].action
    assert rows["LOAD-TUN-001"].impact == "the effect that its evidence tells"
    assert not [each for each in made if "from no to yes" in each.impact or "needed to not" in each.impact]


def test_strict_validation_needs_no_recommendation(ten, settings):
    strict = settings.model_copy(update={"validation_level": "strict", "validation_action": "error"})
    assert "Validator" in {each.topic for each in advice(ten, settings)}
    assert "Validator" not in {each.topic for each in advice(ten, strict)}


def test_what_two_checks_say_of_the_validator_or_of_an_index_is_one_row(ten, settings):
    indexes = [judge("MDB-IDX-014", 2), judge("MDB-IDX-015", 2)]
    validator = judge("MDB-SCH-009", 2, evidence="the server stored: wrong type")
    alone = advice(ten, settings, RunEvidence(checks={"02": indexes}))
    assert {check.title for check in indexes} <= {each.topic for each in alone}
    both = RunEvidence(checks={"02": [*indexes, validator], "03": [judge("BCH-IDX-003", 4)]})
    made = advice(ten, settings, both)
    assert sum("ndex" in each.topic for each in made) == 1
    (strict,) = (each for each in made if "alid" in each.topic)
    assert strict.topic == "Validator" and "the server stored: wrong type" in strict.evidence


def test_a_batch_size_is_recommended_only_where_phase_03_showed_a_difference(ten, settings):
    evidence = RunEvidence(facts={"03": batch_size_decision(500, "no difference shown")})
    (kept,) = (each for each in advice(ten, settings, evidence) if each.topic == "Batch size")
    assert "batches of 500, unordered, as it is" in kept.action and "no better size" in kept.impact
    assert "1000 against 500 documents a call: no difference shown (phase 03)" in kept.evidence
    assert "Batch size" not in {each.topic for each in advice(ten, settings)}


def test_a_count_is_no_performance_number(settings):
    given_up = judge("BCH-POOL-006", 0, settings=settings)
    assert metrics(RunEvidence(checks={"03": [given_up]})).empty


def test_a_time_is_told_by_the_percentile_that_its_samples_bear():
    left = {"check_p95_ms": 2.447, "check_worst_ms": 4.9, "check_samples": 270, "few_worst_ms": 3.0, "few_samples": 54,
            "many_p99_ms": 1.5, "many_p95_ms": 1.0, "many_worst_ms": 9.0, "many_samples": 2_000}  # fmt: skip
    closed = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    at_rest = {"check_p99_ms": 0.143, "rest_p99_ms": 0.2, "few_p99_ms": 0.1}
    evidence = RunEvidence(facts={"03": at_rest, "08": left}, closed={"03": closed})
    assert slow_end(evidence, "check") == (2.447, "p95 of 270, phase 08"), "under load, as its median is"
    value, told = slow_end(evidence, "rest")
    assert value == 0.2 and told.startswith("p99, phase 03 of 20") and told.endswith("5 h old")
    assert slow_end(evidence, "few") == (3.0, "slowest of 54, phase 08")
    assert slow_end(evidence, "many") == (1.5, "p99 of 2,000, phase 08")
    assert slow_end(evidence, "nothing") is None


def test_metrics_are_compiled_by_area(settings):
    evidence = earlier(settings)
    frame = metrics(evidence)
    assert list(frame["area"]) == ["inserts", "duplicates", "queries", "pool"]
    checks = {check.id: check for check in checks_of(told.performance(evidence, frame), settings)}
    assert checks["FIN-METRIC-001"].verdict is Verdict.PASS
    assert checks["FIN-METRIC-002"].measured == 4000 and checks["FIN-METRIC-002"].verdict is Verdict.PASS
    assert checks["FIN-METRIC-004"].verdict is Verdict.NOT_MEASURED, "that number was never left"
    assert checks["FIN-METRIC-005"].verdict is Verdict.NOT_MEASURED, "None is not measured"
    assert checks["FIN-PERF-001"].verdict is Verdict.WARN, "operations failed in phase 08"


def test_a_trend_is_the_change_from_the_first_third_to_the_last(settings):
    frame = trends(earlier(settings)).set_index("reading")
    assert frame.loc["inserts, documents/s (server)", "change %"] == 50.0
    assert frame["change %"].isna()["wait for a connection, ms (mean)"]
