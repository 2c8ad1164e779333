"""What a backup is on disk, and how it is read.

leads-20260101T120000Z-a1b2c3/
  manifest.json                     when, of what, how consistent; size and SHA-256 of each file; a digest of itself
  performance_marketers.bson.zst    the documents as the server sent them, one after another, zstd with checksum
  performance_marketers.metadata.json   options (validator) and indexes, canonical extended JSON
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import bson
import zstandard
from bson import json_util
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument

from leadbook.core.connect import LENIENT
from leadbook.core.errors import InputFileError

FORMAT = "leadbook-backup/1"
TRIAL = "trial"
"""Stands in a manifest in a profile's place where the backup holds made leads of a drill: nobody's to keep."""
PARTIAL = ".partial"
MANIFEST = "manifest.json"
DATA, METADATA = ".bson.zst", ".metadata.json"


class ContentHash:
    """SHA-256 of each document, summed: equal for equal sets of documents in whatever order they come."""

    def __init__(self) -> None:
        self._sum, self.documents = 0, 0

    def add(self, raw: bytes | memoryview) -> None:
        """Count in one document, as BSON."""
        self._sum = (self._sum + int.from_bytes(hashlib.sha256(raw).digest(), "big")) % (1 << 256)
        self.documents += 1

    def __str__(self) -> str:
        return f"{self._sum:064x}"


@dataclass(frozen=True, kw_only=True)
class CollectionEntry:
    """One collection of a backup. bson_bytes: size of its documents before compression.  content: a ContentHash."""

    name: str
    documents: int
    bson_bytes: int
    content: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a backup says of itself.

    taken_at: UTC, ISO 8601; everything acknowledged before it is in the backup.  seconds: time it took.
    profile: whose leads it holds, or TRIAL.  replica_set, hosts, collection_uuid: where the leads were, see
    `origin.Origin`; all or the last two are empty in older backups.
    consistency: `snapshot` (one point in time for all collections) or `none` (each document by itself).
    files: SHA-256 and bytes by file name.  made_by: the process that took it (`owner.me`).  holds no document.
    """

    taken_at: str
    seconds: float
    profile: str
    server_version: str
    database: str
    consistency: str
    collections: tuple[CollectionEntry, ...]
    files: Mapping[str, Mapping[str, Any]]
    made_by: Mapping[str, Any] = field(default_factory=dict)
    replica_set: str = ""
    hosts: tuple[str, ...] = ()
    collection_uuid: str = ""

    @property
    def documents(self) -> int:
        """Documents in all collections."""
        return sum(entry.documents for entry in self.collections)

    def documents_of(self, name: str) -> int:
        """Documents of one collection; 0 where the backup has none of that name."""
        return sum(entry.documents for entry in self.collections if entry.name == name)

    @property
    def size(self) -> int:
        """Bytes on disk of all files named here."""
        return sum(int(entry["bytes"]) for entry in self.files.values())

    def size_of(self, name: str) -> int:
        """Bytes on disk of one collection's files."""
        return sum(int(self.files[f"{name}{ending}"]["bytes"]) for ending in (DATA, METADATA))

    def as_json(self) -> str:
        """The text of `manifest.json`, with a digest of its own content."""
        body: dict[str, Any] = {"format": FORMAT, **asdict(self)}
        return json.dumps({**body, "digest": _digest(body)}, indent=1)


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a whole backup. Raises InputFileError where it is missing, broken or was changed."""
    path = folder / MANIFEST
    if folder.name.endswith(PARTIAL) or not path.is_file():
        raise InputFileError(folder, "not a whole backup: it has no manifest", hint="use a folder of `backups`")
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        digest = body.pop("digest")
        if body.pop("format") != FORMAT:
            raise InputFileError(path, f"its format is not {FORMAT}")
        if _digest({"format": FORMAT, **body}) != digest:
            raise InputFileError(path, "was changed after it was written: its digest differs")
        entries = tuple(CollectionEntry(**entry) for entry in body.pop("collections"))
        return Manifest(collections=entries, hosts=tuple(body.pop("hosts", ())), **body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputFileError(path, f"cannot be read: {type(error).__name__}") from None


def read_metadata(folder: Path, name: str) -> dict[str, Any]:
    """Options and indexes of a collection in a backup. Raises OSError or ValueError."""
    metadata: dict[str, Any] = json_util.loads((folder / f"{name}{METADATA}").read_text(encoding="utf-8"))
    return metadata


def documents_in(path: Path) -> Iterator[RawBSONDocument]:
    """The documents of a data file, one by one. Raises InputFileError where the stream is broken or cut."""
    number, options = 0, LENIENT.with_options(document_class=RawBSONDocument)
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        try:
            for document in bson.decode_file_iter(BufferedReader(stream), options):
                len(document)  # decoded now, not when it is used
                yield document
                number += 1
        except (BSONError, zstandard.ZstdError) as error:
            raise InputFileError(path, f"broken after document {number:,}: {error}") from None
