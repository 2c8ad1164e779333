"""What Atlas says of its own backups: policy, snapshots, restores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from leadbook.atlas.project import AtlasProject
from leadbook.atlas.records import AtlasSnapshot, BackupPolicy, RestoreJob
from leadbook.core.checks import Unmeasured
from leadbook.core.settings import Settings
from leadbook.phases.console.asked import AlsoAttested
from leadbook.phases.console.atlas import Atlas, Questions, day, hours_ago
from leadbook.phases.console.cluster import known
from leadbook.phases.judging import Finding, Missing, got
from leadbook.phases.section import Table, rows_table

OFTEN = ("hourly", "daily")
"""Frequencies by which at most a day is lost."""
STALE_H = 48.0
"""Two days without a completed snapshot: a daily policy has failed twice."""
WEEK_H = 7 * 24.0
AHEAD_H = 0.25
"""So far a clock may be off, hours."""
SNAPSHOT_COLUMNS = {
    "taken": "when, UTC", "kind": "onDemand, scheduled or fallback", "status": "completed, inProgress, queued, failed",
    "kept until": "when Atlas deletes it, UTC", "GB": "size that Atlas stores",
}  # fmt: skip
JOB_COLUMNS = {
    "finished": "when, UTC", "kind": "automated and pointInTime restore into a cluster, download does not",
    "into": "cluster restored into", "state": "finished, failed, cancelled, expired, or under way",
}  # fmt: skip
SHOWN = 12
"""Rows of each table, newest first."""


def first(atlas: Atlas, settings: Settings) -> Questions:
    """Questions of phase 01 that are attested where Atlas is not asked."""
    return {
        "ATL-BCK-001": lambda: _kept(got(atlas), settings),
        "ATL-BCK-002": lambda: _tried_by_hand(got(atlas)),
    }


def besides(atlas: Atlas) -> Questions:
    """Questions of phase 01 that only Atlas answers."""
    return {"ATL-BCK-003": lambda: _point_in_time(got(atlas))}


def proven(atlas: Atlas, settings: Settings) -> Questions:
    """Questions of phase 06 that are attested where Atlas is not asked."""
    return {
        "BKP-ATL-001": lambda: _taken_and_kept(got(atlas), settings),
        "BKP-ATL-002": lambda: _restored_elsewhere(got(atlas)),
    }


def besides_proven(atlas: Atlas) -> Questions:
    """Questions of phase 06 that only Atlas answers."""
    return {
        "BKP-ATL-003": lambda: newest_age(got(atlas)),
        "BKP-ATL-004": lambda: _failures(got(atlas)),
    }


def _lines(policy: BackupPolicy) -> str:
    items = [f"{_often(item.frequency, item.interval)}, kept {item.days:g} days" for item in policy.items]
    return "; ".join(items) or "no line in the policy"


def _often(frequency: str, interval: int) -> str:
    """`every 6 hours`; of a week, month or year Atlas' interval is which day, not how often."""
    return f"every {interval} hours" if frequency.lower() == "hourly" and interval > 1 else frequency.lower()


def _days(policy: BackupPolicy) -> float:
    """How long the frequent snapshots are kept, days."""
    return max((item.days for item in policy.items if item.frequency.lower() in OFTEN), default=0.0)


def _kept(project: AtlasProject, settings: Settings) -> Finding:
    if not known(project.cluster().backup):
        return False, "cloud backup is off"
    policy = project.backup_policy()
    return _days(policy) >= settings.target_backup_days, f"cloud backup is on: {_lines(policy)}"


def _completed(snapshots: Sequence[AtlasSnapshot]) -> list[tuple[datetime, AtlasSnapshot]]:
    """Completed snapshots with their time that Atlas still keeps, newest first. Raises Missing where one was taken in
    the future: by such clocks no age can be told."""
    timed = [(one.taken, one) for one in snapshots
             if one.status == "completed" and one.taken
             and not (one.expires and hours_ago(one.expires) > 0)]  # fmt: skip
    if ahead := [at for at, _ in timed if hours_ago(at) < -AHEAD_H]:
        raise Missing(Unmeasured(f"Atlas tells of a snapshot of {day(max(ahead))}, which is in the future",
                                 "set this machine's clock right (NTP), then ask again"))  # fmt: skip
    return sorted(timed, key=lambda pair: pair[0], reverse=True)


