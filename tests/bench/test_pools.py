"""Check-outs: a saturated pool queues and says so, a warm one opens nothing, a cold one opens what it needs."""

import pytest

from leadbook.bench import pools
from leadbook.core.checks import Verdict
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.phases.p03 import verdicts
from leadbook.runner.objections import objection


@pytest.fixture
def filled(place):
    return place.keep("pools", 50)


@pytest.fixture
def measured(place, filled, monkeypatch):
    """MongoDB's pools under so many threads, by threads and state."""

    def measure(*threads):
        monkeypatch.setattr(pools, "MONGODB_THREADS", threads)
        monkeypatch.setattr(pools, "REDIS_THREADS", ())
        return {(one.threads, one.state): one for one in pools.measure(place, filled)}

    return measure


def test_a_saturated_pool_shows_in_the_events(measured):
    tight = measured(10)[10, "saturated"]
    assert tight.size == 2
    assert tight.checkouts.count == 1_000
    assert tight.created == 0
    # With two connections for ten threads somebody waits at least as long as a query takes.
    assert tight.checkouts.worst_ms > tight.checkouts.percentile(50)


def test_a_warm_pool_opens_nothing_and_a_cold_one_what_it_needs(measured):
    warm, cold = (measured(10)[10, state] for state in ("warm", "cold"))
    assert (warm.created, warm.failures) == (0, 0)
    assert 1 <= cold.created <= 10
    assert cold.checkouts.count >= 10


def test_redis_checkouts_are_timed(place):
    warm = pools.redis_pool(place, 10, "warm")
    assert (warm.checkouts.count, warm.created, warm.failures) == (1_000, 0, 0)
    cold = pools.redis_pool(place, 10, "cold")
    assert cold.created >= 1


def test_without_redis_its_checks_are_not_measured(place, measured):
    place.redis = None
    found = tuple(measured(10, 50).values())
    checks = {check.id: check.verdict.value for check in verdicts.pools(found, place.settings)}
    assert checks["BCH-POOL-001"] == "pass"
    assert checks["BCH-POOL-004"] == checks["BCH-POOL-003"] == "not measured"


def test_a_wait_for_pythons_lock_is_not_taken_for_the_pools():
    slow = Latencies([0.2] * 1_000)
    full = {"service": "MongoDB", "threads": 100, "checkouts": slow, "queries": slow, "failures": 0}
    free = pools.Pool(state="warm", size=100, created=0, **full)
    queued = pools.Pool(state="warm", size=20, created=0, **full)
    opening = pools.Pool(state="warm", size=100, created=3, **full)
    assert [one.never_queued for one in (free, queued, opening)] == [True, False, False]
    found = [verdicts.pools((one,), Settings())[2] for one in (free, queued, opening)]
    assert found[0].id == "BCH-POOL-003" and objection(found[0], Settings()) == "", "a run's end believes the warning"
    assert [check.verdict for check in found] == [Verdict.WARN, Verdict.FAIL, Verdict.FAIL]
    assert "Python's lock" in found[0].evidence
