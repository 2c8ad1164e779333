"""The commands: what is open, a test message, an answer, a watch that stopped; and what the journal keeps of it."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta

import pytest

from leadbook.alerts.dispatcher import Dispatcher
from leadbook.alerts.incidents import incidents
from leadbook.alerts.records import Alert
from leadbook.cli.main import main
from leadbook.commands import ack as commands
from leadbook.core import connect
from leadbook.core.errors import UsageError
from leadbook.core.journal import Journal
from leadbook.core.settings import PROJECT, Settings
from leadbook.watch.place import folder_of
from receivers import mail, web

NOW = datetime.now(UTC)


@pytest.fixture
def receiver(monkeypatch, tmp_path):
    monkeypatch.setattr("leadbook.core.journal.PROJECT", tmp_path)  # MongoDB is away, and its spool is the checkout's
    monkeypatch.setenv("MONGODB_URI", "mongodb://app:topsecret@127.0.0.1:1/")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/")
    for name in ("2", "3", "CRITICAL"):
        monkeypatch.delenv(f"LEADBOOK_ALERTS_{name}", raising=False)
    with web() as kept:
        monkeypatch.setenv("LEADBOOK_ALERTS_1", kept.url)
        yield kept


@pytest.fixture
def sends(tmp_path):
    return Settings(profile="production", alerts=True, database="leads", watch_dir=str(tmp_path))


@pytest.fixture
def away(receiver):
    return connect.Endpoints(
        mongodb_uri=os.environ["MONGODB_URI"], admin_uri="", reporting_uri=None, redis_url="redis://127.0.0.1:1/",
        source="environment", redis_source="environment",
    )  # fmt: skip


@pytest.fixture
def folder(sends, away):
    return folder_of(sends, away)


def alert(**told):
    return Alert(**{"key": "LIVE-DISK-001", "level": 1, "title": "Disk", "lines": ("91 %",), "at": NOW, **told})


def test_a_test_message_goes_to_each_address(receiver, sends, monkeypatch):
    receiver.answers = [(404, {}, 0)]
    (one,) = commands.try_all(sends).values()
    assert not one.delivered and one.reason == "answers 404 no_service"
    (one,) = commands.try_all(sends).values()
    assert one.delivered
    assert receiver.taken[0].startswith("REAL DATA: database leads at 127.0.0.1:1\nThis is a test")
    assert (
        list(commands.try_all(sends.model_copy(update={"alerts": False})).values()) == [None] and len(receiver.got) == 2
    )
    monkeypatch.delenv("LEADBOOK_ALERTS_1")
    with pytest.raises(UsageError, match="LEADBOOK_ALERTS_1 is empty"):
        commands.try_all(sends)


def test_an_open_alert_is_listed_and_answered(receiver, sends, folder):
    assert not commands.alerting(sends).entries[-1].get("key")
    with Dispatcher(sends, folder, heading="MADE-UP DATA") as watch:
        watch.take([alert()], NOW)
        assert watch.wait(5)
        with pytest.raises(UsageError, match="did you mean 'LIVE-DISK-001'"):
            commands.ack(sends, "LIVE-DISK-01")
        assert "is answered by Ada" in commands.ack(sends, "LIVE-DISK-001", by="Ada", seconds=7200)
        told = commands.alerting(sends)
        assert "sent to webhook" in told.entries[0]["state"] and "answered by Ada until" in told.entries[0]["state"]
        assert told.entries[0]["answered"].startswith("answered by Ada until")
        watch.take([alert()], NOW + timedelta(minutes=40))
        assert watch.wait(5) and len(receiver.taken) == 1
    json.dumps(asdict(told))


def test_an_answer_that_cannot_be_written_is_no_answer(receiver, sends, monkeypatch, folder):
    with Dispatcher(sends, folder, heading="MADE-UP DATA") as watch:
        watch.take([alert()], NOW)
    monkeypatch.setattr(
        "leadbook.alerts.book.os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(OSError, match="No space left"):
        commands.ack(sends, "LIVE-DISK-001")


def test_a_watch_that_stopped_is_told_once_and_so_is_its_return(receiver, sends, away, folder):
    for _ in range(2):
        told = commands.tell_stale(sends, away, "no snapshot since 14:02", wait_s=5)
    assert "sent to webhook" in told and len(receiver.taken) == 1
    assert "The watch of the sprint has stopped" in receiver.taken[0] and "no snapshot since 14:02" in receiver.taken[0]
    with Dispatcher(sends, folder, heading="MADE-UP DATA") as watch:
        later = datetime.now(UTC) + timedelta(minutes=1)
        for minutes in (0, 6):
            watch.take([], later + timedelta(minutes=minutes))
    assert len(receiver.taken) == 2 and "OVER, level 2: The watch" in receiver.taken[1]


def test_a_test_message_that_some_are_refused_is_no_success(receiver, sends, monkeypatch, capsys):
    with mail() as server:
        monkeypatch.setenv("LEADBOOK_ALERTS_1", server.url("dba@example.com,lead@example.com"))
        server.refused = {"lead@"}
        monkeypatch.setattr(sys, "argv", ["leadbook", "alerts", "--test", "--profile", "production", "-p",
                                          "alerts=true"])  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 1 and "PARTLY delivered: refused for 1 of 2 recipients" in capsys.readouterr().out


def test_a_watch_begun_under_another_spelling_of_the_address_is_found(sends, away):
    def at(uri):
        return folder_of(sends, replace(away, mongodb_uri=uri))

    begun = at("mongodb://h1:27017,h2:27017")
    assert at("mongodb://h1") == at("mongodb://H2,h1/?tls=true") == begun
    (former := begun.with_name(hashlib.sha256(b"h1,h2/leads").hexdigest()[:16])).mkdir()  # by an earlier version
    assert at("mongodb://h1:27017,h2:27017") == at("mongodb://h2,h1") == former != at("mongodb://h3")


HANGS = """
    import sys, time
    from datetime import datetime, UTC
    from pathlib import Path
    from leadbook.alerts.dispatcher import Dispatcher
    from leadbook.core.settings import Settings
    Dispatcher(Settings(alerts=True), Path(sys.argv[1]), heading="MADE-UP DATA").take([], datetime.now(UTC))
    print("holds", flush=True)
    time.sleep(60)
