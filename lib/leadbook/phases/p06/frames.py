"""Backup facts as tables for people. Pure: records in, DataFrame out; no values of leads."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from leadbook.backup.backup import Backup
from leadbook.backup.damage import Damage
from leadbook.phases.p06.recovery import Recovery

__all__ = ["COLUMNS", "backup_frame", "comparison_frame", "damage_frame", "stage_frame"]

COLUMNS = {
    "collection": "what was backed up",
    "documents": "documents in the backup",
    "BSON MB": "size of the documents before compression, MB",
    "file MB": "size on disk, MB",
    "content hash": "first digits of the sum of each document's SHA-256; the order of documents does not matter",
    "drill": "what was done to a copy of the backup",
    "noticed": "whether the verifier refused it",
    "what was said": "its first complaint",
    "restored": "documents in the restored copy",
    "content": "whether the copy has exactly the backup's content",
    "indexes": "whether all indexes are the same, by key, order and options",
    "options": "whether validator, level and action are the same",
    "original unchanged": "whether the original still has the backup's content; leads that arrived since change it",
    "validate": "what the server's own validation of the copy says",
    "stage": "part of the recovery, in order",
    "seconds": "time taken, s",
}
"""What each column means."""


def backup_frame(backup: Backup | None) -> pd.DataFrame:
    """One row per collection of the backup."""
    rows = []
    if backup is not None:
        for entry in backup.manifest.collections:
            size = sum(int(told["bytes"]) for name, told in backup.manifest.files.items()
                       if name.removeprefix(entry.name) in (".bson.zst", ".metadata.json"))  # fmt: skip
            rows.append((entry.name, entry.documents, round(entry.bson_bytes / 1e6, 2), round(size / 1e6, 2),
                         entry.content[:12]))  # fmt: skip
    return pd.DataFrame(rows, columns=["collection", "documents", "BSON MB", "file MB", "content hash"])


def damage_frame(drills: Iterable[Damage]) -> pd.DataFrame:
    """One row per drill."""
    rows = [(drill.name, drill.noticed, drill.said) for drill in drills]
    return pd.DataFrame(rows, columns=["drill", "noticed", "what was said"])


def comparison_frame(recovery: Recovery) -> pd.DataFrame:
    """One row per restored collection."""
    rows = [
        (one.original, one.documents_backup, one.documents_restored, one.content_equal, one.indexes_equal,
         one.options_equal, one.original_unchanged, one.validate_says)
        for one in recovery.comparisons
    ]  # fmt: skip
    columns = ["collection", "documents", "restored", "content", "indexes", "options", "original unchanged", "validate"]
    return pd.DataFrame(rows, columns=columns)


def stage_frame(recovery: Recovery) -> pd.DataFrame:
    """One row per stage of dump and recovery."""
    rows = [(name, round(seconds, 3)) for name, seconds in recovery.stages.items()]
    return pd.DataFrame(rows, columns=["stage", "seconds"])
