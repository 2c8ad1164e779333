"""Which backup is of these settings, and is it sound? Read-only."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from leadbook.backup.archive import Manifest, read_manifest
from leadbook.backup.folder import backups, backups_folder
from leadbook.backup.origin import Origin
from leadbook.backup.verify import verify
from leadbook.core import connect
from leadbook.core.errors import InputFileError
from leadbook.core.settings import Settings


def newest_of(folder: Path, settings: Settings, origin: Origin) -> Path | None:
    """The newest backup in `folder` of these settings' leads on these servers, sound or not; None where there is none.

    Raises InputFileError and OSError for one that cannot be read.
    """
    return next((path for path in reversed(backups(folder))
                 if not _objection(read_manifest(path), settings, origin)), None)  # fmt: skip


def newest_backup(settings: Settings, client: connect.Client) -> Manifest | None:
    """The newest backup of these settings' leads on these servers in the backups' folder; None where there is none.

    Raises InputFileError for one that is not sound any more, RefusedError as `backups_folder` does, and PyMongoError.
    """
    path = newest_of(backups_folder(settings), settings, Origin.read(client))
    return None if path is None else sound(path)


def sound(backup: Path) -> Manifest:
    """The manifest of a backup of which every byte was read again. Raises InputFileError where it is not sound."""
    if problems := verify(backup).problems:
        raise InputFileError(backup, problems[0], hint="run phase 06, which takes a sound one")
    return read_manifest(backup)


def newest_sound(folder: Path, settings: Settings, origin: Origin) -> tuple[Path | None, tuple[str, ...]]:
    """The newest sound backup of these settings' leads on these servers, and why newer ones are not used."""
    notes: list[str] = []
    for path in reversed(backups(folder)):
        with suppress(InputFileError, OSError):
            manifest = read_manifest(path)
            if objection := _objection(manifest, settings, origin):
                if (manifest.database, manifest.profile) == (settings.database, settings.profile):
                    notes.append(f"{path.name} is not used: {objection}")
                continue
            found = verify(path)
            if found.sound:
                return path, tuple(notes)
            notes.append(f"{path.name} is unsound and not used: {found.problems[0]}")
    return None, tuple(notes)


def checked_backup(path: Path, settings: Settings) -> Path:
    """A backup that a user named. Raises InputFileError for one that is unsound, or not of these settings' leads. It
    may be of other servers: these may be new ones."""
    manifest = read_manifest(path)
    if objection := _objection(manifest, settings, Origin(replica_set=manifest.replica_set)):
        raise InputFileError(path, objection)
    if problems := verify(path).problems:
        raise InputFileError(path, f"unsound, so nothing is taken from it: {problems[0]}")
    return path


def _objection(manifest: Manifest, settings: Settings, origin: Origin) -> str:
    """Why a backup is not of these settings' leads on these servers; empty where it is."""
    if manifest.profile != settings.profile:
        return f"it is of profile {manifest.profile}, here it is {settings.profile}"
    if manifest.database != settings.database:
        return f"it is of database {manifest.database}, here it is {settings.database}"
    if not any(entry.name == settings.collection for entry in manifest.collections):
        return f"it holds no collection {settings.collection}"
    return origin.objection(manifest)
