"""One reading of everything, of real servers: true numbers, and nothing that a server's end can falsify."""

import os
import signal
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from ingest.vendor_records import person
from leadbook.core import connect
from leadbook.core.errors import ParameterError
from leadbook.core.journal import Journal
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.ingest import logbook
from leadbook.ingest.drain import drain
from leadbook.ingest.logbook import Logbook
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.lead.ledger import FILLED, STORED, rejected
from leadbook.phases.live.judge import CRITICAL, Judge
from leadbook.phases.phase import Phase
from leadbook.rehearsal import servers
from leadbook.schema.state import apply
from leadbook.watch.clock import SprintClock
from leadbook.watch.history import History
from leadbook.watch.names import READINGS
from leadbook.watch.records import LiveSnapshot
from leadbook.watch.snapshot import SnapshotReader

AS_PROCESSES = SprintClock()


def reader(settings, endpoints, clock=AS_PROCESSES):
    return SnapshotReader(settings, endpoints, clock, watch="test")


@pytest.fixture
def leads(database, admin, settings):
    apply(database[settings.collection], admin, settings)
    return database[settings.collection]


@pytest.fixture
def staged(leads, database, settings):
    return database[settings.staging_collection]


@pytest.fixture
def site(endpoints, settings, leads, clean_redis):
    yield Site(endpoints=endpoints, settings=settings.model_copy(update={"batch_size": 50}))
    Site.close()


def stamped(workflow, *payloads, vendor="brightdata"):
    return [{"vendor": vendor, "payload": one, "collector": {"workflow": workflow}} for one in payloads]


def at(seconds_ago):
    made = ObjectId.from_datetime(datetime.now(UTC) - timedelta(seconds=seconds_ago))
    return ObjectId(str(made)[:8] + str(ObjectId())[8:])


# ------------------------------------------------------------------------------------------------------ the sprint


def test_the_sprint_is_counted_as_it_was(settings, endpoints, site, staged, leads, monkeypatch, tmp_path):
    monkeypatch.setattr(logbook, "FLUSH_S", 0.1)
    first = [person(f"p{number}") for number in range(60)]
    staged.insert_many([*stamped("bright-1", *first), *stamped("bright-2", person("p1"), person("x", name=None))])
    staged.insert_one({"_id": "odd", "vendor": "brightdata", "payload": person("odd"), "collector": "bright-1"})
    journal = Journal(leads.database, endpoints.mongodb_uri, tmp_path)
    with reader(settings, endpoints) as watch:
        before = watch.read(0, 30.0)
        assert (before.readings["sprint.staged"], before.readings["sprint.waiting"]) == (63, 63)
        assert before.readings["sprint.leads"] == 0 and before.readings["ingest.followers"] == 0
        assert 0 <= before.readings["sprint.oldest_s"] < 60
        with Logbook(journal, Staging(staged)) as book:
            result = drain(site, workers=1, progress=book.take, session=book.session)
            book.take(result)
            monkeypatch.setattr(logbook, "BEAT_S", 0.0)
            while not journal.entries("session.beat"):
                time.sleep(0.01)
            monkeypatch.setattr(logbook, "BEAT_S", 60.0)
            during = watch.read(1, 30.0)
        staged.insert_many(stamped("bright-2", person("late")))
        journal.write("action", action="profiler_on", plan={"by hand": 1}, done={}, approved="")
        after = watch.read(2, 30.0)
    ledger = result.ledger
    seen = {name: during.readings[f"sprint.{name}"] for name in ("stored", "filled", "duplicates", "rejected")}
    assert seen == {"stored": ledger.stored, "filled": ledger.filled, "duplicates": ledger.duplicates,
                    "rejected": ledger.rejects}  # fmt: skip
    assert (ledger.stored, ledger.rejects, sum(seen.values())) == (61, 1, 63)
    assert during.readings["sprint.leads"] == 61 and during.readings["sprint.leads_per_s"] > 0
    assert during.readings["sprint.ended_per_s"] > during.readings["sprint.leads_per_s"]
    assert during.details["rejects"] == dict(ledger.rejected)
    (vendor,) = during.details["vendors"]
    assert (vendor["vendor"], vendor["staged"], vendor["stored"], vendor["waiting"]) == ("brightdata", 63, 61, 0)
    assert {row["workflow"]: (row["staged"], row["in_hour"]) for row in during.details["collectors"]} == {
        "bright-1": (61, 60), "bright-2": (2, 2)
    }  # fmt: skip
    assert during.readings["ingest.followers"] == 1 and during.readings["ingest.beat_age_s"] < 10
    assert during.readings["ingest.documents_per_s"] > 10 and during.readings["ingest.batch_size"] == 50
    assert 1 <= during.readings["ingest.pool_in_use"] <= during.readings["ingest.pool_maximum"] == 60
    assert during.readings["ingest.pool_wait_ms"] >= 0 and during.readings["ingest.writers"] == 1
    assert (after.readings["sprint.waiting"], after.readings["ingest.followers"]) == (1, 0)
    assert [(event.kind, event.told["action"]) for event in after.events] == [("acted", "profiler_on")]
    assert not before.events and not during.events
    for one in (before, during, after):
        assert one.readings.keys() <= READINGS.keys()
        assert LiveSnapshot.from_json(one.as_json()).readings == one.readings
        assert "linkedin.com" not in one.as_json() and "Ana Example" not in one.as_json()


