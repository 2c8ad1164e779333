"""Every document of an insert has a known outcome; what is in doubt is asked again and counted once."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId
from pymongo import UpdateOne, WriteConcern
from pymongo.errors import AutoReconnect

from leadbook.core import connect
from leadbook.core.errors import ParameterError
from leadbook.ingest.store.merge import Merger
from leadbook.ingest.store.store import EMAIL_TAKEN, KNOWN, REFUSED, STORED, LeadStore
from leadbook.lead.score import Rules

URL = "https://www.linkedin.com/in/"
AT = datetime(2025, 1, 29, tzinfo=UTC)


def lead(slug, **fields):
    return {
        "_id": ObjectId(), "linkedin_url": f"https://www.linkedin.com/in/{slug}", "full_name": "Ana",
        "job_title": "Lead", "company_name": "Example", "updated_at": AT, **fields,
    }  # fmt: skip


def kinds(outcomes):
    return [outcome.kind for outcome in outcomes]


def test_stored_known_and_email_taken_are_told_apart(leads):
    store = LeadStore(leads)
    assert kinds(store.insert([lead("ana", email="a@b.example"), lead("ben")])) == [STORED, STORED]
    outcomes = store.insert(
        [lead("ana"), lead("cleo", email="a@b.example"), lead("dora"), lead("ben", email="b@b.example")]
    )
    assert kinds(outcomes) == [KNOWN, EMAIL_TAKEN, STORED, KNOWN]
    assert leads.count_documents({}) == 3


@pytest.mark.parametrize(
    "poison",
    [{"additional_data": {"n": 2**70}}, {"additional_data": {"when": object()}}, {"additional_data": {"k\0ey": 1}},
     {"additional_data": {"x": "\ud800"}}, {"additional_data": {"blob": "x" * 17_000_000}}],
    ids=["int over 64 bits", "no BSON type", "NUL in a key", "lone surrogate", "over 16 MB"],
)  # fmt: skip
def test_a_document_that_cannot_be_encoded_spoils_no_other(leads, poison):
    batch = [lead(f"p{number}") for number in range(5)]
    batch[3] |= poison
    outcomes = LeadStore(leads).insert(batch)
    assert kinds(outcomes) == [STORED, STORED, STORED, REFUSED, STORED]
    assert outcomes[3].reason == "not_storable"
    assert leads.count_documents({}) == 4


def test_a_document_that_is_too_deep_spoils_no_other(leads):
    deep: dict = {}
    for _ in range(190):
        deep = {"d": deep}
    outcomes = LeadStore(leads).insert([lead("ana"), lead("ben", additional_data=deep), lead("cleo")])
    assert kinds(outcomes) == [STORED, REFUSED, STORED]


def test_what_the_validator_refuses_is_told_with_the_broken_rule(leads, admin, database):
    admin[database.name].command("collMod", leads.name, validationAction="error", validationLevel="strict")
    (bad,) = LeadStore(leads).insert([lead("ana", phone="x" * 60)])
    assert (bad.kind, bad.reason, bad.detail) == (REFUSED, "validation", "phone: maxLength")


class Breaking:
    """A real collection whose first insert is carried out (or not) and then reported as a broken connection."""

    def __init__(self, collection, *, carried_out):
        self.collection, self.carried_out, self.calls = collection, carried_out, 0

    def insert_many(self, documents, ordered):
        self.calls += 1
        if self.calls == 1:
            if self.carried_out:
                self.collection.insert_many(documents[: len(documents) // 2], ordered=ordered)
            raise AutoReconnect("connection closed")
        return self.collection.insert_many(documents, ordered=ordered)

    def __getattr__(self, name):
        return getattr(self.collection, name)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_broken_connection_leaves_no_doubt_and_counts_nothing_twice(leads, carried_out):
    LeadStore(leads).insert([lead("known")])
    batch = [lead(f"p{number}") for number in range(6)] + [lead("known")]
    outcomes = LeadStore(Breaking(leads, carried_out=carried_out)).insert(batch)
    assert kinds(outcomes) == [STORED] * 6 + [KNOWN]
    assert leads.count_documents({}) == 7


def test_a_staged_record_that_was_stored_before_is_seen_to_be_itself(leads):
    batch = [lead("ana"), lead("ben")]
    store = LeadStore(leads, own_ids=True)
    assert kinds(store.insert(batch)) == [STORED, STORED]
    assert kinds(store.insert([*batch, lead("ana")])) == [STORED, STORED, KNOWN]


def test_a_fill_adds_what_is_missing_scores_anew_and_overwrites_nothing(leads, settings):
    leads.insert_one(lead("ana", phone="+1", data_quality_score=80, additional_data={"quality_points": 80}))
    merger = Merger(LeadStore(leads), Rules.of(settings))
    sighting = lead("ana", phone="+2", email="a@b.example")
    (first,) = merger.merge([sighting], datetime.now(UTC))
    (second,) = merger.merge([sighting], datetime.now(UTC))
    assert (first.added, second.added) == (("email",), ())
    stored = leads.find_one({})
    assert (stored["phone"], stored["email"], stored["data_quality_score"]) == ("+1", "a@b.example", 100)
    assert stored["additional_data"] == {"quality_points": 100}
    assert stored["updated_at"] > AT


def test_a_fill_never_takes_another_persons_email(leads, settings):
    leads.insert_many([lead("ana", email="a@b.example"), lead("ben")])
    merger = Merger(LeadStore(leads), Rules.of(settings))
    for _ in range(2):
        (filled,) = merger.merge([lead("ben", email="a@b.example", phone="+1")], datetime.now(UTC))
    assert filled.added == ()
    ben = leads.find_one({"linkedin_url": "https://www.linkedin.com/in/ben"})
    assert (ben["phone"], "email" in ben) == ("+1", False)
    assert ben["additional_data"]["email_conflict"] == "a@b.example"
    assert ben["additional_data"]["flags"] == ["email_conflict"]


def test_a_fill_of_a_batch_that_began_earlier_is_later_than_the_lead(leads, settings):
    """Two workers: one creates the lead while the other's batch is under way already."""
    leads.insert_one(lead("ana"))
    Merger(LeadStore(leads), Rules.of(settings)).merge([lead("ana", phone="+1")], AT - timedelta(minutes=5))
    assert leads.find_one({})["updated_at"] > AT


