"""The readiness gate believes only what phases measured in this run."""

from dataclasses import replace

import pytest

from leadbook.core.checks import Verdict, judge, not_applicable
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.phases.p07 import figures as readiness
from leadbook.phases.p07 import gate

SETTINGS = Settings()
FACTS = {
    "01": {"infrastructure": {"mongodb": {"version": "6.0.5"}}},
    "03": {"insert_rate": 5000.0, "duplicate_check_redis_p99_ms": 1.0, "duplicate_check_mongodb_p99_ms": 2.0,
           "checkout_p99_ms": 9.0},
    "04": {"ledger": {"stored": 20_000}, "leads_per_second": 1500.0, "duplicate_accuracy_percent": 100.0},
}  # fmt: skip


def all_good(phase):
    """A record as a phase leaves it when every catalogue entry was recorded and none blocks."""
    recorded = [not_applicable(d.id, "here", settings=SETTINGS) for d in catalogue().values() if d.phase == phase]
    return gate.Evidence(phase=phase, closed=True, checks=recorded, facts=FACTS.get(phase, {}))


@pytest.fixture
def evidence():
    return [all_good(phase) for phase in gate.PHASES]


def verdicts(evidence):
    return {check.id: check.verdict for check in gate.gate_checks(evidence, SETTINGS)}


def test_everything_measured_and_nothing_blocking_passes(evidence):
    assert set(verdicts(evidence).values()) == {Verdict.PASS}


@pytest.mark.parametrize("index", range(6))
def test_a_phase_that_did_not_end_blocks(evidence, index):
    evidence[index] = replace(evidence[index], closed=False, checks=[], facts={})
    assert verdicts(evidence)["GATE-GO-001"] is Verdict.NOT_MEASURED


def test_nothing_measured_is_never_a_pass():
    empty = [gate.Evidence(phase=phase, closed=False, checks=[], facts={}) for phase in gate.PHASES]
    assert Verdict.PASS not in verdicts(empty).values()


@pytest.mark.parametrize("value", [None, float("nan"), "fast"])
def test_a_fact_that_is_no_number_is_not_measured(evidence, value):
    evidence[2] = replace(evidence[2], facts={**FACTS["03"], "insert_rate": value})
    assert verdicts(evidence)["GATE-INS-001"] is Verdict.NOT_MEASURED


def test_a_blocking_check_of_an_earlier_phase_is_named(evidence):
    evidence[5] = replace(evidence[5], checks=[*evidence[5].checks, judge("GATE-BKP-001", False)])
    (found,) = [check for check in gate.gate_checks(evidence, SETTINGS) if check.id == "GATE-BKP-001"]
    assert found.verdict is Verdict.FAIL
    assert "GATE-BKP-001" in found.evidence


def test_a_check_left_out_by_a_phase_blocks(evidence):
    evidence[1] = replace(evidence[1], checks=evidence[1].checks[1:])
    assert verdicts(evidence)["GATE-INF-001"] is Verdict.FAIL


def test_documents_name_what_was_not_measured():
    empty = [gate.Evidence(phase=phase, closed=False, checks=[], facts={}) for phase in gate.PHASES]
    checks = gate.gate_checks(empty, SETTINGS)
    assert "Actual: not measured" in gate.metrics_document(checks)
    assert "Not measured" in gate.infrastructure_document(empty)
    assert {check.verdict for check in gate.document_checks(checks, empty)} == {Verdict.FAIL}


def test_the_plot_leaves_out_what_has_no_number(evidence):
    figure = readiness.headroom(gate.gate_checks(evidence, SETTINGS))
    titles = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert "Database insert rate" in titles
    assert not [title for title in titles if "backup" in title]
