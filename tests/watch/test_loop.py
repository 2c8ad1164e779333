"""The loop: a snapshot each interval of the sprint's clock, what was missed marked, whatever happens to servers."""

import itertools
import os
import signal
import statistics
import threading
import time
from datetime import timedelta

import pytest
from tests.watch.real_reader import FastClock, RealReader

from leadbook.core.errors import ServerError, UsageError
from leadbook.rehearsal import servers
from leadbook.watch.loop import PAUSE, watch
from leadbook.watch.moments import moment_of, seconds_of
from leadbook.watch.records import LiveSnapshot
from leadbook.watch.series import Series


class Quick:
    """A reader that takes as long as it is told, number by number."""

    def __init__(self, clock, slow=None):
        self.clock, self.slow = clock, slow or {}

    def read(self, number, interval_s):
        at = self.clock.now()
        time.sleep(self.slow.get(number, 0))
        return LiveSnapshot(at=at, number=number, watch="quick", interval_s=interval_s)


def run(folder, clock, reader, every_s, *, most=None, until=None, stop=lambda: False):
    """What was told, snapshot by snapshot."""
    told = []
    with Series(folder) as series:
        watch(reader, series, every_s, until, clock, lambda one, _: told.append(one), stop, most=most)
    return told


def gaps(snapshots):
    return [event for one in snapshots for event in one.events if event.kind == "gap"]


def test_intervals_are_of_the_sprints_clock(tmp_path):
    clock = FastClock(100)
    told = run(tmp_path, clock, Quick(clock), 30, until=clock.now() + timedelta(seconds=310))
    assert 5 < len(told) < 12 and (told[-1].at - told[0].at).total_seconds() < 320
    between = [(after.at - before.at).total_seconds() for before, after in itertools.pairwise(told)]
    assert min(between) > 10 and statistics.median(between) < 61  # a busy host may miss a turn
    assert [event.kind for event in told[0].events] == ["begun"]


def test_a_slow_snapshot_delays_the_next_and_what_was_missed_is_marked(tmp_path):
    clock = FastClock()
    told = run(tmp_path, clock, Quick(clock, {2: 0.35}), 0.1, most=5)
    assert [one.number for one in told] == [1, 2, 3, 4, 5]
    (gap,) = gaps(told)
    assert gap.told["missed"] == 3 and 0.35 <= gap.seconds < 0.6
    assert gap in told[2].events and 0.05 < (told[3].at - told[2].at).total_seconds() < 0.2


def test_a_pause_of_more_than_two_intervals_is_marked_by_whoever_comes_next(tmp_path):
    clock = FastClock()
    run(tmp_path, clock, Quick(clock), 0.1, most=2)
    assert not gaps(run(tmp_path, clock, Quick(clock), 0.1, most=2))
    time.sleep(0.4)
    told = run(tmp_path, clock, Quick(clock), 0.1, most=1)
    assert [event.kind for event in told[0].events] == ["begun", "gap"] and gaps(told)[0].seconds > 0.4
    assert [one.number for one in Series(tmp_path).read()] == [1, 2, 3, 4, 5]


def test_an_error_of_the_reader_is_a_snapshot_that_measured_nothing(tmp_path):
    class Broken:
        def read(self, number, interval_s):
            raise ServerError("no such luck")

    (one,) = run(tmp_path, FastClock(), Broken(), 1, most=1)
    assert one.unmeasured == {"snapshot": "no such luck"} and not one.readings


def test_a_stop_is_heard_while_it_sleeps(tmp_path):
    clock, asked = FastClock(), threading.Event()
    threading.Timer(0.3, asked.set).start()
    began = time.monotonic()
    assert len(run(tmp_path, clock, Quick(clock), 60, stop=asked.is_set)) == 1
    assert time.monotonic() - began < 1


def _until(told, meant, seconds=20):
    """Wait until the latest that the loop has told is what is `meant`: one before may be of before what was done."""
    end = time.monotonic() + seconds
    while not any(map(meant, told[-1:])):
        assert time.monotonic() < end, "it was never told"
        time.sleep(0.05)


def test_servers_die_and_come_back_and_the_watch_goes_on(own_servers, settings, tmp_path):
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    clock, seen, asked = FastClock(), [], threading.Event()

    def go():
        with Series(tmp_path) as series, RealReader(endpoints, settings, clock) as reader:
            watch(reader, series, 0.2, None, clock, lambda one, _: seen.append(one), asked.is_set)

    thread = threading.Thread(target=go)
    thread.start()
    try:
        _until(seen, lambda one: not one.unmeasured)
        for names in (("redis",), ("mongod",), ("redis", "mongod")):
            for process in servers.status(state.folder).processes:
                if process.name.startswith(names):
                    os.kill(process.pid, signal.SIGKILL)
            for name in names:
                source = name.replace("mongod", "mongodb")
                _until(seen, lambda one, source=source: source in one.unmeasured)
            servers.up(settings, owner_pid=os.getpid(), folder=state.folder)
            _until(seen, lambda one: not one.unmeasured)
    finally:
        asked.set()
        thread.join()
    told = [(event.source, event.kind) for one in seen for event in one.events]
    assert [told.count((source, kind)) for source in ("mongodb", "redis") for kind in ("away", "back")] == [2, 2, 2, 2]
    numbers = [one.number for one in Series(tmp_path).read()]
    assert numbers == [one.number for one in seen] == list(range(1, len(numbers) + 1))
    for before, after in itertools.pairwise(seen):
        if (after.at - before.at).total_seconds() > PAUSE * before.interval_s:
            assert gaps([after])


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("5m", 300), ("1.5h", 5400), ("90", 90), ("500ms", 0.5)])
def test_durations(text, seconds):
    assert seconds_of(text, "--every") == seconds


@pytest.mark.parametrize("text", ["", "0s", "-3s", "s", "1y", "nan", "99999h", "30 s s"])
def test_what_is_no_duration_is_one_line(text):
    with pytest.raises(UsageError, match="--every") as told:
        seconds_of(text, "--every")
    assert "\n" not in str(told.value)


def test_moments():
    now = FastClock().now()
    assert moment_of("8h", "--until", now) == now + timedelta(hours=8)
    assert moment_of((now + timedelta(days=2)).isoformat(), "--until", now) == now + timedelta(days=2)
    for text in ("00:00", "12:34", "23:59"):
        assert timedelta(0) < moment_of(text, "--until", now) - now <= timedelta(hours=25)


@pytest.mark.parametrize("text", ["25:00", "2020-01-01T00:00Z", "2099-01-01T00:00", "2099-13-01T00:00Z", "soon"])
def test_what_is_no_moment_is_one_line(text):
    with pytest.raises(UsageError, match="--until"):
        moment_of(text, "--until", FastClock().now())
