"""Phase 06's tables. Pure: records in, tables out; no values of leads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from leadbook.backup.backup import Backup
from leadbook.backup.damage import Damage
from leadbook.backup.drill import Recovery
from leadbook.phases.section import Table

__all__ = ["comparison_table", "content_table", "damage_table", "stage_table"]


def _table(title: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> Table:
    return Table(pd.DataFrame(list(rows), columns=list(columns)), title, columns)


def content_table(backup: Backup | None) -> Table:
    """A row a collection of the backup."""
    columns = {
        "collection": "what was backed up",
        "documents": "documents in the backup",
        "BSON MB": "size of the documents before compression, MB",
        "file MB": "size on disk, MB",
        "content hash": "first digits of the sum of each document's SHA-256; the order of documents does not matter",
    }
    rows = [] if backup is None else [
        (entry.name, entry.documents, round(entry.bson_bytes / 1e6, 2),
         round(backup.manifest.size_of(entry.name) / 1e6, 2), entry.content[:12])
        for entry in backup.manifest.collections
    ]  # fmt: skip
    return _table("What the backup holds", columns, rows)


def damage_table(drills: Iterable[Damage]) -> Table:
    """A row a drill."""
    columns = {
        "drill": "what was done to a copy of the backup",
        "noticed": "whether the verifier refused it",
        "what was said": "its first complaint",
    }
    return _table("Damage drills", columns, [(drill.name, drill.noticed, drill.said) for drill in drills])


def comparison_table(recovery: Recovery) -> Table:
    """A row a restored collection."""
    columns = {
        "collection": "what was restored",
        "documents": "documents in the backup",
        "restored": "documents in the restored copy",
        "content": "whether the copy has exactly the backup's content",
        "indexes": "whether all indexes are the same, by key, order and options",
        "options": "whether validator, level and action are the same",
        "original unchanged": "whether the original still has the backup's content; leads that arrived since change it",
        "validate": "what the server's own validation of the copy says",
    }
    rows = [
        (one.original, one.documents_backup, one.documents_restored, one.content_equal, one.indexes_equal,
         one.options_equal, one.original_unchanged, one.validate_says)
        for one in recovery.comparisons
    ]  # fmt: skip
    return _table("Restored copies beside the backup", columns, rows)


def stage_table(recovery: Recovery) -> Table:
    """A row a stage of dump and recovery."""
    columns = {"stage": "part of the recovery, in order", "seconds": "time taken, s"}
    rows = [(name, round(seconds, 3)) for name, seconds in recovery.stages.items()]
    return _table("Dump and recovery, stage by stage", columns, rows)
