"""A stall of the server shows in the open loop in full size, and hides in the closed one."""

import os
import signal
import threading
import time

import pytest

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.load import openloop
from leadbook.load.load import InsertLoad, Loader
from leadbook.load.openloop import RateStep
from leadbook.measure.operations import LoadTarget, Task
from leadbook.measure.rounds import poisson
from leadbook.measure.workers import TaskOutcome, run_tasks
from leadbook.phases.judging import checks_of, of_each
from leadbook.phases.p05 import checks, figures
from leadbook.phases.p05.checks import rates

STALL = 0.2


@pytest.fixture
def stalling(own_servers, settings):
    """Runs a task while mongod is stopped for 200 ms in the middle of it."""
    state = own_servers(members=1, redis=False)
    (mongod,) = [process for process in state.processes if process.port == int(state.mongodb_uri.split("@")[1]
                 .split("/")[0].split(":")[1])]  # fmt: skip
    known = {name: value for name, value in settings.__dict__.items() if not name.startswith("_")}
    with connect.mongodb(state.mongodb_uri, settings) as client:
        client[settings.database]["pings"].insert_one({"linkedin_url": "x"})
    target = LoadTarget(mongodb_uri=state.mongodb_uri, redis_url="redis://127.0.0.1:1", settings=known,
                    database=settings.database, collection="pings", seed=1)  # fmt: skip

    def run(task: Task, after: float) -> TaskOutcome:
        def stall():
            time.sleep(after)
            os.kill(mongod.pid, signal.SIGSTOP)
            time.sleep(STALL)
            os.kill(mongod.pid, signal.SIGCONT)

        thread = threading.Thread(target=stall)
        thread.start()
        try:
            (outcome,) = run_tasks(target, [task])
        finally:
            thread.join()
            os.kill(mongod.pid, signal.SIGCONT)
        return outcome

    return run


def test_a_stall_of_200_ms_shows_in_the_open_loop_p99_and_not_in_the_closed_one(stalling):
    closed = stalling(Task(name="closed", kind="ping", threads=2, calls=6_000), after=1.0)
    assert closed.latencies.worst_ms > 150, "the stall happened while the closed loop ran"
    assert closed.latencies.percentile(99) < 100, "and only the calls under way then felt it"

    arrivals = poisson(400, 3.0, seed=1)
    opened = stalling(Task(name="open", kind="ping", threads=4, arrivals=arrivals), after=1.5)
    assert opened.latencies.count + opened.skipped == len(arrivals) == 1_200
    assert opened.latencies.percentile(99) > 130, "every arrival during the stall waited for its end"
    assert opened.lag.worst_ms > 100


def test_late_arrivals_are_skipped_and_counted_never_caught_up(stalling):
    task = Task(name="open", kind="ping", threads=1, arrivals=poisson(200, 1.5, seed=2), skip_after=0.05)
    outcome = stalling(task, after=0.8)
    assert outcome.skipped > 5
    assert outcome.latencies.count + outcome.skipped == 300


def test_arrivals_are_a_poisson_process_of_known_number():
    made = poisson(1_000, 2.0, seed=3)
    assert len(made) == 2_000
    assert list(made) == sorted(made) and made[0] >= 0 and made[-1] < 2.0
    assert made == poisson(1_000, 2.0, seed=3)
    assert len(poisson(0.23, 1.0)) == 1, "the sprint's rate gives one arrival at least"


def step(rate, latency=lambda due: 0.02, *, skipped=0, seconds=2.0):
    """A step whose arrivals come evenly and are done `latency(due)` seconds after their moment."""
    planned = int(rate * seconds / 50)
    outcome = TaskOutcome(name=str(rate), planned=planned, began=0.0, skipped=skipped)
    for number in range(planned - skipped):
        due = number * seconds / planned
        outcome.ends.append((due + latency(due), 50, latency(due)))
        outcome.done += 50
    outcome.service.extend([0.02] * 30)
    return RateStep(name=f"{rate}/s", rate=rate, batch=50, seconds=seconds, outcome=outcome, stored=outcome.done)


def test_the_knee_is_the_last_rate_that_was_kept_up_with():
    good, late = step(1_000), step(2_000, lambda due: 0.02 + 0.3 * due)
    skipped = step(3_000, skipped=20)
    assert (good.kept_up, late.kept_up, skipped.kept_up) == (True, False, False)
    assert openloop.knee([skipped, good, late]) is good
    assert openloop.knee([good]) is None, "where all were kept up with, no knee was reached"
    assert openloop.knee([late, skipped]) is None


