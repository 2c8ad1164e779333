"""Each ingest is a session in the journal, whatever becomes of it, of its listeners and of the journal itself."""

import gzip
import json
import os
import signal
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from ingest.vendor_records import person
from leadbook.commands import leads as commands
from leadbook.core import connect
from leadbook.core.errors import InputFileError
from leadbook.core.journal import Journal
from leadbook.ingest import logbook as logbook_module
from leadbook.ingest import pipeline
from leadbook.ingest.drain import drain
from leadbook.ingest.logbook import LOOK_S, Departed, Logbook, bury
from leadbook.ingest.staging import Staging
from leadbook.lead.ledger import STORED, Ledger


@pytest.fixture
def staged(leads, database, settings):
    """The staging collection, empty, with its index."""
    return database[settings.staging_collection]


@pytest.fixture
def journal(database, endpoints, tmp_path):
    """The tests' journal, with a spool of its own."""
    return Journal(database, endpoints.mongodb_uri, tmp_path)


def stage(staged, *payloads, **fields):
    return staged.insert_many([{"vendor": "brightdata", "payload": one, **fields} for one in payloads]).inserted_ids


def told(journal):
    """The kinds of all entries, and what batches and the end say of the only session."""
    entries = journal.entries()
    assert len({entry["session"] for entry in entries}) == 1
    batches = [Ledger.from_dict(entry["ledger"]) for entry in entries if entry["kind"] == "session.batch"]
    return [entry["kind"] for entry in entries], sum(batches, Ledger()), entries[-1]


@pytest.mark.parametrize("kind", ["files", "staged"])
def test_batches_add_up_to_the_end(site, staged, journal, vendor_file, kind):
    people = [person("ana"), person("ana"), person("ben", name=None), person("cleo")]
    settings = site.settings.model_copy(update={"batch_size": 3})
    if kind == "files":
        ledger = commands.ingest_files([vendor_file(*people)], "brightdata", settings)
    else:
        stage(staged, *people, collector={"workflow": "brightdata-1", "batch": 1, "size": 4, "last": True})
        ledger = commands.ingest_staged(settings)
    kinds, batches, end = told(journal)
    assert kinds == ["session.begun", *["session.batch"] * 2, "session.ended"]
    assert batches == Ledger.from_dict(end["ledger"]) == Ledger.from_dict(ledger)
    assert (ledger["read"], end["problem"], "dead" in end) == (4, "", False)
    begun = journal.entries("session.begun")[0]
    assert (begun["source"], begun.get("names")) == (
        ("files", ["leads.jsonl"]) if kind == "files" else ("staging", None)
    )


def test_an_ingest_that_breaks_off_ends_its_session_with_the_problem(site, leads, journal, tmp_path):
    whole = gzip.compress(b"".join(b'{"id":"p%d"}\n' % number for number in range(40_000)), mtime=0)
    path = tmp_path / "broken-off.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(commands.IncompleteError) as caught:
        commands.ingest_files([path], "brightdata", site.settings)
    kinds, batches, end = told(journal)
    assert kinds[-1] == "session.ended" and "broken-off.jsonl.gz" in end["problem"]
    assert batches == Ledger.from_dict(end["ledger"]) == Ledger.from_dict(caught.value.ledger)
    assert batches.read > 1_000


def test_a_replay_is_a_session_of_its_own_kind(site, staged, journal):
    stage(staged, person("ana"), person("ben", name=None))
    commands.ingest_staged(site.settings)
    journal.collection.delete_many({})
    commands.replay_rejected(site.settings)
    kinds, batches, end = told(journal)
    assert journal.entries("session.begun")[0]["source"] == "replay"
    assert batches == Ledger.from_dict(end["ledger"]) and batches.rejects == 1 and kinds[-1] == "session.ended"


def silent(journal, session, minutes, source="staging", **ledger):
    """A session that was seen so long ago for the last time."""
    begun = journal.entry("session.begun", session=session, source=source)
    batch = journal.entry("session.batch", session=session, source="x", ledger=Ledger.counted(ledger).as_dict())
    at = datetime.now(UTC) - timedelta(minutes=minutes)
    journal.add([begun | {"at": at}, batch | {"at": at}])


