"""The real sprint in small, by README's own commands, on servers of somebody else: ready on an empty database, ten
collectors and two followers of which one is killed, Redis emptied, the primary stepped down, close."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Timer

import pytest
import yaml

from foreign import DATABASE, ForeignServers
from leadbook.core import connect
from leadbook.core.definitions import catalogue
from leadbook.core.settings import PROJECT, Settings
from leadbook.rehearsal import collectors
from leadbook.watch.series import Series
from readme import SPRINT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
APPROVED = ", ".join(
    f"{action} on {DATABASE}" for action in ("apply_schema", "benchmarks", "load_test", "restore_drill")
)
SMALL = {
    "trial_records": 1_000, "bench_rounds": 2, "bench_documents": 100, "bench_leads": 1_000, "load_records": "1000",
    "load_writers": "4", "duplicate_checks": 200, "open_loop_seconds": 0.2, "open_loop_percent": "50",
    "monitor_seconds": 2.0, "target_collected": 2_000, "target_unique": 1_500, "target_cost_usd": 10.0,
}  # fmt: skip
REFUSED = re.compile(r"not authori[sz]ed|may not|NOPERM|no permissions")
RECORDS = 2_400
PLAN = collectors.plan(RECORDS, 7)
WATCHED: list[Path] = []
"""Where the watch keeps its page and its series."""
NEVER_HERE = ("MDB-VER-002", "MDB-HST-001", "MDB-ENG-002", "RDS-SEC-002", "RDS-MEM-003")
"""What these servers cannot pass: an old release, few cores, a small cache, a Redis without TLS and room."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    found = ForeignServers(tmp_path_factory.mktemp("foreign"))
    try:
        yield found.start()
    finally:
        found.stop()


@pytest.fixture(scope="module")
def signed(servers, tmp_path_factory):
    """Attestations, and risks: what these servers cannot pass, and what depends on so small a measurement."""
    small = [
        e.id for e in catalogue().values() if e.phase in ("03", "04", "05") and e.kind == "measured" and e.acceptable
    ]
    today, until = str(date.today()), str(date.today() + timedelta(days=3))
    who = {"who": "Ada Lovelace", "when": today}
    why = {**who, "why": "a sprint in small on two trial machines", "until": until}
    file = {
        "target": f"{DATABASE} on 127.0.0.2:{servers.ports[0]}",
        **{e.id: {**who, "seen": "looked at the servers and saw it so"} for e in catalogue().values()
           if e.kind == "attestation"},
        "accepted": dict.fromkeys([*NEVER_HERE, *small], why),
    }  # fmt: skip
    path = tmp_path_factory.mktemp("signed") / "attestations.yaml"
    path.write_text(yaml.safe_dump(json.loads(json.dumps(file))))
    return path


@pytest.fixture(scope="module")
def command(servers, signed, tmp_path_factory):
    """Runs the README's production command that holds these words, with a small sprint's settings; what it printed."""
    reports = tmp_path_factory.mktemp("reports")
    WATCHED.append(reports)
    env = {**os.environ, **servers.environment, "LEADBOOK_ALERTS_1": "https://127.0.0.1:9/of-nobody"}

    def run(*named: str, more=(), begin=False, stdin=""):
        (line,) = [line for line in SPRINT if all(name in line for name in named)]
        words = shlex.split(line.partition("| ")[2] or line)[1:]
        words += [word for key, value in SMALL.items() for word in ("-p", f"{key}={value}")]
        words = [word.replace("sprint.html", str(reports / "sprint.html")) for word in words]
        words += ["-p", f"attestations_file={signed}", "-p", f"watch_dir={reports / 'watch'}", *more]
        if words[0] == "run":
            words += ["--out", str(reports)]
        argv = [sys.executable, "-m", "leadbook.cli", *words]
        if begin:
            return subprocess.Popen(argv, cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True)
        done = subprocess.run(argv, cwd=PROJECT, env=env, capture_output=True, text=True, input=stdin, timeout=600,
                              check=False)  # fmt: skip
        done.report = max(reports.glob("2*"), default=None)
        return done

    return run


