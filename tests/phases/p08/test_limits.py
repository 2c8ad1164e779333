"""Limits are data: each reading warns and fails where the catalogue says, and never passes unmeasured."""

import copy

import pandas as pd
import pytest
from tests.monitor.test_server_readings import frame_of
from tests.phases.p08.made import judged as of_answers

from leadbook.core.checks import Verdict
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.monitor.loop import Timeline
from leadbook.phases.p08.readings import HOST_CPU, HOST_MEMORY, RULES, readings
from leadbook.phases.p08.servers import backup_age, disks

each = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.reading)
NEWEST = {"mongodb": "9.9", "redis": "9.9"}


def timeline(**columns):
    frame = pd.DataFrame({name.replace("__", "."): values for name, values in columns.items()})
    return Timeline(frame=frame, expected=len(frame))


def judged(timeline, versions=NEWEST, absent=None):
    return of_answers(readings(timeline, versions, absent or {}))


def verdict(rule, value):
    columns = {rule.reading: [value] * 3}
    if rule.only_where:
        columns[rule.only_where] = [rule.at_least] * 3
    return judged(Timeline(frame=pd.DataFrame(columns), expected=3))[rule.check].verdict


@each
def test_a_rule_agrees_with_the_catalogue(rule):
    entry = definition(rule.check)
    assert entry.phase == "08" and entry.steps and entry.source and entry.title
    assert entry.warns == "always" or entry.critical is None, "what never warns has one limit"


@each
def test_good_warns_and_critical_fails(rule):
    entry = definition(rule.check)
    assert entry.compare.startswith("<")
    assert verdict(rule, entry.target * 0.5) is Verdict.PASS
    beyond = entry.target * 1.01 + 0.001
    assert verdict(rule, beyond) is (Verdict.WARN if entry.warns else Verdict.FAIL)
    if entry.critical is not None:
        assert verdict(rule, entry.critical * 1.01) is Verdict.FAIL
    else:
        assert verdict(rule, beyond * 10) is (Verdict.WARN if entry.warns else Verdict.FAIL)


@each
def test_what_the_server_does_not_report_is_never_a_pass(rule):
    found = judged(timeline())[rule.check]
    assert found.verdict is Verdict.NOT_MEASURED
    assert "not measurable on this tier" in found.evidence


def test_a_field_newer_than_the_server_is_not_applicable():
    found = judged(timeline(), {"mongodb": "6.0.5", "redis": "7.2"})["MON-CONN-002"]
    assert found.verdict is Verdict.NOT_APPLICABLE and "6.0.5" in found.evidence


def test_an_absent_source_says_why():
    found = judged(timeline(), absent={"redis": "Redis is away", "host": "elsewhere"})
    for name, check in found.items():
        if name.startswith("MON-RDS"):
            assert check.verdict is Verdict.NOT_MEASURED and check.evidence == "Redis is away"


def test_fragmentation_of_a_small_server_does_not_matter():
    small = timeline(redis__fragmentation_ratio=[9.9], redis__fragmentation_bytes=[5e6])
    assert judged(small)["MON-RDS-008"].verdict is Verdict.NOT_APPLICABLE


def test_one_peak_is_no_finding_where_the_median_is_judged():
    found = judged(timeline(mongodb__lock_queue=[0, 0, 0, 40, 0]))["MON-QUEUE-002"]
    assert found.verdict is Verdict.PASS and "peak 40" in found.evidence


def test_one_evicted_key_fails():
    assert judged(timeline(redis__evicted_per_s=[0, 0, 0.5, 0]))["MON-RDS-003"].verdict is Verdict.FAIL


@each
def test_the_critical_limit_is_told_as_the_values_that_are_no_longer_good(rule):
    entry = definition(rule.check)
    told = judged(Timeline(frame=pd.DataFrame({rule.reading: [0.0]}), expected=1))[rule.check].evidence
    wanted = f"critical {'≥' if entry.compare == '<' else '>'} "
    assert (wanted in told) == (entry.critical is not None) and "e+" not in told


def test_a_trimmed_server_status_is_not_measured_and_never_passes(admin):
    trimmed = copy.deepcopy(dict(admin.admin.command("serverStatus")))
    for section in ("wiredTiger", "extra_info", "globalLock", "flowControl", "metrics", "opLatencies"):
        trimmed.pop(section)
    found = judged(frame_of(trimmed), {"mongodb": "9.9"})
    for check in ("MON-CACHE-001", "MON-CACHE-002", "MON-CACHE-003", "MON-QUEUE-001", "MON-QUEUE-002", "MON-MEM-001",
                  "MON-REPL-003", "MON-QUERY-002"):  # fmt: skip
        assert found[check].verdict is Verdict.NOT_MEASURED, check
    assert found["MON-CONN-001"].verdict is Verdict.PASS, "connections were still reported"


def test_what_the_provider_tells_stands_in_for_a_host_that_is_not_read():
    elsewhere = {HOST_CPU: (24.6, "by Atlas"), HOST_MEMORY: (97.0, "by Atlas")}
    found = of_answers(readings(timeline(), NEWEST, {"host": "not this machine"}, elsewhere))
    cpu, memory = (next(found[rule.check] for rule in RULES if rule.reading == name) for name in elsewhere)
    assert (cpu.verdict, cpu.measured, cpu.evidence) == (Verdict.PASS, 24.6, "by Atlas")
    assert memory.verdict is Verdict.FAIL
    own = of_answers(readings(timeline(host__cpu_percent=[50.0]), NEWEST, {}, elsewhere))
    assert own[cpu.id].measured == 50.0


def test_what_the_provider_tells_stands_in_for_a_disk_and_a_backup():
    production = Settings(profile="production")
    disk = of_answers(disks(None, None, (96.0, "by Atlas")))["MON-DISK-001"]
    assert (disk.verdict, disk.evidence) == (Verdict.FAIL, "by Atlas")
    assert of_answers(disks(None, None))["MON-DISK-001"].verdict is Verdict.NOT_MEASURED
    (backup,) = of_answers(backup_age(None, (), production, (30.0, "Atlas' newest"))).values()
    assert (backup.verdict, backup.measured) == (Verdict.WARN, 30.0)
    (none,) = of_answers(backup_age(None, (), production)).values()
    assert none.verdict is Verdict.NOT_MEASURED
