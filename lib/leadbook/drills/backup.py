"""A logical backup: what the server holds, as BSON, at one point in time where the server can give one."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard
from bson import json_util
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure

from leadbook.drills.archive import (
    DATA,
    MANIFEST,
    METADATA,
    CollectionEntry,
    ContentHash,
    Manifest,
    final_path,
    private_file,
    writing,
)
from leadbook.settings import Settings

__all__ = ["Backup", "back_up", "collection_metadata"]

Document = dict[str, Any]
SNAPSHOT_UNAVAILABLE = 246
"""A collection was made or changed so lately that no snapshot holds it yet: asking again helps."""
BATCH, STEP = 1_000, 500
"""Documents asked for at once, and between two calls of `on_batch`."""
LEVEL = 3
"""zstd's own default: about a fifth of the size at several hundred MB/s."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A whole backup on disk."""

    path: Path
    manifest: Manifest


def back_up(
    database: Database[Document],
    names: Iterable[str],
    folder: Path,
    settings: Settings,
    *,
    on_batch: Callable[[int], None] | None = None,
) -> Backup:
    """Dump the collections `names` (those that exist) of `database` into a new backup below `folder`. Read-only there.

    On a replica set all collections are read at one point in time (snapshot reads); a standalone server cannot do
    that, and the manifest says so. `on_batch` gets the number of documents written so far; an exception in it, or any
    other, leaves no backup and no partial folder. Raises pymongo's errors and OSError.
    """
    snapshot = "setName" in database.client.admin.command("hello")
    for attempt in range(5):
        try:
            return _back_up(database, list(names), folder, settings, snapshot, on_batch)
        except OperationFailure as error:
            if error.code != SNAPSHOT_UNAVAILABLE or attempt == 4:
                raise
            time.sleep(0.2 * (attempt + 1))
    raise AssertionError("unreachable")


def _back_up(
    database: Database[Document], names: list[str], folder: Path, settings: Settings, snapshot: bool,
    on_batch: Callable[[int], None] | None,
) -> Backup:  # fmt: skip
    began, taken_at = time.perf_counter(), datetime.now(UTC)
    existing = set(database.list_collection_names())
    session = database.client.start_session(snapshot=True) if snapshot else nullcontext()
    entries: list[CollectionEntry] = []
    files: dict[str, dict[str, Any]] = {}
    seen = 0
    with writing(folder) as partial, session as reading:
        for name in [name for name in names if name in existing]:
            entry, written = _dump(database, name, partial, reading, seen, on_batch)
            entries.append(entry)
            files |= written
            seen += entry.documents
        manifest = Manifest(
            taken_at=taken_at.isoformat(timespec="seconds"), seconds=round(time.perf_counter() - began, 3),
            profile=settings.profile, server_version=database.client.server_info()["version"], database=database.name,
            consistency="snapshot" if snapshot else "none", collections=tuple(entries), files=files,
        )  # fmt: skip
        with private_file(partial / MANIFEST) as file:
            file.write(manifest.as_json().encode())
    return Backup(path=final_path(partial), manifest=manifest)


def _dump(
    database: Database[Document], name: str, folder: Path, session: ClientSession | None, seen: int,
    on_batch: Callable[[int], None] | None,
) -> tuple[CollectionEntry, dict[str, dict[str, Any]]]:  # fmt: skip
    content, size = ContentHash(), 0
    codec = database.codec_options.with_options(document_class=RawBSONDocument)
    cursor: Any = database.get_collection(name, codec_options=codec).find({}, session=session, batch_size=BATCH)
    data, metadata = folder / f"{name}{DATA}", folder / f"{name}{METADATA}"
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with private_file(data) as file, compressor.stream_writer(file, closefd=False) as stream, cursor:
        for document in cursor:
            stream.write(document.raw)
            content.add(document.raw)
            size += len(document.raw)
            if on_batch and content.documents % STEP == 0:
                on_batch(seen + content.documents)
    with private_file(metadata) as file:
        options = json_util.CANONICAL_JSON_OPTIONS
        file.write(json_util.dumps(collection_metadata(database, name), json_options=options, indent=1).encode())
    entry = CollectionEntry(name=name, documents=content.documents, bson_bytes=size, content=str(content))
    return entry, {path.name: _described(path) for path in (data, metadata)}


def collection_metadata(database: Database[Document], name: str) -> Document:
    """Options (validator and its level) and indexes of a collection, as the server tells them. Read-only."""
    found = next(iter(database.list_collections(filter={"name": name})), {})
    return {"options": found.get("options", {}), "indexes": [dict(index) for index in database[name].list_indexes()]}


def _described(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"sha256": hashlib.file_digest(file, "sha256").hexdigest(), "bytes": path.stat().st_size}
