"""A whole snapshot on real servers: on rehearsal with a writer, on production watching only."""

import contextlib
import os
import signal
import threading
import time
from datetime import datetime, timedelta

import pytest
from tests.phases.p08.made import by_id

from leadbook.core import connect
from leadbook.core.checks import Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.errors import UnreachableError
from leadbook.measure.session import BenchmarkSession
from leadbook.monitor import session
from leadbook.monitor.session import observe
from leadbook.phases.console.seen import see_atlas
from leadbook.phases.p08 import sections
from leadbook.phases.p08.snapshot import Snapshot, look_around
from leadbook.rehearsal import sample, servers
from leadbook.schema.scratch import SCRATCH_PREFIX
from leadbook.schema.state import create_like


class Book:
    """What Atlas' part takes of a phase."""

    def __init__(self, settings):
        self.settings = settings


def snapshot(endpoints, settings, mongodb, admin, redis, **changed):
    settings = settings.model_copy(update={"monitor_seconds": 1.5, **changed})
    place = BenchmarkSession(mongodb=mongodb, admin=admin, redis=redis, endpoints=endpoints, settings=settings)
    try:
        seen = observe(place)
        asked = see_atlas(Book(settings))
        return Snapshot(settings=settings, seen=seen, around=look_around(place, seen), atlas=asked)
    finally:
        place.close()


@pytest.fixture(scope="module")
def rehearsed(endpoints, settings, mongo, admin, redis_client):
    """A rehearsal's snapshot; one for all tests of this file."""
    admin.drop_database(settings.database)
    return snapshot(endpoints, settings, mongo, admin, redis_client)


def judged(made):
    """Every check of the phase, as the notebook's sections give them."""
    shown = (sections.in_time, sections.readings, sections.servers, sections.staging, sections.inserts,
             sections.lookups, sections.pool, sections.slow, sections.issues, sections.decided)  # fmt: skip
    return by_id(check for section in shown for check in section(made).checks)


def test_the_writer_is_seen_by_the_server_and_read_back(rehearsed):
    seen = rehearsed.seen
    assert seen.wrote and seen.written > 0
    assert seen.timeline.growth("mongodb.inserts") >= seen.written
    assert seen.review.sent == seen.review.found == seen.batches[0].sent
    assert seen.review.altered == seen.review.incomplete == seen.review.undated == 0


def test_every_answer_of_a_duplicate_check_is_right(rehearsed):
    seen = rehearsed.seen
    for kind in ("redis", "mongodb"):
        known = [lookup for lookup in seen.lookups if lookup.kind == kind and lookup.right is not None]
        assert known and all(lookup.right for lookup in known)


def test_nothing_is_left_behind(rehearsed, admin, settings, redis_client):
    names = admin[settings.database].list_collection_names()
    assert not [name for name in names if name.startswith(SCRATCH_PREFIX)]
    assert not list(redis_client.scan_iter("leadbook_scratch:*"))


def test_every_check_of_the_phase_is_answered(rehearsed):
    checks = judged(rehearsed)
    assert set(checks) == {entry.id for entry in catalogue().values() if entry.phase == "08"}
    assert not [check for check in checks.values() if check.verdict is Verdict.ERROR]


def test_no_section_tells_a_check_that_another_tells(rehearsed):
    ids = [check.id for checks in rehearsed.groups.values() for check in checks]
    assert len(ids) == len(set(ids))


def test_the_documents_hold_readings_decisions_and_no_lead(rehearsed):
    log, advice = (document.markdown for document in sections.written(rehearsed).documents)
    for heading in (
        "Readings beside thresholds",
        "MongoDB",
        "Redis",
        "Connection pool",
        "Host",
        "Issues",
        "Not measured",
    ):
        assert f"## {heading}" in log, heading
    for heading in ("Decisions", "Actions", "bottleneck", "Batch sizes", "Slow operations"):
        assert heading in advice
    assert "write latency, ms" in log and "optimize slow queries" in advice
    assert "linkedin.com/in/" not in log + advice and "@" not in log + advice