def _worked(job: RestoreJob) -> bool:
    return job.finished is not None and not (job.failed or job.cancelled)


def _tried_by_hand(project: AtlasProject) -> Finding:
    by_hand = {one.id: at for at, one in _completed(project.snapshots()) if one.kind == "onDemand"}
    if not by_hand:
        return False, "no completed on-demand snapshot is there; take one: Backup, Take Snapshot Now"
    jobs = [job for job in project.restore_jobs() if job.snapshot in by_hand and _worked(job)]
    if not jobs:
        return False, f"{len(by_hand)} on-demand snapshots are there, and none was restored or downloaded"
    taken, job = by_hand[jobs[0].snapshot], jobs[0]
    how = f"restored into {job.into}" if job.into else "downloaded"
    return True, f"the on-demand snapshot of {day(taken)} was {how} by {day(job.finished)}"


def _point_in_time(project: AtlasProject) -> Finding:
    on = known(project.cluster().point_in_time)
    window = project.backup_policy().restore_window_days if on else None
    return on, f"continuous cloud backup is {'on' if on else 'off'}" + (f", {window:g} days back" if window else "")


def _taken_and_kept(project: AtlasProject, settings: Settings) -> Finding:
    kept, told = _kept(project, settings)
    done = _completed(project.snapshots())
    if not done:
        return False, f"no completed snapshot is there; {told}"
    newest = f"{len(done)} completed snapshots, the newest of {day(done[0][0])}"
    return kept is True and hours_ago(done[0][0]) <= STALE_H, f"{newest}; {told}"


def _restored_elsewhere(project: AtlasProject) -> Finding:
    mine = project.cluster().name
    jobs = [job for job in project.restore_jobs() if job.into and job.into != mine and _worked(job)]
    if not jobs:
        return False, f"no finished restore into another cluster than {mine}"
    return AlsoAttested(f"restored into {jobs[0].into} by {day(jobs[0].finished)}; what was compared is not told"), ""


def newest(project: AtlasProject) -> datetime | None:
    """When the newest completed snapshot was taken; None without one. Raises as `_completed`."""
    return next((at for at, _ in _completed(project.snapshots())), None)


def newest_age(project: AtlasProject) -> Finding:
    """Age of the newest completed snapshot, hours."""
    done = _completed(project.snapshots())
    if not done:
        return Unmeasured("Atlas holds no completed snapshot", "switch cloud backup on, and take a snapshot now"), ""
    at, one = done[0]
    return round(hours_ago(at), 2), f"Atlas' newest completed snapshot, {one.kind}, of {day(at)}"


def _failures(project: AtlasProject) -> Finding:
    bad = [one for one in project.snapshots() if one.status == "failed" and _recent(one.taken)]
    jobs = [job for job in project.restore_jobs() if job.failed and _recent(job.finished)]
    return len(bad) + len(jobs), f"{len(bad)} snapshots and {len(jobs)} restores failed within 7 days"


def _recent(at: datetime | None) -> bool:
    return at is None or hours_ago(at) < WEEK_H


def tables(project: AtlasProject) -> tuple[Table, ...]:
    """The newest snapshots and restore jobs."""
    snapshots = [
        (day(one.taken), one.kind, one.status, day(one.expires), one.size_gb) for one in project.snapshots()[:SHOWN]
    ]
    jobs = [(day(job.finished), job.kind, job.into or "–", _state(job)) for job in project.restore_jobs()[:SHOWN]]
    return (
        rows_table("Atlas' newest snapshots", SNAPSHOT_COLUMNS, snapshots),
        rows_table("Atlas' newest restores", JOB_COLUMNS, jobs),
    )


def _state(job: RestoreJob) -> str:
    states = {"failed": job.failed, "cancelled": job.cancelled, "expired": job.expired, "finished": job.finished}
    return next((name for name, holds in states.items() if holds), "under way")
