"""Redis: release, memory, eviction, persistence proven by doing it, and the key formats proven by a probe."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError, ResponseError

from leadbook.core import addresses, connect
from leadbook.core.checks import Check, judge, not_applicable, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.provision.judging import REDIS_AWAY, guarded, is_mild, mild, production_only

__all__ = ["Cache", "inspect_cache", "key_checks", "memory_checks", "persistence_checks"]

GB = 1e9
SNAPSHOT_SECONDS = 10.0
CONFIGURATION = ("save", "appendonly", "appendfsync", "maxclients", "timeout", "latency-monitor-threshold")
DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Cache:
    """What Redis tells of itself. info: INFO's fields. configuration: CONFIG GET's, empty where that is forbidden.
    problem: why there is no INFO, empty where there is."""

    address: str
    encrypted: bool
    problem: str = ""
    info: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Host name or socket path."""
        return self.address if self.address.startswith("/") else self.address.rpartition(":")[0]

    @property
    def version(self) -> str:
        """Full release, such as `8.2.3`."""
        return str(self.info.get("redis_version", ""))

    @property
    def maxmemory_gb(self) -> float:
        """Limit of the data, GB; 0 means none."""
        return float(self.info.get("maxmemory", 0)) / GB

    @property
    def memory_gb(self) -> float | None:
        """RAM of the machine, GB; None where a managed service hides it."""
        size = self.info.get("total_system_memory")
        return float(size) / GB if size else None

    @property
    def persistence(self) -> str:
        """`snapshots and append-only file`, one of them, `none`, or `unknown`."""
        save = self.configuration.get("save")
        ways = ["snapshots"] if save else []
        ways += ["append-only file"] if self.info.get("aof_enabled") else []
        if ways:
            return " and ".join(ways)
        return "none" if save is not None else "unknown"


def inspect_cache(redis: Redis | None) -> Cache | None:
    """Ask Redis once; None where it is away. Read-only; never raises: see `Cache.problem`."""
    if redis is None:
        return None
    try:
        configuration = {name: redis.config_get(name).get(name) for name in CONFIGURATION}
    except RedisError:  # managed services forbid CONFIG, also as NOPERM
        configuration = {}
    try:
        info, problem = redis.info(), ""
    except RedisError as error:
        info, problem = {}, f"INFO: {str(error).splitlines()[0][:160]}"
    return Cache(
        address=connect.redis_address(redis),
        encrypted="SSL" in redis.connection_pool.connection_class.__name__,
        problem=problem,
        info=info,
        configuration=configuration,
    )


def memory_checks(cache: Cache | None, url: str, problem: str, settings: Settings) -> list[Check]:
    """Release, authentication, encryption, RAM, maxmemory and eviction. A server on this machine is judged mildly."""
    ids = ("RDS-VER-001", "RDS-SEC-001", "RDS-SEC-002", "RDS-MEM-001", "RDS-MEM-002", "RDS-MEM-003", "RDS-MEM-004")
    if cache is None or cache.problem:
        why, remedy = (cache.problem, "allow INFO in the user's ACL") if cache else (problem, REDIS_AWAY)
        return [not_measured(check_id, why, settings=settings, remedy=remedy) for check_id in ids]
    lenient = is_mild(settings, [cache.host])
    limit, memory = cache.maxmemory_gb, cache.memory_gb
    shown = f"maxmemory {limit:.2f} GB, RAM {f'{memory:.2f} GB' if memory else 'hidden by the service'}"
    return [
        guarded("RDS-VER-001", lambda: _release(cache), settings),
        mild(guarded("RDS-SEC-001", lambda: _stranger_refused(url, settings), settings), lenient),
        production_only("RDS-SEC-002", cache.encrypted, settings, evidence="class of the pool's connections"),
        production_only("RDS-MEM-001", memory or limit or None, settings, evidence=shown, unit="GB"),
        mild(judge("RDS-MEM-002", round(limit, 3), evidence=shown), lenient),
        _share(limit, memory, shown, settings),
        mild(judge("RDS-MEM-004", cache.info.get("maxmemory_policy"), evidence="INFO maxmemory_policy"), lenient),
    ]


def _release(cache: Cache) -> Check:
    named = cache.info.get("server_name") or "redis"
    major_minor = float(".".join(cache.version.split(".")[:2]))
    return judge("RDS-VER-001", major_minor, evidence=f"{named} {cache.version}, {cache.info.get('redis_mode')}")


def _share(limit: float, memory: float | None, shown: str, settings: Settings) -> Check:
    if memory is None and not settings.is_rehearsal:
        return warned("RDS-MEM-003", None, evidence=f"{shown}: the provider keeps a share of the RAM back by itself")
    share = 100 * limit / memory if memory else 0.0
    evidence = f"{shown}: {share:.0f} %"
    return production_only("RDS-MEM-003", 80 <= round(share, 1) <= 90, settings, evidence=evidence)


def _stranger_refused(url: str, settings: Settings) -> Check:
    stranger = connect.redis(addresses.parse(url).without_credentials("username"), settings)
    try:
        stranger.ping()
    except (AuthenticationError, NoPermissionError) as error:
        return judge("RDS-SEC-001", True, evidence=f"PING without password: {str(error).split(',')[0]}")
    except ResponseError as error:
        if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
            return judge("RDS-SEC-001", True, evidence=f"PING without password: {str(error).split(',')[0]}")
        raise
    finally:
        stranger.connection_pool.disconnect()
    return judge("RDS-SEC-001", False, evidence="PING without password was answered")


