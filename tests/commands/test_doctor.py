"""What is missing is named with what mends it, in seconds, by users of least rights, and nothing is changed."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from leadbook.commands.doctor.examine import examine, next_command
from leadbook.core import addresses
from leadbook.core.journal import Journal
from leadbook.ingest.logbook import bury
from leadbook.ingest.staging import Staging

USERS = {
    "w8_app": [{"role": "readWrite", "db": "leadbook_test"}],
    "w8_dba": [{"role": "clusterMonitor", "db": "admin"}, {"role": "dbAdmin", "db": "leadbook_test"},
               {"role": "readWrite", "db": "leadbook_test"}],
    "w8_reader": [{"role": "read", "db": "leadbook_test"}],
}  # fmt: skip


@pytest.fixture
def users(admin, endpoints):
    """Three users of least rights; their addresses by name."""
    made = {}
    parts = addresses.parse(endpoints.admin_uri)
    for name, roles in USERS.items():
        admin.admin.command("createUser", name, pwd="least-rights", roles=roles)
        made[name] = endpoints.admin_uri.replace(f"{parts.user}:{parts.password}@", f"{name}:least-rights@")
    yield made
    for name in USERS:
        admin.admin.command("dropUser", name)


def problems(found):
    return {one.about: one for one in found if one.state == "problem"}


def test_all_is_well_with_three_users_of_least_rights(production, users, leads, monkeypatch, tmp_path, clean_redis):
    for variable, name in (("MONGODB_URI", "w8_app"), ("MONGODB_ADMIN_URI", "w8_dba"),
                           ("MONGODB_REPORTING_URI", "w8_reader")):  # fmt: skip
        monkeypatch.setenv(variable, users[name])
    signed = tmp_path / "attestations.yaml"
    signed.write_text("target: leadbook_test on 127.0.0.1\n")
    settings = production(attestations_file=str(signed))
    before = leads.database.list_collection_names()
    found = examine(settings)
    assert not problems(found).keys() - {"Redis"}, found  # the tests' Redis has another eviction policy
    assert leads.database.list_collection_names() == before and not list(clean_redis.scan_iter())
    monkeypatch.setenv("MONGODB_ADMIN_URI", users["w8_app"].replace("w8_app", "w8_reader"))
    lacks = problems(examine(settings))["MongoDB, DBA"]
    assert "clusterMonitor on admin, dbAdmin on leadbook_test" in lacks.text
    assert '.grantRolesToUser("w8_reader", [{role: "clusterMonitor", db: "admin"}' in lacks.todo
    assert "least-rights" not in str(found)


def test_what_is_not_set_comes_first(production, monkeypatch):
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.delenv("MONGODB_ADMIN_URI")
    settings = production()
    found = examine(settings)
    assert list(problems(found))[:2] == ["REDIS_URL", "MONGODB_ADMIN_URI"]
    assert "export REDIS_URL=" in next_command(found, settings)


def test_a_missing_schema_is_named_with_its_command(production, database):
    told = problems(examine(production()))["schema"]
    assert "unique index" in told.text
    assert told.todo == "leadbook run --profile production --only 02 -p approve='apply_schema on leadbook_test'"


def test_what_deletes_records_by_itself_is_named(production, leads, database):
    staged = database[production().staging_collection]
    staged.create_index("collected_at", expireAfterSeconds=60)
    told = problems(examine(production()))["schema"]
    assert "collected_at" in told.text
    assert told.todo.startswith(f"in database leadbook_test: db.{staged.name}.dropIndex(")


def test_what_deletes_entries_of_the_journal_is_named(production, leads, endpoints):
    entries = Journal(leads.database, endpoints.mongodb_uri).collection
    entries.create_index("at", expireAfterSeconds=60)
    told = problems(examine(production()))["schema"]
    assert "sprint_journal: index at_1" in told.text and 'db.sprint_journal.dropIndex("at_1")' in told.todo
    entries.drop_index("at_1")


def test_a_member_in_recovering_is_a_problem_that_names_it(recovering, settings, monkeypatch, clean_redis):
    state, _, member = recovering
    for name, uri in {"MONGODB_URI": state.mongodb_uri, "MONGODB_ADMIN_URI": state.admin_uri}.items():
        monkeypatch.setenv(name, uri)
    told = problems(examine(settings))["members"]
    assert told.text == f"2 of 3 members healthy: {member} RECOVERING"
    assert "replSetMaintenance" in told.todo


def test_entries_that_wait_under_another_address_are_named(production, leads, database, monkeypatch, tmp_path):
    monkeypatch.setattr("leadbook.core.journal.PROJECT", tmp_path)
    other = Journal(database, "mongodb+srv://cluster0.example.net")
    other._spooled([other.entry("action", action="x")])
    (told,) = [one for one in examine(production()) if one.about == "journal" and one.state == "note"]
    assert "1 entries wait" in told.text and f"cat {other.spool} >> " in told.text and other.waiting()


def test_dead_sessions_of_files_and_of_staging_want_different_commands(production, database, endpoints, leads):
    journal, long_ago = Journal(database, endpoints.mongodb_uri), datetime.now(UTC) - timedelta(minutes=9)
    files = {"source": "files", "names": ["a.csv"], "vendor": "apollo"}
    for at, named in ((long_ago, files), (long_ago, {"source": "staging"}), (None, files | {"names": ["now.csv"]})):
        entry = journal.entry("session.begun", session=ObjectId(), **named)
        journal.add([entry | ({"at": at} if at else {})])
    told = [one for one in examine(production()) if one.state == "problem" and one.about in ("sessions", "files")]
    assert [one.about for one in told] == ["sessions", "files"] and "--staged" in told[0].todo
    assert told[1].todo == "leadbook ingest a.csv --vendor apollo --profile production"
    bury(journal, Staging(database[production().staging_collection]))
    assert problems(examine(production()))["files"].todo == told[1].todo, "that it is buried mends nothing"


def test_two_half_read_files_of_one_name_are_both_named(production, database, endpoints, leads):
    journal = Journal(database, endpoints.mongodb_uri)
    for number, cut in (("1", True), ("2", True), ("3", False)):
        marks = {"contents": [f"c{number}"], "paths": [f"p{number}"]}
        session = {"session": ObjectId()}
        journal.write("session.begun", source="files", names=["a.csv"], vendor="apollo", **session, **marks)
        journal.write("session.ended", **session, ledger={}, problem="killed" if cut else "")
    told = [one.text for one in examine(production()) if one.about == "files"]
    assert len(told) == 2 and all(text.startswith("a.csv, begun ") for text in told)


def test_servers_that_do_not_answer_cost_seconds(production, monkeypatch):
    for name in ("MONGODB_URI", "MONGODB_ADMIN_URI"):
        monkeypatch.setenv(name, "mongodb://planted:secret@127.0.0.1:9/")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9")
    began = time.monotonic()
    found = examine(production())
    assert time.monotonic() - began < 10
    assert {"MongoDB, application", "Redis", "attestations"} <= problems(found).keys()
    assert "secret" not in str(found)


def test_who_is_told_of_alerts_is_said(production, monkeypatch):
    monkeypatch.delenv("REDIS_URL")
    monkeypatch.delenv("LEADBOOK_ALERTS_1", raising=False)
    told = {one.about: one for one in examine(production())}
    assert (told["alerts"].state, told["alerts"].text[:9]) == ("note", "a dry run")
    told = problems(examine(production(alerts=True)))
    assert told["alerts"].todo.startswith("export LEADBOOK_ALERTS_1=")
    monkeypatch.setenv("LEADBOOK_ALERTS_1", "https://hooks.slack.com/services/T0123456/B0123456/secretword")
    found = [one for one in examine(production(alerts=True)) if one.about == "alerts"]
    assert [one.state for one in found] == ["ok", "note", "note"] and "secretword" not in str(found)
