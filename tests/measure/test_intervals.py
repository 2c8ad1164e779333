"""Intervals cover the truth about as often as they claim; overlapping ones show no difference."""

import numpy as np
import pytest

from leadbook.measure.intervals import difference, interval


def test_ninety_five_percent_intervals_of_five_rounds_cover_the_true_mean_about_that_often():
    source = np.random.default_rng(7)
    covered = 0
    for number in range(300):
        found = interval(source.normal(1_000, 100, size=5).tolist(), seed=number)
        covered += found.low <= 1_000 <= found.high
    assert 0.90 <= covered / 300 <= 0.99


def test_the_same_values_give_the_same_interval():
    assert interval([1, 2, 3, 4]) == interval([1, 2, 3, 4])


def test_one_round_has_no_interval_and_overlaps_everything():
    lonely = interval([5.0])
    assert lonely.low is None
    assert lonely.overlaps(interval([100, 101, 102]))


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_no_interval_from_nothing_or_from_nan(values):
    with pytest.raises(ValueError, match="finite"):
        interval(values)


def test_overlapping_intervals_show_no_difference():
    noisy = difference([100, 120, 90, 110, 95], [105, 118, 96, 108, 99])
    assert not noisy.shown
    assert noisy.text() == "no difference shown"


def test_a_real_difference_is_shown_with_its_interval():
    found = difference([100, 101, 99, 100, 102], [200, 203, 199, 201, 202])
    assert found.shown
    assert found.text().startswith("+100 % (")
    assert found.ratio.low < 2 < found.ratio.high * 1.01


def test_unpaired_rounds_are_refused():
    with pytest.raises(ValueError, match="paired"):
        difference([1, 2], [1])
    with pytest.raises(ValueError, match="zero"):
        difference([0, 2], [1, 1])
