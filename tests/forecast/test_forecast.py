"""What comes of a sprint: rate, milestones, their probability; and when nothing can be said."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from time import process_time

import numpy as np
import pytest

from leadbook.core.errors import ParameterError
from leadbook.core.settings import Settings, load_profile, parse_override
from leadbook.forecast.forecast import FEWEST, HORIZON_S, accuracy, forecast
from leadbook.watch.history import History
from simulated_sprints import BEGAN, MadeSprint, made, series

SETTINGS = Settings(sprint_deadline="2026-12-02T08:00Z")


def even(hours: float, per_h: float, *, every_s: float = 60.0) -> MadeSprint:
    """So many leads an hour, evenly, with a little chance."""
    seconds = np.arange(0, hours * 3_600 + 1, every_s)
    leads = np.cumsum(np.random.default_rng(1).poisson(per_h * every_s / 3_600, size=len(seconds))).astype(float)
    return MadeSprint(seconds, leads * 1.25, leads)


def asked(sprint: MadeSprint | History, settings: Settings = SETTINGS):
    history = sprint if isinstance(sprint, History) else series(sprint)
    return forecast(history, settings, history.last.at if history.last else BEGAN)


def test_an_even_sprint_goes_on_as_it_did():
    found = asked(even(6, 1_000))
    assert found.unmeasured == "" and found.low < 1_000 < found.high and found.high - found.low < 400
    ten, twenty = found.milestones
    assert (ten.leads, twenty.leads) == (10_000, 20_000)
    assert abs((ten.at - BEGAN) / timedelta(hours=1) - 10) < 0.7
    assert abs((twenty.at - BEGAN) / timedelta(hours=1) - 20) < 2
    assert ten.early < ten.at < ten.late and twenty.early < twenty.at < twenty.late
    assert ten.probability == 1.0 and 0.7 < twenty.probability < 1.0
    assert twenty.late - twenty.early > ten.late - ten.early
    assert asked(even(6, 1_000)) == found, "the same series gives the same forecast"


def test_a_milestone_that_was_reached_tells_when_between_two_snapshots():
    found = asked(even(15, 1_000), replace_settings(sprint_deadline="2026-12-01T09:00Z"))
    ten, twenty = found.milestones
    assert abs((ten.reached_at - BEGAN) / timedelta(hours=1) - 10) < 0.3
    assert ten.at is None and ten.probability == 0.0, "reached, but after the deadline"
    assert twenty.reached_at is None and twenty.probability == 0.0
    assert asked(even(15, 1_000)).milestones[0].probability == 1.0
    assert asked(even(15, 1_000), Settings()).milestones[0].probability is None


def replace_settings(**changes):
    return SETTINGS.model_copy(update=changes)


@pytest.mark.parametrize(
    ("sprint", "settings", "why"),
    [
        (even(0.1, 1_000), SETTINGS, f"snapshots of the sprint so far, {FEWEST} are needed"),
        (even(0.1, 9_000, every_s=10), SETTINGS, "6 minutes of the sprint so far, 10 are needed"),
        (even(2, 0), SETTINGS, "no lead was stored"),
        (even(2, 900), replace_settings(sprint_start="2026-12-02T08:00+01:00"), "begins at 2026-12-02 07:00 UTC"),
        (History(), SETTINGS, "0 snapshots"),
    ],
)
def test_too_little_is_unmeasured_and_says_why(sprint, settings, why):
    found = asked(sprint, settings)
    assert why in found.unmeasured and found.rate is None and found.milestones[1].at is None
    assert found.milestones[1].probability is None


def test_collectors_that_ended_bring_no_more_than_what_waits():
    sprint = even(6, 1_000)
    seconds = np.arange(0, 8 * 3_600, 60.0)
    records, leads = (np.interp(seconds, sprint.seconds, counts) for counts in (sprint.records, sprint.leads))
    still = MadeSprint(seconds, records, leads)
    found = asked(still)
    assert (found.rate, found.milestones[1].at, found.milestones[1].probability) == (0.0, None, 0.0)
    history = series(still)
    waits = {**history.last.readings, "sprint.staged": still.records[-1] + 5_000, "sprint.waiting": 5_000.0}
    history.add(replace(history.last, at=history.last.at + timedelta(hours=1), readings=waits))
    later = {**waits, "sprint.leads": waits["sprint.leads"] + 1}
    for minute in range(1, 40 * 60, 30):
        history.add(replace(history.last, at=history.last.at + timedelta(minutes=30), readings=later))
        assert minute
    found = asked(history)
    assert found.milestones[0].at is not None, "5,000 wait, and 4,000 are wanted"
    assert found.milestones[1].at is None and found.milestones[1].probability == 0.0


def test_a_pause_or_a_burst_is_no_end_and_no_trend():
    sprint = even(8, 1_000)
    paused = MadeSprint(sprint.seconds[:440], sprint.records[:440], sprint.leads[:440])
    later = paused.seconds[-1] + 60.0 * np.arange(1, 21)
    still = (np.append(counts, np.full(20, counts[-1])) for counts in (paused.records, paused.leads))
    twenty_minutes = MadeSprint(np.append(paused.seconds, later), *still)
    assert asked(twenty_minutes).milestones[1].at is not None
    burst = sprint.leads + np.where(sprint.seconds > 7.9 * 3_600, 1_500.0, 0.0)
    plain, told = asked(sprint), asked(MadeSprint(sprint.seconds, burst * 1.25, burst))
    assert told.rate < 1.6 * plain.rate, "1,500 leads at once are not 15,000 an hour"


def test_gaps_outages_and_restarts_count_with_their_time_and_their_leads():
    sprint = even(8, 1_000)
    keep = (sprint.seconds < 2 * 3_600) | (sprint.seconds > 5 * 3_600)
    gap = asked(MadeSprint(sprint.seconds[keep], sprint.records[keep], sprint.leads[keep]))
    assert gap.rate == pytest.approx(asked(sprint).rate, rel=0.1)
    history, away = History(), series(sprint)
    for number, snapshot in enumerate(snapshots(sprint)):
        history.add(replace(snapshot, readings={} if 100 < number < 200 else snapshot.readings))
    assert asked(history).rate == pytest.approx(asked(away).rate, rel=0.1)


def snapshots(sprint: MadeSprint):
    for end in range(1, len(sprint.seconds) + 1):
        part = MadeSprint(*(counts[end - 1 : end] for counts in (sprint.seconds, sprint.records, sprint.leads)))
        yield series(part).last


def test_purged_records_and_erased_people_are_no_loss_of_pace():
    sprint = even(6, 1_000)
    history = History()
    for number, snapshot in enumerate(snapshots(sprint)):
        told = dict(snapshot.readings)
        told |= {"sprint.stored": told["sprint.stored"] % 2_000, "sprint.duplicates": told["sprint.duplicates"] % 500}
        told["sprint.leads"] -= number // 60
        history.add(replace(snapshot, readings=told))
    assert asked(history).rate == pytest.approx(1_000, rel=0.15)


def test_leads_that_files_bring_are_forecast_without_staged_records():
    history = History()
    for snapshot in snapshots(even(6, 1_000)):
        history.add(
            replace(snapshot, readings={"sprint.leads": snapshot.readings["sprint.leads"], "sprint.staged": 0.0})
        )
    assert asked(history).rate == pytest.approx(1_000, rel=0.15)


def test_a_falling_yield_is_seen():
    """As many records an hour, of which ever fewer are new: the milestone comes later than a straight line says."""
    sprint = made("worn out", 4)
    half = sprint.at(0.5)
    straight = half.seconds[-1] * 2
    twenty = asked(half).milestones[1]
    assert (twenty.at - BEGAN).total_seconds() > straight
    assert (twenty.early - BEGAN).total_seconds() < sprint.done < (twenty.late - BEGAN).total_seconds()


def test_what_takes_longer_than_a_month_does_not_come():
    found = asked(even(20, 12))
    assert found.milestones[1].at is None and found.milestones[1].late is None and HORIZON_S == 30 * 86_400
    assert found.rate == pytest.approx(12, rel=0.4)


def test_most_intervals_hold():
    """A small part of tests/proofs/test_forecast_coverage.py."""
    held = []
    for seed in range(500, 505):
        for family in ("steady", "on and off", "worn out"):
            sprint = made(family, seed)
            twenty = asked(sprint.at(0.5)).milestones[1]
            held.append(twenty.early <= BEGAN + timedelta(seconds=sprint.done) <= twenty.late)
    assert np.mean(held) >= 0.7


def test_the_report_tells_how_far_the_forecast_is_to_be_believed():
    told = accuracy()
    assert asked(even(6, 1_000)).accuracy == told
    assert told.sprints >= 200 and 75 <= told.held_percent <= 85 and told.forecasts == 3 * told.sprints


def test_a_forecast_is_quick_on_3000_snapshots():
    history = series(even(50, 300))
    assert len(history) == 3_001
    asked(history)
    took = []
    for _ in range(5):
        began = process_time()
        asked(history)
        took.append(process_time() - began)
    assert min(took) < 0.05


@pytest.mark.parametrize("key", ["sprint_start", "sprint_deadline"])
def test_a_moment_needs_its_zone(key):
    for value in ("tomorrow", "2026-12-01T08:00", "2026-12-01", "0001-01-01T00:00Z"):
        with pytest.raises(ParameterError, match="must be a moment with its zone") as told:
            Settings.from_mapping({key: value})
        assert "\n" not in str(told.value)
    assert parse_override(f"{key}=2026-12-01T08:00+01:00") == (key, "2026-12-01T08:00+01:00")


def test_a_profile_may_hold_a_moment_as_yaml_reads_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("sprint_start: 2026-12-01T08:00:00+01:00\nsprint_deadline: 2026-12-02T08:00:00Z\n")
    found = Settings.from_mapping(load_profile(str(path)))
    assert found.sprint_deadline.startswith("2026-12-02T08:00:00")
    assert asked(even(6, 1_000), found).deadline.astimezone(UTC) == BEGAN + timedelta(days=1)
    with pytest.raises(ParameterError, match="not after sprint_start"):
        Settings.from_mapping({"sprint_start": "2026-12-02T08:00Z", "sprint_deadline": "2026-12-01T08:00Z"})


def test_milestones_are_whole_numbers():
    with pytest.raises(ParameterError, match="whole numbers"):
        Settings.from_mapping({"milestones": "10k, 20k"})
    found = asked(even(6, 1_000), replace_settings(milestones="30000, 5000, 5000"))
    assert [one.leads for one in found.milestones] == [5_000, 30_000]
