"""A long sprint's shape: steady with noise, known beforehand, and to an end."""

from itertools import pairwise
from statistics import median

import pytest

from leadbook.rehearsal import collectors, shape


@pytest.fixture(scope="module")
def planned():
    return shape.long_plan(6_000, 7, 8)


def test_the_same_seed_is_the_same_sprint_and_another_is_not(planned):
    assert shape.long_plan(6_000, 7, 8) == planned != shape.long_plan(6_000, 8, 8)


def test_the_totals_are_those_of_the_feeds_and_one_batch_that_is_sent_twice(planned):
    facts, short = planned.facts(), collectors.plan(6_000, 7).facts()
    assert facts["records"] == 6_000 + planned.resent and facts["unique"] == short["unique"]
    assert set(facts["rejected"]) == set(short["rejected"]) and len(facts["collectors"]) == 10


def test_no_collector_is_silent_for_long_and_all_work_to_the_end(planned):
    for mine in planned.by_collector.values():
        gaps = [later.due - earlier.due for earlier, later in pairwise(mine)]
        assert max(gaps) < 4 * median(gaps)
        assert mine[-1].due > 0.98 and all(gap >= 0 for gap in gaps)


def test_the_pace_is_low_at_launch_and_high_when_it_scales(planned):
    def sent(begin, end):
        return sum(len(batch.sightings) for batch in planned.batches if begin <= batch.due < end) / (end - begin)

    launch, sustained, scaling = sent(0, 0.08), sent(0.1, 0.4), sent(0.66, 0.84)
    assert launch < 0.9 * sustained and scaling > 1.15 * sustained
