"""What is looked at once: replication, elections, oplog, disks, Redis's own logs. Read-only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.core.checks import Check, errored, judge, not_applicable, not_measured, warned
from leadbook.monitor.thresholds import judge_level

__all__ = [
    "Disk", "Oplog", "RedisState", "Replication", "backup_check", "disk_checks", "oplog_check", "read_disk",
    "read_oplog", "read_redis_state", "read_replication", "redis_checks", "replication_checks", "safely",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Replication:
    """A replica set at one moment. lag_s: of the slowest secondary; None without one. term: grows by each election."""

    set_name: str
    members: int
    healthy: int
    lag_s: float | None
    term: int | None
    elected_at: datetime | None
    states: Mapping[str, str] = field(default_factory=dict)


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
    data_bytes: float
    index_bytes: float
    storage_bytes: float

    @property
    def used_percent(self) -> float:
        """Used part of the disk, %."""
        return 100 * self.used_bytes / self.total_bytes


@dataclass(frozen=True, kw_only=True)
class RedisState:
    """slow: entries of the slow log.  slow_limit_us: its limit.  events: latency events; None: the monitor is off."""

    maxmemory: int
    policy: str
    slow: int
    slow_limit_us: int | None
    slowest_us: int
    slow_commands: tuple[str, ...]
    events: Mapping[str, int] | None
    persistence: str
    persistence_ok: bool
    keys: int


def safely(ids: tuple[str, ...], make: Callable[[], list[Check]]) -> list[Check]:
    """The checks that `make` gives; where it raises, an `error` (or, not authorised, `not measured`) for each id."""
    try:
        return make()
    except PyMongoError as error:
        if getattr(error, "code", None) == 13:
            return [not_measured(check, "the user may not read this: grant clusterMonitor") for check in ids]
        return [errored(check, error) for check in ids]
    except (RedisError, OSError, KeyError, ValueError) as error:
        return [errored(check, error) for check in ids]


# ----------------------------------------------------------------------------------------------------- replication


def read_replication(client: MongoClient[dict[str, Any]]) -> Replication | None:
    """replSetGetStatus; None on a server without a replica set. Raises OperationFailure where not authorised."""
    if not client.admin.command("hello").get("setName"):
        return None
    status = client.admin.command("replSetGetStatus")
    members = status["members"]
    primary = next((member for member in members if member["state"] == 1), None)
    behind = [
        (primary["optimeDate"] - member["optimeDate"]).total_seconds()
        for member in members
        if primary is not None and member["state"] == 2 and "optimeDate" in member
    ]
    return Replication(
        set_name=status["set"],
        members=len(members),
        healthy=sum(1 for member in members if member["health"] == 1),
        lag_s=max(0.0, *behind) if behind else None,
        term=status.get("term"),
        elected_at=_utc(primary.get("electionDate")) if primary else None,
        states={member["name"]: member["stateStr"] for member in members},
    )


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def replication_checks(before: Replication | None, after: Replication | None, *, recent_h: float = 0) -> list[Check]:
    """Lag, elections and members. An election during the snapshot fails; one within the last `recent_h` hours warns."""
    ids = ("MON-REPL-001", "MON-REPL-002", "MON-REPL-004")
    if before is None or after is None:
        return [not_applicable(check, "this server is no replica set") for check in ids]
    shown = ", ".join(f"{name} {state}" for name, state in after.states.items())
    if after.members == 1:
        lag = not_applicable("MON-REPL-001", "a single member has no secondary")
    else:
        lag = judge_level("MON-REPL-001", after.lag_s, compare="<", warn=240, critical=600, evidence=shown)
    healthy = judge("MON-REPL-004", after.healthy, target=after.members, evidence=shown)
    return [lag, _elections(before, after, recent_h), healthy]


def _elections(before: Replication, after: Replication, recent_h: float) -> Check:
    if before.term is None or after.term is None:
        return not_measured("MON-REPL-002", "the server reports no term")
    since = "unknown when"
    hours = None
    if after.elected_at is not None:
        hours = (datetime.now(UTC) - after.elected_at).total_seconds() / 3600
        since = f"the last {hours:.1f} h ago" if hours >= 1 else f"the last {hours * 60:.0f} min ago"
    evidence = f"term {before.term} before and {after.term} after; {since}"
    if after.term == before.term and hours is not None and hours < recent_h:
        return warned("MON-REPL-002", 0, evidence=f"{evidence}: within the sprint. Find out why")
    return judge("MON-REPL-002", after.term - before.term, evidence=evidence)


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


def oplog_check(oplog: Oplog | None) -> Check:
    """The window once the oplog is 95 % full: before that, it only tells how young the server is."""
    if oplog is None:
        return not_applicable("MON-OPLOG-001", "this server has no oplog")
    evidence = f"{oplog.window_h:.2f} h of writes fill {oplog.full_percent:.1f} % of the oplog"
    if oplog.full_percent < 95:
        return not_applicable("MON-OPLOG-001", f"{evidence}: nothing was overwritten yet, the window still grows")
    return judge_level("MON-OPLOG-001", round(oplog.window_h, 2), compare=">=", warn=24, critical=1, evidence=evidence)


# ------------------------------------------------------------------------------------------------------------ disks


def read_disk(client: MongoClient[dict[str, Any]], database: str) -> Disk | None:
    """dbStats of the leads' database; None where the tier does not report the file system."""
    stats = client[database].command("dbStats")
    if not stats.get("fsTotalSize"):
        return None
    return Disk(
        used_bytes=stats["fsUsedSize"], total_bytes=stats["fsTotalSize"], data_bytes=stats["dataSize"],
        index_bytes=stats["indexSize"], storage_bytes=stats["storageSize"],
    )  # fmt: skip


