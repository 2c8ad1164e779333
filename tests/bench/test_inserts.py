"""Insert benchmarks count what arrived, and a document that did not is never part of a rate that passes."""

import pytest

from leadbook.bench import inserts
from leadbook.measure.canary import Canary
from leadbook.measure.inserts import InsertCall, InsertTiming
from leadbook.phases.p03 import tables, verdicts


@pytest.fixture
def measured(place, monkeypatch):
    monkeypatch.setattr(inserts, "SINGLES_IN_ALL", (40, 1))
    return inserts.measure(place, batches=(100, 250, 500))


def test_the_whole_benchmark_leaves_nothing_and_answers_every_check(measured, place, scratches):
    assert scratches() == []
    assert [series.batch for series in measured.series] == [1, 100, 100, 250, 250, 500, 500]
    assert all(series.missing == 0 and len(series.rates) == 2 for series in measured.series)
    checks = {check.id: check for check in verdicts.inserts(measured, place.settings)}
    assert checks["BCH-INS-007"].measured == 0
    assert checks["BCH-INS-001"].measured > 0
    assert {f"BCH-INS-00{number}" for number in range(1, 9)} <= set(checks)
    table = tables.inserts(measured)
    assert list(table.frame.columns) == list(tables.INSERTS)
    rate = checks["BCH-INS-003"]
    assert rate.measured == pytest.approx(measured.best.rate.low), "the lower end of the interval is judged"


def series(batch, *rates):
    call = InsertCall(sent=1_000, acknowledged=1_000, seconds=0.1)
    trials = tuple(InsertTiming(calls=(call,), seconds=1_000 / rate, cpu_seconds=0.0) for rate in rates)
    return inserts.InsertSeries(batch=batch, ordered=False, trials=trials, stored=1_000 * len(rates))


def test_another_batch_size_is_recommended_only_where_it_is_shown_to_be_better(place):
    def found(*rates):
        sizes = (series(1, 200), series(500, 5_000, 5_100, 4_900, 5_050), series(1_000, *rates))
        return inserts.Inserts(series=sizes, canary=Canary(), encode_rate=1.0)

    better, noisy = found(8_000, 8_100, 7_900, 8_050), found(5_500, 4_600, 5_600, 5_400)
    assert noisy.best.batch == better.best.batch == 1_000
    decided = [inserts.batch_size(one, 500) for one in (better, noisy)]
    assert [one.proposed for one in decided] == [1_000, 500]
    assert (decided[1].best, decided[1].effect.text()) == (1_000, "no difference shown")
    assert inserts.batch_size(better, 600).proposed == 1_000, "600 was not measured, its neighbour was"
    assert inserts.batch_size(better, 900).proposed == 900, "nearest to the best: nothing is shown"
