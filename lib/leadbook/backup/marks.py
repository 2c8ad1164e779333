"""Whose copy this is: a mark, left before a drill makes a copy, tells what a killed drill left from what is others'.

In a database the mark is one document in a collection of its own, and names the copies; in the backups' folder it is
a file in each partial folder. What carries no mark of leadbook's is never removed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pymongo import WriteConcern
from pymongo.database import Database

from leadbook.core.errors import RefusedError
from leadbook.rehearsal.servers import owner
from leadbook.schema.scratch import SCRATCH_PREFIX, drop_scratch, scratch_name

__all__ = [
    "COPIES", "MARK_FILE", "drop_copies", "is_mark", "leave", "mark", "read_mark", "sweep_copies",
    "unexplained",
]  # fmt: skip

Document = dict[str, Any]
MADE_BY = "leadbook drill"
COPIES, MARKS = f"{SCRATCH_PREFIX}restored_", f"{SCRATCH_PREFIX}drill_mark_"


def mark(what: str, target: str) -> Document:
    """A mark of this process. what: the copy's kind.  target: database and servers, without credentials."""
    return {
        "made_by": MADE_BY, "what": what, "target": target, "run": os.environ.get("LEADBOOK_RUN_ID", "interactive"),
        **owner.me(),
    }  # fmt: skip


def is_mark(found: Any) -> bool:
    """Whether `found` is a mark of leadbook's."""
    return isinstance(found, Mapping) and found.get("made_by") == MADE_BY


# -------------------------------------------------------------------------------------------------------- in a database


def leave(database: Database[Document], copies: Iterable[str]) -> str:
    """Record, acknowledged by a majority, that this process is about to make `copies`; the mark's own collection."""
    hello = database.client.admin.command("hello")
    hosts = ", ".join(hello.get("hosts", ())) or "standalone"
    document = {
        **mark("restored copies", f"{database.name} on {hello.get('setName', '')} ({hosts})"),
        "database": database.name, "copies": list(copies),
    }  # fmt: skip
    collection = database.get_collection(scratch_name("drill_mark"), write_concern=WriteConcern(w="majority"))
    collection.insert_one(document)
    return str(collection.name)


def _marks(database: Database[Document]) -> Iterator[tuple[str, Document]]:
    """(collection of the mark, mark) of every drill whose copies may be in `database`."""
    for name in database.list_collection_names(filter={"name": {"$regex": f"^{MARKS}"}}):
        found = database[name].find_one({"made_by": MADE_BY, "database": database.name})
        if is_mark(found) and found is not None:
            yield name, found


def drop_copies(database: Database[Document], names: Iterable[str]) -> None:
    """Drop copies of a drill, then their marks. Raises RefusedError for a name that no mark of leadbook's names."""
    gone = set(names)
    marked = {copy for _, found in _marks(database) for copy in found["copies"]} if gone else set()
    for name in gone:
        if name not in marked or not name.startswith(COPIES):
            raise RefusedError(f"{name} is no copy that a drill of leadbook's made: it is not dropped")
        drop_scratch(database[name])
    for name, found in _marks(database) if gone else ():
        if gone & set(found["copies"]) and not set(found["copies"]) & set(database.list_collection_names()):
            drop_scratch(database[name])


def sweep_copies(database: Database[Document]) -> list[str]:
    """Drop the copies of killed drills: what an abandoned mark names, and is named as copies are. Their names."""
    dropped = []
    for name, found in _marks(database):
        if not owner.is_gone(found):
            continue
        there = set(database.list_collection_names())
        for copy in [one for one in found["copies"] if one in there and one.startswith(COPIES)]:
            drop_scratch(database[copy])
            dropped.append(copy)
        drop_scratch(database[name])
    return dropped


def unexplained(database: Database[Document]) -> list[str]:
    """Collections that are named as copies are and that no drill at work has marked: left over, or nobody's."""
    named = {copy for _, found in _marks(database) if not owner.is_gone(found) for copy in found["copies"]}
    return sorted(set(database.list_collection_names(filter={"name": {"$regex": f"^{COPIES}"}})) - named)


# --------------------------------------------------------------------------------------------------------- in a folder

MARK_FILE = "mark.json"


def read_mark(folder: Path) -> Document | None:
    """The mark in a partial folder; None where there is none of leadbook's."""
    try:
        found = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if is_mark(found) else None
