"""The judge over simulated sprints: what is told, when, for how long, and what is not."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from tests.phases.live.simulated import BEGIN, INTERVAL_S, SYMPTOMS, Sprint, Symptom, afflicted, play, silent

from leadbook.core.settings import Settings
from leadbook.measure import canary
from leadbook.phases.live.baselines import Baselines
from leadbook.phases.live.hysteresis import Hysteresis
from leadbook.phases.live.judge import ATTENTION, CRITICAL, HEALTHY, Judge
from leadbook.phases.live.rules import rulebook
from leadbook.watch.history import History


class Played:
    """A sprint with its judge: `quiet(n)` and `ill(symptom, n)` intervals, each giving the keys told in it."""

    def __init__(self, settings=None, baselines=None, seed=1, only=()):
        rules = {name: rule for name, rule in rulebook().items() if not only or name in only}
        self.judge, self.history = Judge(settings or Settings(), baselines, rules), History()
        self.sprint, self.taken = Sprint(seed), []

    def take(self, snapshot):
        self.taken.append(snapshot)
        self.history.add(snapshot)
        return {finding.key for finding in self.judge.take(snapshot, self.history)}

    def quiet(self, count):
        return [self.take(self.sprint.next()) for _ in range(count)]

    def ill(self, symptom, count=None):
        frozen = {name: self.history.last.readings[name] for name in symptom.freezes} if symptom.freezes else None
        return [self.take(afflicted(self.sprint.next(), symptom, frozen)) for _ in range(count or symptom.lasts)]


def told(keys, rule):
    return any(key.partition("/")[0] == rule for key in keys)


def test_each_rule_has_a_symptom():
    assert SYMPTOMS.keys() == rulebook().keys()


@pytest.mark.parametrize("rule", SYMPTOMS)
def test_each_rule_tells_its_symptom_in_time_and_is_over_after(rule):
    symptom = SYMPTOMS[rule]
    played = Played(Settings.from_mapping(dict(symptom.settings)), only={rule, "LIVE-HOST-003", "LIVE-DUP-002"})
    assert not any(played.quiet(symptom.ramp))
    ill = played.ill(symptom)
    first = next((n for n, keys in enumerate(ill, 1) if told(keys, rule)), None)
    if symptom.lasts >= symptom.within:
        assert first is not None and first <= symptom.within
    (finding,) = [one for one in played.judge.findings if one.rule == rule]
    assert not re.search(r"\{[a-z_.]+\}|\bnan\b", finding.evidence), finding.evidence
    assert finding.evidence and finding.remedy and finding.cause and finding.level in (1, 2, 3, 4)
    after = played.quiet(symptom.over)
    assert not after[-1], f"still told: {after[-1]}"
    assert [one.rule for one in played.judge.over].count(rule) == 1, "one trouble, one finding"
    ended = next(one for one in played.judge.over if one.rule == rule)
    assert ended.until is not None and ended.since < ended.until


def test_what_is_told_within_two_intervals():
    """Rules that need longer look at an hour, at ten minutes of silence, or at peaks that are usual."""
    late = {rule for rule, symptom in SYMPTOMS.items() if symptom.within > 2}
    assert late == {
        "LIVE-COL-002", "LIVE-RATE-001", "LIVE-RATE-002", "LIVE-WATCH-002",
        "LIVE-SLOW-001", "LIVE-SLOW-002", "LIVE-SLOW-003",
        "LIVE-SLOW-004", "LIVE-CACHE-002", "LIVE-CACHE-003", "LIVE-QUEUE-001", "LIVE-QUEUE-002", "LIVE-MEM-001",
        "LIVE-RDS-007", "LIVE-RDS-008", "LIVE-HOST-001",
    }  # fmt: skip


def test_eight_quiet_hours_raise_no_alarm():
    judge, history = Judge(Settings()), History()
    assert play(judge, history, Sprint().snapshots(960)) == set()
    assert judge.verdict == HEALTHY and judge.over == []


def test_a_series_replayed_gives_the_same_state():
    played = Played(seed=4)
    played.quiet(40)
    for rule in ("LIVE-DISK-001", "LIVE-COL-001", "LIVE-SCAN-001", "LIVE-RDS-006"):
        played.ill(SYMPTOMS[rule], 5)
        played.quiet(3)
    again, whole, bare = Judge(Settings()), Judge(Settings()), History()
    for snapshot in played.taken:
        whole.take(snapshot, played.history)  # a history that knows what comes later
        again.take(snapshot, bare)  # one that does not hold the snapshot yet
        bare.add(snapshot)
    for other in (again, whole):
        assert (other.findings, other.over, other.unknown) == (
            played.judge.findings, played.judge.over, played.judge.unknown)  # fmt: skip
    assert played.judge.take(played.taken[-1], played.history) == played.judge.findings, "taken twice, nothing changes"


# --------------------------------------------------------------------------------------------------- no flapping


def test_a_reading_that_flaps_is_one_finding_that_stays():
    played = Played()
    played.quiet(20)
    high, low = (Symptom(readings={"mongodb.disk_used_percent": value}) for value in (86.0, 60.0))
    keys = [played.ill(one, 1)[0] for _ in range(40) for one in (high, low)]
    assert keys[3:] == [{"LIVE-DISK-001"}] * 77
    assert played.judge.over == []
    played.quiet(4)
    assert [one.rule for one in played.judge.over] == ["LIVE-DISK-001"]


@trials(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["trouble", "between", "quiet"]), max_size=60), st.integers(1, 4), st.integers(1, 5))
def test_trouble_neither_begins_nor_ends_by_single_readings(states, needed, clear_for):
    made, was, begun = Hysteresis(needed, clear_for), False, 0
    for n, state in enumerate(states):
        made.take(BEGIN.replace(minute=n % 60), trouble=state == "trouble", quiet=state == "quiet")
        lately = states[max(0, n + 2 - 2 * needed) : n + 1]
        if made.is_on and not was:
            begun += 1
            assert state == "trouble" and lately.count("trouble") >= needed
        if was and not made.is_on:
            assert states[n + 1 - clear_for : n + 1] == ["quiet"] * clear_for
        was = made.is_on
    assert begun <= 1 + len(states) // (needed + clear_for)


@trials(max_examples=20, deadline=None)
@given(st.floats(0, 100), st.floats(0, 100))
def test_more_is_never_less_trouble(one, other):
    levels = []
    for value in sorted((one, other)):
        played = Played()
        played.quiet(1)
        played.ill(Symptom(readings={"mongodb.disk_used_percent": value}), 3)
        levels.append(max((finding.level for finding in played.judge.findings), default=0))
    assert levels == sorted(levels)


# ------------------------------------------------------------------------------------------- levels and verdict


def test_beyond_the_critical_limit_is_critical_and_eases_again():
    played = Played()
    played.quiet(2)
    assert played.judge.verdict == HEALTHY
    played.ill(Symptom(readings={"mongodb.disk_used_percent": 91.0}), 3)
    assert (played.judge.verdict, played.judge.findings[0].level) == (ATTENTION, 2)
    played.ill(Symptom(readings={"mongodb.disk_used_percent": 97.0}), 2)
    assert (played.judge.verdict, played.judge.findings[0].level) == (CRITICAL, 4)
    played.ill(Symptom(readings={"mongodb.disk_used_percent": 97.0, "mongodb.slow_scans": 1.0}), 2)
    assert [found.level for found in played.judge.findings] == [4, 1], "the gravest stands first"
    played.ill(Symptom(readings={"mongodb.disk_used_percent": 75.0}), 3)
    assert played.judge.findings[0].evidence.startswith("97 % used"), "what was seen stays until it is over"
    played.ill(Symptom(readings={"mongodb.disk_used_percent": 75.0}), 1)
    assert played.judge.findings == [] and played.judge.verdict == HEALTHY


def test_trouble_that_lasts_is_told_higher_up():
    played = Played()
    played.quiet(2)
    played.ill(SYMPTOMS["LIVE-STG-001"], 20)
    assert played.judge.findings[0].level == 1
    played.ill(SYMPTOMS["LIVE-STG-001"], 2)
    assert played.judge.findings[0].level == 2


def test_a_server_that_is_away_is_critical_and_its_rules_are_unknown():
    played = Played()
    played.quiet(5)
    played.ill(SYMPTOMS["LIVE-MDB-001"], 2)
    assert [one.rule for one in played.judge.findings] == ["LIVE-MDB-001"]
    assert played.judge.verdict == CRITICAL
    assert played.judge.unknown["LIVE-DISK-001 The database's disk is nearly full"] == "it does not answer"
    played.quiet(1)
    assert played.judge.verdict == HEALTHY


# ------------------------------------------------------------------------------------------------ not measured


def without(snapshot, name, why):
    readings = {key: value for key, value in snapshot.readings.items() if key != name}
    return replace(snapshot, readings=readings, unmeasured={name: why})


def test_what_is_not_measured_is_unknown_and_never_fine():
    played = Played()
    for _ in range(3):
        played.take(without(played.sprint.next(), "mongodb.disk_used_percent", "grant clusterMonitor"))
    name = "LIVE-DISK-001 The database's disk is nearly full"
    assert played.judge.unknown[name] == "not measurable here so far: grant clusterMonitor"
    assert played.judge.verdict == HEALTHY, "by itself it makes nothing worse"
    played.quiet(1)
    assert name not in played.judge.unknown
    played.ill(SYMPTOMS["LIVE-DISK-001"], 3)
    for _ in range(20):  # what went on goes on while nobody can see
        keys = played.take(without(played.sprint.next(), "mongodb.disk_used_percent", "no answer in time"))
        assert keys == {"LIVE-DISK-001"}
    assert played.judge.unknown[name] == "no answer in time"


def test_a_rehearsal_is_not_judged_by_its_machine():
    played = Played()
    played.ill(Symptom(readings={"host.cpu_percent": 100.0, "host.memory_percent": 97.0, "backup.age_h": 400.0}), 20)
    assert played.judge.findings == []
    assert sum("rehearsal" in why for why in played.judge.unknown.values()) == 4


# --------------------------------------------------------------------------------------- canary and baselines


def test_a_busy_host_is_told_instead_of_a_slow_database():
    played = Played()
    played.quiet(20)
    busy = Symptom(readings={"probe.mongodb_ms": 400.0, "mongodb.slow": 20.0, "probe.canary_waited": 0.8})
    assert played.ill(busy, 6)[-1] == {"LIVE-HOST-003"}
    (finding,) = played.judge.findings
    assert finding.level == 1 and "duplicate checks in mongodb are slow" in finding.evidence
    assert rulebook()["LIVE-HOST-003"].limit == 100 * canary.BUSY
    assert played.ill(replace(busy, readings={**busy.readings, "probe.canary_waited": 0.1}), 3)[-1] >= {"LIVE-DUP-002"}
    idle = Symptom(readings={"probe.canary_waited": 0.9})
    assert not told(played.ill(idle, 14)[-1], "LIVE-HOST-003"), "a busy host where nothing is missed is no news"


def test_a_baseline_moves_the_limit_and_is_named():
    facts = {"03.duplicate_check_mongodb_p99_ms": 80.0}
    played = Played(baselines=Baselines(facts=facts, closed={"03": "2026-05-31T10:00:00+00:00"}))
    played.quiet(3)
    slow = {"probe.canary_waited": 0.0}
    assert not any(played.ill(Symptom(readings={**slow, "probe.mongodb_ms": 150.0}), 4))
    played.ill(Symptom(readings={**slow, "probe.mongodb_ms": 200.0}), 2)
    (finding,) = played.judge.findings
    assert finding.limit == 160 and "2 x 80 ms, phase 03, closed 2026-05-31 10:00 UTC" in finding.evidence


def test_a_slow_first_third_moves_the_limit_of_degradation():
    played = Played()
    usual = Symptom(readings={"mongodb.write_ms": 120.0, "probe.canary_waited": 0.0})
    assert not any(played.ill(usual, 60))
    assert not any(played.ill(replace(usual, readings={**usual.readings, "mongodb.write_ms": 230.0}), 5))
    assert played.ill(replace(usual, readings={**usual.readings, "mongodb.write_ms": 260.0}), 3)[-1] == {
        "LIVE-SLOW-003"
    }


# ---------------------------------------------------------------------------------------- collectors and sprint


def test_each_silent_collector_is_a_finding_of_its_own():
    played = Played()
    played.quiet(4)
    played.ill(Symptom(details=silent("apollo-2", "brightdata-1")), 2)
    assert {one.key for one in played.judge.findings} == {"LIVE-COL-001/apollo-2", "LIVE-COL-001/brightdata-1"}
    played.ill(Symptom(details=silent("apollo-2")), 3)
    assert [one.subject for one in played.judge.findings] == ["apollo-2"]
    assert [one.subject for one in played.judge.over] == ["brightdata-1"]


def test_a_scan_names_collection_fields_and_the_index_that_helps():
    played = Played()
    played.quiet(2)
    played.ill(SYMPTOMS["LIVE-SCAN-001"], 1)
    (finding,) = played.judge.findings
    assert "performance_marketers by company_size; an index that helps: { company_size: 1 }" in finding.evidence


def test_the_targets_rate_is_not_asked_for_in_the_first_quarter_of_an_hour():
    played, slow = Played(), Symptom(readings={"sprint.leads_per_s": 0.02})
    assert not any(played.ill(slow, int(900 / INTERVAL_S)))
    assert told(played.ill(slow, 6)[-1], "LIVE-RATE-001")


def test_a_sprint_that_wants_no_more_leads_may_rest():
    played = Played()
    played.quiet(2)
    done = Symptom(readings={"sprint.leads": 20_100.0, "sprint.leads_per_s": 0.0}, freezes=("sprint.staged",))
    assert not any(keys & {"LIVE-RATE-001", "LIVE-COL-002"} for keys in played.ill(done, 60))


@pytest.mark.parametrize("source", ["snapshot", "sprint", "mongodb"])
def test_who_sees_nothing_of_a_source_is_not_healthy(source):
    played = Played()
    played.quiet(3)
    blind = Symptom(away=source, within=3)
    if source == "snapshot":
        seen = [
            replace(played.sprint.next(), readings={}, details={}, unmeasured={"snapshot": "broke"}) for _ in range(39)
        ]
        for one in seen:
            played.take(one)
        assert len(played.judge.unknown) > played.judge.rules / 2
    else:
        played.ill(blind, 3)
    assert played.judge.verdict == ATTENTION
    assert [one.key for one in played.judge.findings] == [f"LIVE-WATCH-002/{source}"]
    played.quiet(1)
    assert played.judge.verdict == HEALTHY


def test_a_server_that_is_away_is_told_once():
    played = Played()
    played.quiet(3)
    played.ill(SYMPTOMS["LIVE-MDB-001"], 6)
    assert not any(one.rule == "LIVE-WATCH-002" for one in played.judge.findings)


def test_no_backup_at_all_is_a_finding_of_production_only():
    for profile, told_of in (("production", ["LIVE-BKP-002"]), ("rehearsal", [])):
        played = Played(Settings.from_mapping({"profile": profile}))
        played.quiet(2)
        played.ill(Symptom(away="backup"), 3)
        assert [one.rule for one in played.judge.findings] == told_of


def test_commands_name_the_profile():
    played = Played(Settings.from_mapping({"profile": "production"}))
    played.ill(SYMPTOMS["LIVE-STG-001"], 2)
    assert "`leadbook ingest --staged --follow --profile production`" in played.judge.findings[0].remedy


def test_a_process_is_given_real_seconds_and_a_short_gap_is_no_news():
    played = Played()
    played.quiet(3)
    stuck = SYMPTOMS["LIVE-ING-003"]
    played.judge._settings = played.judge._settings.model_copy(update={"clock": 60.0})
    assert not told(played.ill(stuck, 4)[-1], "LIVE-ING-003"), "150 s of a sprint are 2.5 s of a follower"
    older = replace(stuck, readings={**stuck.readings, "sprint.oldest_s": 400.0})
    assert told(played.ill(older, 1)[-1], "LIVE-ING-003")
    assert not told(played.ill(replace(SYMPTOMS["LIVE-WATCH-001"], seconds=60.0), 4)[-1], "LIVE-WATCH-001")
