"""The command itself, stopped by signals or left alone by Redis: it ends in order, with its ledger."""

import json
import os
import signal
import time
from datetime import UTC, datetime

import pytest
from bson import ObjectId

from ingest.background import Command, settled, until
from ingest.vendor_records import person
from leadbook.analysis.sessions import cut_short, read_sessions
from leadbook.analysis.totals import read_totals
from leadbook.commands.leads import ingest_files
from leadbook.core.journal import Journal
from leadbook.ingest.drain import drain
from leadbook.ingest.staging import Staging
from leadbook.rehearsal import servers
from leadbook.rehearsal.servers import owner


@pytest.fixture
def journal(database, endpoints):
    return Journal(database, endpoints.mongodb_uri)


@pytest.fixture
def staged(leads, database, settings):
    """The staging collection, empty, with its index."""
    return database[settings.staging_collection]


def stage(staged, *payloads):
    return staged.insert_many([
        {"vendor": "brightdata", "payload": payload, "collected_at": datetime.now(UTC)} for payload in payloads
    ])  # fmt: skip


@pytest.mark.trust(
    way="`leadbook ingest --staged --follow`, started with &, gets SIGINT, SIGTERM or SIGHUP (nohup keeps SIGHUP off)",
    status=0,
    says=("stopped by SIG", '"stored": 30', '"claimed": 0'),
    leaves="the batch at work is finished, nothing stays claimed, the ledger is printed",
)  # fmt: skip
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_follower_ends_in_order_on_any_signal(site, staged, leads, endpoints, settings, number, trust):
    stage(staged, *[person(f"p{index}") for index in range(30)])
    command = Command(["ingest", "--staged", "--follow", "--json"], endpoints, settings, ignored=[signal.SIGINT])
    try:
        until(lambda: leads.count_documents({}) == 30)
        command.process.send_signal(number)
        status, out, err = command.ended()
    finally:
        command.kill()
    trust.check(status, out + err)
    ledger = json.loads(out)
    assert ledger["read"] == ledger["stored"] == leads.count_documents({})
    follows, stopped = err.strip().splitlines()
    assert "follows raw_leads of leadbook_test on the servers named" in follows and "stopped by" in stopped
    assert staged.count_documents({"pipeline.state": {"$ne": "done"}}) == 0


def test_nohup_stays_deaf_to_hang_ups(site, staged, leads, endpoints, settings):
    command = Command(["ingest", "--staged", "--follow", "--json"], endpoints, settings,
                      ignored=[signal.SIGINT, signal.SIGHUP])  # fmt: skip
    try:
        stage(staged, person("ana"))
        until(lambda: leads.count_documents({}) == 1)
        command.process.send_signal(signal.SIGHUP)
        stage(staged, person("ben"))
        until(lambda: leads.count_documents({}) == 2)
        command.process.send_signal(signal.SIGTERM)
        assert command.ended()[0] == 0
    finally:
        command.kill()


@pytest.mark.trust(
    way="`leadbook ingest --staged` is stopped by SIGTERM before it is done", status=2,
    says=("stopped by SIGTERM", "run it again to bring in the rest", '"waiting":'),
    leaves="what was taken is finished and counted; the rest waits, unclaimed",
)  # fmt: skip
def test_a_drain_that_is_stopped_prints_what_it_did(site, staged, leads, endpoints, settings, trust):
    stage(staged, *[person(f"p{index}") for index in range(6_000)])
    command = Command(["ingest", "--staged", "--json"], endpoints, settings, batch_size=2)
    try:
        until(lambda: leads.count_documents({}) > 100)
        command.process.send_signal(signal.SIGTERM)
        status, out, err = command.ended()
    finally:
        command.kill()
    trust.check(status, out + err)
    ledger = json.loads(out)
    assert ledger["stored"] == leads.count_documents({}) == staged.count_documents({"pipeline.state": "done"})
    assert ledger["staging"]["claimed"] == 0 and ledger["staging"]["waiting"] == 6_000 - ledger["read"] > 0


@pytest.mark.trust(
    way="`leadbook ingest FILE` is stopped by SIGTERM before it is done", status=2,
    says=("stopped by SIGTERM", "until then read", '"stored":'),
    leaves="what was read is stored and counted; the same command again brings in the rest",
)  # fmt: skip
def test_files_that_are_stopped_print_what_they_did(site, leads, endpoints, settings, vendor_file, trust):
    path = vendor_file(*[person(f"p{index}") for index in range(6_000)])
    command = Command(["ingest", str(path), "--vendor", "brightdata", "--json"], endpoints, settings, batch_size=20)
    try:
        until(lambda: leads.count_documents({}) > 100)
        command.process.send_signal(signal.SIGTERM)
        status, out, err = command.ended()
    finally:
        command.kill()
    trust.check(status, out + err)
    assert json.loads(out)["stored"] == leads.count_documents({}) < 6_000


