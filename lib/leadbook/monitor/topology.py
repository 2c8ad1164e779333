"""What is looked at once: replication, elections, oplog, disks, Redis's own logs. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.provision.asked import Asked, ask
from leadbook.provision.cache import Cache, inspect_cache
from leadbook.provision.server import delay_s

PRIMARY, ARBITER = 1, 7
AT_WORK = (PRIMARY, 2, ARBITER)
"""PRIMARY, SECONDARY, ARBITER. A member that recovers, syncs anew or rolls back answers too (health 1), and serves
nobody: https://www.mongodb.com/docs/manual/reference/replica-states/"""


@dataclass(frozen=True, kw_only=True)
class Replication:
    """A replica set at one moment. members: 0 on a server without a replica set.  healthy: that answer and are at work.
    arbiters: members without data.  lag_s: of the slowest member with data, less its configured delay, whatever its
    state; None where none tells.  delays: why the configured delays are not known; empty where they are.
    term: grows by each election.  states: by member.  ailing: of those that are not healthy."""

    members: int
    healthy: int = 0
    arbiters: int = 0
    lag_s: float | None = None
    delays: str = ""
    term: int | None = None
    elected_at: datetime | None = None
    states: Mapping[str, str] = field(default_factory=dict)
    ailing: Mapping[str, str] = field(default_factory=dict)

    @property
    def others(self) -> int:
        """Members with data besides the primary."""
        return max(0, self.members - self.arbiters - 1)

    @property
    def shown(self) -> str:
        """Each member and its state, and whether delays are known."""
        said = ", ".join(f"{name} {state}" for name, state in self.states.items())
        return f"{said}; a delayed member counts with its delay: {self.delays}" if self.delays else said


@dataclass(frozen=True, kw_only=True)
class Oplog:
    """window_h: from the oldest to the newest entry.  full_percent: of its configured size."""

    window_h: float
    full_percent: float


@dataclass(frozen=True, kw_only=True)
class Disk:
    """The disk under the database, as dbStats reports it, in bytes, and the sizes of the leads' database on it."""

    used_bytes: float
    total_bytes: float
    index_bytes: float
    storage_bytes: float

    @property
    def used_percent(self) -> float:
        """Used part of the disk, %."""
        return 100 * self.used_bytes / self.total_bytes


@dataclass(frozen=True, kw_only=True)
class RedisState:
    """cache: what Redis tells of itself.  slow: entries of the slow log.  events: worst time of a latency event, ms, by
    event; None: the monitor is off."""

    cache: Cache
    slow: Sequence[Mapping[str, Any]]
    events: Mapping[str, int] | None

    @property
    def slow_limit_us(self) -> int | None:
        """From how many microseconds a command is slow; None where the provider does not tell."""
        limit = self.cache.configuration.get("slowlog-log-slower-than")
        return None if limit is None else int(limit)

    def slow_hidden(self, limit_ms: float) -> str:
        """Which commands of `limit_ms` and more the slow log does not keep; empty where it keeps them all."""
        slower = self.slow_limit_us or 0
        if slower < 0:
            return "the slow log is off (slowlog-log-slower-than -1)"
        return f"the slow log keeps what takes {slower / 1000:,g} ms and more only" if slower > 1000 * limit_ms else ""

    @property
    def slow_commands(self) -> list[str]:
        """Their names alone: arguments hold personal data."""
        return sorted({bytes(one["command"]).split(b" ")[0].decode("ascii", "replace") for one in self.slow})

    @property
    def saves(self) -> bool:
        """Whether the last snapshot and the last append were written."""
        info = self.cache.info
        return info.get("rdb_last_bgsave_status") == "ok" and info.get("aof_last_write_status", "ok") == "ok"


def read_replication(client: MongoClient[dict[str, Any]]) -> Replication:
    """replSetGetStatus, and replSetGetConfig where it may be asked. Raises OperationFailure where not authorised."""
    if not client.admin.command("hello").get("setName"):
        return Replication(members=0)
    return replication_of(client.admin.command("replSetGetStatus"), ask(client, "replSetGetConfig"))


