"""A logical backup: what the server holds, as BSON, at one point in time where the server can give one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard
from bson import json_util
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import OperationFailure

from leadbook.backup.archive import (
    DATA,
    MANIFEST,
    METADATA,
    TRIAL,
    CollectionEntry,
    ContentHash,
    Manifest,
)
from leadbook.backup.folder import private_file, writing
from leadbook.backup.origin import Origin
from leadbook.core import files, journal
from leadbook.core.settings import Settings
from leadbook.enrich.limits import SPENDING
from leadbook.lead.suppression import SUPPRESSED
from leadbook.rehearsal.servers import owner

Document = dict[str, Any]
SNAPSHOT_UNAVAILABLE = 246
"""A collection was made or changed so lately that no snapshot holds it yet: asking again helps."""
SNAPSHOT_TOO_OLD = 239
"""The dump took longer than the server keeps snapshots (5 minutes by default)."""
BATCH, STEP = 1_000, 500
"""Documents asked for at once, and between two calls of `on_batch`, which is told of the first one too."""
LEVEL = 3
"""zstd's own default: about a fifth of the size at several hundred MB/s."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A whole backup on disk.

    originals: what the live database holds, by collection, read a second time and by another way than for the dump: at
    the dump's own point in time, of a standalone server when the dump had ended. Empty where it could not be read at
    that point any more.  moved: collections of a standalone server that were written to during the dump.
    """

    path: Path
    manifest: Manifest
    originals: Mapping[str, ContentHash] = field(default_factory=dict)
    moved: frozenset[str] = frozenset()


def collections_of(settings: Settings) -> list[str]:
    """What is backed up, in the order in which it is restored.

    The list of erasure requests comes first, so that no lead is ever back without it. Then leads, staging (whose
    outcomes prove that nothing was lost), rejected records, what enrichment has spent (its cap must hold after a
    recovery too), and the sprint's journal. Left out: marks that let a rehearsal empty a database, which must never
    come back into another one, and scratch collections.
    """
    return [
        SUPPRESSED, settings.collection, settings.staging_collection, settings.rejected_collection, SPENDING,
        journal.COLLECTION,
    ]  # fmt: skip


def back_up(
    database: Database[Document], names: Iterable[str], folder: Path, settings: Settings, *,
    on_batch: Callable[[int], None] | None = None, trial: bool = False,
) -> Backup:  # fmt: skip
    """Dump the collections `names` (those that exist) of `database` into a new backup below `folder`. Read-only there.

    On a replica set all collections are read at one point in time (snapshot reads), and a second time at that same
    point for `originals`; a standalone server cannot do that, and the manifest says so. `on_batch` gets the number of
    documents of a collection written so far; an exception in it, or any other, leaves no backup and no partial folder.
    trial: they hold made leads. Raises pymongo's errors and OSError.
    """
    profile = TRIAL if trial else settings.profile
    origin = Origin.read(database[settings.collection])
    for pause_s in (0.2, 0.4, 0.6, 0.8):
        try:
            return _back_up(database, list(names), folder, profile, origin, on_batch)
        except OperationFailure as error:
            if error.code != SNAPSHOT_UNAVAILABLE:
                raise
        time.sleep(pause_s)
    return _back_up(database, list(names), folder, profile, origin, on_batch)


def _back_up(
    database: Database[Document], names: list[str], folder: Path, profile: str, origin: Origin,
    on_batch: Callable[[int], None] | None,
) -> Backup:  # fmt: skip
    began, taken_at, snapshot = time.perf_counter(), datetime.now(UTC), bool(origin.replica_set)
    existing = set(database.list_collection_names())
    wanted = [name for name in names if name in existing]
    session = database.client.start_session(snapshot=True) if snapshot else nullcontext()
    with writing(folder) as (partial, final), session as reading:
        before = {} if snapshot else {name: content_of(database, name) for name in wanted}
        entries = tuple(_dump(database, name, partial, reading, on_batch) for name in wanted)
        seconds = round(time.perf_counter() - began, 3)
        originals = _originals(database, wanted, reading)
        manifest = Manifest(
            taken_at=taken_at.isoformat(timespec="seconds"), seconds=seconds, profile=profile,
            server_version=database.client.server_info()["version"], database=database.name,
            consistency="snapshot" if snapshot else "none", collections=entries,
            files={path.name: described(path) for path in partial.iterdir()}, made_by=owner.me(),
            replica_set=origin.replica_set, hosts=origin.hosts, collection_uuid=origin.collection_uuid,
        )  # fmt: skip
        with private_file(partial / MANIFEST) as file:
            file.write(manifest.as_json().encode())
    moved = frozenset(name for name, content in before.items() if str(content) != str(originals[name]))
    return Backup(path=final, manifest=manifest, originals=originals, moved=moved)


def _originals(
    database: Database[Document], names: Iterable[str], session: ClientSession | None
) -> dict[str, ContentHash]:
    """The live collections, read again; nothing where the server no longer keeps the session's point in time."""
    try:
        return {name: content_of(database, name, session=session) for name in names}
    except OperationFailure as error:
        if error.code != SNAPSHOT_TOO_OLD:
            raise
        return {}


def content_of(database: Database[Document], name: str, *, session: ClientSession | None = None) -> ContentHash:
    """Count and content hash of a collection, by reading all of it in the order of `_id`. Read-only.

    session: a snapshot session, to read at its point in time.
    """
    codec = database.codec_options.with_options(document_class=RawBSONDocument)
    content = ContentHash()
    collection: Any = database.get_collection(name, codec_options=codec)
    with collection.find({}, sort=[("_id", 1)], allow_disk_use=True, session=session, batch_size=BATCH) as cursor:
        for document in cursor:
            content.add(document.raw)
    return content


def _dump(
    database: Database[Document], name: str, folder: Path, session: ClientSession | None,
    on_batch: Callable[[int], None] | None,
) -> CollectionEntry:  # fmt: skip
    content, size = ContentHash(), 0
    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
    with private_file(folder / f"{name}{DATA}") as file, compressor.stream_writer(file, closefd=False) as stream:
        for document in _documents(database, name, session):
            stream.write(document.raw)
            content.add(document.raw)
            size += len(document.raw)
            if on_batch and (content.documents == 1 or content.documents % STEP == 0):
                on_batch(content.documents)
    with private_file(folder / f"{name}{METADATA}") as file:
        options = json_util.CANONICAL_JSON_OPTIONS
        file.write(json_util.dumps(collection_metadata(database, name), json_options=options, indent=1).encode())
    return CollectionEntry(name=name, documents=content.documents, bson_bytes=size, content=str(content))


def _documents(database: Database[Document], name: str, session: ClientSession | None) -> Iterator[Any]:
    """What is dumped: every document as the server sends it, in the order of storage."""
    codec = database.codec_options.with_options(document_class=RawBSONDocument)
    collection: Any = database.get_collection(name, codec_options=codec)
    with collection.find({}, session=session, batch_size=BATCH) as cursor:
        yield from cursor


def collection_metadata(database: Database[Document], name: str) -> Document:
    """Options (validator and its level) and indexes of a collection, as the server tells them. Read-only."""
    found = next(iter(database.list_collections(filter={"name": name})), {})
    return {"options": found.get("options", {}), "indexes": [dict(index) for index in database[name].list_indexes()]}


def described(path: Path) -> dict[str, Any]:
    """What the manifest says of a file: its SHA-256 and its bytes."""
    return {"sha256": files.digest(path), "bytes": path.stat().st_size}