def test_a_dead_session_is_ended_once_with_what_is_known_of_it(site, staged, journal):
    dead, file, living = ObjectId(), ObjectId(), ObjectId()
    stage(staged, *[person(f"p{number}") for number in range(5)])
    ends = Staging(staged, session=dead)
    claim = ends.claim(3)
    ends.end(claim, dict.fromkeys([record["_id"] for record in claim.records], STORED))
    ends.claim(2), ends.expire()
    silent(journal, dead, 4, stored=2)  # of the third record no batch told before the end
    silent(journal, file, 4, source="files", stored=7)
    silent(journal, living, 2, stored=1)
    lines = []
    ledger = commands.ingest_staged(site.settings, notice=lines.append)
    assert ledger["stored"] == 2
    ended = {entry["session"]: entry for entry in journal.entries("session.ended")}
    assert (ended[dead]["ledger"]["stored"], ended[file]["ledger"]["stored"]) == (3, 7)
    assert ended[dead]["dead"] and "no sign since" in ended[dead]["problem"]
    assert living not in ended and sum(str(dead) in line for line in lines) == 1
    assert bury(journal, Staging(staged)) == []
    assert len(journal.entries("session.ended")) == 3


def test_a_session_whose_process_is_gone_from_this_machine_is_ended_at_the_second_look(staged, journal, dead):
    killed, elsewhere = ObjectId(), ObjectId()
    own = {"source": "staging", "executor": "processes", "enriches": False}
    journal.write("session.begun", session=killed, mark=dead, **own)
    journal.write("session.begun", session=elsewhere, mark=dead | {"machine": "00000000"}, **own)
    departed = Departed(journal)
    assert bury(journal, Staging(staged), departed) == []
    time.sleep(LOOK_S)
    assert bury(journal, Staging(staged), departed) == [killed]
    assert [one["session"] for one in journal.entries("session.ended")] == [killed]


@pytest.mark.parametrize("odd", [{}, {"ledger": {"read": 3}}, {"ledger": {"read": 3, "stored": 9}}])
def test_a_batch_whose_ledger_cannot_be_read_does_not_keep_a_dead_session_open(staged, journal, odd):
    session, long_ago = ObjectId(), datetime.now(UTC) - timedelta(minutes=9)
    for kind, body in (("session.begun", {"source": "staging"}), ("session.batch", odd)):
        journal.collection.insert_one({"kind": kind, "at": long_ago, "by": "somebody", "session": session, **body})
    assert bury(journal, Staging(staged)) == [session]
    (end,) = journal.entries("session.ended")
    assert (end["dead"], end["ledger"]["read"]) == (True, 0)


def test_two_who_find_the_same_session_dead_end_it_once(staged, journal, database, endpoints, tmp_path):
    silent(journal, ObjectId(), 4, stored=1)
    both = [Journal(database, endpoints.mongodb_uri, tmp_path / name) for name in "ab"]
    gate = threading.Barrier(2)
    threads = [threading.Thread(target=lambda one=one: (gate.wait(), bury(one, Staging(staged)))) for one in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(journal.entries("session.ended")) == 1


def test_a_journal_that_is_away_neither_stops_nor_slows(site, staged, settings, endpoints, journal, tmp_path):
    stage(staged, *[person(f"p{number}") for number in range(200)])
    nobody = settings.model_copy(update={"server_selection_timeout_ms": 3_000})
    with connect.mongodb("mongodb://127.0.0.1:9/", nobody) as client:
        away = Journal(client[settings.database], endpoints.mongodb_uri, tmp_path)
        started = time.monotonic()
        with Logbook(away, None) as book:
            begun = time.monotonic()
            result = drain(site, workers=1, progress=book.take, session=book.session)
            assert time.monotonic() - begun < 3.0 < begun - started
    assert result.ledger.stored == 200
    assert not journal.collection.count_documents({}) and len(away.waiting()) >= 3
    kinds, batches, end = told(journal)  # whoever comes next carries it over
    assert batches == result.ledger == Ledger.from_dict(end["ledger"]) and kinds[-1] == "session.ended"


def test_a_journal_that_nobody_can_write_is_told_once(site, staged, settings, tmp_path):
    stage(staged, person("ana"))
    (tmp_path / "spool").write_text("no folder")
    lines = []
    with connect.mongodb(
        "mongodb://127.0.0.1:9/", settings.model_copy(update={"server_selection_timeout_ms": 50})
    ) as no:
        journal = Journal(no["x"], "mongodb://127.0.0.1:9/", tmp_path / "spool")
        with Logbook(journal, None, notice=lines.append) as book:
            assert drain(site, workers=1, progress=book.take).ledger.stored == 1
    assert len(lines) == 1 and "the journal cannot be written" in lines[0]


# ---------------------------------------------------------------------------------------------------------- beats


@pytest.fixture
def quick(monkeypatch):
    """Beats come each half second."""
    monkeypatch.setattr(logbook_module, "BEAT_S", 0.5)
    monkeypatch.setattr(logbook_module, "FLUSH_S", 0.1)


def stop_when(seen):
    """Ctrl-C from elsewhere, once `seen()`."""

    def press():
        deadline = time.monotonic() + 60
        while not seen() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=press, daemon=True).start()


