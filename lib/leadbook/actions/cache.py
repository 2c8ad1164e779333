"""The duplicate cache in Redis: which keys go when it is full, and removing those of this collection."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from leadbook.actions.records import Action, ActPlan, ActScene, Given
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.core.provenance import collection_uuid
from leadbook.ingest.trials.rehearsal import keys_written_for
from leadbook.lead.keys import PATTERNS

POLICIES = (
    "allkeys-lru", "allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
    "noeviction",
)  # fmt: skip
"""Of Redis 7 and 8, https://redis.io/docs/latest/develop/reference/eviction/."""
SETTING = "maxmemory-policy"
CONSOLE = (
    "Redis does not let this user change its eviction policy, as managed services do not: set it in the console "
    "(Redis Cloud: database, Data eviction policy; ElastiCache: parameter group, maxmemory-policy; Azure: Advanced "
    "settings), or allow it: ACL SETUSER NAME +config|get +config|set"
)
_MOVES = ("probe.redis_ms", "redis.hit_percent", "redis.evicted_per_s", "sprint.ended_per_s")


def _plan_policy(scene: ActScene, given: Given) -> ActPlan:
    wanted = given.get("to", "")
    if wanted not in POLICIES:
        raise ParameterError("to", f"must be one of {', '.join(POLICIES)}, got {wanted!r}")
    if not scene.redis_is_ours:
        raise RefusedError("a rehearsal changes no setting of a Redis that is not its own")
    redis = scene.cache()
    try:
        before = _policy(redis)
        memory: Any = redis.info("memory")
    except RedisError:
        raise RefusedError(CONSOLE) from None
    keys = sum(int(part["keys"]) for part in redis.info("keyspace").values())  # type: ignore[union-attr]
    warns = ["it holds until Redis restarts: set it in its configuration file too"]
    if wanted == "noeviction":
        warns.append("a full Redis refuses new keys then: checks go to MongoDB, slower, never wrong")
    if wanted.startswith("allkeys"):
        warns.append("keys of others in this Redis (n8n's queue?) may go too when it is full")
    return ActPlan(
        action="redis_policy", target=scene.target, now={SETTING: before}, would={SETTING: wanted},
        evidence={"used_bytes": memory.get("used_memory"), "maxmemory_bytes": memory.get("maxmemory"), "keys": keys},
        why="what goes when Redis is full: lead keys have an end, so volatile-* takes them first and allkeys-* any",
        back=f"`leadbook act redis_policy={before}`", warns=warns,
    )  # fmt: skip


def _policy(redis: Redis) -> str:
    said: Any = redis.config_get(SETTING)
    return str(said[SETTING])


def _do_policy(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    redis = scene.cache()
    try:
        redis.config_set(SETTING, plan.would[SETTING])
        return {SETTING: _policy(redis)}
    except RedisError:
        raise RefusedError(CONSOLE) from None


def _plan_clear(scene: ActScene, _: Given) -> ActPlan:
    redis, uuid = scene.cache(), _uuid(scene)
    ours, others = _counted(redis, uuid)
    return ActPlan(
        action="redis_clear", target=scene.target, now={"keys_of_this_collection": "some" if ours else "none"},
        would={"keys_of_this_collection": "none"}, about={"collection": uuid},
        evidence={"to_go": ours, "lead_keys_of_others": others},
        why="keys that are wrong, or too many, go; a duplicate check asks MongoDB until they are written again",
        back="no way back is needed: the pipeline writes each key again when it meets the lead",
        warns=["duplicate checks are slower for a while, never wrong"] if ours else (),
    )  # fmt: skip


def _uuid(scene: ActScene) -> str:
    if not (uuid := collection_uuid(scene.database[scene.settings.collection])):
        raise RefusedError(f"there is no collection {scene.settings.collection}, so no key can be told to be its own")
    return uuid


def _counted(redis: Redis, uuid: str) -> tuple[int, int]:
    """Keys of leads that were written for this collection, and those of others."""
    ours = sum(map(len, keys_written_for(redis, uuid)))
    return ours, max(0, sum(1 for pattern in PATTERNS for _ in redis.scan_iter(pattern, count=2_000)) - ours)


def _do_clear(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    redis, removed = scene.cache(), 0
    for keys in keys_written_for(redis, plan.about["collection"]):
        rest = iter(keys)
        while part := list(islice(rest, 500)):
            removed += int(redis.unlink(*part))  # type: ignore[arg-type]
        scene.progress(removed)
    left, others = _counted(redis, plan.about["collection"])
    return {"removed": removed, "written_since": left, "lead_keys_of_others": others}


ACTIONS = (
    Action(
        name="redis_policy", does="which keys Redis evicts when it is full", plan=_plan_policy, do=_do_policy,
        takes={"to": f"one of {', '.join(POLICIES)}"}, also="Redis: +config|get +config|set", moves=_MOVES,
    ),
    Action(
        name="redis_clear", does="remove this collection's lead keys from Redis, by SCAN and UNLINK, and no others",
        plan=_plan_clear, do=_do_clear, also="Redis: +scan +mget +unlink on ~lead:*", moves=_MOVES,
    ),
)  # fmt: skip
