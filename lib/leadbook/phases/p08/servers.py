"""The checks around a snapshot: replication, oplog, disks, backups, and Redis's own logs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from leadbook.backup.archive import Manifest
from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured, Verdict
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.monitor.topology import Disk, Oplog, RedisState, Replication
from leadbook.phases.judging import CONSOLE, PRIVILEGE, Answered, Answers, Finding, of_found, reason_of
from leadbook.phases.proven import BACKUP_AGE, how_to_back_up

FULL_PERCENT = 95
"""Filling of the oplog from which on old entries are overwritten."""
REDIS = ("MON-RDS-002", "MON-RDS-009", "MON-RDS-010", "MON-RDS-011")
FORBIDDEN = "the provider forbids CONFIG GET and SLOWLOG"
Failed = Unmeasured | Exception


def replication(
    seen: tuple[Replication, Replication] | None, *, recent_h: float = 0, begun: datetime | None = None
) -> Answers:
    """Lag, elections and members. An election during the snapshot fails; one within the last `recent_h` hours warns,
    unless it was before the sprint had `begun` (None: not known)."""
    before, after = seen or (Replication(members=0), Replication(members=0))
    shown = after.shown
    lag: Any = after.lag_s if after.others else Inapplicable("a single member has no secondary")
    if after.others and after.lag_s is None:
        lag = Unmeasured(f"no member besides the primary tells how far it is: {shown}")
    healthy: Any = after.healthy
    elections, terms = _elections(before, after, recent_h, begun)
    if seen is None:
        lag = elections = healthy = Unmeasured("the user may not run replSetGetStatus", PRIVILEGE)
    elif not after.members:
        lag = elections = healthy = Inapplicable("this server is no replica set")
    return {
        "MON-REPL-001": (lag, shown),
        "MON-REPL-002": (elections, terms),
        "MON-REPL-004": Answered(healthy, shown, target=after.members),
    }


def _elections(before: Replication, after: Replication, recent_h: float, begun: datetime | None) -> Finding:
    if before.term is None or after.term is None:
        return Unmeasured("the server reports no term"), ""
    evidence = f"term {before.term} before and {after.term} after"
    if after.elected_at is None:
        return after.term - before.term, f"{evidence}; unknown when"
    hours = (datetime.now(UTC) - after.elected_at).total_seconds() / 3600
    evidence += f"; the last {hours:.1f} h ago" if hours >= 1 else f"; the last {hours * 60:.0f} min ago"
    if after.term == before.term and hours < recent_h:
        if begun is None:
            return Doubtful(0), f"{evidence}; nothing tells when the sprint began. Find out why"
        if after.elected_at >= begun:
            return Doubtful(0), f"{evidence}: within the sprint. Find out why"
        evidence += f", before the sprint began at {begun:%Y-%m-%d %H:%M} UTC"
    return after.term - before.term, evidence


def window(oplog: Oplog | Failed | None) -> Answers:
    """The window once the oplog is full: before that, it only tells how young the server is."""
    answer: Any = oplog
    evidence = ""
    if oplog is None:
        answer = Inapplicable("this server has no oplog")
    elif isinstance(oplog, Oplog):
        evidence = f"{oplog.window_h:.2f} h of writes fill {oplog.full_percent:.1f} % of the oplog"
        answer = round(oplog.window_h, 2)
        if oplog.full_percent < FULL_PERCENT:
            answer = Inapplicable(f"{evidence}: nothing was overwritten yet, the window still grows")
    return {"MON-OPLOG-001": (answer, evidence)}


def disks(disk: Disk | Failed | None, logs: Mapping[str, int] | None, elsewhere: Finding | None = None) -> Answers:
    """The disk under the data, and the servers' log files (`logs`: path -> bytes; None = not on this machine).

    elsewhere: the used part as the provider's API tells it, for where the server does not.
    """
    used: Any = disk
    evidence = ""
    if not isinstance(disk, Disk) and elsewhere is not None:
        used, evidence = elsewhere
    elif disk is None:
        used = Unmeasured("dbStats has no fsTotalSize on this tier", "look at the provider's metrics of the disk")
    elif isinstance(disk, Disk):
        used = round(disk.used_percent, 1)
        evidence = (
            f"{disk.used_bytes / 1e9:.1f} of {disk.total_bytes / 1e9:.1f} GB used, of which the leads' database "
            f"{(disk.storage_bytes + disk.index_bytes) / 1e6:.1f} MB"
        )
    written: Any = Inapplicable("the servers run elsewhere; their provider keeps the logs")
    if logs is not None:
        written = round(sum(logs.values()) / 1e6, 1)
    named = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in (logs or {}).items()) or "no log file"
    return {"MON-DISK-001": (used, evidence), "MON-DISK-002": (written, named)}


TAKE = "take one: {}; where the provider takes them, look at its snapshots and accept this"


def backup_age(
    backup: Manifest | Failed | None, proofs: Sequence[Check], settings: Settings, elsewhere: Finding | None = None
) -> Answers:
    """Age of the backup that phase 06 held against the live leads, where that very one is there and sound.

    backup: the one that 06 names.  proofs: checks of phase 06 of this run; those that make a backup one are named in
    the catalogue (`follows`).
    elsewhere: age of the provider's newest snapshot, where leadbook has taken none.
    """
    evidence, take = "", TAKE.format(how_to_back_up(settings))
    answer: Any = backup
    passed = {check.id for check in proofs if check.verdict is Verdict.PASS}
    missing = [proof for proof in definition(BACKUP_AGE).follows if proof not in passed]
    if backup is None and settings.is_rehearsal:
        answer = Inapplicable("phase 06 of a rehearsal removes its backup when it has proven itself")
    elif backup is None and elsewhere is not None:
        answer, evidence = elsewhere
    elif backup is None:
        answer = Unmeasured(
            f"no backup of {settings.database} that phase 06 proved here lies in the backups' folder", take
        )
    elif isinstance(backup, Manifest) and missing:
        answer = Unmeasured(f"phase 06 proved no backup that counts here ({', '.join(missing)})", take)
    elif isinstance(backup, Manifest):
        taken = datetime.fromisoformat(backup.taken_at)
        answer = round((datetime.now(UTC) - taken).total_seconds() / 3600, 2)
        evidence = f"taken {taken:%Y-%m-%d %H:%M} UTC, {backup.documents:,} documents: it is there and was read again, "
        evidence += "and phase 06 held it against the live data"
    return {BACKUP_AGE: (answer, evidence)}


def redis(state: RedisState | Failed, settings: Settings) -> Answers:
    """maxmemory is set, the slow log, the latency monitor, and whether the last save worked."""
    return of_found(REDIS, state, partial(_redis, settings))


def _slow_commands(state: RedisState, settings: Settings) -> Any:
    if state.slow_limit_us is None:
        return reason_of(state.cache.refused) if state.cache.refused else Unmeasured(FORBIDDEN, CONSOLE)
    hidden = state.slow_hidden(settings.target_duplicate_check_ms)
    wanted = f"{1000 * settings.target_duplicate_check_ms:.0f}"
    how = (
        f"`CONFIG SET slowlog-log-slower-than {wanted}`; afterwards "
        f"`CONFIG SET slowlog-log-slower-than {state.slow_limit_us}`"
    )
    return len(state.slow) or (Unmeasured(hidden, how) if hidden else 0)


def _redis(settings: Settings, state: RedisState) -> Answers:
    cache, limit_us = state.cache, state.slow_limit_us
    slowest = max((int(one["duration"]) for one in state.slow), default=0) / 1000
    named = f" ({', '.join(state.slow_commands)}; slowest {slowest:.1f} ms)" if state.slow else ""
    latency: Any = Inapplicable("the latency monitor is off, its default: CONFIG SET latency-monitor-threshold 100")
    if state.events is not None:
        latency = max(state.events.values(), default=0)
    events = ", ".join(f"{name} {ms} ms" for name, ms in (state.events or {}).items())
    told = (
        (cache.maxmemory_gb > 0, f"maxmemory {cache.maxmemory_gb:,.3f} GB, {cache.info.get('maxmemory_policy')}"),
        (
            _slow_commands(state, settings),
            f"{len(state.slow)} commands slower than {(limit_us or 0) / 1000:g} ms{named}",
        ),
        (latency, events or "no event above the threshold"),
        (state.saves, f"persistence: {cache.persistence}; {cache.keys:,} keys"),
    )
    return dict(zip(REDIS, told, strict=True))
