"""A Redis that starts says that its last snapshot was written then, and well: that is none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from redis import Redis

from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.phases.p01 import redis_verdicts
from leadbook.provision.cache import inspect_cache


def judged(redis: Redis, settings: Settings) -> dict[str, Check]:
    made = redis_verdicts.persistence(redis, inspect_cache(redis), settings)
    return {check.id: check for check in made}


def verdicts_of(made: dict[str, Check]) -> list[str]:
    return [made[check_id].verdict.value for check_id in ("RDS-PER-002", "RDS-PER-004")]


def test_a_start_is_no_snapshot(started: Callable[..., Redis], production: Settings) -> None:
    off, on = started("--save", ""), started("--save", "3600 1")
    assert verdicts_of(judged(off, production)) == ["not applicable"] * 2
    never = judged(on, production)
    assert verdicts_of(never) == ["fail", "not applicable"]
    assert "since the server started" in never["RDS-PER-002"].evidence and "BGSAVE" in never["RDS-PER-002"].remedy
    on.save()
    assert verdicts_of(judged(on, production)) == ["pass", "not applicable"], "nothing has changed since"
    on.set("lead:x", "1")
    written = judged(on, production)
    assert verdicts_of(written) == ["pass", "pass"] and written["RDS-PER-004"].measured < 1


def test_a_start_is_borne_where_the_append_only_file_is_written(
    started: Callable[..., Redis], production: Settings
) -> None:
    made = judged(started("--save", "3600 1", "--appendonly", "yes"), production)
    assert verdicts_of(made) == ["warn", "not applicable"]
    assert "append-only file is written" in made["RDS-PER-002"].evidence


def test_whether_a_redis_without_config_ever_writes_one_is_not_measured(
    started: Callable[..., Redis], production: Settings
) -> None:
    managed = started("--save", "3600 1", "--rename-command", "CONFIG", "")
    made = judged(managed, production)
    assert verdicts_of(made) == ["not measured", "not applicable"] and "console" in made["RDS-PER-002"].remedy


def test_an_old_snapshot_fails_by_its_age(
    started: Callable[..., Redis], production: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What that Redis told, forty days later by its own clock."""
    redis = started("--save", "3600 1")
    redis.save()
    redis.set("lead:x", "1")
    told = inspect_cache(redis)
    later = {name: told.info[name] + 40 * 86_400 * unit for name, unit in (
        ("server_time_usec", 10**6), ("uptime_in_seconds", 1))}  # fmt: skip
    old = replace(told, info={**told.info, **later})
    monkeypatch.setattr(redis_verdicts, "inspect_cache", lambda _: old)
    made = judged(redis, production)
    assert verdicts_of(made) == ["pass", "fail"]
    assert 959 < made["RDS-PER-004"].measured < 961