def disk_checks(disk: Disk | None, logs: Mapping[str, int] | None) -> list[Check]:
    """The disk under the data, and the servers' log files (`logs`: path -> bytes; None = not on this machine)."""
    if disk is None:
        data = not_measured("MON-DISK-001", "not measurable on this tier: dbStats has no fsTotalSize")
    else:
        evidence = (
            f"{disk.used_bytes / 1e9:.1f} of {disk.total_bytes / 1e9:.1f} GB used, of which the leads' database "
            f"{(disk.storage_bytes + disk.index_bytes) / 1e6:.1f} MB"
        )
        data = judge_level(
            "MON-DISK-001", round(disk.used_percent, 1), compare="<", warn=85, critical=95, evidence=evidence
        )
    if logs is None:
        return [data, not_applicable("MON-DISK-002", "the servers run elsewhere; their provider keeps the logs")]
    total = sum(logs.values()) / 1e6
    evidence = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in logs.items()) or "no log file"
    log = judge_level("MON-DISK-002", round(total, 1), compare="<", warn=1000, critical=None, evidence=evidence)
    return [data, log]


# ------------------------------------------------------------------------------------------------------------ Redis


def read_redis_state(client: Redis, *, since: datetime) -> RedisState:
    """Memory limit, slow log since then, latency events and persistence. Raises RedisError."""
    info: Any = client.info("everything")
    entries: Any = _optional(lambda: client.slowlog_get(128)) or []
    slow = [entry for entry in entries if int(entry["start_time"]) >= int(since.timestamp())]
    wanted = ("latency-monitor-threshold", "slowlog-log-slower-than", "save")
    config: Any = _optional(lambda: client.config_get(*wanted)) or {}
    threshold = config.get("latency-monitor-threshold")
    limit = config.get("slowlog-log-slower-than")
    latest: Any = _optional(client.latency_latest) if threshold and int(threshold) > 0 else None
    names = {bytes(entry["command"]).split(b" ")[0].decode("ascii", "replace") for entry in slow}
    aof, rdb = bool(info.get("aof_enabled")), "save" not in config or bool(config.get("save"))
    return RedisState(
        maxmemory=int(info.get("maxmemory", 0)),
        policy=str(info.get("maxmemory_policy", "unknown")),
        slow=len(slow),
        slow_limit_us=int(limit) if limit is not None else None,
        slowest_us=max((int(entry["duration"]) for entry in slow), default=0),
        slow_commands=tuple(sorted(names)),
        events=None if latest is None else {_text(event[0]): int(event[3]) for event in latest},
        persistence=" and ".join([*(["AOF"] if aof else []), *(["RDB"] if rdb else [])]) or "none",
        persistence_ok=info.get("rdb_last_bgsave_status") == "ok" and info.get("aof_last_write_status", "ok") == "ok",
        keys=sum(int(value["keys"]) for key, value in info.items() if key.startswith("db") and isinstance(value, dict)
                 and "keys" in value),
    )  # fmt: skip


def _optional(call: Callable[[], Any]) -> Any:
    """None where the provider forbids the command (managed Redis often does)."""
    try:
        return call()
    except RedisError:
        return None


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def redis_checks(state: RedisState) -> list[Check]:
    """maxmemory is set, the slow log, the latency monitor, and whether the last save worked."""
    limit = judge(
        "MON-RDS-002", state.maxmemory > 0, evidence=f"maxmemory {state.maxmemory / 1e6:,.0f} MB, {state.policy}"
    )
    if state.slow_limit_us is None:
        slow = not_measured("MON-RDS-009", "the provider forbids CONFIG GET and SLOWLOG")
    else:
        named = f" ({', '.join(state.slow_commands)}; slowest {state.slowest_us / 1000:.1f} ms)" if state.slow else ""
        evidence = f"{state.slow} commands slower than {state.slow_limit_us / 1000:g} ms{named}"
        slow = judge_level("MON-RDS-009", state.slow, compare="<=", warn=0, critical=None, evidence=evidence)
    if state.events is None:
        latency = warned("MON-RDS-010", None, evidence="the latency monitor is off (its default)")
    else:
        worst = max(state.events.values(), default=0)
        shown = ", ".join(f"{name} {ms} ms" for name, ms in state.events.items()) or "no event above the threshold"
        latency = judge_level("MON-RDS-010", worst, compare="<", warn=100, critical=None, evidence=shown)
    evidence = f"persistence: {state.persistence}; {state.keys:,} keys"
    saved = judge("MON-RDS-011", state.persistence_ok, evidence=evidence)
    return [limit, slow, latency, saved]


def backup_check(age_hours: float | None, *, where: str) -> Check:
    """Age of the newest proven backup; `where` says whence it is known."""
    if age_hours is None:
        return not_measured("MON-BACKUP-001", where)
    return judge_level("MON-BACKUP-001", round(age_hours, 2), compare="<", warn=24, critical=48, evidence=where)
