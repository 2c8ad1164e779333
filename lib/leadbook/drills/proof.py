"""Everything that notebook 06 calls, in one place."""

from leadbook.drills.frames import COLUMNS, backup_frame, comparison_frame, damage_frame, stage_frame
from leadbook.drills.recovery import backup_audit, cache_audit, damage_audit, discard, recovery_audit, sweep_audit
from leadbook.drills.written import procedures, recovery_sentence, redis_sentence

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