def test_a_killed_file_is_not_settled_by_another_of_its_name(
    site, leads, endpoints, settings, vendor_file, journal, tmp_path
):
    killed = vendor_file(*[person(f"p{index}") for index in range(6_000)], name="result.jsonl")
    command = Command(["ingest", str(killed), "--vendor", "brightdata", "--json"], endpoints, settings, batch_size=20)
    try:
        until(lambda: leads.count_documents({}) > 100)
    finally:
        command.kill()
    settled(leads)
    for folder, count in (("b2", 30), ("b3", 6_000)):
        (tmp_path / folder).mkdir()
        other = vendor_file(*[person(f"p{index}") for index in range(count)], name=f"{folder}/result.jsonl")
        ingest_files([other], "brightdata", settings)
        assert [name for name, _ in cut_short(read_sessions(journal))] == (["result.jsonl"] if count == 30 else [])
    totals = read_totals(leads.database[settings.staging_collection], read_sessions(journal))
    assert totals.records == 6_030 and totals.again == ("result.jsonl (brought in 2 times)",)
    assert str(tmp_path) not in str(journal.entries())


@pytest.mark.trust(
    way="`leadbook ingest --staged` is killed (SIGKILL) in the middle of its batches", status=None,
    says=("were claimed by a process that is gone: they are taken now",),
    leaves="the next run on that machine takes its claims within seconds and ends with 0; on another it waits for them",
)  # fmt: skip
def test_what_a_killed_command_had_claimed_is_brought_in_by_the_next(site, staged, leads, endpoints, settings, trust):
    held = kill_in_the_middle(staged, endpoints, settings)
    following = Command(["ingest", "--staged", "--json"], endpoints, settings)
    try:
        status, out, err = following.ended(100)  # its claims last for 120 s
    finally:
        following.kill()
    trust.check(None, err)
    ledger = json.loads(out)
    assert status == 0 and ledger["staging"] == {"waiting": 0, "claimed": 0, "taken_over": held}
    assert leads.count_documents({}) == 3_000 == sum(Staging(staged).ended().values())


def kill_in_the_middle(staged, endpoints, settings, **parameters):
    """Kill a drain of 3,000 records that has claims; how many it leaves."""
    stage(staged, *[person(f"p{index}") for index in range(3_000)])
    command = Command(["ingest", "--staged", "--json"], endpoints, settings, **parameters)
    try:
        until(lambda: staged.count_documents({"pipeline.state": "claimed"}) > 0)
    finally:
        command.kill()
    settled(staged)
    held = Staging(staged).claimed()
    assert held.count > held.expired == 0
    return held.count


OTHERS = {
    "another machine": {"mark.machine": "00000000"},
    "another start of this machine": {"mark.born": "d7a4f1a0-0000-4000-8000-000000000000:4711"},
    "a cluster's workers": {"executor": "dask"},
    "vendors are asked": {"enriches": True},
    "an earlier version": {"mark": None},
    "a process that lives": {"mark": owner.me()},
}
"""What `session.begun` may say that keeps a session's claims until they expire."""


@pytest.mark.parametrize("told", OTHERS.values(), ids=OTHERS)
def test_claims_of_others_than_a_dead_process_of_this_machine_keep_their_lease(site, staged, journal, told, dead):
    stage(staged, person("ana"), person("ben"))
    begun = {"mark": dead, "executor": "processes", "enriches": False, "session": ObjectId()}
    for name, value in told.items():
        first, _, second = name.partition(".")
        begun[first] = {**begun[first], second: value} if second else value
    journal.write("session.begun", source="staging", **begun)
    assert Staging(staged, session=begun["session"], lease_s=6.0).claim(10).records
    lines = []
    result = drain(site, workers=1, notice=lines.append)
    assert not result.problem and result.taken_over == 2 and len(lines) == 1 and "when its claim expires" in lines[0]


def test_a_late_end_of_a_dead_process_changes_no_record_that_another_has_claimed(staged):
    stage(staged, person("ana"))
    dead, other = (Staging(staged, session=ObjectId()) for _ in range(2))
    late = dead.claim(1)
    assert dead.expire() == 1
    taken = other.claim(1)
    key = late.records[0]["_id"]
    assert dead.end(late, {key: "rejected.validation"}) == {} and dead.expire() == 0
    assert other.end(taken, {key: "stored"}) == {key: "stored"} and Staging(staged).ended() == {"stored": 1}


@pytest.mark.slow
@pytest.mark.trust(
    way="Redis dies, or hangs, in the middle of an ingest or a drain", status=0,
    says=("Redis does not answer: MongoDB alone tells what is a duplicate", '"cache_away"', '"stored": 4000'),
    leaves="nothing is lost or doubled; it takes a few seconds longer at most",
)  # fmt: skip
@pytest.mark.parametrize(("kind", "number"), [("files", signal.SIGKILL), ("staged", signal.SIGSTOP)])
def test_redis_that_dies_or_hangs_neither_ends_nor_slows_an_ingest(
    site, staged, leads, endpoints, settings, somebodys_redis, vendor_file, trust, kind, number
):
    state = somebodys_redis
    people = [person(f"p{index}") for index in range(4_000)]
    words = ["ingest", "--json"]
    if kind == "staged":
        stage(staged, *people)
        words.append("--staged")
    else:
        words += [str(vendor_file(*people)), "--vendor", "brightdata"]
    command = Command(words, endpoints, settings, redis_url=state.redis_url, batch_size=50)
    try:
        until(lambda: leads.count_documents({}) > 200)
        os.kill(state.redis.pid, number)
        started = time.monotonic()
        status, out, err = command.ended()
        seconds = time.monotonic() - started
    finally:
        command.kill()
        os.kill(state.redis.pid, signal.SIGCONT) if number == signal.SIGSTOP else servers.down(state.folder)
    trust.check(status, out + err)
    assert json.loads(out)["failed"] == 0 and leads.count_documents({}) == 4_000
    assert seconds < 30
