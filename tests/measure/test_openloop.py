"""A stall of the server shows in the open loop in full size, and hides in the closed one."""

import os
import signal
import threading
import time

import pytest

from leadbook import connect
from leadbook.measure import openloop
from leadbook.measure.arrivals import poisson
from leadbook.measure.load import Loader
from leadbook.measure.operations import Target
from leadbook.measure.workers import Outcome, Task, run_tasks

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
    target = Target(mongodb_uri=state.mongodb_uri, redis_url="redis://127.0.0.1:1", settings=known,
                    database=settings.database, collection="pings", seed=1)  # fmt: skip

    def run(task: Task, after: float) -> Outcome:
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


def step(rate, *, done, seconds=2.0, ended=2.0, skipped=0):
    planned = int(rate * seconds / 50)
    outcome = Outcome(name=str(rate), planned=planned, done=done, began=0.0, ended=ended, skipped=skipped)
    outcome.service.extend([0.02] * 30)
    return openloop.Step(name=f"{rate}/s", rate=rate, batch=50, seconds=seconds, outcome=outcome, stored=done)


def test_the_knee_is_the_last_rate_that_was_kept_up_with():
    good, late = step(1_000, done=2_000), step(2_000, done=4_000, ended=3.0)
    skipped = step(3_000, done=5_000, skipped=20)
    assert (good.kept_up, late.kept_up, skipped.kept_up) == (True, False, False)
    assert openloop.knee([skipped, good, late]) is good
    assert openloop.knee([good]) is None, "where all were kept up with, no knee was reached"
    assert openloop.knee([late, skipped]) is None


def test_target_rates_are_offered_and_every_document_is_counted(place, scratches):
    place.settings = place.settings.model_copy(update={"open_loop_seconds": 0.4, "load_processes": 1})
    loader = Loader.of(place)
    try:
        found = openloop.steps(loader, None, fractions=(0.5,))
    finally:
        loader.close()
    assert [one.rate for one in found][1:] == [1_000, 2_000]
    assert all(one.stored == one.outcome.done for one in found)
    checks = {check.id: check for check in openloop.checks(found, {}, place.settings)}
    assert checks["LOAD-OPN-001"].verdict.value == "pass"
    assert checks["LOAD-OPN-004"].measured == 0
    assert scratches() == []