def test_the_knee_tells_what_was_done_and_the_caption_what_was_measured():
    good, late = step(1_000), step(2_000, lambda due: 0.02 + 0.3 * due)
    for one in (good, late):
        one.outcome.latencies.extend(latency for _, _, latency in one.outcome.ends)
    told = checks.rates(Settings())["LOAD-OPN-003"]((good, late))
    assert told.answer == 1_000 and "1000/s offered and kept up with, 1,000/s done" in told.evidence
    assert "/s done until the last answer, the slowest batch in " in told.evidence and "; 2000/s not" in told.evidence
    said = figures.hidden([good, late])
    assert "at 2000/s the slowest took" in said and "of which a closed loop would have told 20 ms" in said
    assert figures.hidden([]) == ""


@pytest.mark.parametrize("begins", [0.0, 0.5, 1.0, 1.6])
def test_one_stall_is_no_backlog_wherever_it_falls(begins):
    stalled = step(1_000, lambda due: 0.02 + (begins + 0.4 - due if begins <= due < begins + 0.4 else 0.0))
    assert stalled.kept_up and stalled.backlog < 0.02


@pytest.mark.parametrize(("beyond", "kept"), [(0.02, True), (0.05, True), (0.10, False), (0.50, False)])
def test_a_rate_beyond_capacity_is_a_backlog_that_grows(beyond, kept):
    assert step(4_000, lambda due: 0.02 + beyond * due).kept_up is kept


def test_a_step_of_one_arrival_is_judged_by_it():
    one = TaskOutcome(name="one", planned=1, done=1, began=0.3, ends=[(0.31, 1, 0.01)])
    one.service.record(0.01)
    hourly = RateStep(name="833 leads/hour", rate=833 / 3_600, batch=1, seconds=2.0, outcome=one, stored=1)
    assert hourly.kept_up
    nothing = RateStep(name="x", rate=1.0, batch=1, seconds=2.0, outcome=TaskOutcome(name="x", planned=1), stored=0)
    assert not nothing.kept_up, "an arrival that was never done is no pass"


def test_rates_rise_until_one_is_not_kept_up_with_and_the_target_is_always_offered(place, monkeypatch):
    """Which rates are asked for; the steps themselves are stood in for."""
    loader = Loader(place=place)

    def offered(capacity, best):
        def stood_in(loader, name, rate, *, batch, seconds):
            return step(rate, lambda due: 0.02 + (0.5 * due if rate > capacity else 0.0))

        monkeypatch.setattr(openloop, "step", stood_in)
        place.settings = place.settings.model_copy(update={"open_loop_percent": "50, 90, 130"})
        return [one.rate for one in openloop.steps(loader, [load(20_000, best), load(10_000, 9 * best)])][1:]

    assert offered(12_000, 10_000) == [1_000, 5_000, 9_000, 13_000]
    assert offered(7_000, 10_000) == [1_000, 5_000, 9_000], "what lies beyond the first that is missed tells nothing"
    assert offered(500, 10_000) == [1_000]
    assert offered(300, 800) == [400, 700, 1_000], "the target is offered also where lower rates are missed"


def load(records, rate):
    outcome = TaskOutcome(name="insert", sent=records, done=records, began=0.0, ended=records / rate)
    return InsertLoad(writers=10, batch=100, outcome=outcome, stored=records)


def test_target_rates_are_offered_and_every_document_is_counted(place, scratches):
    place.settings = place.settings.model_copy(
        update={"open_loop_seconds": 0.4, "open_loop_percent": "50", "load_processes": 1}
    )
    loader = Loader(place=place)
    try:
        found = openloop.steps(loader, None)
    finally:
        loader.close()
    assert [one.rate for one in found][1:] == [1_000, 2_000]
    assert all(one.stored == one.outcome.done for one in found)
    checks = {check.id: check for check in checks_of(of_each(rates(place.settings), found), place.settings)}
    assert checks["LOAD-OPN-001"].verdict.value == "pass"
    assert checks["LOAD-OPN-004"].measured == 0
    assert scratches() == []


def test_targets_of_ones_own_are_offered_and_judged(place, monkeypatch):
    """The steps themselves are stood in for."""
    place.settings = place.settings.model_copy(update={"target_leads_per_hour": 1_800.0, "target_insert_rate": 3_000.0})
    monkeypatch.setattr(openloop, "step", lambda loader, name, rate, **_: step(rate, seconds=100 if rate < 1 else 2.0))
    found = openloop.steps(Loader(place=place), [load(20_000, 2_000)])
    assert found[0].rate == 0.5 and 3_000 in [one.rate for one in found]
    made = {check.id: check for check in checks_of(of_each(rates(place.settings), found), place.settings)}
    assert made["LOAD-OPN-002"].measured is True and "6,000 times this rate, 3000" in made["LOAD-OPN-001"].evidence
