"""Which backup is of these settings' leads, and is it sound? Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from leadbook.backup.archive import Manifest, read_manifest
from leadbook.backup.folder import backups
from leadbook.backup.origin import Origin
from leadbook.backup.verify import verify
from leadbook.core.errors import InputFileError
from leadbook.core.settings import Settings


def newest_of(folder: Path, settings: Settings, origin: Origin) -> tuple[Path | None, tuple[str, ...]]:
    """The newest backup in `folder` of these settings' leads at `origin`, sound or not, and why newer ones do not
    count."""
    notes: list[str] = []
    return next(_counting(folder, settings, origin, notes), None), tuple(notes)


def newest_sound(folder: Path, settings: Settings, origin: Origin) -> tuple[Path | None, tuple[str, ...]]:
    """As `newest_of`, the newest sound one. Raises OSError for one that is taken away meanwhile."""
    notes: list[str] = []
    for path in _counting(folder, settings, origin, notes):
        if not (problems := verify(path).problems):
            return path, tuple(notes)
        notes.append(f"{path.name} is unsound and not used: {problems[0]}")
    return None, tuple(notes)


def of_dropped(folder: Path, settings: Settings, origin: Origin) -> tuple[Path, ...]:
    """Backups of these settings' leads on these servers that do not count for one reason: they are of a collection of
    that name that is gone, or do not say of which. The newest sound one of each collection, newest first."""
    found: dict[str, Path] = {}
    for path in reversed(backups(folder)):
        with suppress(InputFileError, OSError):
            manifest = read_manifest(path)
            if manifest.collection_uuid in found or _other(manifest, settings) or origin.other_servers(manifest):
                continue
            if origin.objection(manifest) and not verify(path).problems:
                found[manifest.collection_uuid] = path
    return tuple(found.values())


def _counting(folder: Path, settings: Settings, origin: Origin, notes: list[str]) -> Iterator[Path]:
    """Backups that count, newest first; of those that may be meant `notes` gets why they do not."""
    for path in reversed(backups(folder)):
        try:
            manifest = read_manifest(path)
        except (InputFileError, OSError) as error:
            notes.append(f"{path.name} is not used: {error}")
            continue
        if not (objection := _other(manifest, settings) or origin.objection(manifest)):
            yield path
        elif (manifest.database, manifest.profile) == (settings.database, settings.profile):
            notes.append(f"{path.name} is not used: {objection}")


def backup_named(name: str, folder: Path, settings: Settings, origin: Origin) -> Path | None:
    """The backup of that name in `folder`; None where it is not there. Raises InputFileError for one that is not of
    these settings' leads at `origin`, or cannot be read."""
    path = next((one for one in backups(folder) if one.name == name), None) if folder.is_dir() else None
    if path is not None:
        manifest = read_manifest(path)
        if objection := _other(manifest, settings) or origin.objection(manifest):
            raise InputFileError(path, objection)
    return path


def sound(backup: Path) -> Manifest:
    """The manifest of a backup of which every byte was read again. Raises InputFileError where it is not sound."""
    if problems := verify(backup).problems:
        raise InputFileError(backup, problems[0], hint="run phase 06, which takes a sound one")
    return read_manifest(backup)


def checked_backup(path: Path, settings: Settings) -> Path:
    """A backup that a user named. Raises InputFileError for one that is unsound, or not of these settings' leads. It
    may be of other servers and of a collection that is gone: that is what it is named for."""
    if objection := _other(read_manifest(path), settings):
        raise InputFileError(path, objection)
    if problems := verify(path).problems:
        raise InputFileError(path, f"unsound, so nothing is taken from it: {problems[0]}")
    return path


def _other(manifest: Manifest, settings: Settings) -> str:
    """Why a backup is not of leads of these settings, on whatever servers; empty where it is."""
    if manifest.profile != settings.profile:
        return f"it is of profile {manifest.profile}, here it is {settings.profile}"
    if manifest.database != settings.database:
        return f"it is of database {manifest.database}, here it is {settings.database}"
    if not manifest.documents_of(settings.collection):
        return f"it holds no document of {settings.collection}"
    return ""
