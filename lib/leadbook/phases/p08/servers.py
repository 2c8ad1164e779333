"""The checks around a snapshot: replication, oplog, disks, backups, and Redis's own logs. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.core.checks import Check, Verdict, not_applicable, not_measured
from leadbook.core.settings import Settings
from leadbook.monitor.session import Observation
from leadbook.monitor.thresholds import judge_timeline
from leadbook.monitor.topology import (
    Disk,
    RedisState,
    backup_check,
    disk_checks,
    oplog_check,
    read_disk,
    read_oplog,
    read_redis_state,
    redis_checks,
    replication_checks,
    safely,
)

__all__ = ["Surroundings", "database_checks", "look_around", "reading_checks", "redis_state_checks"]

_REPLICATION = ("MON-REPL-001", "MON-REPL-002", "MON-REPL-004")
_REDIS = ("MON-RDS-002", "MON-RDS-009", "MON-RDS-010", "MON-RDS-011")
SPRINT_H = 24


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What was looked at once, after the snapshot. None: could not be read."""

    disk: Disk | None
    redis: RedisState | None


def look_around(
    admin: MongoClient[dict[str, Any]], redis: Redis | None, settings: Settings, seen: Observation
) -> Surroundings:
    """Read the disk and Redis's state; Redis's slow log counts from the beginning of the snapshot."""
    try:
        disk = read_disk(admin, settings.database)
    except PyMongoError:
        disk = None
    try:
        state = read_redis_state(redis, since=seen.started_at) if redis is not None else None
    except RedisError:
        state = None
    return Surroundings(disk=disk, redis=state)


def reading_checks(seen: Observation) -> list[Check]:
    """A check for each threshold of thresholds.yaml."""
    return judge_timeline(seen.timeline, dict(seen.versions), dict(seen.absent))


def database_checks(
    admin: MongoClient[dict[str, Any]], settings: Settings, seen: Observation, around: Surroundings,
    backups: Sequence[Check],
) -> list[Check]:  # fmt: skip
    """Replication, oplog, disk, logs and the newest backup (`backups`: checks of phase 06 of this run)."""
    if seen.replication is None:
        why = "the user may not run replSetGetStatus: grant clusterMonitor"
        replication = [not_measured(check, why) for check in _REPLICATION]
    else:
        recent = SPRINT_H if settings.is_production else 0
        replication = replication_checks(*seen.replication, recent_h=recent)
    oplog = safely(("MON-OPLOG-001",), lambda: [oplog_check(read_oplog(admin))])
    return [*replication, *oplog, *disk_checks(around.disk, seen.logs), _backup(backups, settings)]


_PROVEN = ("BKP-DMP-001", "BKP-DMP-002", "BKP-DMP-005", "BKP-CLN-001")
"""Phase 06's checks that make a backup one: it holds something, is sound, agrees with the live data, and was kept."""


def _backup(backups: Sequence[Check], settings: Settings) -> Check:
    if settings.is_rehearsal:
        return not_applicable("MON-BACKUP-001", "phase 06 of a rehearsal removes its backup when it has proven itself")
    passed = {check.id: check for check in backups if check.verdict is Verdict.PASS}
    if missing := [check_id for check_id in _PROVEN if check_id not in passed]:
        why = f"phase 06 left no proven backup ({', '.join(missing)})" if backups else "phase 06 left no backup"
        return backup_check(None, where=f"{why}; look at the provider's snapshots")
    age = (datetime.now(UTC) - datetime.fromisoformat(passed["BKP-DMP-001"].taken_at)).total_seconds() / 3600
    return backup_check(age, where="phase 06 took it, held it against the live data and kept it")


def redis_state_checks(around: Surroundings, seen: Observation) -> list[Check]:
    """maxmemory, slow log, latency events and the last save."""
    if around.redis is None:
        why = seen.absent.get("redis", "Redis did not answer INFO")
        return [not_measured(check, why) for check in _REDIS]
    return redis_checks(around.redis)
