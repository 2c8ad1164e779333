"""Redis: what it tells of itself, and probes: a stranger's PING, a snapshot, an appended write, a key that expires."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from redis import Redis
from redis.exceptions import (
    AuthenticationError,
    ClusterCrossSlotError,
    MovedError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from leadbook.core import addresses, connect
from leadbook.core.settings import Settings
from leadbook.lead.keys import linkedin_key

GB = 1e9
SNAPSHOT_SECONDS = 10.0
STARTING_S = 60.0
"""A server that starts sets the time of its last snapshot to about that of its start."""
PLACES: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".cache.amazonaws.com",), "ElastiCache: the cluster's parameter group, and its tab Backup"),
    ((".redis.cache.windows.net", ".redis.azure.net", ".cache.azure.net"),
     "Azure portal: the cache, Settings, Advanced settings and Data persistence"),
    ((".redislabs.com", ".redis-cloud.com"), "Redis Cloud: the database, Configuration, Durability and Memory limit"),
)  # fmt: skip
"""Ends of managed services' host names, and where their consoles show what CONFIG would tell. Google's Memorystore
gives addresses only."""
ANYWHERE = "the provider's console (Memorystore: the instance, Configuration and Persistence)"
CONFIGURATION = (
    "save", "appendonly", "appendfsync", "maxclients", "timeout", "latency-monitor-threshold", "slowlog-log-slower-than"
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Cache:
    """What Redis tells of itself. info: INFO's fields. configuration: CONFIG GET's, empty where that is forbidden.
    refused: why the user's ACL forbids it."""

    address: str
    encrypted: bool
    info: Mapping[str, Any] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    refused: NoPermissionError | None = None

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
    def keys(self) -> int:
        """Keys of all databases."""
        return sum(int(told["keys"]) for name, told in self.info.items() if re.fullmatch(r"db\d+", name))

    @property
    def place(self) -> str:
        """Where its provider shows what CONFIG would tell."""
        return next((where for ends, where in PLACES if self.host.lower().endswith(ends)), ANYWHERE)

    @property
    def saved_since_start(self) -> bool:
        """Whether INFO tells of a snapshot that was written since the server started."""
        started = float(self.info.get("server_time_usec", 0)) / 1e6 - float(self.info.get("uptime_in_seconds", 0))
        last = float(self.info.get("rdb_last_save_time") or 0)
        return int(self.info.get("rdb_saves") or 0) > 0 or (started > 0 and last > started + STARTING_S)

    @property
    def last_snapshot(self) -> Written | None:
        """The last snapshot since the server started; None where INFO tells of none: a server that starts sets the
        time of its last snapshot to that of its start, with status ok."""
        if not self.saved_since_start:
            return None
        status = self.info.get("rdb_last_bgsave_status")
        return Written(fine=status == "ok", told=f"last snapshot {self._last_save:%Y-%m-%d %H:%M} UTC", status=status)

    @property
    def lacks_snapshot(self) -> bool:
        """Whether it is to write snapshots (`save` is set), and INFO tells of none since it started."""
        told = "rdb_last_save_time" in self.info and bool(self.configuration.get("save"))
        return told and not self.saved_since_start

    @property
    def snapshot_age_h(self) -> float | None:
        """Hours since the last snapshot, by the server's clock; None where INFO tells of none since the start."""
        age = self._now - self._last_save
        return round(age.total_seconds() / 3600, 2) if self.saved_since_start else None

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(float(self.info.get("server_time_usec") or time.time() * 1e6) / 1e6, UTC)

    @property
    def _last_save(self) -> datetime:
        return datetime.fromtimestamp(float(self.info.get("rdb_last_save_time") or 0), UTC)

    @property
    def persistence(self) -> str:
        """`snapshots and append-only file`, one of them, `none`, or `unknown`. Without CONFIG, snapshots are known by
        one that was written."""
        save = self.configuration.get("save")
        ways = ["snapshots"] if save or (save is None and self.saved_since_start) else []
        ways += ["append-only file"] if self.info.get("aof_enabled") else []
        if ways:
            return " and ".join(ways)
        return "none" if save is not None else "unknown"


