"""A verdict that can be trusted: what is not measured never passes."""

import math

import numpy as np
import pytest

from leadbook import checks
from leadbook.checks import Check, Verdict, judge
from leadbook.errors import LeadbookError
from leadbook.settings import Settings
from leadbook.traceability import steps

SETTINGS = Settings()
RATE = "GATE-INS-001"


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (1000, Verdict.PASS),
        (np.float64(1500.5), Verdict.PASS),
        (np.int64(999), Verdict.FAIL),
        (None, Verdict.NOT_MEASURED),
        (math.nan, Verdict.NOT_MEASURED),
        (np.nan, Verdict.NOT_MEASURED),
        (math.inf, Verdict.NOT_MEASURED),
        ("fast", Verdict.ERROR),
    ],
)
def test_the_verdict_follows_from_the_value(measured, verdict):
    assert judge(RATE, measured, settings=SETTINGS).verdict is verdict


def test_the_target_is_the_profiles():
    lower = Settings.from_mapping({"target_insert_rate": 10})
    assert judge(RATE, 11, settings=lower).verdict is Verdict.PASS
    assert judge(RATE, 11, settings=lower).target == ">= 10.0 documents/s"


@pytest.mark.parametrize("measured", [1, "yes", np.True_])
def test_a_yes_or_no_check_passes_only_on_true(measured):
    expected = Verdict.PASS if isinstance(measured, np.bool_) else Verdict.FAIL
    assert judge("GATE-GO-001", measured).verdict is expected


def test_an_unknown_id_is_an_error_with_a_suggestion():
    with pytest.raises(LeadbookError, match="GATE-INS-001"):
        judge("GATE-INS-01", 1)


def test_an_exception_becomes_an_error_of_one_line():
    check = checks.errored(RATE, ValueError("first\nsecond"), settings=SETTINGS)
    assert (check.verdict, check.evidence) == (Verdict.ERROR, "ValueError: first")


def test_blocking_verdicts():
    made = [judge(RATE, value, settings=SETTINGS) for value in (2000, 1, None)]
    made.append(checks.not_applicable(RATE, "why", settings=SETTINGS))
    made.append(checks.warned(RATE, 1, evidence="slow", settings=SETTINGS))
    made.append(checks.manual("GATE-MON-001", "nobody has attested this"))
    assert [check.verdict for check in checks.blockers(made)] == [Verdict.FAIL, Verdict.NOT_MEASURED, Verdict.MANUAL]
    assert checks.tally(made) == {
        "pass": 1, "warn": 1, "fail": 1, "not measured": 1, "manual": 1, "not applicable": 1,
    }  # fmt: skip


def test_a_check_survives_json():
    check = judge(RATE, np.float64(2), settings=SETTINGS, evidence="e")
    assert Check.from_dict(check.as_dict()) == check


@pytest.mark.parametrize("entry", checks.catalogue().values(), ids=lambda entry: entry.id)
def test_each_definition_is_complete(entry):
    assert entry.steps, "answers no step"
    assert set(entry.steps) <= set(steps()), "answers a step that the task book does not have"
    assert entry.compare in {">=", ">", "<=", "<", "==", "true"}
    assert entry.kind in {"measured", "attestation"}
    assert entry.title and entry.source and entry.remedy
    assert entry.phase in {f"0{n}" for n in range(1, 10)}
    if isinstance(entry.target, str) and entry.target.startswith("target_"):
        assert entry.target in Settings.model_fields
