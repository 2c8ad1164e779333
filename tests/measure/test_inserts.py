"""Insert benchmarks count what arrived, and a document that did not is never part of a rate that passes."""

import pytest

from leadbook.bench import inserts
from leadbook.core.canary import Canary


def test_every_document_of_a_trial_is_counted_afterwards(place):
    with place.scratch("count") as collection:
        trial = inserts.insert_batches(collection, place.documents(120), 50, ordered=False)
    assert (trial.sent, trial.acknowledged, trial.stored, len(trial.calls)) == (120, 120, 120, 3)


def test_duplicates_are_missing_and_not_acknowledged(place):
    with place.scratch("count") as collection:
        documents = place.documents(40)
        collection.insert_many([dict(one) for one in documents[:10]])
        trial = inserts.insert_batches(collection, documents, 40, ordered=False)
    assert (trial.sent, trial.acknowledged, trial.stored) == (40, 30, 30)


@pytest.fixture
def measured(place, monkeypatch):
    monkeypatch.setattr(inserts, "SINGLES_IN_ALL", (40, 1))
    return inserts.measure(place, batches=(100, 250, 500))


def test_the_whole_benchmark_leaves_nothing_and_answers_every_check(measured, place, scratches):
    assert scratches() == []
    assert [series.batch for series in measured.series] == [1, 100, 100, 250, 250, 500, 500]
    assert all(series.missing == 0 and len(series.rates) == 2 for series in measured.series)
    checks = {check.id: check for check in inserts.checks(measured, place.settings)}
    assert checks["BCH-INS-007"].measured == 0
    assert checks["BCH-INS-001"].measured > 0
    assert {f"BCH-INS-00{number}" for number in range(1, 9)} <= set(checks)
    table = inserts.table(measured)
    assert list(table.columns) == list(inserts.COLUMNS)
    rate = checks["BCH-INS-003"]
    assert rate.measured == pytest.approx(measured.best.rate.low), "the lower end of the interval is judged"


def test_documents_are_read_back_in_parts_and_a_lost_one_is_missed(place, monkeypatch):
    monkeypatch.setattr(inserts, "ASKED", 7)
    with place.scratch("parts") as collection:
        made = place.documents(50)
        assert inserts.insert_batches(collection, made, 20, ordered=False).stored == 50
        collection.delete_one({"_id": made[3]["_id"]})
        assert inserts._arrived(collection, [one["_id"] for one in made]) == 49


def series(batch, *rates):
    trials = tuple(
        inserts.Trial(seconds=1_000 / rate, cpu_seconds=0.0, calls=(0.1,), sent=1_000, acknowledged=1_000, stored=1_000)
        for rate in rates
    )
    return inserts.Series(batch=batch, ordered=False, trials=trials)


def test_another_batch_size_is_recommended_only_where_it_is_shown_to_be_better(place):
    def found(*rates):
        sizes = (series(1, 200), series(500, 5_000, 5_100, 4_900, 5_050), series(1_000, *rates))
        return inserts.Inserts(series=sizes, canary=Canary(), encode_rate=1.0, documents_after=0)

    better, noisy = found(8_000, 8_100, 7_900, 8_050), found(5_500, 4_600, 5_600, 5_400)
    assert noisy.best.batch == better.best.batch == 1_000
    assert (better.recommended(500), noisy.recommended(500)) == (1_000, 500)
    assert better.recommended(600) == 1_000, "600 was not measured, its neighbour was"
    assert better.recommended(900) == 900, "nearest to the best: nothing is shown"
