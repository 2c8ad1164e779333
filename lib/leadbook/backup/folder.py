"""The folder of backups: each lies in a private folder of its own, and is there only when it is whole.

While it is written its name ends in `.partial` and it holds a mark, which tells whose it is: what a killed run left is
removed by the next one, what carries no mark of leadbook's never is. The folder of backups may be anybody's: leadbook
changes nothing of it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

from leadbook.backup.archive import FORMAT, MANIFEST, PARTIAL, read_manifest
from leadbook.core.errors import InputFileError, RefusedError
from leadbook.core.settings import PROJECT, Settings
from leadbook.rehearsal.servers import owner

__all__ = ["aside", "backups", "backups_folder", "final_path", "mark", "private_file", "remove", "sweep", "writing"]

MADE_BY = "leadbook drill"
MARK_FILE = "mark.json"
_NAME = re.compile(r"leads-\d{8}T\d{6}Z-[0-9a-f]{6}")
ABANDONED_S = 3_600
"""A partial folder without a mark that nothing was written to for so long is nobody's any more, s."""


def mark(what: str, target: str) -> dict[str, Any]:
    """A mark of this process. what: the copy's kind.  target: database and servers, without credentials."""
    return {
        "made_by": MADE_BY, "what": what, "target": target, "run": os.environ.get("LEADBOOK_RUN_ID", "interactive"),
        **owner.me(),
    }  # fmt: skip


def _marked(found: Any) -> Mapping[str, Any] | None:
    """`found` where it is a mark of leadbook's."""
    return found if isinstance(found, Mapping) and found.get("made_by") == MADE_BY else None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


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


def _is_whole(folder: Path) -> bool:
    """Whether the folder is named as a backup and its manifest is one's, sound or damaged."""
    told = _json(folder / MANIFEST)
    return bool(_NAME.match(folder.name)) and isinstance(told, dict) and told.get("format") == FORMAT


def _is_partial(folder: Path) -> bool:
    """Whether the folder is one that a dump or drill of leadbook's writes into: by its name and its mark.

    It is empty for a moment before it has its mark, and has a manifest instead for a moment before its last name.
    """
    if not (_NAME.match(folder.name) and folder.name.endswith(PARTIAL) and folder.is_dir()):
        return False
    return bool(_marked(_json(folder / MARK_FILE))) or _is_whole(folder) or not any(folder.iterdir())


def sweep(folder: Path, settings: Settings) -> list[str]:
    """Remove what killed runs left: partial folders, and whole backups of this profile where it is a rehearsal's.

    A production's whole backup is kept, whoever ended its run. Returns what was removed, by kind and name.
    """
    removed = []
    for path in sorted(folder.iterdir()):
        if _is_partial(path) and _given_up(path, _json(path / MARK_FILE)):
            removed.append(f"partial folder {path.name}")
        elif settings.is_rehearsal and _thrown_away(path, settings):
            removed.append(f"rehearsal's backup {path.name}")
        else:
            continue
        remove(path)
    return removed


def _given_up(path: Path, found: Any) -> bool:
    """Whether nobody works on the folder: its mark's process is gone, or without a mark an hour has passed."""
    if marked := _marked(found):
        return owner.is_gone(marked)
    return datetime.now(UTC).timestamp() - path.stat().st_mtime > ABANDONED_S


def _thrown_away(path: Path, settings: Settings) -> bool:
    """Whether it is a whole, sound backup of this profile that nobody works on."""
    try:
        manifest = read_manifest(path)
    except (InputFileError, OSError):
        return False
    return manifest.profile == settings.profile and _given_up(path, manifest.made_by)


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