def test_counts_stay_exact_while_the_mark_moves(settings, endpoints, staged):
    staging, long_ago = Staging(staged), 3_600
    staged.insert_many([{**one, "_id": at(long_ago - n)} for n, one in enumerate(stamped("a", *[person("p")] * 30))])
    with reader(settings, endpoints) as watch:
        for ended in (10, 20, 25):
            claim = staging.claim(ended - staged.count_documents({"pipeline.state": "done"}))
            kinds = [STORED, FILLED, rejected("invalid_linkedin_url")]
            staging.end(claim, {record["_id"]: kinds[n % 3] for n, record in enumerate(claim.records)})
            seen = watch.read(ended, 30.0).readings
            told = {row["_id"]: row["n"] for row in staged.aggregate([
                {"$match": {"pipeline.state": "done"}}, {"$group": {"_id": "$pipeline.outcome", "n": {"$sum": 1}}}
            ])}  # fmt: skip
            assert (seen["sprint.staged"], seen["sprint.waiting"]) == (30, 30 - ended)
            assert seen["sprint.stored"] == told[STORED] and seen["sprint.filled"] == told[FILLED]
            assert seen["sprint.rejected"] == told[rejected("invalid_linkedin_url")]
        mark = next(part for part in watch._parts if part.name == "sprint")._mark
        open_ = staged.find_one({"pipeline.state": {"$ne": "done"}}, sort=[("_id", 1)])["_id"]
        assert mark == open_, "only what is open or new is counted again"
        claim = staging.claim(3)
        staged.update_one({"_id": claim.records[0]["_id"]}, {"$set": {"pipeline.until": datetime(2000, 1, 1)}})
        seen = watch.read(9, 30.0).readings
        assert (seen["sprint.waiting"], seen["sprint.claimed"], seen["sprint.expired"]) == (2, 3, 1)


@pytest.mark.trust(
    way="Somebody's TTL index deletes waiting records while the watch runs", status=None,
    says=("Something deletes or refuses records by itself", "leadbook doctor"),
    leaves="a CRITICAL alarm within two minutes, that is over when the index was dropped",
)  # fmt: skip
def test_what_deletes_records_by_itself_alarms_until_it_is_dropped(settings, endpoints, staged, monkeypatch, trust):
    judge, history = Judge(settings), History()
    monkeypatch.setattr("leadbook.watch.sources.losing.EVERY_S", 0.0)

    def look(number):
        seen = watch.read(number, 30.0)
        history.add(seen)
        judge.take(seen, history)
        return seen.readings["mongodb.losing"], [one for one in judge.findings if one.rule == "LIVE-MDB-003"]

    with reader(settings, endpoints) as watch:
        assert look(0) == (0, [])
        staged.create_index("collected_at", expireAfterSeconds=3600)
        count, (finding,) = look(1)
        assert count == 1 and judge.verdict == CRITICAL
        trust.check(None, f"{finding.title}: {finding.evidence}; {finding.remedy}")
        staged.drop_index("collected_at_1")
        assert look(2) == (0, [])


def test_it_is_not_asked_each_time_what_deletes_records(settings, endpoints, staged):
    with reader(settings, endpoints) as watch:
        for number in range(2):
            seen = watch.read(number, 30.0)
            assert seen.readings["mongodb.losing"] == 0
            asked = [one for one in watch._access.trace.commands if one.name == "listIndexes"]
            assert bool(asked) is (number == 0)


