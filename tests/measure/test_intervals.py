"""Intervals cover the truth about as often as they claim; overlapping ones show no difference."""

import numpy as np
import pytest

from leadbook.measure.intervals import difference, interval, median_interval, student


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


def test_a_large_effect_is_told_in_times():
    found = difference([100, 101, 99, 100], [5_400, 5_500, 5_300, 5_450])
    assert found.text().startswith("54 times (5")
    assert difference([5_400, 5_500, 5_300], [100, 101, 99]).text().startswith("-98.1 % (")
    assert difference([100, 104, 96], [40, 41, 39]).text().startswith("-60 % (")


def test_the_interval_of_a_median_covers_it_as_often_as_it_claims_and_is_not_moved_by_a_few_delays():
    source = np.random.default_rng(11)
    for rounds in (6, 8, 20, 40):
        covered = 0
        for _ in range(500):
            values = source.exponential(1.0, size=rounds)
            values[source.random(rounds) < 0.02] += 1_000
            found = median_interval(values.tolist())
            covered += found.low <= np.log(2) * 1.02 and found.high >= np.log(2)
        assert covered / 500 >= 0.93, rounds
    quiet = median_interval([*[1.0] * 18, 900.0, 800.0])
    assert (quiet.middle, quiet.low, quiet.high, quiet.rounds) == (1.0, 1.0, 1.0, 20)


def test_five_rounds_tell_no_interval_of_a_median():
    assert median_interval([1, 2, 3, 4, 5]).low is None
    assert (median_interval([1, 2, 3, 4, 5, 6]).low, median_interval([1, 2, 3, 4, 5, 6]).high) == (1, 6)
    with pytest.raises(ValueError, match="finite"):
        median_interval([])


@pytest.mark.parametrize(("rounds", "factor"), [(2, 12.706), (3, 4.303), (6, 2.571), (20, 2.093), (30, 2.045)])
def test_students_factors_are_those_of_any_table(rounds, factor):
    assert student(rounds) == pytest.approx(factor, abs=0.0006)
