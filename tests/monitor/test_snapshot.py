"""A whole snapshot on real servers: on rehearsal with a writer, on production watching only."""

import os
import signal
import threading
import time

import pytest

from leadbook.core import connect
from leadbook.core.checks import Verdict, catalogue
from leadbook.core.errors import UnreachableError
from leadbook.monitor.workload import KEY_PREFIX
from leadbook.phases import p08 as watch
from leadbook.rehearsal import sample, servers
from leadbook.schema import create_like
from leadbook.schema.scratch import SCRATCH_PREFIX


def snapshot(endpoints, settings, admin, redis, **changed):
    settings = settings.model_copy(update={"monitor_seconds": 1.5, **changed})
    seen = watch.observe(endpoints, settings, admin=admin, redis=redis, documents=watch.sample_documents(settings))
    return settings, seen


@pytest.fixture(scope="module")
def rehearsed(endpoints, settings, admin, redis_client):
    """A rehearsal's snapshot with its settings; one for all tests of this file."""
    admin.drop_database(settings.database)
    return snapshot(endpoints, settings, admin, redis_client)


def judged(settings, seen, admin, redis, leads):
    around = watch.look_around(admin, redis, settings, seen)
    found = watch.bottlenecks(seen)
    decisions = watch.decide(seen, settings, found, disk=around.disk, redis=around.redis)
    checks = [
        *watch.watch_checks(seen), *watch.reading_checks(seen),
        *watch.database_checks(admin, settings, seen, around, []), *watch.redis_state_checks(around, seen),
        *watch.review_checks(seen.review), watch.collection_rate(leads, settings, seen.arriving),
        *watch.performance_checks(seen, settings, {}), *watch.pool_checks(seen, settings),
        watch.slow_check(seen.slow, seen.slow_source), watch.bottleneck_check(found), *watch.decision_checks(decisions),
    ]  # fmt: skip
    return [*checks, watch.issues(checks)], decisions, found


def test_the_writer_is_seen_by_the_server_and_read_back(rehearsed):
    _, seen = rehearsed
    written = sum(batch.inserted for batch in seen.batches)
    assert seen.wrote and written > 0
    assert seen.timeline.growth("mongodb.inserts") >= written
    assert seen.review.sent == seen.review.found == seen.batches[0].size
    assert seen.review.altered == seen.review.incomplete == seen.review.undated == 0


def test_every_answer_of_a_duplicate_check_is_right(rehearsed):
    _, seen = rehearsed
    for kind in ("redis", "mongodb"):
        known = [lookup for lookup in seen.lookups if lookup.kind == kind and lookup.right is not None]
        assert known and all(lookup.right for lookup in known)


def test_nothing_is_left_behind(rehearsed, admin, settings, redis_client):
    names = admin[settings.database].list_collection_names()
    assert not [name for name in names if name.startswith(SCRATCH_PREFIX)]
    assert not list(redis_client.scan_iter(f"{KEY_PREFIX}*"))


def test_every_check_of_the_phase_is_answered(rehearsed, admin, redis_client, mongo):
    settings, seen = rehearsed
    checks, _, _ = judged(settings, seen, admin, redis_client, mongo[settings.database][settings.collection])
    wanted = {entry.id for entry in catalogue().values() if entry.phase == "08"}
    assert {check.id for check in checks} | {"MON-DOC-001", "MON-DOC-002"} == wanted
    assert not [check for check in checks if check.verdict is Verdict.ERROR]


def test_the_documents_hold_readings_decisions_and_no_lead(rehearsed, admin, redis_client, mongo):
    settings, seen = rehearsed
    checks, decisions, found = judged(settings, seen, admin, redis_client, mongo[settings.database]["none"])
    log = watch.monitoring_log(seen, checks)
    advice = watch.optimizations(seen, decisions, found, settings)
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
    assert "linkedin.com/in/" not in log + advice and "@" not in log + advice


def test_facts_are_plain_and_complete(rehearsed):
    _, seen = rehearsed
    left = {}
    watch.leave_facts(left.__setitem__, seen, [])
    assert left["insert_rate"] > 0 and set(left["insert_rate_by_batch_size"]) <= {"100", "250", "500"}
    assert left["duplicate_check_redis_p99_ms"] is not None and left["checkout_p99_ms"] is not None


def test_production_only_watches(endpoints, settings, admin, redis_client, database):
    leads = create_like(database, settings.collection, settings)
    leads.insert_many([{"linkedin_url": f"https://www.linkedin.com/in/a{n}", "full_name": "A", "job_title": "B",
                        "company_name": "C"} for n in range(20)])  # fmt: skip
    names = set(admin[settings.database].list_collection_names())
    keys = redis_client.dbsize()
    before = admin.admin.command("serverStatus")["opcounters"]
    production, seen = snapshot(endpoints, settings, admin, redis_client, profile="production")
    after = admin.admin.command("serverStatus")["opcounters"]
    assert not seen.wrote and not seen.batches and seen.lookups
    assert [after[name] - before[name] for name in ("insert", "update", "delete")] == [0, 0, 0]
    assert set(admin[settings.database].list_collection_names()) == names and redis_client.dbsize() == keys
    checks = {check.id: check for check in judged(production, seen, admin, redis_client, leads)[0]}
    assert checks["MON-RATE-001"].verdict is Verdict.NOT_MEASURED, "watching shows arrivals, not capacity"
    assert checks["MON-BACKUP-001"].verdict is Verdict.NOT_MEASURED
    assert checks["MON-RATE-002"].verdict is Verdict.NOT_MEASURED, "these leads carry no created_at"
    assert checks["MON-WATCH-002"].verdict is Verdict.NOT_APPLICABLE
    assert checks["MON-BATCH-002"].verdict is Verdict.FAIL, "leads without timestamps"


def test_documents_are_never_given_to_production(settings):
    assert watch.sample_documents(settings.model_copy(update={"profile": "production"})) is None


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
    with connect.mongodb(endpoints.admin_uri, settings) as admin:
        killer = killed_after(2.5, state.members[0].pid)
        with pytest.raises(UnreachableError) as raised:
            started = time.monotonic() + 2.5
            snapshot(endpoints, settings, admin, None, monitor_seconds=3.0)
        took = time.monotonic() - started
        killer.join()
    patience = settings.server_selection_timeout_ms / 1_000
    assert took < 2 * patience + 5, "each thread waits once, and nobody after it"
    trust.check(None, str(raised.value))


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
def test_redis_dying_meanwhile_leaves_everything_else_measured(own_servers, settings, admin, profile, trust):
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    redis = connect.redis(endpoints.redis_url, settings)
    with connect.mongodb(endpoints.admin_uri, settings) as admin:
        leads = create_like(admin[settings.database], settings.collection, settings)
        leads.insert_many(sample.documents(200, seed=3))
        killer = killed_after(0.7, state.redis.pid)
        changed, seen = snapshot(endpoints, settings, admin, redis, profile=profile)
        killer.join()
        checks = {check.id: check for check in judged(changed, seen, admin, redis, leads)[0]}
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


def test_without_redis_the_snapshot_goes_on_and_says_so(endpoints, settings, admin):
    changed, seen = snapshot(endpoints, settings, admin, None)
    checks = {check.id: check for check in watch.reading_checks(seen)}
    assert checks["MON-RDS-001"].verdict is Verdict.NOT_MEASURED
    performance = {check.id: check for check in watch.performance_checks(seen, changed, {})}
    assert performance["MON-DUP-001"].verdict is Verdict.NOT_MEASURED
    assert performance["MON-DUP-002"].verdict is Verdict.PASS
