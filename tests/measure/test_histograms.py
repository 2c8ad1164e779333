"""Histograms are merged and never averaged, and silent where samples are too few."""

import pytest

from leadbook.measure.histograms import Latencies, least_samples


def test_merging_gives_the_percentile_of_all_samples_and_not_the_mean_of_two_percentiles():
    fast, slow = Latencies([0.001] * 9_000), Latencies([0.1] * 1_000)
    merged = Latencies().merge(fast, slow)
    assert merged.count == 10_000
    assert merged.percentile(50) == pytest.approx(1.0, rel=0.01)
    assert merged.percentile(95) == pytest.approx(100.0, rel=0.01)
    assert fast.percentile(95) == pytest.approx(1.0, rel=0.01), "merging must not change what is merged"


def test_no_p999_below_ten_thousand_samples():
    assert least_samples(99.9) == 10_000
    assert least_samples(99) == 1_000
    assert Latencies([0.001] * 9_999).summary().p999_ms is None
    assert Latencies([0.001] * 10_000).summary().p999_ms == pytest.approx(1.0, rel=0.01)


def test_a_gate_looks_at_the_slowest_where_p99_cannot_be_told():
    assert Latencies([0.001, 0.05]).summary().judged == ("slowest of 2", pytest.approx(50, rel=0.01))
    assert Latencies([0.001] * 200).summary().judged[0] == "p95"
    assert Latencies([0.001] * 1_000).summary().judged[0] == "p99"
    assert Latencies().summary().judged == ("slowest of 0", None), "nothing recorded is not measured"


def test_a_histogram_survives_the_way_between_processes():
    latencies = Latencies([0.0005, 0.002, 0.25])
    again = Latencies.decoded(latencies.encoded())
    assert again.summary() == latencies.summary()
    assert again.merge(latencies).count == 6
    assert Latencies.decoded(Latencies().encoded()).count == 0


@pytest.mark.parametrize("wrong", [-0.001, float("nan")])
def test_an_impossible_latency_is_refused(wrong):
    with pytest.raises(ValueError, match="latency"):
        Latencies([wrong])


def test_the_curve_ends_where_the_samples_end():
    steps = [percentile for percentile, _ in Latencies([0.001] * 1_000).curve()]
    assert steps[-1] == 99


def test_the_mean_is_that_of_the_samples_and_of_the_library():
    values = [0.000001, 0.0015, 0.0020, 0.25, 1.5, 59.0]
    told = Latencies(values)
    assert told.mean_ms == pytest.approx(sum(values) / len(values) * 1_000, rel=0.001)
    assert told.mean_ms == pytest.approx(told._histogram.get_mean_value() / 1_000, rel=0.001)
    assert Latencies([0.000002] * 3).mean_ms == 0.002, "a step of one microsecond has no middle to round to"
    assert Latencies().mean_ms is None
