"""Is the restored copy the same? Count, content, indexes and options, each read anew; and the server's validate."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

from leadbook.backup.archive import CollectionEntry, read_metadata
from leadbook.backup.backup import Backup, collection_metadata, content_of
from leadbook.backup.restore import Restored
from leadbook.schema import whole

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class RestoreComparison:
    """One collection: the backup's manifest against the restored copy, and against the original as it is now.

    valid: the server's `validate` of the copy, None when not measured (`validate_says` tells why).
    original_unchanged: whether the original still has the backup's content; it has not where leads arrived since.
    """

    original: str
    documents_backup: int
    documents_restored: int
    content_equal: bool
    indexes_equal: bool
    options_equal: bool
    original_unchanged: bool
    valid: bool | None
    validate_says: str
    seconds: float

    @property
    def equal(self) -> bool:
        """Whether the copy has the backup's content, indexes and options."""
        return self.content_equal and self.indexes_equal and self.options_equal


def validated(database: Database[Document], name: str) -> tuple[bool | None, str]:
    """The server's `validate` (full) of a collection: it locks the collection, so run it on copies only.

    None where the account may not validate (that needs dbAdmin), and where parts were left out.
    """
    try:
        answer = whole.validate(database[name], "full")
    except OperationFailure as error:
        return None, f"validate refused: error {error.code}; needs dbAdmin"
    lines = [str(line) for line in [*answer.get("errors", []), *answer.get("warnings", [])]]
    if broken := answer.get("nNonCompliantDocuments"):
        lines.append(f"{broken} documents break the validator, as in the original")
    if answer["valid"] and (skipped := whole.passed_over(answer)):
        return None, f"validate left out {skipped} parts, whose files had unwritten changes; run it again in a minute"
    return bool(answer["valid"]), "; ".join(lines) or "valid, no warning"


def compare(backup: Path, entry: CollectionEntry, restored: str, database: Database[Document]) -> RestoreComparison:
    """Compare a restored copy with its `entry` in the backup and with the original in the same database. Read-only."""
    began = time.perf_counter()
    copy, original = content_of(database, restored), content_of(database, entry.name)
    mine, theirs = read_metadata(backup, entry.name), collection_metadata(database, restored)
    valid, says = validated(database, restored)
    return RestoreComparison(
        original=entry.name, documents_backup=entry.documents, documents_restored=copy.documents,
        content_equal=str(copy) == entry.content, indexes_equal=_by_name(mine) == _by_name(theirs),
        options_equal=mine["options"] == theirs["options"], original_unchanged=str(original) == entry.content,
        valid=valid, validate_says=says, seconds=time.perf_counter() - began,
    )  # fmt: skip


def compare_all(
    backup: Backup, restored: Iterable[Restored], database: Database[Document]
) -> tuple[RestoreComparison, ...]:
    """Compare each copy that `restore` made of a backup (see `compare`)."""
    pairs = zip(backup.manifest.collections, restored, strict=True)
    return tuple(compare(backup.path, entry, one.name, database) for entry, one in pairs)


def _by_name(metadata: Document) -> dict[str, Document]:
    """Indexes by name; key order counts, the order of indexes does not."""
    return {index["name"]: {**index, "key": list(index["key"].items())} for index in metadata["indexes"]}
