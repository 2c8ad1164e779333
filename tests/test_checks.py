"""A verdict that can be trusted: what is not measured never passes."""

import ast
import math
from dataclasses import replace

import numpy as np
import pytest

from leadbook.core import checks, definitions
from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured, Verdict, judge
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import PROJECT, Settings
from leadbook.report.traceability import steps
from leadbook.runner.objections import objection

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


def test_the_remedy_for_a_failed_value_is_not_told_where_there_is_no_value():
    failed, missing, error = (judge(RATE, found, settings=SETTINGS) for found in (1, Unmeasured("away"), OSError("no")))
    assert failed.remedy == definitions.definition(RATE).remedy
    assert missing.remedy == error.remedy == checks.MEND
    assert judge(RATE, OSError("no"), settings=SETTINGS, remedy="start it").remedy == "start it"
    assert judge(RATE, None, settings=SETTINGS, remedy="start it").remedy == "start it"


def test_a_doubt_beyond_the_critical_value_fails():
    assert judge("MON-CACHE-001", Doubtful(12.0), settings=SETTINGS).verdict is Verdict.WARN
    assert judge("MON-CACHE-001", Doubtful(30.0), settings=SETTINGS).verdict is Verdict.FAIL


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


# ------------------------------------------------------------------------------------------------ judged once more


def test_whatever_became_of_a_measurement_is_judged_in_one_place():
    outcomes = [Unmeasured("away", "start it"), Inapplicable("none"), Doubtful(20_000), TypeError("no"), 20_000, None]
    found = [judge(RATE, outcome, settings=SETTINGS) for outcome in outcomes]
    told = ["not measured", "not applicable", "warn", "error", "pass", "not measured"]
    assert [check.verdict.value for check in found] == told
    assert (found[0].evidence, found[0].remedy, found[1].evidence) == ("away", "start it", "none")


PRODUCTION = Settings(profile="production")
OVER_ATLAS = Settings(profile="production", atlas_project="32b6e34b3d91647abb20e7b8")


def told(check_id, verdict, measured=None, settings=SETTINGS, **changes):
    """A check as a notebook might have recorded it, whatever its value says."""
    made = checks.not_measured(check_id, "why", settings=settings)
    return replace(made, verdict=Verdict(verdict), measured=measured, **changes)


@pytest.mark.parametrize("measured", [2_000, 1_000, 999, None, math.nan, "fast"])
def test_what_judge_made_is_believed(measured):
    assert objection(judge(RATE, measured, settings=SETTINGS), SETTINGS) == ""


@pytest.mark.parametrize(
    ("check", "settings", "words"),
    [
        (judge(RATE, 11, settings=Settings(target_insert_rate=10)), SETTINGS, "its target is '>= 10.0"),
        (told("MDB-SEC-001", "warn", 0.0), SETTINGS, ""),
        (told("MDB-SEC-001", "warn", 0.0), PRODUCTION, "which fails"),
        (told("MDB-HST-001", "not applicable"), SETTINGS, ""),
        (told("MDB-HST-001", "not applicable"), PRODUCTION, "applies to profile production"),
        (told("MDB-TOP-003", "not applicable"), PRODUCTION, ""),
        (told("MON-CACHE-001", "warn", 12.0), SETTINGS, ""),
        (told("MON-CACHE-001", "warn", 30.0), SETTINGS, "which fails"),
        (told("MON-CACHE-001", "fail", 30.0, target="< 20 %"), SETTINGS, ""),
        (told("MON-CACHE-001", "pass", 4.0, target="< 60 %"), SETTINGS, "its target is '< 60 %'"),
        (told("MON-REPL-004", "pass", 5, target="5 members"), SETTINGS, ""),
        (told("MON-REPL-004", "pass", 4, target="5 members"), SETTINGS, "recorded as pass with 4"),
        (told("MDB-SCH-003", "pass", "strict / error", Settings(validation_level="strict", validation_action="error")),
         SETTINGS, "its target is 'strict / error'"),
        (told("ATL-BCK-001", "pass", True), PRODUCTION, "only an attestation"),
        (told("ATL-BCK-001", "pass", "attested"), PRODUCTION, "only an attestation"),
        (told("ATL-BCK-001", "not applicable"), PRODUCTION, "applies to profile production"),
        (told("ATL-BCK-001", "warn"), PRODUCTION, "only an attestation"),
        (told("ATL-BCK-001", "manual"), PRODUCTION, ""),
        (told("ATL-BCK-001", "pass", True), OVER_ATLAS, ""),
        (told("ATL-BCK-001", "fail", False), OVER_ATLAS, ""),
        (told("ATL-BCK-001", "pass", False), OVER_ATLAS, "recorded as pass with False"),
        (told("ATL-BCK-001", "pass", "attested"), OVER_ATLAS, "only an attestation"),
        (told("ATL-ACC-001", "pass", True), OVER_ATLAS, "only an attestation"),
    ],
    ids=lambda value: value.id if isinstance(value, Check) else "",
)  # fmt: skip
def test_a_recorded_verdict_is_held_against_the_catalogue(check, settings, words):
    found = objection(check, settings)
    assert words in found if words else found == ""


def test_an_attestation_in_the_file_is_believed():
    assert objection(checks.attested("ATL-BCK-001", "by Ada"), PRODUCTION, {"ATL-BCK-001"}) == ""


def calls(name):
    """The check ids that the library's code passes to a function of `checks`, as far as they stand there."""
    for path in (PROJECT / "lib" / "leadbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = isinstance(node, ast.Call) and getattr(node.func, "id", "") == name and node.args
            if called and isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, node


def test_the_catalogue_says_where_code_may_warn_leave_out_or_find_a_target():
    """Else the runner would not believe what that code records."""
    warned = {check_id for check_id, _ in calls("warned")} | {check_id for check_id, _ in calls("judge_level")}
    left_out = {check_id for check_id, _ in calls("not_applicable")}
    assert not {
        one
        for one in warned
        if "always" not in (definitions.definition(one).warns, definitions.definition(one).may_warn)
    }
    assert not {
        one
        for one in left_out
        if not (definitions.definition(one).may_not_apply or definitions.definition(one).production_only)
    }
    for check_id, node in calls("judge"):
        for given in (word.value for word in node.keywords if word.arg == "target"):
            entry = definitions.definition(check_id)
            assert entry.computed or "len(" in ast.unparse(given), f"{check_id}: say how its target is found"


@pytest.mark.parametrize("entry", definitions.catalogue().values(), ids=lambda entry: entry.id)
def test_each_definition_is_complete(entry):
    assert entry.steps, "answers no step"
    assert set(entry.steps) <= set(steps()), "answers a step that the task book does not have"
    assert entry.compare in {">=", ">", "<=", "<", "==", "within", "true"}
    if entry.compare == "within":
        low, high = entry.target
        assert low < high
    assert entry.kind in {"measured", "attestation"}
    ways = {entry.warns, entry.may_warn}
    assert ways <= {"", "always", "rehearsal"} and (entry.critical is None or "always" in ways)
    assert entry.owner in definitions.OWNERS
    for cause in entry.follows:
        assert entry.id not in definitions.definition(cause).follows
    if entry.kind == "attestation":
        assert ways == {""} and not entry.may_not_apply and not entry.computed and entry.compare == "true"
    assert entry.measured_by in {"", *definitions.APIS} and (entry.kind == "attestation" or not entry.measured_by)
    assert entry.title and entry.source and entry.remedy
    assert entry.phase in {f"0{n}" for n in range(1, 10)}
    if isinstance(entry.target, str) and entry.target.startswith("target_"):
        assert entry.target in Settings.model_fields