def test_facts_are_plain_and_complete(rehearsed):
    left = sections.written(rehearsed).facts
    assert left["insert_rate"] > 0 and set(left["insert_rate_by_batch_size"]) <= {"100", "250", "500"}
    for name in ("duplicate_check_redis", "duplicate_check_mongodb", "checkout"):
        assert left[f"{name}_worst_ms"] > 0 and left[f"{name}_samples"] > 0
        assert (left[f"{name}_p99_ms"] is None) == (left[f"{name}_samples"] < 1_000), "p99 from 1,000 samples on"
    assert len(rehearsed.decided) == 6


def test_a_slow_query_is_seen_where_the_servers_clock_is_behind(
    endpoints, settings, mongo, admin, redis_client, database, monkeypatch, tmp_path
):
    class Ahead(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(seconds=20)

    monkeypatch.setattr(session, "datetime", Ahead)
    create_like(database, settings.collection, settings).insert_one({"linkedin_url": "https://www.linkedin.com/in/a"})
    scan = threading.Timer(0.5, lambda: list(database[settings.collection].find({"$where": "sleep(300) || true"})))
    scan.start()
    made = snapshot(endpoints, settings, mongo, admin, redis_client, profile="production", backup_dir=str(tmp_path))
    scan.join()
    assert judged(made)["MON-QUERY-001"].verdict is Verdict.WARN


def test_production_only_watches(endpoints, settings, mongo, admin, redis_client, database, tmp_path):
    leads = create_like(database, settings.collection, settings)
    leads.insert_many([{"linkedin_url": f"https://www.linkedin.com/in/a{n}", "full_name": "A", "job_title": "B",
                        "company_name": "C"} for n in range(20)])  # fmt: skip
    names = set(admin[settings.database].list_collection_names())
    keys = redis_client.dbsize()
    before = admin.admin.command("serverStatus")["opcounters"]
    made = snapshot(endpoints, settings, mongo, admin, redis_client, profile="production", backup_dir=str(tmp_path))
    seen = made.seen
    after = admin.admin.command("serverStatus")["opcounters"]
    assert not seen.wrote and not seen.batches and seen.lookups
    assert [after[name] - before[name] for name in ("insert", "update", "delete")] == [0, 0, 0]
    assert set(admin[settings.database].list_collection_names()) == names and redis_client.dbsize() == keys
    checks = judged(made)
    assert checks["MON-RATE-001"].verdict is Verdict.NOT_MEASURED, "watching shows arrivals, not capacity"
    assert checks["MON-BACKUP-001"].verdict is Verdict.NOT_MEASURED
    assert checks["MON-RATE-002"].verdict is Verdict.NOT_APPLICABLE, "nothing was staged: no collector is at work"
    assert checks["MON-WATCH-002"].verdict is Verdict.NOT_APPLICABLE
    assert checks["MON-BATCH-002"].verdict is Verdict.FAIL, "leads without timestamps"


def test_while_collectors_are_at_work_it_only_watches_and_tells_what_waits(
    endpoints, settings, mongo, admin, redis_client, database
):
    create_like(database, settings.collection, settings).insert_many(sample.documents(200, seed=3))
    database[settings.staging_collection].insert_one({"payload": {}, "collector": {"workflow": "apollo-1"}})
    made = snapshot(endpoints, settings, mongo, admin, redis_client)
    checks = judged(made)
    assert not made.seen.wrote and checks["MON-WATCH-002"].verdict is Verdict.NOT_APPLICABLE
    assert checks["MON-DUP-003"].measured == 100 and checks["MON-STG-001"].verdict is Verdict.PASS
    shown = sections.staging(made)
    assert "1 staged records wait" in shown.says and list(shown.tables[0].frame["collector"]) == ["apollo-1"]
    assert checks["MON-STG-002"].verdict is Verdict.PASS
    database[settings.staging_collection].create_index("collected_at", expireAfterSeconds=3600)
    checks = judged(snapshot(endpoints, settings, mongo, admin, redis_client, backlog_max_age_s=0.001))
    assert checks["MON-STG-001"].verdict is Verdict.WARN
    assert checks["MON-STG-002"].verdict is Verdict.FAIL and "raw_leads: index collected_at_1" in (
        checks["MON-STG-002"].evidence
    )
    assert 'db.raw_leads.dropIndex("collected_at_1")' in checks["MON-STG-002"].remedy


@pytest.mark.trust(
    way="MongoDB is killed (SIGKILL) during the snapshot of 08",
    status=None,
    says=("MongoDB at 127.0.0.1:", "connection refused", "is the server running"),
    leaves="The writer's scratch collection, which the next run drops.",
)
@pytest.mark.slow
def test_a_server_that_dies_meanwhile_never_ends_in_a_pass(own_servers, settings, trust):
    """The snapshot raises, which fails the cell and the phase: in one line, and soon."""
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    settings = settings.model_copy(update={"server_selection_timeout_ms": 2_000})
    with both(endpoints, settings) as (application, admin):
        killer = killed_after(2.5, state.members[0].pid)
        with pytest.raises(UnreachableError) as raised:
            started = time.monotonic() + 2.5
            snapshot(endpoints, settings, application, admin, None, monitor_seconds=3.0)
        took = time.monotonic() - started
        killer.join()
    patience = settings.server_selection_timeout_ms / 1_000
    assert took < 2 * patience + 5, "each thread waits once, and nobody after it"
    trust.check(None, str(raised.value))


@contextlib.contextmanager
def both(endpoints, settings):
    """The application's and the DBA's client of servers of one's own."""
    with (
        connect.mongodb(endpoints.mongodb_uri, settings) as application,
        connect.mongodb(endpoints.admin_uri, settings) as admin,
    ):
        yield application, admin


def killed_after(seconds, pid):
    """A running timer that kills the process."""
    timer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
    timer.start()
    return timer


@pytest.mark.parametrize("profile", ["rehearsal", "production"])
@pytest.mark.trust(
    way="Redis is killed (SIGKILL) during the snapshot of 08",
    status=None,
    says=("Redis went away during the snapshot", "connection refused"),
    leaves="Nothing: what MongoDB, pool and host did is measured, and every check of Redis says why it is not.",
)
def test_redis_dying_meanwhile_leaves_everything_else_measured(own_servers, settings, profile, trust, tmp_path):
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    redis = connect.redis(endpoints.redis_url, settings)
    with both(endpoints, settings) as (application, admin):
        leads = create_like(admin[settings.database], settings.collection, settings)
        leads.insert_many(sample.documents(200, seed=3))
        killer = killed_after(0.7, state.redis.pid)
        made = snapshot(endpoints, settings, application, admin, redis, profile=profile, backup_dir=str(tmp_path))
        killer.join()
        checks = judged(made)
        assert not [name for name in admin[settings.database].list_collection_names() if "scratch" in name]
    dark = {
        name for name, check in checks.items() if check.verdict is Verdict.NOT_MEASURED and "Redis" in check.evidence
    }
    assert {"MON-DUP-001", *(f"MON-RDS-0{number:02}" for number in (1, 2, 3, 6, 9, 10, 11))} <= dark
    for name in ("MON-DUP-002", "MON-DUP-003", "MON-WATCH-001", "MON-ERR-001", "MON-QUERY-003", "MON-BATCH-001"):
        assert checks[name].measured is not None, name
    assert checks["MON-ERR-001"].measured == 0, "that Redis does not answer is no failed operation of the sprint"
    assert checks["MON-DUP-003"].measured == 100
    assert not [check for check in checks.values() if check.verdict is Verdict.ERROR]
    trust.check(None, checks["MON-RDS-001"].evidence)


def test_without_redis_the_snapshot_goes_on_and_says_so(endpoints, settings, mongo, admin):
    checks = judged(snapshot(endpoints, settings, mongo, admin, None))
    assert checks["MON-RDS-001"].verdict is Verdict.NOT_MEASURED
    assert checks["MON-DUP-001"].verdict is Verdict.NOT_MEASURED
    assert checks["MON-DUP-002"].verdict is Verdict.PASS
