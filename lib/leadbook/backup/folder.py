"""The folder of backups: each lies in a private folder of its own, under its name only when it is whole.

While it is written its name is a scratch name that ends in `.partial` (see `schema.scratch`): it tells which process
writes it, so that what a killed run left is removed by the next one, and nothing else is. The folder of backups may be
anybody's: leadbook changes nothing of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from leadbook.backup.archive import FORMAT, MANIFEST, PARTIAL, TRIAL, Manifest, read_manifest
from leadbook.core.errors import InputFileError, RefusedError
from leadbook.core.files import project_path
from leadbook.core.settings import Settings
from leadbook.rehearsal.servers import owner
from leadbook.schema.scratch import is_left, is_scratch, scratch_name

_NAME = re.compile(r"leads-\d{8}T\d{6}Z-[0-9a-f]{6}")


def backups_place(settings: Settings) -> Path:
    """Where backups are kept, whether the folder is there or not."""
    return project_path(settings.backup_dir or ".leadbook/backups")


def backups_folder(settings: Settings) -> Path:
    """Where backups are kept. Made with mode 0700 where it is missing; one that is there stays as it is.

    Raises RefusedError for a folder in which anybody may put another backup in a backup's place.
    """
    folder = backups_place(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise RefusedError(
            f"{folder}: anybody may write there, so that a backup could be exchanged; name another backup_dir, or take "
            "that right away with chmod o-w"
        )
    return folder


def backups(folder: Path) -> list[Path]:
    """Whole backups in `folder`, oldest first. Does not verify them: a damaged one is one too."""
    return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name) and _format(path) == FORMAT)


def _format(backup: Path) -> str:
    try:
        return str(json.loads((backup / MANIFEST).read_text(encoding="utf-8"))["format"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def _is_partial(path: Path) -> bool:
    return path.suffix == PARTIAL and is_scratch(path.stem)


def remove(backup: Path) -> None:
    """Delete one backup, whole or partial. Raises InputFileError for a folder that is none of leadbook's."""
    if not _is_partial(backup) and backup not in backups(backup.parent):
        raise InputFileError(backup, "is not a backup of leadbook's: it is not deleted")
    shutil.rmtree(backup)


def left_by_killed(folder: Path, settings: Settings) -> list[tuple[Path, str]]:
    """What killed runs left, with its kind: partial folders, whole backups of made leads, and whole backups of this
    profile where it is a rehearsal's. A production's whole backup of its leads is kept, whoever ended its run."""
    left = [(path, "partial folder") for path in folder.iterdir() if _is_partial(path) and is_left(path.stem)]
    nobodys = {TRIAL: "backup of made leads"}
    if settings.is_rehearsal:
        nobodys[settings.profile] = "rehearsal's backup"
    left += [(path, nobodys[manifest.profile]) for path, manifest in _sound(folder)
             if manifest.profile in nobodys and owner.is_gone(manifest.made_by)]  # fmt: skip
    return left


def sweep(folder: Path, settings: Settings) -> list[str]:
    """Remove what killed runs left (see `left_by_killed`). Returns what was removed, by kind and name."""
    left = left_by_killed(folder, settings)
    for path, _ in left:
        remove(path)
    return [f"{kind} {path.name}" for path, kind in left]


def taken_here(folder: Path) -> list[Path]:
    """Sound backups that this process has taken."""
    me = {key: value for key, value in owner.me().items() if key != "at"}
    return [path for path, manifest in _sound(folder) if me.items() <= manifest.made_by.items()]


def _sound(folder: Path) -> Iterator[tuple[Path, Manifest]]:
    """Backups with a manifest that nobody has changed."""
    for path in backups(folder):
        with suppress(InputFileError, OSError):
            yield path, read_manifest(path)


@contextmanager
def writing(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A private folder to write a backup into, and the name that it gets when the block ends well; else it vanishes."""
    final = folder / f"leads-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{token_hex(3)}"
    with aside(folder) as partial:
        yield partial, final
        _sync_folder(partial)
        partial.rename(final)
        _sync_folder(folder)


@contextmanager
def aside(folder: Path) -> Iterator[Path]:
    """A private, partial folder of this process's that vanishes when the block ends, unless it was renamed.

    Raises RefusedError where the file system lets others read what is private.
    """
    partial = folder / f"{scratch_name('backup')}{PARTIAL}"
    partial.mkdir(mode=0o700)
    try:
        if stat.S_IMODE(partial.stat().st_mode) & 0o077:
            raise RefusedError(f"{folder}: this file system lets others read what is written; name another backup_dir")
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
