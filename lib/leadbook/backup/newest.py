"""The newest backup of these settings: is it there, and is it sound? Read-only."""

from __future__ import annotations

from pathlib import Path

from leadbook.backup.archive import Manifest, read_manifest
from leadbook.backup.folder import backups, backups_folder
from leadbook.backup.verify import verify
from leadbook.core.errors import InputFileError
from leadbook.core.settings import Settings


def newest_of(folder: Path, settings: Settings) -> Path | None:
    """The newest backup of this database and profile in `folder`, sound or not; None where there is none. Raises
    InputFileError and OSError for one that cannot be read."""
    for path in reversed(backups(folder)):
        manifest = read_manifest(path)
        if (manifest.database, manifest.profile) == (settings.database, settings.profile):
            return path
    return None


def newest_backup(settings: Settings) -> Manifest | None:
    """The newest backup of this database and profile in the backups' folder; None where there is none.

    Raises InputFileError for one that is not sound any more, and RefusedError as `backups_folder` does.
    """
    path = newest_of(backups_folder(settings), settings)
    return None if path is None else sound(path)


def sound(backup: Path) -> Manifest:
    """The manifest of a backup of which every byte was read again. Raises InputFileError where it is not sound."""
    if problems := verify(backup).problems:
        raise InputFileError(backup, problems[0], hint="run phase 06, which takes a sound one")
    return read_manifest(backup)