# -------------------------------------------------------------------------------------------------------- persistence


def persistence_checks(redis: Redis | None, cache: Cache | None, problem: str, settings: Settings) -> list[Check]:
    """Persistence as configured, a snapshot and an appended write as observed.

    In rehearsal a snapshot is asked for (BGSAVE); in production only the last one's outcome is read. Writes one probe
    key and deletes it.
    """
    if redis is None or cache is None or cache.problem:
        ids, why = ("RDS-PER-001", "RDS-PER-002", "RDS-PER-003"), cache.problem if cache else problem
        remedy = "allow INFO in the user's ACL" if cache else REDIS_AWAY
        return [not_measured(check_id, why, settings=settings, remedy=remedy) for check_id in ids]
    return [
        _configured(cache),
        guarded("RDS-PER-002", lambda: _snapshot(redis, cache, settings), settings),
        guarded("RDS-PER-003", lambda: _append(redis, settings), settings),
    ]


def _configured(cache: Cache) -> Check:
    details = f"save {cache.configuration.get('save')!r}, appendfsync {cache.configuration.get('appendfsync')}"
    if cache.persistence in ("none", "unknown"):
        why = "a restart starts with an empty cache" if cache.persistence == "none" else "CONFIG GET is forbidden here"
        return warned("RDS-PER-001", None if cache.persistence == "unknown" else False, evidence=why)
    return judge(
        "RDS-PER-001", True, evidence=f"{cache.persistence}: {details}" if cache.configuration else cache.persistence
    )


def _snapshot(redis: Redis, cache: Cache, settings: Settings) -> Check:
    before = redis.info("persistence")
    if settings.is_production:
        if not before.get("rdb_last_save_time"):
            return not_applicable("RDS-PER-002", "this service tells nothing of snapshots")
        last = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(before["rdb_last_save_time"]))
        return judge("RDS-PER-002", before.get("rdb_last_bgsave_status") == "ok", evidence=f"last snapshot {last}")
    begun = time.monotonic()
    redis.bgsave(schedule=True)
    after = before
    while time.monotonic() - begun < SNAPSHOT_SECONDS:
        time.sleep(0.02)
        after = redis.info("persistence")
        if _saves(after) != _saves(before) and not after["rdb_bgsave_in_progress"]:
            break
    moved = _saves(after) != _saves(before)
    fine = moved and after["rdb_last_bgsave_status"] == "ok"
    took = f"BGSAVE: {'written' if moved else 'not written'} within {time.monotonic() - begun:.1f} s"
    return judge("RDS-PER-002", fine, evidence=f"{took}, status {after['rdb_last_bgsave_status']}")


def _saves(persistence: Mapping[str, Any]) -> Any:
    """A value that changes with every snapshot: rdb_saves, or the time of the last one (whole seconds)."""
    return persistence.get("rdb_saves", persistence.get("rdb_last_save_time"))


def _append(redis: Redis, settings: Settings) -> Check:
    before = redis.info("persistence")
    if not before.get("aof_enabled"):
        return not_applicable("RDS-PER-003", "appendonly is off: snapshots alone, the last minutes may be lost")
    key = f"lead:linkedin:leadbook-probe-{token_hex(4)}"
    try:
        redis.set(key, "probe", ex=60)
        after = redis.info("persistence")
    finally:
        redis.delete(key)
    grown = after["aof_current_size"] - before["aof_current_size"]
    fine = grown > 0 and after.get("aof_last_write_status") == "ok"
    return judge(
        "RDS-PER-003", fine, evidence=f"one SET appended {grown} bytes, status {after.get('aof_last_write_status')}"
    )


# --------------------------------------------------------------------------------------------------------------- keys


def key_checks(
    redis: Redis | None,
    problem: str,
    settings: Settings,
    *,
    linkedin: Callable[[str], str],
    email: Callable[[str], str],
) -> list[Check]:
    """Both key formats: written with the profile's time to live, found, expiring, deleted again.

    linkedin, email: what builds the pipeline's keys, so that the probe proves the very same format.
    """
    if redis is None:
        ids = ("RDS-KEY-001", "RDS-KEY-002")
        return [not_measured(check_id, problem, settings=settings, remedy=REDIS_AWAY) for check_id in ids]
    mark = f"leadbook-probe-{token_hex(4)}"
    url, address = f"https://www.linkedin.com/in/{mark}", f"{mark}@example.com"
    return [
        guarded(
            "RDS-KEY-001", lambda: _key("RDS-KEY-001", redis, linkedin(url), f"lead:linkedin:{url}", settings), settings
        ),
        guarded(
            "RDS-KEY-002",
            lambda: _key("RDS-KEY-002", redis, email(address), f"lead:email:{address}", settings),
            settings,
        ),
    ]


def _key(check_id: str, redis: Redis, key: str, expected: str, settings: Settings) -> Check:
    if key != expected:
        return judge(check_id, False, evidence=f"the pipeline builds {key}, the format is {expected}")
    seconds = int(settings.key_ttl_days * DAY_S)
    try:
        redis.set(key, '{"probe": true}', ex=seconds, nx=True)
        found, life = redis.get(key), redis.ttl(key)
    finally:
        deleted = redis.delete(key)
    fine = found == b'{"probe": true}' and 0 < life <= seconds and deleted == 1 and redis.get(key) is None
    return judge(
        check_id, fine, evidence=f"{expected.rpartition('leadbook-probe')[0]}… expires in {life / DAY_S:.1f} days"
    )
