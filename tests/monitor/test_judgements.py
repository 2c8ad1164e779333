"""Judgements over made-up observations: what was measured decides, and nothing passes unmeasured."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from leadbook.core.canary import Canary
from leadbook.core.checks import Verdict, judge
from leadbook.core.settings import Settings
from leadbook.monitor.loop import Timeline
from leadbook.monitor.session import Observation
from leadbook.monitor.slow import SlowOperation, slow_operations
from leadbook.monitor.topology import Oplog, Replication, oplog_check, read_redis_state, replication_checks
from leadbook.monitor.validation import BatchReview, collection_rate, review_checks, review_first_batch
from leadbook.monitor.workload import Batch, Lookup
from leadbook.phases import p08 as watch
from leadbook.schema import create_like

SETTINGS = Settings()
NOW = datetime(2025, 5, 1, 12, tzinfo=UTC)


def observation(columns=None, **changed):
    review = BatchReview(what="first batch", sent=1, found=1, incomplete=0, undated=0, altered=0)
    values = {
        "started_at": NOW, "seconds": 9.0, "timeline": Timeline(frame=pd.DataFrame(columns or {}), expected=3),
        "batches": (), "lookups": (), "waits_ms": (), "pool_failures": (), "pool_maximum": 100, "wrote": True,
        "review": review, "replication": None, "slow": (), "slow_source": "log", "versions": {},
        "absent": {}, "cores": 2,
    }  # fmt: skip
    return Observation(**{**values, **changed})


def batches(rates):
    """One batch of 1 s a size: `rates` maps size to documents/s."""
    return tuple(Batch(at=1.0, size=size, inserted=rate, seconds=1.0) for size, rate in rates.items())


def decisions(seen, settings=SETTINGS):
    found = watch.bottlenecks(seen)
    return {each.check: each for each in watch.decide(seen, settings, found, disk=None, redis=None)}


def test_a_better_batch_size_is_recommended_only_when_clearly_better():
    assert decisions(observation(batches=batches({100: 1300, 500: 1000})))["MON-ADV-003"].needed is True
    assert decisions(observation(batches=batches({100: 1100, 500: 1000})))["MON-ADV-003"].needed is False
    assert decisions(observation())["MON-ADV-003"].needed is None


def test_one_slow_batch_does_not_change_the_batch_size():
    steady = [Batch(at=n, size=size, inserted=1000, seconds=1.0) for n in range(6) for size in (100, 500)]
    hiccup = Batch(at=7, size=500, inserted=1000, seconds=9.0)
    assert decisions(observation(batches=(*steady, hiccup)))["MON-ADV-003"].needed is False


def test_an_undecided_step_is_not_measured_and_a_needed_one_warns():
    by_id = {check.id: check for check in watch.decision_checks(list(decisions(observation()).values()))}
    assert by_id["MON-ADV-002"].verdict is Verdict.NOT_MEASURED
    slow = (SlowOperation(at=NOW, collection="c", operation="find", ms=900, plan="COLLSCAN", fields=("x",), examined=9,
                          returned=1, source="log"),)  # fmt: skip
    made = watch.decision_checks([decisions(observation(slow=slow))["MON-ADV-001"]])
    assert made[0].verdict is Verdict.WARN and "index" in made[0].remedy


def test_slow_writes_are_not_slow_queries():
    slow = (SlowOperation(at=NOW, collection="c", operation="insert", ms=900, plan="", fields=(), examined=None,
                          returned=None, source="log"),)  # fmt: skip
    assert watch.slow_check(slow, "log").verdict is Verdict.PASS
    assert watch.slow_check(None, "forbidden").verdict is Verdict.NOT_MEASURED


def test_a_full_resource_is_named_with_its_relief():
    seen = observation({"host.client_cpu_percent": [99.0] * 3, "mongodb.cpu_cores": [0.2] * 3})
    check = watch.bottleneck_check(watch.bottlenecks(seen))
    assert check.verdict is Verdict.WARN and "this client" in check.evidence and "processes" in check.remedy
    assert "Not measured" in check.evidence


def test_a_slow_rate_fails_and_a_missing_one_is_not_measured():
    slow = {
        check.id: check for check in watch.performance_checks(observation(batches=batches({500: 400})), SETTINGS, {})
    }
    assert slow["MON-RATE-001"].verdict is Verdict.FAIL
    none = {check.id: check for check in watch.performance_checks(observation(), SETTINGS, {})}
    for check in ("MON-RATE-001", "MON-DUP-001", "MON-DUP-003", "MON-ERR-001", "MON-DEG-001"):
        assert none[check].verdict is Verdict.NOT_MEASURED, check


def test_watching_only_takes_the_capacity_from_the_benchmarks():
    seen = observation(wrote=False)
    found = {check.id: check for check in watch.performance_checks(seen, SETTINGS, {"insert_rate": 5000.0})}
    assert found["MON-RATE-001"].verdict is Verdict.PASS and "phase 03" in found["MON-RATE-001"].evidence


def test_a_wrong_answer_and_a_failed_operation_fail():
    lookups = (
        Lookup(at=1, kind="mongodb", ms=1, right=False),
        Lookup(at=1, kind="redis", ms=1, right=None, failure="X"),
    )
    found = {check.id: check for check in watch.performance_checks(observation(lookups=lookups), SETTINGS, {})}
    assert found["MON-DUP-003"].verdict is Verdict.FAIL
    assert found["MON-ERR-001"].verdict is Verdict.FAIL


def test_twice_the_latency_at_the_end_warns():
    lookups = [Lookup(at=at, kind="mongodb", ms=1 if at < 4 else 5, right=True) for at in (0, 1, 2, 7, 8, 8.5)]
    found = {check.id: check for check in watch.performance_checks(observation(lookups=lookups), SETTINGS, {})}
    assert found["MON-DEG-001"].verdict is Verdict.WARN and found["MON-DEG-001"].measured == 5


def test_a_connection_storm_warns():
    calm = {
        check.id: check for check in watch.pool_checks(observation({"mongodb.connections_current": [7, 20]}), SETTINGS)
    }
    storm = {
        check.id: check for check in watch.pool_checks(observation({"mongodb.connections_current": [9, 99]}), SETTINGS)
    }
    assert calm["MON-CONN-003"].verdict is Verdict.PASS and calm["MON-CONN-003"].measured == 13
    assert storm["MON-CONN-003"].verdict is Verdict.WARN


def test_a_source_that_fell_silent_makes_the_watch_incomplete():
    columns = {"mongodb.uptime": [1.0] * 10, "redis.clients": [1.0] * 3 + [None] * 7}
    timeline = Timeline(frame=pd.DataFrame(columns), expected=10)
    check = watch.watch_checks(observation(timeline=timeline))[0]
    assert check.verdict is Verdict.FAIL and check.measured == 30.0
    assert "redis 3" in check.evidence


def test_an_issue_fails_a_warning_does_not():
    failed = judge("MON-ERR-001", 3)
    assert watch.issues([failed]).verdict is Verdict.FAIL
    assert watch.issues([judge("MON-ERR-001", 0)]).verdict is Verdict.PASS
    assert watch.issues([]).verdict is Verdict.NOT_MEASURED


def replication(term=1, lag=0.0, members=3, healthy=3, elected=NOW - timedelta(days=9)):
    return Replication(set_name="r", members=members, healthy=healthy, lag_s=lag, term=term, elected_at=elected)


@pytest.mark.parametrize(
    ("after", "check", "verdict"),
    [
        (replication(lag=10), "MON-REPL-001", Verdict.PASS),
        (replication(lag=300), "MON-REPL-001", Verdict.WARN),
        (replication(lag=900), "MON-REPL-001", Verdict.FAIL),
        (replication(lag=None), "MON-REPL-001", Verdict.NOT_MEASURED),
        (replication(lag=None, members=1, healthy=1), "MON-REPL-001", Verdict.NOT_APPLICABLE),
        (replication(term=2), "MON-REPL-002", Verdict.FAIL),
        (replication(term=None), "MON-REPL-002", Verdict.NOT_MEASURED),
        (replication(healthy=2), "MON-REPL-004", Verdict.FAIL),
    ],
)
def test_replication_is_judged(after, check, verdict):
    found = {each.id: each for each in replication_checks(replication(), after)}
    assert found[check].verdict is verdict


def test_an_election_within_the_sprint_warns():
    recent = replication(elected=datetime.now(UTC) - timedelta(hours=2))
    found = {each.id: each for each in replication_checks(recent, recent, recent_h=24)}
    assert found["MON-REPL-002"].verdict is Verdict.WARN


def test_the_oplog_is_judged_once_it_is_full():
    assert oplog_check(Oplog(window_h=0.1, full_percent=3)).verdict is Verdict.NOT_APPLICABLE
    assert oplog_check(Oplog(window_h=30, full_percent=99)).verdict is Verdict.PASS
    assert oplog_check(Oplog(window_h=5, full_percent=99)).verdict is Verdict.WARN
    assert oplog_check(Oplog(window_h=0.5, full_percent=99)).verdict is Verdict.FAIL


def lead(name, **fields):
    return {"linkedin_url": f"https://www.linkedin.com/in/{name}", "full_name": "N", "job_title": "T",
            "company_name": "C", "created_at": NOW, "updated_at": NOW, **fields}  # fmt: skip


def test_a_missing_an_altered_and_an_incomplete_document_are_seen(database, settings):
    leads = create_like(database, "leadbook_scratch_review", settings)
    sent = [lead(str(n)) for n in range(5)]
    stored = [dict(one) for one in sent[:4]]
    stored[0]["full_name"] = "Somebody else"
    stored[1].pop("job_title")
    stored[2].pop("updated_at")
    leads.insert_many(stored)
    review = review_first_batch(leads, sent)
    assert (review.sent, review.found, review.altered, review.incomplete, review.undated) == (5, 4, 3, 1, 1)
    assert [check.verdict for check in review_checks(review)] == [Verdict.FAIL, Verdict.FAIL]


def test_leads_an_hour_from_their_time_stamps(database, settings):
    leads = create_like(database, settings.collection, settings)
    assert collection_rate(leads, settings, None).verdict is Verdict.NOT_MEASURED
    leads.insert_many([lead(str(n), created_at=NOW + timedelta(seconds=n)) for n in range(301)])
    found = collection_rate(leads, settings, None)
    assert found.verdict is Verdict.PASS and 3600 <= found.measured <= 3625 and "projected" in found.evidence
    production = settings.model_copy(update={"profile": "production"})
    assert collection_rate(leads, production, None, now=NOW + timedelta(minutes=30)).measured == 301
    assert collection_rate(leads, production, None, now=NOW + timedelta(hours=3)).verdict is Verdict.FAIL


def test_the_servers_log_tells_of_a_slow_query_without_its_values(database, admin, settings):
    before = admin[settings.database].command({"profile": -1})
    assert before["was"] == 0
    admin[settings.database].command({"profile": 0, "slowms": 20})
    try:
        since = datetime.now(UTC)
        database["leads"].insert_one({"x": "a-secret-name"})
        list(database["leads"].find({"x": "a-secret-name", "$where": "sleep(60) || true"}))
        found, how = slow_operations(admin, settings.database, since - timedelta(seconds=1))
    finally:
        admin[settings.database].command({"profile": 0, "slowms": before["slowms"]})
    assert "log" in how
    queries = [entry for entry in found if entry.is_query and entry.collection == "leads"]
    assert queries and "COLLSCAN" in queries[0].plan
    assert "a-secret-name" not in watch.slow_frame(found).to_string() + repr(found)


def test_redis_slow_log_counts_from_the_beginning_of_the_snapshot(redis_client):
    state = read_redis_state(redis_client, since=datetime.now(UTC) + timedelta(seconds=5))
    assert state.slow == 0 and state.maxmemory > 0 and state.slow_limit_us is not None


def looked(ms, *, right=True):
    return tuple(Lookup(at=0.1, kind="mongodb", ms=ms, right=right) for _ in range(10))


@pytest.mark.parametrize(
    ("again", "songs", "verdict"),
    [
        (4.0, [0.01, 0.01, 0.01], "pass"),
        (300.0, [0.01, 0.01, 0.01], "fail"),
        (300.0, [0.01, 0.09, 0.01], "not measured"),
    ],
)
def test_a_missed_time_is_judged_by_a_second_snapshot_and_the_canary(again, songs, verdict):
    second = observation(lookups=looked(again))
    seen = observation(lookups=looked(400.0, right=False), again=second, canary=Canary(seconds=songs))
    checks = {check.id: check for check in watch.performance_checks(seen, SETTINGS, {})}
    assert checks["MON-DUP-002"].verdict.value == verdict
    assert checks["MON-DUP-003"].measured == 0, "a wrong answer of the first snapshot stays wrong"
