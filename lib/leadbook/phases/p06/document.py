"""The backup and recovery procedures, with what was measured."""

from __future__ import annotations

from collections.abc import Iterable

from leadbook.backup.backup import Backup
from leadbook.backup.cache import CacheFacts
from leadbook.backup.damage import Damage
from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.page.prose import frame_table, number, pipe_table
from leadbook.phases.p06.frames import backup_frame, comparison_frame, damage_frame, stage_frame
from leadbook.phases.p06.recovery import Recovery

__all__ = ["procedures", "recovery_sentence", "redis_sentence"]

_RECOVERY_STEPS = """\
1. Stop the writers (n8n workflows, `leadbook ingest`), so that nothing is written meanwhile.
2. Choose the newest backup from before the damage and verify it; an unsound one is refused.
3. Restore it **beside** the original, into collections of other names. Nothing is ever restored over a collection.
4. Compare: count, content hash, indexes, validator, and the server's `validate` on the copy.
5. **Erase again.** The backup may be older than somebody's request. Keep the live `erasure_requests`: an older list
   must never take its place. Add to it what the backup's list has beyond it, then delete from the copy whoever is on
   it. By hand, before anything is renamed, with `copies` from `leadbook.backup.restore.restore`:
   `leadbook.backup.erased.erase_again(leads_copy, staged_copy, rejected_copy, [live_list, copied_list])`.
6. Rename the damaged collection away and the copy into its place (`renameCollection`); drop nothing yet.
7. **Delete the duplicate keys in Redis** (`lead:linkedin:*`, `lead:email:*`). A restore takes leads out of MongoDB that
   Redis still calls known; a writer that believed it would lose them. (This pipeline's keys name the collection's UUID:
   a copy renamed into place has another one, but an Atlas snapshot brings the old one back.)
8. Ingest the vendor files since the backup again. Files are idempotent: known leads are skipped, lost ones return.
9. Start the writers and run notebooks 02 and 07.
"""


def recovery_sentence(recovery: Recovery) -> str:
    """What was measured, and the estimate for a sprint's leads."""
    if recovery.seconds is None:
        return "Nothing was restored, so no recovery time is known."
    kind = "in proportion" if recovery.documents >= 20_000 else "extrapolated from fewer documents"
    return (
        f"**{recovery.documents:,} documents were back in {recovery.seconds:.1f} s** (verify, load, build indexes); "
        f"{number(recovery.estimate, 's', 1)} for 20,000 {kind}. That is the recovery of the data on this server, "
        "without the time that people need to decide."
    )


def redis_sentence(facts: CacheFacts | None) -> str:
    """What of Redis must be backed up."""
    if facts is None:
        return "Redis was not looked at."
    if facts.other:
        return (
            f"{facts.other:,} of {facts.looked_at:,} keys are no duplicate keys: MongoDB cannot rebuild them. Find out "
            "whose they are and whether they need a backup."
        )
    return (
        "**Nothing in Redis needs a backup:** every key looked at is a duplicate key, which MongoDB can give back. "
        "After a loss the pipeline runs on slower, asks MongoDB, and writes the keys anew."
    )


def procedures(
    settings: Settings, backup: Backup | None, drills: Iterable[Damage], recovery: Recovery, cache: CacheFacts | None,
    checks: Iterable[Check],
) -> str:  # fmt: skip
    """Markdown of the document "Backup and recovery procedures" (step 3.2.1.9)."""
    consistency = backup.manifest.consistency if backup else "not measured"
    rows = [(f"{check.id} {check.title}", check.verdict, check.evidence) for check in checks]
    return f"""\
# Backup and recovery procedures

## 1. Backup procedures

**Schedule.** Atlas takes continuous backups or snapshots by itself; they are kept {settings.target_backup_days} days
or longer. Before each sprint, and before every change of schema, this runbook's own logical backup is taken too. What
can be lost (recovery point) is what was written since the last backup: with hourly snapshots up to one hour of leads
(about {settings.target_leads_per_hour:,.0f} at the planned rate), with Atlas continuous backup up to a minute. Leads
whose vendor files are kept can be ingested again, so that nothing is lost for good.

**Location.** Atlas keeps its backups itself. Logical backups lie in `{settings.backup_dir or ".leadbook/backups"}` of
the machine that runs this notebook, each in a folder that its owner alone may read, since they hold personal data. They
are never part of a report. Delete them when the sprint's retention ends.

**Content.** Erasure requests, leads, staging, rejected records and what enrichment has spent. Left out: the marks by
which a rehearsal may empty its database, since they must never come back into another one, and scratch collections.

**Verification.** The originals are read a second time, at the dump's own point in time, and held against the dump by
count and content hash. Every file has its SHA-256 and every collection its count and content hash in the manifest; the
manifest has a digest of itself. A backup appears under its final name only when it is whole. Consistency of this one:
{consistency} (`snapshot`: all collections at one point in time).

{frame_table(backup_frame(backup))}

**Redis.** {redis_sentence(cache)}

## 2. Recovery procedures

{_RECOVERY_STEPS}
**Recovery time.** {recovery_sentence(recovery)}

{frame_table(stage_frame(recovery))}

**Drills.** A drill marks its copies before it makes them (`leadbook_scratch_drill_mark_*`, `mark.json`). When it is
killed, the next run of notebook 06 removes what carries its mark, and nothing else.

**Validation.** A recovery is done when count, content hash, indexes and validator agree with the manifest, `validate`
finds nothing, and notebook 02 passes.

## 3. Backup and recovery testing

{frame_table(comparison_frame(recovery))}

Damage done on purpose to copies of the backup:

{frame_table(damage_frame(drills))}

{pipe_table(["check", "verdict", "evidence"], rows)}
"""
