"""The backup and recovery procedures, with what was measured."""

from __future__ import annotations

from collections.abc import Iterable

from leadbook.backup.backup import Backup
from leadbook.backup.cache import CacheFacts
from leadbook.backup.damage import Damage
from leadbook.backup.drill import SPRINT, Recovery
from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.page.prose import number
from leadbook.phases.p06.tables import comparison_table, content_table, damage_table, stage_table
from leadbook.phases.section import Document
from leadbook.phases.templates import render

__all__ = ["procedures", "recovery_sentence", "redis_sentence", "unmeasured_parts"]


def recovery_sentence(recovery: Recovery) -> str:
    """What was measured, and the estimate for a sprint's leads."""
    if recovery.seconds is None:
        return "Nothing was restored, so no recovery time is known."
    kind = "in proportion" if recovery.documents >= SPRINT else "extrapolated from fewer documents"
    return (
        f"**{recovery.documents:,} documents were back in {recovery.seconds:.1f} s** (verify, load, build indexes); "
        f"{number(recovery.estimate, 's', 1)} for {SPRINT:,} {kind}. That is the recovery of the data on this server, "
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
) -> Document:  # fmt: skip
    """The document "Backup and recovery procedures" (step 3.2.1.9)."""
    text = render(
        __package__, "procedures", settings=settings, backup=backup, content=content_table(backup).frame,
        redis=redis_sentence(cache), time=recovery_sentence(recovery), stages=stage_table(recovery).frame,
        comparisons=comparison_table(recovery).frame, damage=damage_table(drills).frame,
        checks=[(f"{check.id} {check.title}", check.verdict, check.evidence) for check in checks],
    )  # fmt: skip
    audience = ("Technical Lead", "Project Manager")
    return Document("backup-and-recovery", "Backup and recovery procedures", text, audience)


def unmeasured_parts(
    backup: Backup | None, drills: Iterable[Damage], recovery: Recovery, cache: CacheFacts | None
) -> list[str]:
    """Parts of the procedures that no measurement of this run stands behind."""
    parts = {
        "content of the backup": backup is not None and backup.manifest.documents > 0,
        "damage drills": bool(list(drills)),
        "restored copies": bool(recovery.comparisons),
        "recovery time": recovery.estimate is not None,
        "Redis": cache is not None,
    }
    return [part for part, measured in parts.items() if not measured]