def test_a_collector_that_fell_silent_is_named_while_others_send(settings, endpoints, staged):
    def sent(workflow, *seconds_ago):
        staged.insert_many([{**stamped(workflow, person("p"))[0], "_id": at(ago)} for ago in seconds_ago])

    sent("steady", *range(0, 3_000, 60))
    sent("stopped", *range(1_200, 3_000, 60))
    sent("hourly", 1_500, 3_300, 5_100, 6_900)
    with reader(settings, endpoints) as watch:
        seen = watch.read(1, 30.0)
        assert seen.readings["sprint.collectors_silent"] == 1
        rows = {row["workflow"]: row for row in seen.details["collectors"]}
        assert [name for name, row in rows.items() if row["silent"]] == ["stopped"]
        assert rows["stopped"]["last_s"] == pytest.approx(1_200, abs=5)
        assert rows["stopped"]["gap_s"] == pytest.approx(60, abs=2)
        sent("stopped", 0)
        assert watch.read(2, 30.0).readings["sprint.collectors_silent"] == 0
    with reader(settings, endpoints, SprintClock(60.0)) as hasty:  # the same silence, told in the sprint's time
        assert hasty.read(1, 30.0).readings["sprint.collectors_silent"] in (0, 1)


def test_a_collector_that_sent_without_a_pause_is_missed_like_any_other(settings, endpoints, staged):
    """Nobody shows a gap here: each sends every ten seconds, as a workflow does that stages page by page."""
    sendings = (("steady", 0, 1_000), ("stopped", 400, 1_000), ("brief", 950, 1_000), ("brief-once", 3_700, 3_800))
    for workflow, latest, first in sendings:
        staged.insert_many([{**stamped(workflow, person("p"))[0], "_id": at(n)} for n in range(latest, first, 10)])
    with reader(settings, endpoints) as watch:
        rows = watch.read(1, 30.0).details["collectors"]
    assert [row["workflow"] for row in rows if row["silent"]] == ["brief-once", "stopped"]


# --------------------------------------------------------------------------------------------------------- servers


def test_slow_queries_that_the_server_does_not_write_down_are_not_none(settings, endpoints, admin, leads):
    before = admin[settings.database].command({"profile": 0, "slowms": 10_000})["slowms"]
    try:
        with reader(settings, endpoints) as watch:
            watch.read(1, 30.0)
            time.sleep(0.01)
            seen = watch.read(2, 30.0)
    finally:
        admin[settings.database].command({"profile": 0, "slowms": before})
    assert "mongodb.slow" not in seen.readings and "setProfilingLevel" in seen.unmeasured["mongodb.slow_scans"]


def test_a_scan_is_told_with_the_index_that_would_help(settings, endpoints, admin, leads):
    leads.insert_many([{"linkedin_url": f"https://www.linkedin.com/in/p{n}", "job_level": n} for n in range(200)])
    before = admin[settings.database].command({"profile": 0, "slowms": -1})["slowms"]
    try:
        with reader(settings, endpoints) as watch:
            assert "mongodb.slow" not in watch.read(1, 30.0).readings, "nothing is known of the time before"
            for value in (1, 2):
                assert leads.count_documents({"job_level": value}) == 1
                assert leads.find_one({"job_level": value, "funding_stage": None})
            time.sleep(0.01)
            seen = watch.read(2, 30.0)
    finally:
        admin[settings.database].command({"profile": 0, "slowms": before})
    assert seen.readings["mongodb.slow_scans"] == 4 <= seen.readings["mongodb.slow"]
    scans = {tuple(row["fields"]): row for row in seen.details["slow"] if "COLLSCAN" in row["plan"]}
    assert scans["job_level",]["index"] == "{job_level: 1}" and scans["job_level",]["operation"] == "aggregate"
    row = scans["funding_stage", "job_level"]
    assert (row["collection"], row["count"], row["index"]) == (
        settings.collection, 2, "{funding_stage: 1, job_level: 1}"
    )  # fmt: skip


def test_what_leadbooks_own_notebooks_ask_is_no_slow_query_of_the_sprint(settings, endpoints, admin, leads):
    leads.insert_many([{"linkedin_url": f"https://www.linkedin.com/in/p{n}", "phone": f"+1{n}"} for n in range(200)])
    before = admin[settings.database].command({"profile": 0, "slowms": -1})["slowms"]
    book = Phase("09", settings, endpoints, Redactor())
    try:
        with reader(settings, endpoints) as watch:
            watch.read(1, 30.0)
            for client in (book.mongodb, book.admin, book.reporting or book.mongodb):
                found = client[settings.database][settings.collection]
                assert found.find_one({"phone": "+17", "$nor": [{"phone": None}]})
            leads.find_one({"job_level": 1})
            time.sleep(0.01)
            seen = watch.read(2, 30.0)
    finally:
        admin[settings.database].command({"profile": 0, "slowms": before})
        for client in {book.mongodb, book.admin, book.reporting} - {None}:
            client.close()
    assert [row["fields"] for row in seen.details["slow"] if "COLLSCAN" in row["plan"]] == [["job_level"]], (
        "what an ingester asks is told"
    )