@pytest.fixture(scope="module")
def database(servers):
    settings = Settings.from_mapping({"profile": "production", "rehearsal_servers": False, "database": DATABASE})
    with connect.mongodb(servers.uri("n8n_app"), settings) as client:
        yield client[DATABASE]


@pytest.fixture(scope="module")
def lived(servers, command, database):
    """Ready, and the sprint itself with its accidents; what each step printed."""
    told = {"doctor": command("doctor"), "ready": command("ready", more=("-p", f"approve={APPROVED}"))}
    assert told["ready"].returncode == 0, told["ready"].stdout + told["ready"].stderr
    told["left"] = sorted(database.list_collection_names())
    first, second = (command("--staged", begin=True) for _ in range(2))
    watch = command("--page", more=("--every", "2s", "--no-reports"), begin=True)
    _until(lambda: any(_series(WATCHED[0])), 60)
    staging = database["raw_leads"]
    accidents = Timer(3.0, _accidents, (servers, first))
    accidents.start()
    collectors.stage(staging, PLAN, 12.0)
    accidents.join()
    told["live"] = command("--stage live")
    _until(lambda: not staging.count_documents({"pipeline.state": {"$ne": "done"}}), 240)
    second.send_signal(signal.SIGTERM)
    told["ledger"] = second.communicate(timeout=60)[0]
    told["backup"] = command("--only 06")
    told["status"] = command("status")
    told |= {name: command(name) for name in ("--check", "--test", "writers=4", "--effects")}
    watch.send_signal(signal.SIGTERM)
    watch.communicate(timeout=60)
    told["watched"], told["page"] = watch.returncode, WATCHED[0] / "sprint.html"
    told["close"] = command("close")
    return told


def _accidents(servers, follower):
    """A follower is killed, Redis dies and comes back, the primary hands over."""
    follower.kill()
    servers.redis.kill()
    servers.step_down()
    servers.start_redis()


def _series(reports):
    """What the watch has kept so far, of its one target."""
    return (one for folder in (reports / "watch").glob("*") for one in Series(folder).read())


