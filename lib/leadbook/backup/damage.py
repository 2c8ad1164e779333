"""Damage done on purpose to copies of a backup: each kind must be noticed, or the verifier is worth nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo.database import Database

from leadbook.backup.archive import DATA, MANIFEST, METADATA, read_manifest
from leadbook.backup.backup import STEP, back_up
from leadbook.backup.folder import aside, remove
from leadbook.backup.verify import verify
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Damage:
    """One drill. said: the verifier's first complaint.

    noticed: whether it saw the damage; None where none could be done.
    """

    name: str
    noticed: bool | None
    said: str


def _flip_byte(folder: Path, name: str) -> None:
    path = folder / f"{name}{DATA}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


def _truncate(folder: Path, name: str) -> None:
    path = folder / f"{name}{DATA}"
    path.write_bytes(path.read_bytes()[:-64])


def _change_manifest(folder: Path, name: str) -> None:
    path = folder / MANIFEST
    count = f'"documents": {read_manifest(folder).collections[0].documents}'
    path.write_text(path.read_text(encoding="utf-8").replace(count, count + "0", 1), encoding="utf-8")


INTERRUPTED = "dump interrupted half-way"
KINDS: dict[str, Callable[[Path, str], None]] = {
    "one bit flipped in the data": _flip_byte,
    "data cut off by 64 bytes": _truncate,
    "metadata file lost": lambda folder, name: (folder / f"{name}{METADATA}").unlink(),
    "count changed in the manifest": _change_manifest,
    "manifest lost": lambda folder, _: (folder / MANIFEST).unlink(),
}


def corrupt(backup: Path) -> list[Damage]:
    """Damage a copy of `backup` in each way and verify it. The copies lie in a private folder that goes."""
    largest = max(read_manifest(backup).collections, key=lambda entry: entry.bson_bytes).name
    drills = []
    for name, damage in KINDS.items():
        with aside(backup.parent) as folder:
            victim = folder / backup.name
            shutil.copytree(backup, victim)
            damage(victim, largest)
            found = verify(victim)
        drills.append(Damage(name=name, noticed=not found.sound, said=(*found.problems, "nothing")[0]))
    return drills


class _InterruptedError(LeadbookError):
    """Stands for whatever ends a dump half-way."""


def abort(database: Database[dict[str, Any]], names: list[str], folder: Path, settings: Settings) -> Damage:
    """Interrupt a dump after STEP documents of a collection, or after its first where none holds so many: nothing may
    remain that looks like a backup."""
    name, before = INTERRUPTED, set(folder.iterdir())
    largest = max((database[one].estimated_document_count() for one in names), default=0)

    def interrupt(written: int) -> None:
        if written >= STEP or largest < STEP:
            raise _InterruptedError(f"interrupted after {written:,} documents")

    try:
        finished = back_up(database, names, folder, settings, on_batch=interrupt)
    except _InterruptedError as error:
        left = [path.name for path in folder.iterdir() if path not in before]
        said = f"{error}; left behind: {', '.join(left) or 'nothing'}"
        return Damage(name=name, noticed=not left, said=said)
    remove(finished.path)
    return Damage(name=name, noticed=None, said="no document: the dump ended before it could be cut")
