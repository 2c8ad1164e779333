"""Inserts are timed in one place: what is acknowledged and what arrived is told apart."""

from leadbook.measure import inserts


def test_every_document_of_a_trial_is_counted_afterwards(place):
    with place.scratch("count") as collection:
        made = place.documents(120)
        trial = inserts.insert_batches(collection, made, 50, ordered=False)
        assert inserts.arrived(collection, made) == 120
    assert (trial.sent, trial.acknowledged, len(trial.calls)) == (120, 120, 3)


def test_duplicates_are_missing_and_not_acknowledged(place):
    with place.scratch("count") as collection:
        documents = place.documents(40)
        collection.insert_many([dict(one) for one in documents[:10]])
        trial = inserts.insert_batches(collection, documents, 40, ordered=False)
        assert inserts.arrived(collection, documents) == 30
    assert (trial.sent, trial.acknowledged) == (40, 30)


def test_documents_are_read_back_in_parts_and_a_lost_one_is_missed(place, monkeypatch):
    monkeypatch.setattr(inserts, "ASKED", 7)
    with place.scratch("parts") as collection:
        made = place.documents(50)
        inserts.insert_batches(collection, made, 20, ordered=False)
        assert inserts.arrived(collection, made) == 50
        collection.delete_one({"_id": made[3]["_id"]})
        assert inserts.arrived(collection, made) == 49


def test_what_was_refused_is_counted_by_its_reason(place):
    with place.scratch("refused") as collection:
        good, again = place.documents(2)
        collection.insert_one(dict(again))
        done = inserts.insert(collection, [good, again])
    assert (done.sent, done.acknowledged, done.errors) == (2, 1, {"duplicate": 1})


def test_several_writers_insert_all_between_them(place):
    with place.scratch("writers") as collection:
        made = place.documents(300)
        timing = inserts.insert_batches(collection, made, 50, writers=3)
        assert inserts.arrived(collection, made) == timing.sent == timing.acknowledged == 300
    assert len(timing.calls) == 6 and timing.rate > 0