def _until(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def record(done, phase):
    return json.loads((done.report / "records" / f"{phase}.json").read_text())


def test_ready_on_an_empty_database_is_go_with_accepted_risks_and_leaves_no_trial(lived):
    assert lived["doctor"].returncode == 1 and "no unique index" in lived["doctor"].stdout
    assert lived["ready"].stdout.startswith("GO with ")
    assert not [name for name in lived["left"] if "scratch" in name]
    index = (lived["ready"].report / "index.html").read_text()
    assert "REAL DATA" in index and "Ada Lovelace" in index


def test_a_dba_of_least_rights_sees_everything(lived):
    for done in (lived["ready"], lived["live"], lived["close"]):
        said = [
            one for one in json.loads((done.report / "checks.json").read_text())["checks"] if one["verdict"] != "pass"
        ]
        refused = {one["id"]: one["evidence"] for one in said if REFUSED.search(one["evidence"])}
        assert not refused


def test_the_close_is_accepted_and_every_total_is_what_was_sent(lived, database):
    assert lived["backup"].returncode == 0, lived["backup"].stdout + lived["backup"].stderr
    assert lived["close"].returncode == 0, lived["close"].stdout + lived["close"].stderr
    assert lived["close"].stdout.startswith("ACCEPTED")
    facts = PLAN.facts()
    staged = {row["_id"]: row["count"] for row in database["raw_leads"].aggregate(
        [{"$group": {"_id": "$collector.workflow", "count": {"$sum": 1}}}])}  # fmt: skip
    assert staged == {name: one["records"] for name, one in facts["collectors"].items()}
    assert database["performance_marketers"].count_documents({}) == facts["unique"]
    assert database["rejected_leads"].count_documents({}) == sum(facts["rejected"].values())
    page = (lived["close"].report / "09_final_analysis.html").read_text()
    assert all(name in page for name in staged) and "exports and two days of work" in page


def test_status_tells_where_the_sprint_stands(lived):
    said = lived["status"].stdout
    assert lived["status"].returncode == 0 and len(said.strip().splitlines()) <= 10
    assert f"{PLAN.unique:,} unique" in said and "ready: GO" in said


def test_a_watch_with_least_rights_saw_all_of_it(lived):
    assert lived["watched"] == 0
    page = lived["page"].read_text(encoding="utf-8")
    assert "REAL DATA" in page and "linkedin.com/in/" not in page
    seen = list(_series(lived["page"].parent))
    last = seen[-1]
    assert last.readings["sprint.leads"] == PLAN.unique and last.readings["sprint.waiting"] == 0
    events = {(event.kind, event.source) for one in seen for event in one.events}
    assert ("elected", "mongodb") in events
    assert events & {("away", "redis"), ("restarted", "redis")}, "it was back within a second, or not"
    refused = {name: why for one in seen for name, why in one.unmeasured.items() if REFUSED.search(why)}
    assert not refused


def test_what_a_watch_offers_answers_on_somebody_elses_servers(lived):
    assert lived["--check"].returncode in (0, 1) and lived["--test"].returncode == 0, lived["--test"].stderr
    assert lived["writers=4"].returncode == 0 and "--approve" in lived["writers=4"].stdout
    assert lived["--effects"].returncode == 0, lived["--effects"].stderr


def test_deleted_leads_forbid_the_close_and_recover_brings_them_back(lived, command, database):
    leads = database["performance_marketers"]
    before = {lead["_id"]: lead["linkedin_url"] for lead in leads.find({}, {"linkedin_url": 1})}
    gone = list(before)[:200]
    leads.delete_many({"_id": {"$in": gone}})
    closed = command("close")
    assert closed.returncode == 1 and closed.stdout.startswith("NOT ACCEPTED")
    lost = {check["id"]: check for check in record(closed, "09")["checks"]}["FIN-LOSS-002"]
    assert lost["measured"] == 200 and any(str(one) in lost["evidence"] for one in gone)
    planned = command("recover")
    assert planned.returncode == 1 and "200" in planned.stdout and leads.count_documents({}) == len(before) - 200
    done = command("recover", more=("-p", f"approve=recover on {DATABASE}"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert {lead["_id"]: lead["linkedin_url"] for lead in leads.find({}, {"linkedin_url": 1})} == before
    assert command("close").stdout.startswith("ACCEPTED")


def test_an_erased_person_leaves_no_trace_and_cleanup_has_nothing_to_do(lived, command, database):
    lead = database["performance_marketers"].find_one({"email": {"$gt": ""}})
    planned = command("erase", stdin=lead["linkedin_url"])
    assert planned.returncode == 0 and database["performance_marketers"].find_one({"_id": lead["_id"]})
    done = command("erase", more=("-p", f"approve=erase on {DATABASE}"), stdin=lead["linkedin_url"])
    assert done.returncode == 0, done.stdout + done.stderr
    slug = lead["linkedin_url"].rsplit("/", 1)[-1]
    for name in database.list_collection_names():
        assert not [one for one in database[name].find() if slug in str(one) or lead["email"] in str(one)], name
    assert slug not in done.stdout and lead["email"] not in done.stdout
    assert command("cleanup").returncode == 0


def test_the_journal_tells_the_whole_sprint(lived, database):
    entries = list(database["sprint_journal"].find())
    assert {entry["stage"] for entry in entries if entry["kind"] == "stage"} == {"ready", "live", "close"}
    ended = [entry for entry in entries if entry["kind"] == "session.ended"]
    assert any(entry.get("dead") for entry in ended) or len(ended) == 1
    assert all(entry["at"] <= datetime.now(UTC) for entry in entries)
