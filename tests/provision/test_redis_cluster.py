"""A Redis in cluster mode takes single keys and refuses every look-up: phase 01 and `leadbook doctor` say so."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from redis import Redis

from leadbook.commands.doctor import examine as doctor
from leadbook.core.checks import Check, Verdict
from leadbook.core.connect import redis_address
from leadbook.core.settings import Settings
from leadbook.phases.p01 import redis_verdicts
from leadbook.rehearsal.servers import replica_set


@pytest.fixture
def cluster(started: Callable[..., Redis]) -> Redis:
    """A cluster of one node, which holds all slots."""
    (bus,) = replica_set.free_ports(1)
    redis = started("--save", "", "--cluster-enabled", "yes", "--cluster-port", str(bus))
    redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    deadline = time.monotonic() + 20
    while b"cluster_state:ok" not in _bytes(redis) and time.monotonic() < deadline:
        time.sleep(0.05)
    return redis


def _bytes(redis: Redis) -> bytes:
    told = redis.connection_pool.get_connection()
    told.send_command("CLUSTER", "INFO")
    answer = told.read_response()
    redis.connection_pool.release(told)
    return bytes(answer)


def judged(redis: Redis, settings: Settings) -> dict[str, Check]:
    return {check.id: check for check in redis_verdicts.keys(redis, settings)}


def test_cluster_mode_fails_by_what_a_look_up_is_told(cluster: Redis, settings: Settings) -> None:
    made = judged(cluster, settings)
    assert [made[one].verdict.value for one in ("RDS-KEY-001", "RDS-KEY-002", "RDS-KEY-003")] == [
        "pass",
        "pass",
        "fail",
    ]
    assert "redis_mode cluster" in made["RDS-KEY-003"].evidence and "slot" in made["RDS-KEY-003"].evidence
    assert "without cluster mode" in made["RDS-KEY-003"].remedy


def test_a_server_alone_answers_several_keys(started: Callable[..., Redis], settings: Settings) -> None:
    check = judged(started("--save", ""), settings)["RDS-KEY-003"]
    assert (check.verdict, check.evidence) == (Verdict.PASS, "redis_mode standalone: MGET of two keys is answered")


def test_doctor_tells_of_cluster_mode(cluster: Redis, settings: Settings) -> None:
    found = list(doctor._redis(f"redis://{redis_address(cluster)}/0", "Redis", settings))
    assert [one.state for one in found] == ["ok", "problem"]
    assert "cluster mode" in found[1].text and "without cluster mode" in found[1].todo
