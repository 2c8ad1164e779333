"""Restore beside the original: into new scratch collections of the same database, never over anything.

A copy's own name tells which process makes it (see `schema.scratch`), so that the copies of a killed drill are dropped
by the next phase, and nothing else is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import BulkWriteError, OperationFailure

from leadbook.backup.archive import DATA, documents_in, read_manifest, read_metadata
from leadbook.backup.verify import verify
from leadbook.core import connect
from leadbook.core.errors import InputFileError, RefusedError
from leadbook.schema.scratch import SCRATCH_PREFIX, drop_scratch, is_left, is_scratch, scratch_name

Document = dict[str, Any]
BATCH = 1_000
KIND = "restored_"
COPIES = f"{SCRATCH_PREFIX}{KIND}"
UNAUTHORIZED = 13


@dataclass(frozen=True, kw_only=True)
class Restored:
    """One collection restored. Times in seconds: load (insert, acknowledged by a majority) and indexes (built after).

    refused: documents that the server did not take.  bypassed: whether validation was bypassed, as for a faithful copy.
    """

    original: str
    name: str
    documents: int
    refused: int
    load_seconds: float
    index_seconds: float
    bypassed: bool


def restore(backup: Path, database: Database[Document], *, names: dict[str, str] | None = None) -> list[Restored]:
    """Restore every collection of `backup` into `database` under a new scratch name (or `names`: original -> new).

    Verifies the backup first. What was restored so far is dropped when anything fails. Raises InputFileError for an
    unsound backup, and RefusedError for a target that exists or is not a copy's name: nothing is ever overwritten.
    """
    found = verify(backup)
    if not found.sound:
        raise InputFileError(backup, f"unsound, so nothing is restored: {found.problems[0]}")
    manifest = read_manifest(backup)
    existing = set(database.list_collection_names())
    targets = {entry.name: (names or {}).get(entry.name) or scratch_name(f"{KIND}{entry.name}")
               for entry in manifest.collections}  # fmt: skip
    for target in targets.values():
        _refuse(target, existing)
    done: list[Restored] = []
    made: list[str] = []
    try:
        for original, target in targets.items():
            done.append(_restore(backup, original, database, target, made))
    except BaseException:
        drop_restored(database, made)
        raise
    return done


def _refuse(target: str, existing: set[str]) -> None:
    if target in existing:
        raise RefusedError(f"refuses to restore over the existing collection {target}: choose another name")
    if not _is_copy(target):
        raise RefusedError(f"refuses to restore into {target}: names must begin with {COPIES}")


def _restore(
    backup: Path, original: str, database: Database[Document], target: str, made: list[str]
) -> Restored:  # fmt: skip
    """Restore one collection; `made` gets the target's name as soon as it is this restore's own."""
    metadata = read_metadata(backup, original)
    began = time.perf_counter()
    database.command({"create": target, **metadata["options"]})
    made.append(target)
    collection = database[target].with_options(write_concern=WriteConcern(w="majority"))
    taken, refused, bypassed = _load(collection, documents_in(backup / f"{original}{DATA}"))
    loaded = time.perf_counter()
    indexes = [{key: value for key, value in index.items() if key not in ("v", "ns")}
               for index in metadata["indexes"] if index["name"] != "_id_"]  # fmt: skip
    if indexes:
        database.command({"createIndexes": target, "indexes": indexes, **connect.commit_quorum(database)})
    return Restored(
        original=original, name=target, documents=taken, refused=refused, load_seconds=loaded - began,
        index_seconds=time.perf_counter() - loaded, bypassed=bypassed,
    )  # fmt: skip


def _load(collection: Collection[Document], documents: Iterator[RawBSONDocument]) -> tuple[int, int, bool]:
    """Documents taken and refused, and whether validation was bypassed (needs restore or dbAdmin rights)."""
    taken = refused = 0
    bypass = True
    while batch := list(islice(documents, BATCH)):
        try:
            try:
                _insert(collection, batch, bypass)
            except OperationFailure as error:
                if error.code != UNAUTHORIZED or not bypass:
                    raise
                bypass = False
                _insert(collection, batch, bypass)
            taken += len(batch)
        except BulkWriteError as error:
            failed = len(error.details["writeErrors"])
            refused += failed
            taken += len(batch) - failed
    return taken, refused, bypass


def _insert(collection: Any, batch: list[RawBSONDocument], bypass: bool) -> None:
    collection.insert_many(batch, ordered=False, **({"bypass_document_validation": True} if bypass else {}))


def _is_copy(name: str) -> bool:
    return name.startswith(COPIES) and is_scratch(name)


def drop_restored(database: Database[Document], names: Iterable[str]) -> None:
    """Drop restored copies. Raises RefusedError for a name that is not a copy's."""
    for name in names:
        if not _is_copy(name):
            raise RefusedError(f"{name} is no copy that a drill of leadbook's made: it is not dropped")
        drop_scratch(database[name])


def unexplained(database: Database[Document]) -> list[str]:
    """Collections that are named as copies are and that no drill at work makes: left over, or nobody's."""
    names = database.list_collection_names(filter={"name": {"$regex": f"^{COPIES}"}})
    return sorted(name for name in names if not is_scratch(name) or is_left(name))