def test_a_fill_sees_a_change_that_came_between(leads, settings):
    leads.insert_one(lead("ana"))
    merger = Merger(LeadStore(leads), Rules.of(settings))
    find, reads = merger.find, []

    def found(sightings):
        reads.append(find(sightings))
        if len(reads) == 1:
            leads.update_one({}, {"$set": {"email": "first@b.example", "updated_at": datetime.now(UTC)}})
        return reads[-1]

    merger.find = found
    (filled,) = merger.merge([lead("ana", email="late@b.example", phone="+1")], datetime.now(UTC))
    assert len(reads) == 2
    assert filled.added == ("phone",)
    assert leads.find_one({})["email"] == "first@b.example"


def test_a_lead_that_is_not_stored_cannot_be_filled(leads, settings):
    (filled,) = Merger(LeadStore(leads), Rules.of(settings)).merge([lead("nobody")], datetime.now(UTC))
    assert filled.lead is None


def many(count, **fields):
    return [lead(f"p{number}", **{name: value.format(number) for name, value in fields.items()})
            for number in range(count)]  # fmt: skip


def test_fills_of_a_batch_are_one_transaction(leads, settings):
    leads.insert_many(many(20))
    store = LeadStore(leads)
    filled = Merger(store, Rules.of(settings)).merge(many(20, email="p{}@b.example"), datetime.now(UTC))
    assert {one.added for one in filled} == {("email",)}
    assert leads.count_documents({"email": {"$exists": True}}) == 20
    assert store.transactions


def test_one_fill_that_cannot_be_done_leaves_the_others_done(leads, settings):
    leads.insert_many([lead("other", email="p3@b.example"), *many(20)])
    filled = Merger(LeadStore(leads), Rules.of(settings)).merge(many(20, email="p{}@b.example"), datetime.now(UTC))
    assert [one.added for one in filled].count(("email",)) == 19 and filled[3].added == ()
    assert leads.find_one({"linkedin_url": f"{URL}p3"})["additional_data"]["email_conflict"] == "p3@b.example"


def test_a_transaction_that_meets_another_change_changes_nothing(leads):
    leads.insert_many(many(10))
    updates = [UpdateOne({"linkedin_url": f"{URL}p{number}"}, {"$set": {"phone": "+1"}}) for number in range(9)]
    assert not LeadStore(leads).in_transaction(
        [*updates, UpdateOne({"linkedin_url": "gone"}, {"$set": {"phone": "+1"}})]
    )
    assert leads.count_documents({"phone": "+1"}) == 0
    assert LeadStore(leads).in_transaction(updates) and leads.count_documents({"phone": "+1"}) == 9


def test_a_standalone_server_has_no_transactions(settings, standalone):
    with connect.mongodb(standalone, settings) as client:
        leads = client["leadbook_test"]["leads"]
        leads.insert_many(many(10))
        store = LeadStore(leads)
        filled = Merger(store, Rules.of(settings)).merge(many(10, email="p{}@b.example"), datetime.now(UTC))
        assert [one.added for one in filled] == [("email",)] * 10
        assert not store.transactions


def test_a_store_of_unacknowledged_writes_is_refused(leads):
    with pytest.raises(ParameterError, match="w: 0"):
        LeadStore(leads.with_options(write_concern=WriteConcern(w=0)))
