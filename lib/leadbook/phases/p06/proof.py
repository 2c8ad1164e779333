"""Everything that notebook 06 calls, in one place."""

from leadbook.phases.p06.document import procedures, recovery_sentence, redis_sentence
from leadbook.phases.p06.frames import COLUMNS, backup_frame, comparison_frame, damage_frame, stage_frame
from leadbook.phases.p06.recovery import backup_audit, cache_audit, damage_audit, discard, recovery_audit, sweep_audit

__all__ = [
    "COLUMNS",
    "backup_audit",
    "backup_frame",
    "cache_audit",
    "comparison_frame",
    "damage_audit",
    "damage_frame",
    "discard",
    "procedures",
    "recovery_audit",
    "recovery_sentence",
    "redis_sentence",
    "stage_frame",
    "sweep_audit",
]
