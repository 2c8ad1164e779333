"""What a backup is on disk: a private folder that appears under its final name only when it is whole.

    leads-20260101T120000Z-a1b2c3/
      manifest.json                     when, of what, how consistent; size and SHA-256 of each file; a digest of itself
      performance_marketers.bson.zst    the documents as the server sent them, one after another, zstd with checksum
      performance_marketers.metadata.json   options (validator) and indexes, canonical extended JSON

While it is written its name ends in `.partial` and it holds a mark (see `marks`); whatever ends so is not a backup.
The folder of backups may be anybody's: leadbook changes nothing of it, since each backup's own folder is private.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

import zstandard
from bson import json_util

from leadbook.backup.marks import MARK_FILE, is_mark, mark, read_mark
from leadbook.core.errors import InputFileError, RefusedError
from leadbook.core.settings import PROJECT, Settings
from leadbook.rehearsal.servers import owner

__all__ = [
    "FORMAT", "CollectionEntry", "ContentHash", "Manifest", "backups", "backups_folder", "documents_in", "file_sha256",
    "private_file", "read_manifest", "read_metadata", "remove", "sweep_folder", "writing",
]  # fmt: skip

FORMAT = "leadbook-backup/1"
PARTIAL = ".partial"
MANIFEST = "manifest.json"
DATA, METADATA = ".bson.zst", ".metadata.json"
_BLOCK = 1 << 20


class ContentHash:
    """SHA-256 of each document, summed: equal for equal sets of documents in whatever order they come."""

    def __init__(self) -> None:
        self._sum, self.documents = 0, 0

    def add(self, raw: bytes) -> None:
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
    consistency: `snapshot` (one point in time for all collections) or `none` (each document by itself).
    files: SHA-256 and bytes by file name.  made_by: the process that took it (see `marks`).  holds no document.
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
        return Manifest(collections=entries, **body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputFileError(path, f"cannot be read: {type(error).__name__}") from None


def read_metadata(folder: Path, name: str) -> dict[str, Any]:
    """Options and indexes of a collection in a backup. Raises OSError or ValueError."""
    metadata: dict[str, Any] = json_util.loads((folder / f"{name}{METADATA}").read_text(encoding="utf-8"))
    return metadata


def backups_folder(settings: Settings) -> Path:
    """Where backups are kept. Made with mode 0700 where it is missing; one that is there stays as it is.

    Raises RefusedError for a folder in which anybody may put another backup in a backup's place.
    """
    named = Path(settings.backup_dir or ".leadbook/backups").expanduser()
    folder = named if named.is_absolute() else PROJECT / named
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise RefusedError(
            f"{folder}: anybody may write there, so that a backup could be exchanged; name another backup_dir, or take "
            "that right away with chmod o-w"
        )
    return folder


def backups(folder: Path) -> list[Path]:
    """Whole backups in `folder`, oldest first; partial ones are left out. Does not verify them."""
    return sorted(path for path in folder.iterdir() if not path.name.endswith(PARTIAL) and (path / MANIFEST).is_file())


def remove(backup: Path) -> None:
    """Delete one backup, whole or partial. Raises InputFileError for a folder that is none of leadbook's."""
    if not (_is_whole(backup) or _is_partial(backup)):
        raise InputFileError(backup, "is not a backup of leadbook's: it is not deleted")
    shutil.rmtree(backup)


_NAME = re.compile(r"leads-\d{8}T\d{6}Z-[0-9a-f]{6}")


def _is_whole(folder: Path) -> bool:
    """Whether the folder is named as a backup and its manifest is one's, sound or damaged."""
    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(_NAME.match(folder.name)) and isinstance(told, dict) and told.get("format") == FORMAT


def _is_partial(folder: Path) -> bool:
    """Whether the folder is one that a dump or drill of leadbook's writes into: by its name and its mark.

    It is empty for a moment before it has its mark, and has a manifest instead for a moment before its last name.
    """
    if not (_NAME.match(folder.name) and folder.name.endswith(PARTIAL) and folder.is_dir()):
        return False
    return read_mark(folder) is not None or _is_whole(folder) or not any(folder.iterdir())


def sweep_folder(folder: Path, settings: Settings) -> list[str]:
    """Remove what killed runs left: partial folders, and whole backups of this profile where it is a rehearsal's.

    A production's whole backup is kept, whoever ended its run. Returns what was removed, by kind and name.
    """
    removed = []
    for path in sorted(folder.iterdir()):
        if path.name.endswith(PARTIAL):
            if _is_partial(path) and _given_up(path, read_mark(path)):
                remove(path)
                removed.append(f"partial folder {path.name}")
        elif settings.is_rehearsal and path in backups(folder) and _thrown_away(path, settings):
            remove(path)
            removed.append(f"rehearsal's backup {path.name}")
    return removed


def _given_up(path: Path, found: Mapping[str, Any] | None) -> bool:
    """Whether nobody works on the folder: its mark's process is gone, or without a mark an hour has passed."""
    if found is not None:
        return owner.is_gone(found)
    return datetime.now(UTC).timestamp() - path.stat().st_mtime > 3_600


def _thrown_away(backup: Path, settings: Settings) -> bool:
    try:
        manifest = read_manifest(backup)
    except (InputFileError, OSError):
        return False
    made_by = manifest.made_by if is_mark(manifest.made_by) else None
    return manifest.profile == settings.profile and _given_up(backup, made_by)


@contextmanager
def writing(folder: Path, what: str, target: str) -> Iterator[Path]:
    """A private folder to write a backup into, with its final name when the block ends well; else it vanishes.

    Yields the partial folder; its final path is the same without the `.partial` suffix.
    """
    with aside(folder, what, target) as partial:
        yield partial
        (partial / MARK_FILE).unlink()
        _sync_folder(partial)
        partial.rename(final_path(partial))
        _sync_folder(folder)


@contextmanager
def aside(folder: Path, what: str, target: str) -> Iterator[Path]:
    """A private, marked, partial folder that vanishes when the block ends, unless it was renamed.

    what: the kind of copy made in it.  target: of what.  Raises RefusedError where the file system lets others read
    what is private.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    partial = folder / f"leads-{stamp}-{token_hex(3)}{PARTIAL}"
    partial.mkdir(mode=0o700)
    try:
        if stat.S_IMODE(partial.stat().st_mode) & 0o077:
            raise RefusedError(f"{folder}: this file system lets others read what is written; name another backup_dir")
        with private_file(partial / MARK_FILE) as file:
            file.write(json.dumps(mark(what, target)).encode())
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def final_path(partial: Path) -> Path:
    """The name that a partial folder gets."""
    return partial.with_name(partial.name.removesuffix(PARTIAL))


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def private_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that its owner alone may read, on disk when the block ends. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def documents_in(path: Path) -> Iterator[bytes]:
    """The documents of a data file as BSON, one by one. Raises InputFileError where the stream is broken or cut."""
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True) as stream:
        number = 0
        try:
            while head := _exactly(stream, 4, at_end=True):
                size = int.from_bytes(head, "little")
                if not 5 <= size <= 17 * _BLOCK:
                    raise InputFileError(path, f"document {number + 1:,} claims a size of {size:,} bytes")
                yield head + _exactly(stream, size - 4)
                number += 1
        except (EOFError, zstandard.ZstdError) as error:
            raise InputFileError(path, f"broken after document {number:,}: {error}") from None


def _exactly(stream: Any, size: int, *, at_end: bool = False) -> bytes:
    parts, missing = [], size
    while missing:
        part = stream.read(missing)
        if not part:
            if at_end and missing == size:
                return b""
            raise EOFError("the stream ends in the middle of a document")
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)