def inspect_cache(redis: Redis) -> Cache:
    """Ask Redis once. Read-only. Raises RedisError, NoPermissionError where even INFO is forbidden."""
    configuration, refused = {}, None
    try:
        configuration = {name: redis.config_get(name).get(name) for name in CONFIGURATION}
    except NoPermissionError as error:
        refused = error
    except RedisError:  # managed services do not know CONFIG
        pass
    return Cache(
        address=connect.redis_address(redis),
        encrypted="SSL" in redis.connection_pool.connection_class.__name__,
        info=redis.info(),
        configuration=configuration,
        refused=refused,
    )


def refusal_of_stranger(url: str, settings: Settings) -> str:
    """What a PING without password is told; empty where it is answered. Raises RedisError for any other error."""
    stranger = connect.redis(addresses.parse(url).without_credentials("username"), settings)
    try:
        stranger.ping()
    except (AuthenticationError, NoPermissionError) as error:
        return str(error).split(",")[0]
    except ResponseError as error:
        if "NOAUTH" in str(error) or "WRONGPASS" in str(error):
            return str(error).split(",")[0]
        raise
    finally:
        stranger.connection_pool.disconnect()
    return ""


# ------------------------------------------------------------------------------------------------------------- probes


@dataclass(frozen=True, kw_only=True)
class Written:
    """Something that Redis wrote to disk, or did not. status: Redis' own of its last such write."""

    fine: bool
    told: str
    status: str | None

    def __str__(self) -> str:
        return f"{self.told}, status {self.status}"


def snapshot(redis: Redis) -> Written:
    """Ask for a snapshot (BGSAVE) and wait up to SNAPSHOT_SECONDS for it."""
    before = after = redis.info("persistence")
    begun = time.monotonic()
    redis.bgsave(schedule=True)
    while time.monotonic() - begun < SNAPSHOT_SECONDS:
        time.sleep(0.02)
        after = redis.info("persistence")
        if _saves(after) != _saves(before) and not after["rdb_bgsave_in_progress"]:
            break
    written, status = _saves(after) != _saves(before), after["rdb_last_bgsave_status"]
    told = f"BGSAVE: {'written' if written else 'not written'} within {time.monotonic() - begun:.1f} s"
    return Written(fine=written and status == "ok", told=told, status=status)


def _saves(persistence: Mapping[str, Any]) -> Any:
    """A value that changes with every snapshot: rdb_saves, or the time of the last one (whole seconds)."""
    return persistence.get("rdb_saves", persistence.get("rdb_last_save_time"))


def append(redis: Redis) -> Written | None:
    """Write one probe key and see the append-only file grow; the key is deleted. None where there is no such file."""
    before = redis.info("persistence")
    if not before.get("aof_enabled"):
        return None
    key = linkedin_key(f"leadbook-probe-{token_hex(4)}")
    try:
        redis.set(key, "probe", ex=60)
        after = redis.info("persistence")
    finally:
        redis.delete(key)
    grown, status = after["aof_current_size"] - before["aof_current_size"], after.get("aof_last_write_status")
    return Written(fine=grown > 0 and status == "ok", told=f"one SET appended {grown} bytes", status=status)


def cluster_refusal(redis: Redis) -> str:
    """Why Redis refuses two keys at once, which every look-up of the pipeline asks for; empty where it answers.

    In cluster mode it does: the two lie in different slots, and one command may name keys of one slot only (Redis
    cluster specification, "Implemented subset"), or another node keeps the first. Read-only. Raises RedisError.
    """
    try:
        redis.mget([linkedin_key(f"leadbook-probe-{number}") for number in range(2)])
    except (ClusterCrossSlotError, MovedError) as error:
        return f"MGET of two keys is refused ({str(error)[:60]})"
    return ""


@dataclass(frozen=True, kw_only=True)
class KeyProbe:
    """A key written, read and deleted. life_s: its time to live as Redis told it, s."""

    found: bool
    life_s: float
    deleted: bool


def probe_key(redis: Redis, key: str, life_s: int) -> KeyProbe:
    """Write `key` with a time to live, read it back, delete it."""
    value = b'{"probe": true}'
    try:
        redis.set(key, value, ex=life_s, nx=True)
        found, life = redis.get(key), redis.ttl(key)
    finally:
        deleted = redis.delete(key)
    return KeyProbe(found=found == value, life_s=life, deleted=deleted == 1 and redis.get(key) is None)
