"""What is printed for an ACL user is enough: a real user who has exactly that works, and nothing else is refused."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from bson import ObjectId
from redis import Redis
from redis.exceptions import NoPermissionError

from leadbook.commands.doctor import examine as doctor
from leadbook.core import connect
from leadbook.core.checks import BLOCKING
from leadbook.core.connect import Endpoints, redis_address
from leadbook.core.settings import Settings
from leadbook.ingest.store.cache import LeadCache
from leadbook.phases.judging import attempt
from leadbook.phases.p01 import redis_verdicts
from leadbook.provision import pools
from leadbook.provision.asked import REDIS_RIGHTS, acl
from leadbook.provision.cache import inspect_cache
from leadbook.schema.undo import SCRATCH_KEYS, keys_of_session
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment
from leadbook.watch.sources.clients import RedisClients
from leadbook.watch.sources.slow import RedisSlow

LEADS = [{"linkedin_url": f"https://www.linkedin.com/in/{name}", "email": f"{name}@example.com"} for name in "abc"]


@pytest.fixture
def root(started: Callable[..., Redis]) -> Redis:
    return started("--save", "3600 1", "--maxmemory", "1700mb", "--maxmemory-policy", "allkeys-lru")


@pytest.fixture
def worker(root: Redis, settings: Settings) -> Callable[[str], str]:
    """`worker(command)`: the address of a user who has nothing but what that printed command allows."""

    def made(command: str) -> str:
        root.execute_command("ACL", "SETUSER", "NAME", "reset", "on", ">word")
        root.execute_command(*shlex.split(command))
        return f"redis://NAME:word@{redis_address(root)}/0"

    return made


def printed(url: str, settings: Settings) -> str:
    """What `leadbook doctor` prints for this user."""
    found = next(one for one in doctor._redis(url, "Redis", settings) if one.state == "problem")
    assert "may not" in found.text
    return found.todo


def test_a_user_with_exactly_what_doctor_prints_works(
    root: Redis, worker: Callable[[str], str], production: Settings, endpoints: Endpoints
) -> None:
    url = worker("ACL SETUSER NAME -@all")
    url = worker(printed(url, production))
    root.save()
    root.execute_command("ACL", "LOG", "RESET")
    assert [one.state for one in doctor._redis(url, "Redis", production)] == ["ok", "ok"]
    with connect.redis(url, production) as redis:
        cache = LeadCache(redis, collection="8f1e", ttl_s=60, spares=True)
        cache.remember([(ObjectId(), lead) for lead in LEADS])
        assert [bool(one.lead) for one in cache.look_up(LEADS)] == [True] * 3 and not cache.truth.failures
        cache.forget(LEADS)
        assert [bool(one.lead) for one in cache.look_up(LEADS)] == [False] * 3
        inspected = inspect_cache(redis)
        made = [
            *redis_verdicts.memory(inspected, url, production),
            *redis_verdicts.persistence(redis, inspected, production),
            *redis_verdicts.keys(redis, production),
        ]
        refused = [check.evidence for check in made if check.verdict in BLOCKING and "permission" in check.evidence]
        assert not refused and not pools.share(redis.client_id, 2).failures
        redis.set(f"{SCRATCH_KEYS}token:1", "1", ex=60)
        assert redis.unlink(*keys_of_session(redis, "token")) == 1
        now = datetime.now(UTC)
        with Access(production, replace(endpoints, redis_url=url)) as watch:
            for part in (RedisSlow(watch), RedisClients(watch)):
                part.read(Moment(number=1, at=now, real=0.0, server=now))
        assert redis.dbsize() == 0 and redis.memory_usage("lead:linkedin:none") is None
    # CLIENT SETINFO is the driver's own name, which it tells where it may
    assert {entry[b"object"] for entry in root.execute_command("ACL", "LOG")} <= {b"client|setinfo"}


@pytest.mark.parametrize("right", ["slowlog|get", "client|list"])
def test_doctor_misses_what_a_watch_asks_and_names_the_user(
    right: str, worker: Callable[[str], str], settings: Settings
) -> None:
    url = worker(f"ACL SETUSER NAME {REDIS_RIGHTS} -{right}")
    found = printed(url, settings)
    assert found.startswith("ACL SETUSER NAME ")
    worker(found)
    assert [one.state for one in doctor._redis(url, "Redis", settings)] == ["ok", "ok"]


def test_doctor_foresees_that_a_redis_without_a_snapshot_blocks_ready(root: Redis, production: Settings) -> None:
    url = f"redis://{redis_address(root)}/0"
    (found,) = [one for one in doctor._redis(url, "Redis", production) if one.state == "problem"]
    assert "RDS-PER-002" in found.text and "BGSAVE" in found.todo
    root.save()
    assert not [one for one in doctor._redis(url, "Redis", production) if one.state == "problem"]


def test_doctor_misses_the_keys_of_trials(worker: Callable[[str], str], settings: Settings) -> None:
    assert f"~{SCRATCH_KEYS}*" in printed(worker("ACL SETUSER NAME ~lead:* +@all"), settings)


def test_the_command_for_a_refused_key_lets_trials_keys_in(worker: Callable[[str], str], settings: Settings) -> None:
    url = worker("ACL SETUSER NAME +@all")
    with connect.redis(url, settings) as redis:
        refused = attempt(lambda: redis.set(f"{SCRATCH_KEYS}token:1", "1", ex=60))
    command = refused.remedy.partition("`")[2].rstrip("`")  # type: ignore[union-attr]
    with connect.redis(worker(command.replace("ACL SETUSER NAME", "ACL SETUSER NAME +@all")), settings) as redis:
        assert redis.set(f"{SCRATCH_KEYS}token:1", "1", ex=60)
        with pytest.raises(NoPermissionError):
            redis.set("somebody:else", "1")


def test_a_refusal_of_redis_6_never_allows_the_whole_of_config(root: Redis, worker: Callable[[str], str]) -> None:
    command = acl("this user has no permissions to run the 'config' command or its subcommand")
    assert command == "ACL SETUSER NAME +config|get"
    worker(command)
    assert b"+config|get" in root.execute_command("ACL", "GETUSER", "NAME")[b"commands"]
