"""The journal: entries stay, and wait in a spool while the database is away."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import pytest

from leadbook.core import connect
from leadbook.core.journal import COLLECTION, Journal


@pytest.fixture(autouse=True)
def in_use(database):
    database["raw_leads"].insert_one({})


@pytest.fixture
def journal(database, endpoints, tmp_path):
    return Journal(database, endpoints.mongodb_uri, tmp_path)


def test_entries_are_read_in_the_order_in_which_they_were_written(journal):
    journal.write("session.begun", session=1)
    journal.write("session.batch", session=1, ledger={"read": 5})
    journal.write("session.batch", session=2, ledger={"read": 7})
    assert [entry["ledger"]["read"] for entry in journal.entries("session.batch")] == [5, 7]
    assert [entry["kind"] for entry in journal.entries(session=1)] == ["session.begun", "session.batch"]


def test_what_is_written_while_the_database_is_away_waits_and_is_carried_over_once(
    database, endpoints, settings, tmp_path
):
    nobody = settings.model_copy(update={"server_selection_timeout_ms": 200})
    with connect.mongodb("mongodb://127.0.0.1:9/", nobody) as client:
        away = Journal(client[database.name], endpoints.mongodb_uri, tmp_path)
        away.write("action", action="erase", done=1)
        assert len(away.waiting()) == 1
    here = Journal(database, endpoints.mongodb_uri, tmp_path)
    text = here.spool.read_text()
    assert here.carry_over() == 1 and not here.waiting()
    here.spool.write_text(text)  # a carrier that was killed before it emptied the spool
    assert [entry["action"] for entry in here.entries("action")] == ["erase"]
    assert database[COLLECTION].count_documents({}) == 1


@pytest.mark.parametrize("spelt", ["mongodb://h1:27017", "mongodb://h2,h1/", "mongodb://h1,h2:27017/?tls=true"])
def test_what_waits_under_another_spelling_of_the_address_is_carried_over(database, tmp_path, spelt):
    waits = Journal(database, spelt, tmp_path)
    waits._spooled([waits.entry("action", action="new")])
    former = hashlib.sha256(f"h1:27017,h2:27017/{database.name}".encode()).hexdigest()[:16]  # of earlier versions
    (tmp_path / f"{former}.jsonl").write_text(waits.spool.read_text().replace("new", "old").replace('"_id"', '"other"'))
    there = Journal(database, "mongodb://h2:27017,H1", tmp_path)
    assert {one["action"] for one in there.waiting()} == {"old", "new"} and not there.elsewhere()
    assert there.carry_over() == 2 and not there.waiting()


def test_a_spool_that_cannot_be_opened_holds_up_no_entry(database, tmp_path):
    database.create_collection("leads")
    journal = Journal(database, "mongodb://h:1", spool=tmp_path)
    journal.spool.mkdir(parents=True)  # no user opens a folder as a file
    journal.write("action", action="x")
    assert database[COLLECTION].count_documents({"kind": "action"}) == 1


def test_spools_that_share_no_host_are_left_alone_and_counted(database, tmp_path):
    other = Journal(database, "mongodb://cluster0.example.net", tmp_path)
    other._spooled([other.entry("action", action="x"), other.entry("action", action="y")])
    mine = Journal(database, "mongodb://h1", tmp_path)
    assert not mine.waiting() and mine.carry_over() == 0 and mine.elsewhere() == {other.spool: 2}


def test_a_kind_that_the_journal_does_not_know_is_refused(journal):
    with pytest.raises(ValueError, match="knows no entries 'gossip'"):
        journal.write("gossip")


def test_the_newest_record_of_a_phase_is_found_by_profile(journal):
    journal.write("phase", phase="03", profile="production", record='{"a": 1}')
    journal.write("phase", phase="03", profile="rehearsal", record='{"a": 3}')
    journal.write("phase", phase="03", profile="production", record='{"a": 2}')
    journal.collection.insert_one({"kind": "phase", "phase": "03", "profile": "production", "record": "forged",
                                   "at": datetime(2999, 1, 1, tzinfo=UTC)})  # fmt: skip
    assert journal.record_of("03", "production") == '{"a": 2}'
    assert journal.record_of("04", "production") == ""


def test_a_database_that_holds_nothing_is_left_so_and_told_later(journal, database):
    database["raw_leads"].drop()
    journal.write("phase", phase="01", profile="production", record="{}")
    assert database.list_collection_names() == []
    assert journal.record_of("01", "production") == "{}"
    database["raw_leads"].insert_one({})
    journal.write("action", action="apply_schema")
    assert [entry["kind"] for entry in database[COLLECTION].find()] == ["phase", "action"] and not journal.waiting()


def test_a_line_that_a_crash_cut_off_swallows_nothing_and_is_kept(journal, database):
    database["raw_leads"].drop()
    journal.write("action", action="one")
    with journal.spool.open("a") as file:
        file.write('{"_id": {"$oid')
    journal.write("action", action="two")
    assert [entry["action"] for entry in journal.entries()] == ["one", "two"]
    database["raw_leads"].insert_one({})
    assert journal.carry_over() == 2 and journal.spool.with_suffix(".torn").read_text() == '{"_id": {"$oid\n'


@pytest.mark.parametrize(
    "odd", [{"at": "yesterday"}, {"at": datetime(2999, 1, 1, tzinfo=UTC)}, {"at": None}, {"ledger": [1, 2]},
            {"ledger": {"read": "many"}}, {"ledger": {"read": -5}}],
)  # fmt: skip
def test_an_entry_that_nobody_can_have_written_counts_for_nothing(journal, odd):
    journal.write("session.batch", session=1, ledger={"read": 1})
    whole = {"kind": "session.batch", "session": 1, "at": datetime.now(UTC), "ledger": {"read": 5}}
    journal.collection.insert_one(whole | odd)
    assert [entry["ledger"]["read"] for entry in journal.entries("session.batch")] == [1]