def test_connections_are_told_by_client_and_user_without_addresses(settings, endpoints, leads, redis_client):
    leads.find_one(), redis_client.ping()
    with reader(settings, endpoints) as watch:
        seen = watch.read(1, 30.0)
    rows = {(row["server"], row["client"], row["user"]): row["connections"] for row in seen.details["clients"]}
    assert rows["mongodb", "leadbook", "leadbook_app"] >= 1 and rows["redis", "leadbook", "default"] >= 1
    assert any(client == "leadbook-watch" for _, client, _ in rows)
    assert "127.0.0.1" not in str(seen.details["clients"])
    assert seen.readings["mongodb.connections_limit"] > 1_000


def test_what_the_watch_asks_itself_is_no_part_of_what_it_tells(settings, endpoints, leads, staged, clean_redis):
    staged.insert_many(stamped("a", *[person("p")] * 500))
    leads.insert_one({"linkedin_url": "https://www.linkedin.com/in/p"})
    with reader(settings, endpoints) as watch:
        watch.read(1, 30.0)
        idle = watch.read(2, 30.0)
        for _ in range(100):
            leads.find_one({"linkedin_url": "https://www.linkedin.com/in/p"})
            clean_redis.exists("lead:linkedin:p")
        busy = watch.read(3, 30.0)
    assert "mongodb.targeting" not in idle.readings and "of others" in idle.unmeasured["redis.hit_percent"]
    assert busy.readings["mongodb.targeting"] == pytest.approx(1.0, abs=0.5)
    assert busy.readings["redis.hit_percent"] == 0.0
    assert 0 < busy.readings.get("mongodb.read_ms", 1.0) < 20


def test_servers_that_die_are_told_and_give_no_absurd_rates(settings, own_servers):
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    with connect.mongodb(endpoints.mongodb_uri, settings) as client, reader(settings, endpoints) as watch:
        client[settings.database]["x"].insert_many([{} for _ in range(5_000)])
        watch.read(1, 30.0)
        whole = watch.read(2, 30.0)
        assert not whole.events and whole.readings["mongodb.inserts_per_s"] < 100
        pids = {process.name: process.pid for process in state.processes}
        for name, pid in pids.items():
            os.kill(pid, signal.SIGKILL)
            del name
        began = time.monotonic()
        gone = watch.read(3, 30.0)
        assert time.monotonic() - began < 6.0
        assert {(event.kind, event.source) for event in gone.events} == {("away", "mongodb"), ("away", "redis")}
        assert gone.unmeasured["sprint"] == gone.unmeasured["mongodb"] and "away" in gone.unmeasured["redis"]
        assert {name.partition(".")[0] for name in gone.readings} <= {"probe", "watch"}
        assert gone.readings["probe.canary_ms"] > 0 and not watch.read(4, 30.0).events
        servers.up(settings, owner_pid=os.getpid(), folder=state.folder)
        back = watch.read(5, 30.0)
        for _ in range(100):
            if not {"mongodb", "redis"} & back.unmeasured.keys():
                break
            time.sleep(0.1)
            back = replace(later := watch.read(6, 30.0), events=(*back.events, *later.events))
        told = {(event.kind, event.source) for event in back.events}
        assert {("back", "mongodb"), ("back", "redis"), ("restarted", "mongodb"), ("restarted", "redis")} <= told
        assert all(event.seconds > 0 for event in back.events if event.kind == "back")
        rates = {name: value for name, value in back.readings.items() if name.startswith(("mongodb.", "redis."))
                 and name.endswith("_per_s")}  # fmt: skip
        assert not rates or max(rates.values()) < 1_000


# ----------------------------------------------------------------------------------------------------- least rights


def test_with_the_applications_rights_alone_the_sprint_is_told_and_what_is_missing(settings, endpoints, leads):
    alone = replace(endpoints, admin_uri=endpoints.mongodb_uri, reporting_uri=None)
    with reader(settings, alone) as watch:
        watch.read(1, 30.0)
        seen = watch.read(2, 30.0)
    assert {"sprint.staged", "sprint.leads", "probe.mongodb_ms", "mongodb.disk_used_percent", "mongodb.elections",
            "redis.memory_percent", "ingest.followers"} <= seen.readings.keys()  # fmt: skip
    for name in ("mongodb", "mongodb.lag_s", "mongodb.oplog_window_h", "mongodb.slow", "mongodb.clients"):
        assert "clusterMonitor on admin" in seen.unmeasured[name] and "createUser" in seen.unmeasured[name]
    assert not [event for event in seen.events if event.kind == "away"]
    assert connect.addresses.parse(endpoints.mongodb_uri).password not in seen.as_json()