@pytest.mark.trust(
    way="staged records wait longer than backlog_max_age_s, since nobody can take them", status=None,
    says=("longer than backlog_max_age_s (600 s)", "start a second follower"),
    leaves="a follower says so once, and once when it is over",
)  # fmt: skip
def test_beats_tell_how_it_stands_and_of_records_that_wait_too_long(site, staged, leads, journal, quick, trust):
    an_hour_ago = ObjectId.from_datetime(datetime.now(UTC) - timedelta(hours=1))
    staged.insert_one({"_id": an_hour_ago, "vendor": "brightdata", "payload": person("ben")})
    Staging(staged, lease_s=600).claim(1)  # a worker elsewhere
    stage(staged, person("ana"))
    beats, lines = [], []
    stop_when(lambda: any("longer than" in line for line in lines) and leads.find_one())
    ledger = commands.ingest_staged(site.settings, follow=True, notice=lines.append, heard=beats.append)
    assert ledger["stored"] == 1 and ledger["staging"] == {"waiting": 0, "claimed": 1, "taken_over": 0}
    trust.check(None, " ".join(lines))
    assert sum("backlog_max_age_s" in line for line in lines) == 1
    assert Counter(beat.state for beat in beats)["at work"] >= 1
    assert (beats[0].state, beats[0].ledger.read) == ("begun", 0)
    last = beats[-1].as_dict()
    assert (last["state"], last["read"], last["backlog"]) == ("ended", 1, 1) and last["oldest_s"] > 3_500
    backlogs = [entry["backlog"] for entry in journal.entries("session.beat")]
    assert backlogs[-1]["claimed"] == 1 and backlogs[-1]["waiting"] == 0 and backlogs[-1]["oldest_s"] > 3_500


def test_a_run_that_hangs_gives_no_beat(staged, journal, quick):
    with Logbook(journal, Staging(staged), stuck_s=1.2) as book:
        book.take(pipeline.PipelineResult())
        time.sleep(4.0)
    beats = len(journal.entries("session.beat"))
    assert 1 <= beats <= 3


def test_the_oldest_records_are_claimed_first(staged):
    ids = stage(staged, *[person(f"p{number}") for number in range(30)])
    staging = Staging(staged)
    claim = staging.claim(10)
    assert [record["_id"] for record in claim.records] == ids[:10]
    staging.end(claim, {ids[0]: "failed"}, unjudged=True)  # it comes back, and is the oldest again
    assert [record["_id"] for record in staging.claim(5).records] == [ids[0], *ids[10:14]]


def test_the_command_tells_each_minute_and_keeps_a_heartbeat(
    site, staged, leads, endpoints, quick, tmp_path, monkeypatch
):
    from typer.testing import CliRunner

    from leadbook.cli.main import app

    stage(staged, person("ana"), person("ben", name=None))
    file = tmp_path / "run" / "heartbeat.json"
    for name in ("MONGODB_URI", "MONGODB_ADMIN_URI"):
        monkeypatch.setenv(name, endpoints.mongodb_uri)
    monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    words = ["ingest", "--staged", "--follow", "--json", "--profile", "production", "--heartbeat", str(file),
             "-p", f"database={site.settings.database}", "-p", "members=1"]  # fmt: skip
    refused = CliRunner().invoke(app, [*words[:-5], str(tmp_path), *words[-4:]]).exception
    assert isinstance(refused, InputFileError) and "the heartbeat cannot be written" in str(refused)
    stop_when(lambda: file.is_file() and json.loads(file.read_text())["state"] == "at work" and leads.find_one())
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    names = {"time", "read", "stored", "filled", "duplicate", "rejected", "failed", "backlog", "oldest_s", "rate"}
    beats = [line for line in lines if "notice" not in line]
    assert beats and all(names <= set(line) for line in beats)
    assert "stopped by SIGTERM" in " ".join(line.get("notice", "") for line in lines)
    assert json.loads(ran.stdout)["stored"] == 1
    last = json.loads(file.read_text())
    assert (last["state"], last["read"], last["backlog"], last["pid"]) == ("ended", 2, 0, os.getpid())
