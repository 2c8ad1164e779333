"""Servers that die while 03 and 05 measure: Redis only saves work, MongoDB is the subject."""

import os
import signal
import threading
import time

import pytest

from leadbook.bench import lookups, pools
from leadbook.core import connect
from leadbook.core.checks import Verdict
from leadbook.core.errors import UnreachableError
from leadbook.measure.session import BenchmarkSession
from leadbook.phases.p03.sections import Benchmarks
from leadbook.phases.p05.sections import LoadTest
from leadbook.rehearsal import servers


@pytest.fixture
def mortal(own_servers, settings, monkeypatch):
    """A place on servers that the test may kill; few calls."""
    monkeypatch.setattr(lookups, "SINGLES_IN_ALL", (100, 1))
    monkeypatch.setattr(pools, "MONGODB_THREADS", (10,))
    monkeypatch.setattr(pools, "REDIS_THREADS", (10,))
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    small = settings.model_copy(
        update={"bench_rounds": 2, "bench_documents": 100, "batch_size": 50, "load_processes": 2,
                "duplicate_checks": 10_000, "server_selection_timeout_ms": 2_000}
    )  # fmt: skip
    redis = connect.redis(endpoints.redis_url, small)
    with connect.mongodb(endpoints.mongodb_uri, small) as mongo, connect.mongodb(endpoints.admin_uri, small) as admin:
        place = BenchmarkSession(mongodb=mongo, admin=admin, redis=redis, endpoints=endpoints, settings=small)
        yield state, place
        place.close()


def killed_after(seconds, pid):
    """A running timer that kills the process."""
    timer = threading.Timer(seconds, os.kill, (pid, signal.SIGKILL))
    timer.start()
    return timer


def unmeasured(taken):
    return {check.id for check in taken.checks if check.verdict is Verdict.NOT_MEASURED}


@pytest.mark.trust(
    way="Redis is killed (SIGKILL) while 03 measures duplicate checks",
    status=None,
    says=("Redis at 127.0.0.1:", "connection refused"),
    leaves="Nothing: MongoDB is measured without it, and each check of Redis says why it is not.",
)
def test_benchmarks_go_on_without_a_redis_that_died(mortal, trust):
    state, place = mortal
    bench = Benchmarks(session=place, leads=place.keep("leads", 1), filled=place.keep("leads", 300))
    killer = killed_after(0.1, state.redis.pid)
    taken = bench.duplicate_checks()
    killer.join()
    told = {check.id: check for check in taken.checks}
    assert {"BCH-RDS-001", "BCH-RDS-002", "BCH-RDS-003", "BCH-RDS-004"} <= unmeasured(taken)
    assert told["BCH-DUP-001"].measured > 0 and told["BCH-DUP-005"].measured == 100
    trust.check(None, told["BCH-RDS-001"].evidence)
    connections = bench.connections()
    assert {"BCH-POOL-004", "BCH-POOL-005"} <= unmeasured(connections)
    compared = bench.references()
    assert unmeasured(compared) == {"BCH-REF-002"}, "what could not be measured does not pass as not applicable"


def test_what_is_measured_on_is_told_without_a_redis_that_died(mortal):
    state, place = mortal
    bench = Benchmarks(session=place, leads=place.keep("leads", 1), filled=place.keep("leads", 2))
    killed_after(0, state.redis.pid).join()
    bench.subject()
    assert bench.disclosed["redis"] is None and [trip.service for trip in bench.disclosed.trips] == ["MongoDB"]


@pytest.mark.trust(
    way="Redis is killed (SIGKILL) in the middle of the load test",
    status=None,
    says=("Redis does not answer",),
    leaves="Nothing: the load is made again without it, and the checks of Redis are not measured.",
)
@pytest.mark.slow
def test_a_load_test_goes_on_without_a_redis_that_died(mortal, trust):
    state, place = mortal
    test = LoadTest(place, {})
    try:
        test.collectors()
        assert test.found.up.redis
        killer = killed_after(4.0, state.redis.pid)
        mixed = test.everything()
        killer.join()
        place.lost_redis()
        without = test.collectors()
    finally:
        test.loader.close()
    told = {check.id: check for check in mixed.checks}
    assert told["LOAD-DUP-001"].verdict is Verdict.NOT_MEASURED
    assert told["LOAD-DUP-003"].measured == 100 and told["LOAD-MIX-002"].measured == 0
    assert "duplicate check by MongoDB" in test.found.mixed.outcomes
    assert not test.found.up.redis and test.found.up.stored == test.found.up.expected
    assert not test.found.problems
    assert "Redis was away" in without.checks[0].evidence
    trust.check(None, told["LOAD-DUP-001"].evidence)


def ended_by(state, call, *, after):
    """The one line in which `call` ended after MongoDB was killed, and how long it took."""
    started, killer = time.monotonic(), killed_after(after, state.members[0].pid)
    with pytest.raises(UnreachableError) as raised:
        call()
    killer.join()
    return str(raised.value), time.monotonic() - started - after


@pytest.mark.trust(
    way="MongoDB is killed (SIGKILL) in the middle of the load test",
    status=None,
    says=("MongoDB at 127.0.0.1:", "connection refused; is the server running"),
    leaves="Scratch collections, which the next run drops.",
)
def test_a_load_test_without_mongodb_ends_in_one_line_and_soon(mortal, trust):
    state, place = mortal
    place.settings = place.settings.model_copy(update={"load_records": "500000", "load_writers": "4"})
    test = LoadTest(place, {})
    try:
        test.loader.insert(100, 2)
        line, took = ended_by(state, test.capacity, after=1.5)
    finally:
        test.loader.close()
        place.close()
    assert took < 20, "one server selection of 2 s and a ping of 3 s, on a busy host"
    trust.check(None, line)


def test_benchmarks_without_mongodb_end_in_one_line_and_soon(mortal):
    state, place = mortal
    bench = Benchmarks(session=place, leads=place.keep("leads", 1), filled=place.keep("leads", 300))
    line, took = ended_by(
        state, lambda: [bench.duplicate_checks() for _ in range(99)],
        after=0.3,
    )  # fmt: skip
    started = time.monotonic()
    place.close()
    assert took < 20 and time.monotonic() - started < 1, "nobody waits for a server that is known to be away"
    assert "is the server running" in line
