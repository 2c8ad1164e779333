"""The view: thinned without losing a peak, gaps found, nobody's address in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests import live_series as made

from leadbook.forecast.records import Forecast, Headroom, Milestone
from leadbook.phases.live import evidence
from leadbook.phases.live.drawn import words
from leadbook.phases.live.rules import rulebook
from leadbook.phases.live.view import POINTS, gaps, growth, make_view, segments, thinned
from leadbook.phases.proven import how_to_back_up
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot


def history_of(values):
    history = History()
    for number, value in enumerate(values):
        readings = {} if value is None else {"sprint.waiting": float(value), "sprint.leads": float(number)}
        history.add(LiveSnapshot(at=made.BEGIN + number * made.EVERY, number=number, watch="made", interval_s=30,
                                 readings=readings))  # fmt: skip
    return history


@given(some.lists(some.none() | some.integers(-1000, 1000), min_size=1, max_size=200), some.integers(5, 60))
def test_thinning_keeps_least_most_and_last(values, points):
    found = thinned(history_of(values), points)
    kept = [value for value in found.get("sprint.waiting", []) if value is not None]
    read = [value for value in values if value is not None]
    assert len(found["at"]) <= points or len(values) <= points
    assert not read or (min(kept), max(kept)) == (min(read), max(read))
    assert not read or found["sprint.waiting"][-1] == values[-1]
    assert found["at"] == sorted(found["at"]) and len({*map(len, found.values())}) == 1


def test_a_counter_stays_a_counter_when_thinned():
    found = thinned(history_of(range(5000)))
    assert len(found["at"]) == 499 <= POINTS
    assert found["sprint.leads"] == sorted(found["sprint.leads"]) and found["sprint.leads"][-1] == 4999


def test_missed_turns_are_gaps_and_other_paces_are_none():
    regular = np.arange(0, 3000, 30.0)
    assert gaps(regular, 30) == ()
    assert len(gaps(np.delete(regular, [40, 41]), 30)) == 1
    assert gaps(np.concatenate([np.arange(0, 30_000, 120.0), 30_000 + regular]), 30) == (), "thinned, or slower once"
    assert gaps(np.array([0.0]), 30) == gaps(np.array([]), 30) == ()
    assert len(gaps(np.array([0.0, 400.0]), 30)) == 1


def test_nothing_is_drawn_through_a_gap_or_where_a_source_was_away():
    view = made.made_view()
    assert len(segments(view, "sprint.leads")) == 3
    assert len(segments(view, "redis.memory_percent")) == 2
    assert segments(view, "redis.slow") == []
    rates = growth(segments(view, "sprint.leads"), 3600)
    assert all(800 < value < 3500 for piece in rates for _, value in piece)


def test_stale_is_three_intervals_of_the_real_clock():
    assert made.made_view().stale_after_s == 90


def test_an_empty_history_cannot_be_shown():
    with pytest.raises(ValueError, match="nothing was read"):
        make_view(made.SETTINGS, History(), made.MadeJudge(), Forecast(at=made.BEGIN, leads=0), target="", whose="")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (99, "99 s"), (101, "2 min"), (5900, "98 min"), (6100, "1 h 42 min"), (7200, "2 h"), (2e5, "2 d 7 h")],
)  # fmt: skip
def test_durations_are_for_people(seconds, said):
    assert words.duration(seconds) == said


def test_forecasts_say_what_they_know_and_no_more():
    now, later = made.BEGIN, made.BEGIN + timedelta(hours=30)
    told = Forecast(at=now, leads=1, deadline=later)
    assert words.milestone(Milestone(leads=20_000), told) == "20,000: does not come at this pace"
    assert words.milestone(Milestone(leads=20_000, probability=0.001), told).endswith(
        "under 1 % likely by the deadline, 2 Dec 14:00"
    )
    assert words.milestone(Milestone(leads=5, at=now), Forecast(at=now, leads=1)) == "5 about 08:00"
    assert words.rate(Forecast(at=now, leads=1, unmeasured="2 snapshots")) == "rate unknown: 2 snapshots"
    assert words.headroom(Headroom(name="disk", used=3, unit="%")) == ("3 %", "not at this pace")


def test_where_atlas_is_asked_a_limit_and_a_rule_name_the_action_that_moves_it():
    plain, disk = made.made_view(), Headroom(name="disk", used=30.0, capacity=40.0, unit="bytes", hours=5.0)
    at_atlas = replace(plain, atlas=True, profile="production")
    assert "atlas-scale" not in words.headroom(disk, plain)[1]
    assert words.headroom(disk, at_atlas)[1].endswith("a larger one: leadbook act atlas-scale --profile production")
    assert "atlas" not in words.headroom(replace(disk, name="Redis memory"), at_atlas)[1]
    asked, rule = made.SETTINGS.model_copy(update={"atlas_project": "0" * 24}), rulebook()["LIVE-DISK-001"]
    assert rule.remedy_in(made.SETTINGS) == rule.remedy and "`leadbook act atlas-scale`" in rule.remedy_in(asked)
    assert words.commands(rulebook()["LIVE-BKP-001"].remedy_in(asked))[-1] == "leadbook act atlas-snapshot"


def test_an_action_tells_nothing_of_what_was_empty_or_stayed():
    def of(**entry):
        return words.action({"at": made.BEGIN, "action": "x", **entry}, made.BEGIN)[1]

    changed = of(before={"writers": None}, after={"writers": 4, "version": ""}, who="Ada")
    assert changed == "x; writers – → 4; by Ada"
    assert of(done={"left": {"sessions": [], "scratch": [], "copies": []}}) == "x; left nothing"
    assert of(done={"left": {"sessions": ["a"], "copies": []}}) == "x; left sessions a"


def test_a_clause_of_readings_that_nobody_measured_is_left_out():
    clauses = ["stores {ingest.documents_per_s} with {ingest.writers}", "uses {mongodb.cpu_cores}", "{value}"]
    assert list(evidence._measured(clauses, {})) == clauses[1:]
    assert list(evidence._measured(clauses, {"ingest.writers": 4.0})) == clauses


def test_whoever_copies_the_remedy_of_a_missing_backup_gets_one_that_is_restored_as_a_trial_too():
    wanted = how_to_back_up(made.SETTINGS).strip("`")
    assert wanted.endswith(f"-p approve='restore_drill on {made.SETTINGS.database}'")
    for name in ("LIVE-BKP-001", "LIVE-BKP-002"):
        assert words.commands(rulebook()[name].remedy_in(made.SETTINGS))[0] == wanted


def test_a_finding_belongs_to_a_part_by_its_reading_else_by_its_words():
    disk, silent = made.findings(made.BEGIN)[1], made.findings(made.BEGIN)[0]
    assert words.part_of(disk) == "Disk" and words.part_of(silent) == ""
    assert [part.state for part in words.health(made.made_view())] == ["attention", "good", "good", "good", "critical"]