"""


def test_a_watch_that_hangs_and_holds_its_folder_is_told_too(receiver, sends, away, folder):
    argv = [sys.executable, "-c", textwrap.dedent(HANGS), str(folder)]
    hanging = subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(PROJECT / "lib")})
    try:
        assert hanging.stdout.readline() == b"holds\n"
        for _ in range(2):
            commands.tell_stale(sends, away, "it hangs", wait_s=5)
        assert len(receiver.taken) == 1
    finally:
        hanging.send_signal(signal.SIGKILL)
        hanging.wait()
        hanging.stdout.close()


def test_the_journal_keeps_what_happened_and_no_address(receiver, sends, tmp_path, database, mongo, settings, folder):
    journal = Journal(mongo[settings.database], "mongodb://127.0.0.1:1/", spool=tmp_path / "spool")
    database.create_collection("leads")
    with Dispatcher(sends, folder, heading="MADE-UP DATA", journal=journal) as watch:
        for minutes in (0, 1, 16, 17):
            watch.take([alert(at=NOW)], NOW + timedelta(minutes=minutes))
            assert watch.wait(30)
            watch._writer.join(30)
            if minutes == 16:
                commands.ack(sends, "LIVE-DISK-001", by="Ada")
        for minutes in (20, 30, 31):
            watch.take([], NOW + timedelta(minutes=minutes))
            watch._writer.join(30)
    entries = journal.entries("alert")
    assert "127.0.0.1" not in str([entry | {"by": ""} for entry in entries])
    (one,) = incidents(entries)
    assert (one.key, one.level, one.escalated, one.person, one.told) == ("LIVE-DISK-001", 1, 1, "Ada", (1,))
    assert one.minutes == pytest.approx(20, abs=0.1)


def test_what_the_journal_did_not_get_it_gets_later_and_once(
    receiver, sends, tmp_path, database, mongo, settings, folder
):
    database.create_collection("leads")
    with Dispatcher(sends, folder, heading="MADE-UP DATA") as watch:  # no journal: as if killed before it was written
        watch.take([alert()], NOW)
    journal = Journal(mongo[settings.database], "mongodb://127.0.0.1:1/", spool=tmp_path / "spool")
    for minutes in (1, 2):
        with Dispatcher(sends, folder, heading="MADE-UP DATA", journal=journal) as watch:
            watch.take([alert()], NOW + timedelta(minutes=minutes))
    assert [entry["event"] for entry in journal.entries("alert")] == ["begun", "told"]


@pytest.fixture
def leadbook(monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["leadbook", *words, "--profile", "production"])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code, "".join(capsys.readouterr()).strip()

    return run


def test_the_commands_as_a_person_types_them(receiver, tmp_path, leadbook):
    here, on = ("-p", f"watch_dir={tmp_path}", "-p", "database=leads"), ("-p", "alerts=true")
    secret = "verysecretword3"
    status, said = leadbook("alerts", "--test", *here)
    assert status == 0 and said.endswith("would be sent") and "REAL DATA: database leads" in said and not receiver.got
    receiver.answers = [(403, {}, 0)]
    status, said = leadbook("alerts", "--test", *here, *on)
    assert (
        (status, len(receiver.got)) == (1, 1) and "NOT delivered: answers 403 no_service" in said and secret not in said
    )
    status, said = leadbook("watch", "--check", "--alert", *here, *on)
    assert status == 2 and "sent to webhook" in said and len(receiver.taken) == 1, said
    status, said = leadbook("alerts", *here, *on)
    assert (
        status == 0
        and "The watch of the sprint has stopped [WATCH-STALE], sent to webhook" in said
        and secret not in said
    )
    status, said = leadbook("ack", "WATCH-STAL", *here)
    assert status == 2 and said.count("\n") == 0 and "did you mean 'WATCH-STALE'" in said
    status, said = leadbook("ack", "WATCH-STALE", "--by", "Ada", "--for", "2h", *here)
    assert status == 0 and "is answered by Ada; it is escalated no more until" in said
    assert leadbook("ack", "WATCH-STALE", "--for", "soon", *here)[0] == 2
    told = json.loads(leadbook("alerts", "--json", *here, *on)[1])
    assert (
        "answered by Ada" in told["entries"][0]["state"] and told["channels"]["level 3"] == told["channels"]["level 1"]
    )