def test_reading_alone_suffices_for_the_sprint(settings, endpoints, leads):
    reading = endpoints.reporting_uri
    with reader(settings, replace(endpoints, mongodb_uri=reading, admin_uri=reading)) as watch:
        seen = watch.read(1, 30.0)
    assert {"sprint.staged", "sprint.collectors_silent", "ingest.followers", "mongodb.disk_used_percent"} <= (
        seen.readings.keys()
    )
    assert "clusterMonitor" in seen.unmeasured["mongodb"]


def test_a_reporting_user_who_is_refused_is_replaced_by_the_application(settings, endpoints, leads):
    refused = endpoints.reporting_uri.replace("leadbook_reporting:", "leadbook_reporting:x")
    with reader(settings, replace(endpoints, reporting_uri=refused)) as watch:
        assert "sprint.staged" in watch.read(1, 30.0).readings


def test_a_collectors_name_that_is_a_person_is_masked_where_it_is_read(settings, endpoints, staged):
    people = stamped("jane.doe@victim.example", *[{"n": n} for n in range(3)], vendor="linkedin.com/in/jane-doe")
    staged.insert_many(people)
    with reader(settings, endpoints) as watch:
        watch.read(1, 30.0)
        told = watch.read(2, 30.0).as_json()
    assert "jane.doe" not in told and "jane-doe" not in told and "j***@victim.example" in told


def test_a_dbas_address_that_does_not_answer_makes_no_server_away(settings, endpoints, leads):
    elsewhere = replace(endpoints, admin_uri="mongodb://dba:x@127.0.0.1:9/?serverSelectionTimeoutMS=200")
    with reader(settings, elsewhere) as watch:
        watch.read(1, 30.0)
        seen = watch.read(2, 30.0)
    assert not [event for event in seen.events if event.kind == "away"] and "sprint.staged" in seen.readings
    assert "MONGODB_ADMIN_URI does not answer" in seen.unmeasured["mongodb"]


def test_a_dba_who_is_refused_costs_no_time_and_is_told(settings, endpoints, leads):
    refused = endpoints.admin_uri.replace("leadbook_admin:", "leadbook_admin:x")
    with reader(settings, replace(endpoints, admin_uri=refused)) as watch:
        watch.read(1, 30.0)
        began = time.monotonic()
        seen = watch.read(2, 30.0)
        assert time.monotonic() - began < 2.0
    assert "MONGODB_ADMIN_URI is refused" in seen.unmeasured["mongodb"] and "sprint.staged" in seen.readings


def test_a_right_that_redis_refuses_is_named(settings, endpoints, leads, redis_client):
    allowed = ["+@all", "-client|list", "-slowlog", "-info"]
    redis_client.acl_setuser("watcher", enabled=True, passwords=["+secret-word"], keys=["*"], commands=allowed)
    address = connect.addresses.parse(endpoints.redis_url)
    theirs = f"redis://watcher:secret-word@{address.shown}/0"
    try:
        with reader(settings, replace(endpoints, redis_url=theirs)) as watch:
            seen = watch.read(1, 30.0)
    finally:
        redis_client.acl_deluser("watcher")
    for name, command in (("redis", "info"), ("redis.clients", "client|list"), ("redis.slow", "slowlog")):
        assert f"ACL SETUSER watcher +{command}" in seen.unmeasured[name]
    assert "probe.redis_ms" in seen.readings and "secret-word" not in seen.as_json()


# ------------------------------------------------------------------------------------------------------------ clock


def test_the_sprints_clock_goes_faster_and_never_in_production():
    clock, real = SprintClock(600.0), datetime.now(UTC)
    time.sleep(0.05)
    assert 20 < (clock.now() - real).total_seconds() < 120
    assert (clock.sprint_seconds(2.0), clock.real_seconds(600.0)) == (1_200.0, 1.0)
    assert abs((SprintClock().now() - datetime.now(UTC)).total_seconds()) < 1
    began = datetime(2026, 1, 1, tzinfo=UTC)
    assert 0 <= (SprintClock(2.0, began=began).now() - began).total_seconds() < 1
    with pytest.raises(ParameterError, match="must be 1 in production"):
        Settings.from_mapping({"profile": "production", "clock": 60.0})