def replication_of(status: Mapping[str, Any], configuration: Asked) -> Replication:
    """What the answers to replSetGetStatus and replSetGetConfig say."""
    members = status["members"]
    delays = {one["host"]: delay_s(one) for one in configuration.get("config.members") or ()}
    primary = next((member for member in members if member["state"] == PRIMARY), None)
    behind = [
        (primary["optimeDate"] - member["optimeDate"]).total_seconds() - delays.get(member["name"], 0)
        for member in members
        if primary is not None and member is not primary and _tells_optime(member)
    ]
    elected = primary.get("electionDate") if primary else None  # a command's answer has no zones
    return Replication(
        members=len(members),
        healthy=sum(map(_is_healthy, members)),
        arbiters=sum(1 for member in members if member["state"] == ARBITER),
        lag_s=max(0.0, *behind) if behind else None,
        delays=configuration.problem,
        term=status.get("term"),
        elected_at=elected and elected.replace(tzinfo=UTC),
        states={member["name"]: member["stateStr"] for member in members},
        ailing={member["name"]: member["stateStr"] for member in members if not _is_healthy(member)},
    )


def _is_healthy(member: Mapping[str, Any]) -> bool:
    return bool(member["health"] == 1 and member["state"] in AT_WORK)


def _tells_optime(member: Mapping[str, Any]) -> bool:
    """An arbiter has none; that of a member which is away, or syncs from nothing, is 1970."""
    at = member.get("optimeDate")
    return member["health"] == 1 and member["state"] != ARBITER and at is not None and at.year > 1970


def read_oplog(client: MongoClient[dict[str, Any]]) -> Oplog | None:
    """Window and filling of the oplog; None where there is none. Raises OperationFailure where not authorised."""
    oplog = client["local"]["oplog.rs"]
    first, last = (next(iter(oplog.find({}, {"ts": 1}).sort("$natural", way).limit(1)), None) for way in (1, -1))
    if first is None or last is None:
        return None
    stats = next(iter(oplog.aggregate([{"$collStats": {"storageStats": {"scale": 1}}}])))["storageStats"]
    return Oplog(
        window_h=(last["ts"].time - first["ts"].time) / 3600,
        full_percent=100 * stats["size"] / stats["maxSize"] if stats.get("maxSize") else 0.0,
    )


def read_disk(client: MongoClient[dict[str, Any]], database: str) -> Disk | None:
    """dbStats of the leads' database; None where the tier does not report the file system."""
    stats = client[database].command("dbStats")
    if not stats.get("fsTotalSize"):
        return None
    return Disk(
        used_bytes=stats["fsUsedSize"], total_bytes=stats["fsTotalSize"],
        index_bytes=stats["indexSize"], storage_bytes=stats["storageSize"],
    )  # fmt: skip


def read_redis_state(client: Redis, *, since: datetime) -> RedisState:
    """Redis's own records: slow log since then, latency events, persistence. since: by this machine's clock; Redis
    keeps the slow log by its own. Raises RedisError."""
    ago, told = datetime.now(UTC) - since, optional(client.time)
    since = since if told is None else datetime.fromtimestamp(told[0] + told[1] / 1e6, UTC) - ago
    cache, entries = inspect_cache(client), optional(lambda: client.slowlog_get(128)) or []
    threshold = cache.configuration.get("latency-monitor-threshold")
    latest = optional(client.latency_latest) if threshold and int(threshold) > 0 else None
    return RedisState(
        cache=cache, slow=[entry for entry in entries if int(entry["start_time"]) >= int(since.timestamp())],
        events=None if latest is None else {_text(event[0]): int(event[3]) for event in latest},
    )  # fmt: skip


def optional(call: Callable[[], Any]) -> Any:
    """`call()`; None where the provider forbids it (managed Redis often does) or a watched process is gone."""
    try:
        return call()
    except (PyMongoError, RedisError, psutil.Error):
        return None


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
