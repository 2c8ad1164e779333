"""Recommendations rest on measurements, the pressing ones first; metrics come from the records of earlier phases."""

from leadbook import analysis
from leadbook.core.checks import Verdict, judge, warned


def advice(ten, settings, evidence=None, checks=()):
    found, fields = analysis.read_statistics(ten, settings), analysis.completeness(ten)
    anomalies = analysis.find_anomalies(ten, settings)
    return analysis.recommend(found, anomalies, fields, list(checks), evidence or analysis.Evidence(), settings)


def earlier(settings):
    return analysis.Evidence(
        checks={"08": [judge("MON-RATE-001", 4000, settings=settings), judge("MON-POOL-002", 2.0, settings=settings),
                       judge("MON-DUP-001", 3.0, settings=settings), judge("MON-QUERY-003", 9.0, settings=settings),
                       judge("MON-ERR-001", 2), judge("MON-POOL-003", 0)]},
        facts={"08": {"insert_rate": 4000.0, "insert_rate_by_batch_size": {"100": 1000.0, "500": 4000.0},
                      "duplicate_check_redis_p99_ms": 3.0, "checkout_p99_ms": None,
                      "decisions": [{"topic": "scale the database", "needed": True, "because": "CPU 99 %",
                                     "action": "next tier"}],
                      "trend": {"inserts_per_s": {"first_third": 100.0, "last_third": 150.0},
                                "pool_wait_ms": {"first_third": None, "last_third": 2.0}}}},
    )  # fmt: skip


def test_each_has_evidence_and_an_estimate_and_high_priority_comes_first(ten, settings):
    made = advice(ten, settings, earlier(settings))
    assert analysis.recommendation_check(made).verdict is Verdict.PASS
    order = [each.priority for each in made]
    assert order == sorted(order, key=["high", "medium", "low"].index)
    topics = {each.topic: each for each in made}
    assert "4.0 times" in topics["Batch size"].impact and "next tier" in topics["Scale the database"].action


def test_a_failed_check_becomes_the_first_recommendation(ten, settings):
    failed = judge("FIN-READY-002", 2)
    made = advice(ten, settings, checks=[failed])
    assert (
        made[0].priority == "high" and made[0].evidence.startswith("FIN-READY-002") and made[0].action == failed.remedy
    )


def test_warnings_of_this_phase_are_not_repeated_as_failures(ten, settings):
    made = advice(ten, settings, checks=[warned("FIN-COUNT-004", 10, evidence="a stretch goal")])
    assert not [each for each in made if each.priority == "high" and "FIN-COUNT-004" in each.evidence]


def test_strict_validation_needs_no_recommendation(ten, settings):
    strict = settings.model_copy(update={"validation_level": "strict", "validation_action": "error"})
    assert "Validator" in {each.topic for each in advice(ten, settings)}
    assert "Validator" not in {each.topic for each in advice(ten, strict)}


def test_no_recommendation_at_all_is_not_measured():
    assert analysis.recommendation_check([]).verdict is Verdict.NOT_MEASURED


def test_metrics_are_compiled_by_area(settings):
    evidence = earlier(settings)
    frame = analysis.metrics_frame(evidence)
    assert list(frame["area"]) == ["inserts", "duplicates", "queries", "pool"]
    checks = {check.id: check for check in analysis.metric_checks(evidence, frame, settings)}
    assert checks["FIN-METRIC-001"].verdict is Verdict.PASS
    assert checks["FIN-METRIC-002"].measured == 4000 and checks["FIN-METRIC-002"].verdict is Verdict.PASS
    assert checks["FIN-METRIC-004"].verdict is Verdict.NOT_MEASURED, "that number was never left"
    assert checks["FIN-METRIC-005"].verdict is Verdict.NOT_MEASURED, "None is not measured"
    assert checks["FIN-PERF-001"].verdict is Verdict.FAIL, "operations failed in phase 08"


def test_a_trend_is_the_change_from_the_first_third_to_the_last(settings):
    frame = analysis.trends_frame(earlier(settings)).set_index("reading")
    assert frame.loc["inserts_per_s", "change %"] == 50.0
    assert frame["change %"].isna()["pool_wait_ms"]
