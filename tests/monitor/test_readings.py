"""Readings, rates between them, and how they are laid out in time."""

import math
import time
from typing import ClassVar

import pytest
from pymongo.errors import OperationFailure

from leadbook.monitor.loop import Watcher, lay_out
from leadbook.monitor.readings import Reading, dig, rates


def reading(at, inserts, *, uptime=None, identity=("a", 1), **gauges):
    return Reading(
        at=at, identity=identity, uptime_s=100 + at if uptime is None else uptime,
        values={"inserts": inserts, **gauges}, counters=frozenset({"inserts"}),
    )  # fmt: skip


class Source:
    name = "x"
    derived: ClassVar = {"double": lambda values: 2 * values["inserts_per_s"]}

    def __init__(self, *readings):
        self.readings = list(readings)

    def read(self):
        found = self.readings.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


def test_a_rate_is_growth_by_elapsed_time():
    assert rates(reading(0, 100), reading(2, 300)) == {"inserts_per_s": 100.0}


@pytest.mark.parametrize(
    "after",
    [reading(2, 5, uptime=1), reading(2, 300, identity=("a", 2)), reading(2, 300, identity=("b", 1)), reading(0, 300)],
    ids=["uptime fell", "another process", "another host", "no time passed"],
)
def test_readings_across_a_restart_give_nothing(after):
    assert rates(reading(0, 100), after) is None


def test_a_counter_that_fell_alone_is_left_out():
    assert rates(reading(0, 100), reading(1, 50)) == {}


def test_a_timeline_drops_the_interval_of_a_restart_and_goes_on():
    source = Source(reading(0, 0), reading(1, 100), reading(2, 7, uptime=1), reading(3, 57, uptime=2))
    rows = [(float(at), {"x": source.read()}) for at in range(4)]
    timeline = lay_out(rows, {"x": source.derived}, expected=4)
    assert timeline.dropped == 1
    per_second = timeline.frame["x.inserts_per_s"].tolist()
    assert math.isnan(per_second[0]) and math.isnan(per_second[2])
    assert [per_second[1], per_second[3]] == [100.0, 50.0]
    assert timeline.statistic("x.double", "max") == 200.0
    assert timeline.growth("x.inserts") is None, "the counter fell, so its growth is not known"


def test_what_was_never_reported_is_none_and_not_zero():
    timeline = lay_out([(0.0, {"x": reading(0, 1)})], {"x": Source.derived}, expected=1)
    assert timeline.statistic("x.absent", "max") is None
    assert timeline.values("x.absent").empty


def test_a_source_that_fails_leaves_a_gap_and_a_problem():
    source = Source(reading(0, 0), *[OperationFailure("not authorized", 13)] * 50)
    with Watcher([source], interval_s=0.02) as watcher:
        time.sleep(0.1)
    timeline = watcher.timeline()
    assert len(timeline.values("x.inserts")) == 1
    assert timeline.problems and timeline.problems[0].startswith("x: ")
    assert "not authorized" in timeline.problems[0]


def test_dig_takes_the_first_path_that_exists():
    document = {"old": {"value": 3}, "flag": True, "text": "7"}
    assert dig(document, "new.value", "old.value") == 3.0
    assert dig(document, "flag") == 1.0
    assert dig(document, "text") is None and dig(document, "old.value.deeper") is None
