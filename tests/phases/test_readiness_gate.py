"""The readiness gate believes only what phases measured in this run."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest

from leadbook.analysis.collecting import Collecting, CollectionRate
from leadbook.core.checks import Inapplicable, Verdict, judge, not_applicable
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.measure.intervals import Interval
from leadbook.phases.collected import in_last_hour
from leadbook.phases.p07 import figures as readiness
from leadbook.phases.p07 import gate

SETTINGS = Settings()
HOURLY = Interval(middle=1_800.0, low=700.0, high=2_900.0, rounds=30)
LEDGER = {"read": 2_500, "stored": 2_000, "filled": 100, "failed": 0,
          "duplicate": {"batch": 100, "redis": 200, "mongodb": 0}, "rejected": {"missing_job_title": 100}}  # fmt: skip
TRIAL = {"ledger": LEDGER, "lost": 0, "sent": {"apollo-1": 1_000, "apollo-2": 1_500}}
FACTS = {
    "01": {"infrastructure": {"mongodb": {"version": "6.0.5"}}},
    "03": {"insert_rate": 5000.0, "duplicate_check_redis_p99_ms": 1.0, "duplicate_check_mongodb_p99_ms": 2.0,
           "checkout_p99_ms": 9.0},
    "04": {"end_to_end": TRIAL, "duplicate_accuracy_percent": 100.0},
}  # fmt: skip


def all_good(phase):
    """A record as a phase leaves it when every catalogue entry was recorded and none blocks."""
    recorded = [not_applicable(d.id, "here", settings=SETTINGS) for d in catalogue().values() if d.phase == phase]
    return gate.EarlierPhase(phase=phase, checks=recorded, facts=FACTS.get(phase, {}))


@pytest.fixture
def records():
    return {phase: all_good(phase) for phase in gate.PHASES}


def nothing():
    return {phase: gate.EarlierPhase(phase=phase, problem="there is no record of it") for phase in gate.PHASES}


def verdicts(records):
    return {check.id: check.verdict for check in gate.gate_checks(records, SETTINGS)}


def test_everything_measured_and_nothing_blocking_passes(records):
    found = verdicts(records)
    assert found.pop("GATE-RATE-001") is Verdict.NOT_APPLICABLE, "before the sprint nothing is collected"
    assert set(found.values()) == {Verdict.PASS}


def test_the_collection_rate_is_of_staged_records_and_of_nothing_else(records):
    hour = CollectionRate(records=900, seconds=1_800.0, hourly=HOURLY)
    found = Collecting(by_collector=pd.DataFrame(), staged=900, in_hour=900, sprint=None, hour=hour)
    collected = in_last_hour(found, SETTINGS)
    (check,) = (one for one in gate.gate_checks(records, SETTINGS, collected) if one.id == "GATE-RATE-001")
    assert check.verdict is Verdict.FAIL and check.measured == 700 and "its lower end is judged" in check.evidence


def test_collectors_that_were_only_tried_are_no_slow_sprint():
    hour = CollectionRate(records=200, seconds=1_200.0, hourly=HOURLY)
    tried = Collecting(by_collector=pd.DataFrame(), staged=200, in_hour=200, sprint=None, hour=hour)
    assert "only tried" in catalogue()["GATE-RATE-001"].may_not_apply
    assert isinstance(in_last_hour(tried, SETTINGS).answer, Inapplicable)
    begun = SETTINGS.model_copy(update={"sprint_start": (datetime.now(UTC) - timedelta(hours=1)).isoformat()})
    assert in_last_hour(tried, begun).answer == 700  # the sprint has begun: so it is slow


@pytest.mark.parametrize("phase", gate.PHASES)
def test_a_phase_that_did_not_end_blocks(records, phase):
    records[phase] = replace(records[phase], problem="it did not run to its end", checks=[], facts={})
    assert verdicts(records)["GATE-GO-001"] is Verdict.NOT_MEASURED


def test_nothing_measured_is_never_a_pass():
    assert Verdict.PASS not in verdicts(nothing()).values()


@pytest.mark.parametrize("value", [None, float("nan"), "fast", True])
def test_a_fact_that_is_no_number_is_not_measured(records, value):
    records["03"] = replace(records["03"], facts={**FACTS["03"], "insert_rate": value})
    assert verdicts(records)["GATE-INS-001"] is Verdict.NOT_MEASURED


@pytest.mark.parametrize(
    ("changed", "stored", "lost", "told"),
    [
        (
            {"ledger": {**LEDGER, "stored": 999, "read": 1_499}, "sent": {"a": 1_499}},
            Verdict.FAIL,
            Verdict.PASS,
            "sent 1,499",
        ),
        (
            {"ledger": {**LEDGER, "failed": 2, "read": 2_502}, "sent": {"a": 2_502}},
            Verdict.PASS,
            Verdict.FAIL,
            "failed 2",
        ),
        ({"sent": {"a": 2_503}}, Verdict.PASS, Verdict.FAIL, "sent 2,503"),
        ({"lost": 3}, Verdict.PASS, Verdict.FAIL, "lost 3"),
        ({"ledger": {**LEDGER, "read": 2_499}}, Verdict.ERROR, Verdict.ERROR, "Error"),
    ],
)
def test_end_to_end_asks_that_a_thousand_leads_were_stored_and_that_nothing_was_lost(
    records, changed, stored, lost, told
):
    records["04"] = replace(records["04"], facts={**FACTS["04"], "end_to_end": TRIAL | changed})
    found = {check.id: check for check in gate.gate_checks(records, SETTINGS)}
    assert (found["GATE-E2E-001"].verdict, found["GATE-E2E-002"].verdict) == (stored, lost)
    assert told in found["GATE-E2E-002"].evidence


def test_a_blocking_check_of_an_earlier_phase_is_named(records):
    records["06"] = replace(records["06"], checks=[*records["06"].checks, judge("GATE-BKP-001", False)])
    (found,) = [check for check in gate.gate_checks(records, SETTINGS) if check.id == "GATE-BKP-001"]
    assert found.verdict is Verdict.FAIL
    assert "GATE-BKP-001" in found.evidence


def test_the_earlier_phases_are_named_with_run_and_age(records):
    at = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    used = {phase: {"closed_at": at, "run": "20260101T1"} for phase in gate.PHASES}
    book = SimpleNamespace(
        records=SimpleNamespace(refused={}, otherwise={}, used=used),
        checks=lambda phase: records[phase].checks, facts=lambda phase: records[phase].facts,
    )  # fmt: skip
    shown = gate.earlier(book).frame
    assert set(shown["run"]) == {"20260101T1"} and set(shown["age"]) == {"5 h old"}


def test_an_accepted_risk_of_an_earlier_phase_blocks_no_gate_and_is_counted(records):
    few = replace(judge("MDB-HST-001", 2), accepted="accepted by Ada Lovelace on 2026-11-01 until 2027-01-01: a trial")
    records["01"] = replace(records["01"], checks=[*all_good("01").checks, few])
    found = {check.id: check for check in gate.gate_checks(records, SETTINGS)}
    for check_id in ("GATE-INF-001", "GATE-GO-001"):
        assert found[check_id].verdict is Verdict.PASS and "1 accepted (MDB-HST-001)" in found[check_id].evidence


def test_a_check_left_out_by_a_phase_blocks(records):
    records["02"] = replace(records["02"], checks=records["02"].checks[1:])
    assert verdicts(records)["GATE-INF-001"] is Verdict.FAIL


def test_documents_name_what_was_not_measured():
    section = gate.written(gate.gate_checks(nothing(), SETTINGS), None)
    metrics, infrastructure = (one.markdown for one in section.documents)
    assert "Actual: not measured" in metrics and "Not measured" in infrastructure
    assert {check.verdict for check in section.checks} == {Verdict.FAIL}


def test_documents_hold_what_was_measured(records):
    checks = gate.gate_checks(records, SETTINGS)
    section = gate.written(checks, FACTS["01"]["infrastructure"])
    metrics, infrastructure = (one.markdown for one in section.documents)
    assert "## Database insert rate\n\n- Target: ≥ 1,000 documents/s\n- Actual: 5,000 documents/s\n" in metrics
    assert metrics.count("\n## ") == len(checks) and "lower end of its 95 % interval" in metrics
    assert "## MongoDB\n\n| setting | value |\n| --- | --- |\n| version | 6.0.5 |" in infrastructure
    assert {check.verdict for check in section.checks} == {Verdict.PASS}


def test_the_plot_leaves_out_what_has_no_number(records):
    figure = readiness.headroom(gate.gate_checks(records, SETTINGS))
    titles = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "Database insert rate" in titles
    assert not [title for title in titles if "backup" in title]


def test_evidence_names_a_number_its_time_and_its_phases_in_words(records):
    records["03"] = replace(records["03"], at="2026-11-30T13:06:28+00:00")
    found = {check.id: check.evidence for check in gate.gate_checks(records, SETTINGS)}
    assert found["GATE-DUP-001"] == "duplicate check Redis p99 of phase 03, 2026-11-30 13:06 UTC"
    assert "checks of phase 06: " in found["GATE-BKP-001"] and "checks of phases 01, 02, 06: " in found["GATE-INF-001"]
