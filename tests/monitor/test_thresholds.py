"""Thresholds are data: each row warns and fails where it says, and never passes unmeasured."""

import pandas as pd
import pytest

from leadbook.core.checks import Verdict
from leadbook.core.definitions import definition
from leadbook.monitor.loop import Timeline
from leadbook.monitor.thresholds import Level, judge_timeline, levels_frame, thresholds

RULES = thresholds()
each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reading)
NEWEST = {"mongodb": "9.9", "redis": "9.9"}


def timeline(**columns):
    frame = pd.DataFrame({name.replace("__", "."): values for name, values in columns.items()})
    return Timeline(frame=frame, expected=len(frame))


def of(rule, value):
    columns = {rule.reading: [value] * 3}
    if rule.only_where:
        columns[rule.only_where] = [rule.at_least] * 3
    return Timeline(frame=pd.DataFrame(columns), expected=3)


def verdict(rule, value, versions=NEWEST):
    checks = judge_timeline(of(rule, value), versions, {})
    return next(check for check in checks if check.id == rule.check).verdict


def beyond(rule, limit):
    step = abs(limit) * 0.01 + 0.001
    return limit + step if rule.compare.startswith("<") else limit - step


@each
def test_a_rule_agrees_with_the_catalogue(rule):
    entry = definition(rule.check)
    assert (entry.compare, entry.target, entry.unit) == (rule.compare, rule.warn, rule.unit)
    assert entry.phase == "08" and entry.steps and rule.source and rule.title


@each
def test_good_warns_and_critical_fails(rule):
    good = rule.warn * 0.5 if rule.compare.startswith("<") else rule.warn * 2 + 1
    assert verdict(rule, good) is Verdict.PASS
    if rule.critical is None:
        assert verdict(rule, beyond(rule, rule.warn) * 10) is Verdict.WARN
    else:
        assert verdict(rule, beyond(rule, rule.critical)) is Verdict.FAIL
        if rule.critical != rule.warn:
            assert verdict(rule, beyond(rule, rule.warn)) is Verdict.WARN


@each
def test_what_the_server_does_not_report_is_never_a_pass(rule):
    checks = judge_timeline(timeline(), NEWEST, {})
    found = next(check for check in checks if check.id == rule.check)
    assert found.verdict is Verdict.NOT_MEASURED
    assert "not measurable on this tier" in found.evidence


def test_a_field_newer_than_the_server_is_not_applicable():
    rule = next(rule for rule in RULES if rule.reading == "mongodb.connections_rejected_per_s")
    checks = judge_timeline(timeline(), {"mongodb": "6.0.5", "redis": "7.2"}, {})
    found = next(check for check in checks if check.id == rule.check)
    assert found.verdict is Verdict.NOT_APPLICABLE and "6.0.5" in found.evidence


def test_an_absent_source_says_why():
    checks = judge_timeline(timeline(), NEWEST, {"redis": "Redis is away", "host": "elsewhere"})
    for check in checks:
        if check.id.startswith("MON-RDS"):
            assert check.verdict is Verdict.NOT_MEASURED and check.evidence == "Redis is away"


def test_fragmentation_of_a_small_server_does_not_matter():
    small = timeline(redis__fragmentation_ratio=[9.9], redis__fragmentation_bytes=[5e6])
    found = next(check for check in judge_timeline(small, NEWEST, {}) if check.id == "MON-RDS-008")
    assert found.verdict is Verdict.NOT_APPLICABLE
    frame = levels_frame(small).set_index("reading")
    assert frame.loc["memory fragmentation of Redis", "level"] == Level.DOES_NOT_MATTER.value


def test_one_peak_is_no_finding_where_the_median_is_judged():
    found = judge_timeline(timeline(mongodb__lock_queue=[0, 0, 0, 40, 0]), NEWEST, {})
    assert next(check for check in found if check.id == "MON-QUEUE-002").verdict is Verdict.PASS


def test_the_catalogue_knows_the_critical_limits_too():
    """The runner judges a recorded check once more, by the catalogue alone."""
    for rule in RULES:
        entry = definition(rule.check)
        critical = rule.critical if rule.critical != rule.warn else None
        assert (entry.target, entry.critical, bool(entry.warns or entry.may_warn)) == (
            rule.warn,
            critical,
            rule.critical != rule.warn,
        )


def test_one_evicted_key_fails():
    found = judge_timeline(timeline(redis__evicted_per_s=[0, 0, 0.5, 0]), NEWEST, {})
    assert next(check for check in found if check.id == "MON-RDS-003").verdict is Verdict.FAIL


def test_limits_are_told_as_the_values_that_are_no_longer_good():
    shown = levels_frame(timeline()).set_index("reading")["warn"]
    for rule in RULES:
        assert shown[rule.title].startswith({"<": "≥ ", "<=": "> "}[rule.compare]), rule.reading
    assert all("e+" not in text for text in shown)
