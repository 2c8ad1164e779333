"""Judgements over made-up observations: what was measured decides, and nothing passes unmeasured."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from tests.phases.p08.made import NOW, SETTINGS, by_id, judged, observation, snapshot

from leadbook.core.checks import Verdict, judge
from leadbook.ingest.staging import Backlog
from leadbook.measure.canary import Canary
from leadbook.monitor import topology
from leadbook.monitor.loop import Timeline
from leadbook.monitor.slow import Logging, SlowOperation, slow_operations
from leadbook.monitor.staging import Collector, Intake
from leadbook.monitor.topology import Oplog, Replication, read_redis_state
from leadbook.monitor.validation import BatchReview, HourOfLeads, read_pace, review_first_batch
from leadbook.monitor.workload import BatchInsert, Lookup
from leadbook.phases.p08 import documents, performance, sections, servers
from leadbook.phases.p08.decisions import bottleneck, issues
from leadbook.phases.p08.frames import slow_frame, worded
from leadbook.schema.state import create_like

CALM = {"pool.used_percent": [10.0], "redis.memory_percent": [10.0], "redis.evicted_per_s": [0.0]}


def several(rates):
    """Four batches a size, each of 1 s and a little faster than the one before."""
    return tuple(BatchInsert(at=n, sent=size, acknowledged=rate + n, seconds=1.0) for n in range(4)
                 for size, rate in rates.items())  # fmt: skip


def batches(rates):
    """One batch of 1 s a size: `rates` maps size to documents/s."""
    return tuple(BatchInsert(at=1.0, sent=size, acknowledged=rate, seconds=1.0) for size, rate in rates.items())


def decided(seen, settings=SETTINGS):
    return by_id(snapshot(seen, settings).decided)


def batch_size(rates):
    return decided(observation(batches=several(rates)))["MON-ADV-003"].verdict


def test_a_better_batch_size_is_recommended_only_when_clearly_better():
    assert batch_size({100: 1300, 500: 1000}) is Verdict.WARN
    assert batch_size({100: 1001, 500: 1000}) is batch_size({100: 900, 500: 1000}) is Verdict.PASS
    assert batch_size({}) is batch_size({500: 1000}) is Verdict.NOT_MEASURED


def test_phase_03_decides_the_batch_size_where_it_compared_sizes():
    slower_here = observation(batches=several({100: 1300, 500: 1000}))
    kept = {"configured": 500, "measured": 500, "proposed": 500, "best": 1000, "effect": "no difference shown"}
    check = by_id(snapshot(slower_here, benchmarks={"batch_size_decision": kept}).decided)["MON-ADV-003"]
    assert check.verdict is Verdict.PASS and "1000 against 500" in check.evidence and "phase 03" in check.evidence
    better = {**kept, "proposed": 1000, "effect": "+30 %"}
    check = by_id(snapshot(slower_here, benchmarks={"batch_size_decision": better}).decided)["MON-ADV-003"]
    assert check.verdict is Verdict.WARN and check.remedy == "set batch_size to 1000"


def test_the_decisions_stand_on_the_page_as_they_stand_in_the_document():
    (table,) = sections.decided(snapshot(observation())).tables
    assert list(table.frame.columns) == ["decision", "needed", "because", "action"] and len(table.frame) == 6
    assert "look-ups in MongoDB" in sections.decided(snapshot(observation(CALM))).tables[0].frame["because"].iloc[4]


def test_one_slow_batch_does_not_change_the_batch_size():
    steady = [BatchInsert(at=n, sent=size, acknowledged=1000, seconds=1.0) for n in range(6) for size in (100, 500)]
    hiccup = BatchInsert(at=7, sent=500, acknowledged=1000, seconds=9.0)
    assert decided(observation(batches=(*steady, hiccup)))["MON-ADV-003"].verdict is Verdict.PASS


def test_advice_of_phase_05_that_is_open_stands_beside_the_decisions():
    needed = judge("LOAD-TUN-001", "needed", evidence="8 writers against the 2", remedy="set writers to 8")
    taken = snapshot(observation(), load=(needed, judge("LOAD-TUN-003", "not needed")))
    said = " ".join(sections.decided(taken).sentences)
    assert "Its advice is open: set writers to 8 (8 writers against the 2)" in said and "min_pool_size" not in said
    page = documents.optimizations(taken)
    assert "by this snapshot, nothing is needed. Phase 05 compared" in page and "set writers to 8" in page
    assert "Phase 05" not in documents.optimizations(snapshot(observation()))


def test_a_watch_that_wrote_nothing_shows_no_empty_plot_and_says_whose_leads_it_read():
    review = BatchReview(what="newest 500 leads", sent=None, found=500, incomplete=0, undated=0, faulty=0, altered=None)
    shown = sections.inserts(snapshot(observation(review=review, wrote=False)))
    assert not shown.plots and not shown.tables and "phase 03 does" in shown.sentences[0]
    told = by_id(shown.checks)
    assert told["MON-BATCH-001"].evidence.startswith("this watch wrote none; in its place the newest 500 leads")
    assert told["MON-BATCH-002"].evidence.endswith("values are not compared")
    assert sections.inserts(snapshot(observation(batches=several({100: 2_000.0})))).plots


def test_readings_are_named_in_words():
    names = ("pool.wait_ms_sum_per_s", "pool.in_use", "mongodb.read_latency_us_per_s", "redis.hit_percent")
    assert list(map(worded, names)) == ["wait, ms in all a second", "in use", "read latency, us a second", "hit, %"]


def test_an_undecided_step_is_not_measured_and_a_needed_one_warns():
    assert decided(observation())["MON-ADV-002"].verdict is Verdict.NOT_MEASURED
    slow = (SlowOperation(collection="c", operation="find", ms=900, plan="COLLSCAN", fields=("x",)),)  # fmt: skip
    made = decided(observation(slow=slow))["MON-ADV-001"]
    assert made.verdict is Verdict.WARN and "index" in made.remedy


def test_a_decision_follows_from_the_checks_that_the_catalogue_names():
    found = decided(observation(CALM, waits_ms=(1.0,)))
    assert found["MON-ADV-002"].verdict is found["MON-ADV-005"].verdict is Verdict.PASS
    found = decided(observation(CALM | {"redis.evicted_per_s": [2.0]}, waits_ms=(1.0,), pool_failures=("timeout",)))
    assert found["MON-ADV-002"].verdict is found["MON-ADV-005"].verdict is Verdict.WARN
    assert "max_pool_size" in found["MON-ADV-002"].remedy


def test_slow_inserts_ask_for_a_larger_server_only_where_the_server_is_full():
    slow = {"batches": batches({500: 400}), "cores": 2}
    idle = decided(observation({"mongodb.cpu_cores": [0.2]}, **slow))
    full = decided(observation({"mongodb.cpu_cores": [1.9]}, **slow))
    assert idle["MON-ADV-004"].verdict is Verdict.PASS and full["MON-ADV-004"].verdict is Verdict.WARN
    assert idle["MON-ADV-006"].verdict is Verdict.WARN and "writers" in idle["MON-ADV-006"].remedy
    assert "larger instance" in full["MON-ADV-006"].remedy


def test_slow_writes_are_not_slow_queries():
    slow = (SlowOperation(collection="c", operation="insert", ms=900, plan="", fields=()),)  # fmt: skip
    assert judged(performance.slow(observation(slow=slow), SETTINGS))["MON-QUERY-001"].verdict is Verdict.PASS
    dark = judged(performance.slow(observation(slow=None, slow_source="forbidden"), SETTINGS))
    assert dark["MON-QUERY-001"].verdict is Verdict.NOT_MEASURED


def test_a_full_resource_is_named_with_its_relief():
    seen = observation({"host.client_cpu_percent": [99.0] * 3, "mongodb.cpu_cores": [0.2] * 3})
    (check,) = judged(bottleneck(snapshot(seen).resources)).values()
    assert check.verdict is Verdict.WARN and "this client" in check.evidence and "processes" in check.remedy
    assert "Not measured" in check.evidence


def test_a_slow_rate_fails_and_a_missing_one_is_not_measured():
    slow = judged(performance.lookups(observation(batches=batches({500: 400})), SETTINGS, {}))
    assert slow["MON-RATE-001"].verdict is Verdict.FAIL
    none = judged(performance.lookups(observation(), SETTINGS, {}))
    for check in ("MON-RATE-001", "MON-DUP-001", "MON-DUP-003", "MON-ERR-001", "MON-DEG-001"):
        assert none[check].verdict is Verdict.NOT_MEASURED, check


def test_watching_only_takes_the_capacity_from_the_benchmarks():
    seen = observation(wrote=False)
    found = judged(performance.lookups(seen, SETTINGS, {"insert_rate": 5000.0}))
    assert found["MON-RATE-001"].verdict is Verdict.PASS and "phase 03" in found["MON-RATE-001"].evidence


def test_a_wrong_answer_and_a_failed_operation_fail():
    lookups = (
        Lookup(at=1, kind="mongodb", ms=1, right=False),
        Lookup(at=1, kind="redis", ms=1, right=None, failure="X"),
    )
    found = judged(performance.lookups(observation(lookups=lookups), SETTINGS, {}))
    assert found["MON-DUP-003"].verdict is Verdict.FAIL
    assert found["MON-ERR-001"].verdict is Verdict.FAIL


def test_twice_the_latency_at_the_end_warns():
    lookups = [Lookup(at=at, kind="mongodb", ms=1 if at < 4 else 5, right=True) for at in (0, 1, 2, 7, 8, 8.5)]
    found = judged(performance.lookups(observation(lookups=lookups), SETTINGS, {}))
    assert found["MON-DEG-001"].verdict is Verdict.WARN and found["MON-DEG-001"].measured == 5


def test_a_connection_storm_warns():
    calm = judged(performance.pool(observation({"mongodb.connections_current": [7, 20]})))
    storm = judged(performance.pool(observation({"mongodb.connections_current": [9, 99]})))
    assert calm["MON-CONN-003"].verdict is Verdict.PASS and calm["MON-CONN-003"].measured == 13
    assert storm["MON-CONN-003"].verdict is Verdict.WARN


def test_a_source_that_fell_silent_makes_the_watch_incomplete():
    columns = {"mongodb.uptime": [1.0] * 10, "redis.clients": [1.0] * 3 + [None] * 7}
    timeline = Timeline(frame=pd.DataFrame(columns), expected=10)
    check = judged(performance.watch(observation(timeline=timeline)))["MON-WATCH-001"]
    assert check.verdict is Verdict.FAIL and check.measured == 30.0
    assert "redis 3" in check.evidence


def test_an_issue_fails_a_warning_does_not():
    failed = judge("MON-ERR-001", 3)
    assert judged(issues([failed]))["MON-ISSUE-001"].verdict is Verdict.FAIL
    assert judged(issues([judge("MON-ERR-001", 0)]))["MON-ISSUE-001"].verdict is Verdict.PASS
    assert judged(issues([]))["MON-ISSUE-001"].verdict is Verdict.NOT_MEASURED


def replication(term=1, lag=0.0, members=3, healthy=3, elected=NOW - timedelta(days=9)):
    return Replication(members=members, healthy=healthy, lag_s=lag, term=term, elected_at=elected)


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
    found = judged(servers.replication((replication(), after)))
    assert found[check].verdict is verdict


def test_an_election_within_the_sprint_warns():
    recent = replication(elected=datetime.now(UTC) - timedelta(hours=2))
    found = judged(servers.replication((recent, recent), recent_h=24))
    assert found["MON-REPL-002"].verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("staged_h_ago", "verdict", "says"),
    [(1, Verdict.PASS, "before the sprint began at"), (3, Verdict.WARN, "within the sprint"),
     (None, Verdict.WARN, "nothing tells when the sprint began")],
)  # fmt: skip
def test_an_election_before_the_first_staged_record_is_not_of_the_sprint(staged_h_ago, verdict, says):
    recent = replication(elected=datetime.now(UTC) - timedelta(hours=2))
    begun = datetime.now(UTC) - timedelta(hours=staged_h_ago) if staged_h_ago else None
    check = judged(servers.replication((recent, recent), recent_h=24, begun=begun))["MON-REPL-002"]
    assert check.verdict is verdict and says in check.evidence


@pytest.mark.parametrize(
    ("hours", "full", "verdict"),
    [(0.1, 3, Verdict.NOT_APPLICABLE), (30, 99, Verdict.PASS), (5, 99, Verdict.WARN), (0.5, 99, Verdict.FAIL)],
)
def test_the_oplog_is_judged_once_it_is_full(hours, full, verdict):
    (check,) = judged(servers.window(Oplog(window_h=hours, full_percent=full))).values()
    assert check.verdict is verdict


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
    found = judged(performance.inserts(observation(review=review), None, settings), settings)
    assert found["MON-BATCH-001"].verdict is found["MON-BATCH-002"].verdict is Verdict.FAIL


def hourly(leads, settings, now=None, wrote=False):
    told = performance.inserts(observation(wrote=wrote), read_pace(leads, now), settings)
    return judged(told, settings)["MON-RATE-002"]


def test_leads_an_hour_from_their_time_stamps(database, settings):
    leads = create_like(database, settings.collection, settings)
    assert hourly(leads, settings).verdict is Verdict.NOT_MEASURED
    leads.insert_many([lead(str(n), created_at=NOW + timedelta(seconds=n)) for n in range(301)])
    found = hourly(leads, settings)
    assert found.verdict is Verdict.PASS and 3600 <= found.measured <= 3625 and "projected" in found.evidence
    assert hourly(leads, settings, wrote=True).verdict is Verdict.NOT_APPLICABLE, "nobody collects"
    production = settings.model_copy(update={"profile": "production"})
    leads.insert_one(lead("old", created_at=NOW - timedelta(days=1)))
    assert hourly(leads, production, NOW + timedelta(minutes=30)).measured == 301
    assert hourly(leads, production, NOW + timedelta(hours=3)).verdict is Verdict.FAIL
    begun = production.model_copy(update={"sprint_start": NOW.isoformat()})
    assert hourly(leads, begun, NOW + timedelta(minutes=30)).measured == 602, "what was there before is no sprint"


def test_in_the_first_hour_the_rate_is_that_of_the_time_there_was(database, settings):
    leads = create_like(database, settings.collection, settings)
    leads.insert_many([lead(str(n), created_at=NOW + timedelta(seconds=3 * n)) for n in range(600)])
    production = settings.model_copy(update={"profile": "production"})
    found = hourly(leads, production, NOW + timedelta(minutes=30))
    assert (found.verdict, found.measured) == (Verdict.PASS, 1200) and "within 30 minutes" in found.evidence
    assert hourly(leads, production, NOW + timedelta(minutes=9)).verdict is Verdict.NOT_APPLICABLE


def intake(staged, in_hour):
    one = Collector(workflow="a", vendor="apollo", in_day=staged, in_hour=in_hour, waiting=0, last_s=1_000.0)
    return Intake(backlog=Backlog(), collectors=(one,), staged=staged)


@pytest.mark.parametrize(
    ("found", "ahead", "verdict"),
    [
        (intake(20_400, 500), "", Verdict.NOT_APPLICABLE),
        (intake(9_000, 0), "", Verdict.NOT_APPLICABLE),
        (intake(9_000, 0), "2999-01-01T00:00:00+00:00", Verdict.FAIL),
        (intake(9_000, 500), "", Verdict.FAIL),
    ],
)
def test_a_sprint_that_is_over_is_asked_for_no_rate(settings, found, ahead, verdict):
    """A close waits until nothing arrives any more: its last hour is short or empty. One whose deadline is ahead has
    collectors that stand still."""
    production = settings.model_copy(update={"profile": "production", "sprint_deadline": ahead})
    pace = HourOfLeads(count=0, until=NOW, span_s=0.0, age_s=90_000.0)
    told = performance.inserts(observation(wrote=False), pace, production, intake=found)
    assert judged(told, production)["MON-RATE-002"].verdict is verdict


def test_a_rehearsal_with_a_handful_of_leads_tells_no_rate(database, settings):
    leads = create_like(database, settings.collection, settings)
    leads.insert_many([lead(str(n), created_at=NOW + timedelta(seconds=n)) for n in range(9)])
    found = hourly(leads, settings)
    assert found.verdict is Verdict.NOT_APPLICABLE and "too few" in found.evidence


def test_the_servers_log_tells_of_a_slow_query_without_its_values(database, admin, settings):
    before = admin[settings.database].command({"profile": -1})
    assert before["was"] == 0
    admin[settings.database].command({"profile": 0, "slowms": 20})
    try:
        since = datetime.now(UTC)
        database["leads"].insert_one({"x": "a-secret-name"})
        list(database["leads"].find({"x": "a-secret-name", "$where": "sleep(60) || true"}))
        found, how, _ = slow_operations(admin, settings.database, since - timedelta(seconds=1))
    finally:
        admin[settings.database].command({"profile": 0, "slowms": before["slowms"]})
    assert "log" in how
    queries = [entry for entry in found if entry.is_query and entry.collection == "leads"]
    assert queries and "COLLSCAN" in queries[0].plan
    assert "a-secret-name" not in slow_frame(found).to_string() + repr(found)


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (Logging(slowms=10_000), "slowms, 10,000 ms"), (Logging(sample_rate=0.0), "0 % of the slow operations"),
        (Logging(level=1, filtered=True), "a filter of the profiler"),
    ],
)  # fmt: skip
def test_none_that_was_written_down_is_not_none_where_not_all_is_written_down(log, says):
    seen = observation(slow_logging=log)
    check = judged(performance.slow(seen, SETTINGS))["MON-QUERY-001"]
    assert check.verdict is Verdict.NOT_MEASURED and says in check.evidence
    assert "setProfilingLevel" in check.remedy and f"slowms: {log.slowms}," in check.remedy, "and how to undo it"
    assert decided(seen)["MON-ADV-001"].verdict is Verdict.NOT_MEASURED
    assert judged(performance.slow(observation(slow_logging=Logging(level=2, slowms=9_000)), SETTINGS))[
        "MON-QUERY-001"
    ].verdict is Verdict.PASS, "level 2 writes everything down"  # fmt: skip
    scan = (SlowOperation(collection="c", operation="find", ms=900, plan="COLLSCAN", fields=()),)
    found = judged(performance.slow(observation(slow=scan, slow_logging=log), SETTINGS))
    assert found["MON-QUERY-001"].measured == 1, "what was seen all the same is told"


def test_the_server_tells_what_it_writes_down(database, admin, settings):
    database["leads"].insert_one({})
    admin[settings.database].command({"profile": 0, "slowms": 10_000, "sampleRate": 0.0})
    try:
        found, _, log = slow_operations(admin, settings.database, datetime.now(UTC))
        assert not found and (log.level, log.slowms, log.sample_rate, log.filtered) == (0, 10_000, 0.0, False)
    finally:
        admin[settings.database].command({"profile": 0, "slowms": 100, "sampleRate": 1.0})
    assert not slow_operations(admin, settings.database, datetime.now(UTC))[2].hides(100)


class Ahead(datetime):
    """This machine's clock, where the servers' is 20 s behind."""

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=20)


@pytest.fixture
def all_is_slow(redis_client):
    """Redis keeps each command as slow."""
    before = redis_client.config_get("slowlog-log-slower-than")["slowlog-log-slower-than"]
    redis_client.config_set("slowlog-log-slower-than", 0)
    yield
    redis_client.config_set("slowlog-log-slower-than", before)


def test_redis_slow_log_is_asked_by_its_own_clock(redis_client, monkeypatch, all_is_slow):
    monkeypatch.setattr(topology, "datetime", Ahead)
    since = Ahead.now(UTC)
    redis_client.get("x")
    assert "GET" in read_redis_state(redis_client, since=since).slow_commands


@pytest.mark.parametrize(("slower_us", "says"), [("-1", "is off"), ("500000", "500 ms and more only")])
def test_a_slow_log_that_keeps_nothing_is_not_measured(redis_client, slower_us, says):
    state = read_redis_state(redis_client, since=datetime.now(UTC) + timedelta(seconds=5))
    cache = replace(state.cache, configuration={**state.cache.configuration, "slowlog-log-slower-than": slower_us})
    check = judged(servers.redis(replace(state, cache=cache), SETTINGS))["MON-RDS-009"]
    assert check.verdict is Verdict.NOT_MEASURED and says in check.evidence
    assert check.remedy.endswith(f"`CONFIG SET slowlog-log-slower-than {slower_us}`")


def test_redis_slow_log_counts_from_the_beginning_of_the_snapshot(redis_client):
    state = read_redis_state(redis_client, since=datetime.now(UTC) + timedelta(seconds=5))
    assert not state.slow and state.cache.maxmemory_gb > 0 and state.slow_limit_us is not None


def test_a_latency_monitor_that_is_off_is_no_warning_without_a_value(redis_client):
    state = replace(read_redis_state(redis_client, since=NOW), events=None)
    found = judged(servers.redis(state, SETTINGS))["MON-RDS-010"]
    assert found.verdict is Verdict.NOT_APPLICABLE and "threshold 100" in found.evidence


@pytest.mark.parametrize(("samples", "said"), [(52, "slowest of 52"), (300, "p95 of 300"), (1000, "p99 of 1,000")])
def test_a_percentile_is_told_only_where_the_samples_bear_it(samples, said):
    lookups = tuple(Lookup(at=1, kind="mongodb", ms=2.0, right=True) for _ in range(samples))
    check = judged(performance.lookups(observation(lookups=lookups), SETTINGS, {}))["MON-DUP-002"]
    assert check.evidence.startswith(f"{said} samples") and "median 2 ms" in check.evidence


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
    seen = observation(lookups=looked(400.0, right=False))
    checks = by_id(snapshot(seen, again=second, heard=Canary(seconds=songs)).judged)
    assert checks["MON-DUP-002"].verdict.value == verdict
    assert checks["MON-DUP-003"].measured == 0, "a wrong answer of the first snapshot stays wrong"
