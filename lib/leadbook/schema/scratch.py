"""Scratch collections: named so that nobody mistakes them for leads, dropped at the end and after a crash.

A name tells what the collection is for, when it was made, and by which process of which machine. So whatever a killed
process left is dropped at the next start, at once, and what another one is still working with is left alone.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database

from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings
from leadbook.rehearsal.servers import leash, owner
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.state import create_like

SCRATCH_PREFIX = "leadbook_scratch_"
"""Benchmarks, drills and probes write only to collections whose names begin so."""

NAMED = {"name": {"$regex": f"^{SCRATCH_PREFIX}"}}
"""For list_collection_names."""

_NAME = re.compile(
    rf"{SCRATCH_PREFIX}\w+_(?P<born>[0-9a-f]{{8}})_"
    rf"(?:(?P<machine>[0-9a-f]{{8}})(?P<pid>[0-9a-f]{{8}})(?P<start>[0-9a-f]{{8}})?)?[0-9a-f]{{6}}"
)
"""Names that `scratch_name` makes. Those of other lengths are somebody else's and are never dropped by `sweep`."""


def scratch_name(purpose: str) -> str:
    """A new name: prefix, purpose, time of creation (hexadecimal seconds), machine, process and its start, a random
    part."""
    pid = os.getpid()
    who = f"{owner.machine()}{pid:08x}{owner.digits(leash.created_at(pid))}"
    return f"{SCRATCH_PREFIX}{purpose}_{int(time.time()):08x}_{who}{token_hex(3)}"


def is_scratch(name: str) -> bool:
    """Whether `scratch_name` made this name."""
    return _NAME.fullmatch(name) is not None


def of_this_process(database: Database[dict[str, Any]]) -> list[str]:
    """Scratch collections that this process has made and not dropped yet."""
    return sorted(filter(is_mine, database.list_collection_names(filter=NAMED)))


def is_mine(name: str) -> bool:
    """Whether this process has made a scratch collection of this name."""
    mine = scratch_name("mine").rsplit("_", 1)[1]
    return is_scratch(name) and name.rsplit("_", 1)[1][:-6] == mine[:-6]


def drop_scratch(collection: Collection[dict[str, Any]]) -> None:
    """Drop a scratch collection. Raises RefusedError for any other name."""
    if not collection.name.startswith(SCRATCH_PREFIX):
        raise RefusedError(f"{collection.name} is not a scratch collection ({SCRATCH_PREFIX}…): it is not dropped")
    collection.drop()


@contextmanager
def scratch(
    database: Database[dict[str, Any]],
    purpose: str,
    settings: Settings,
    *,
    documents: Iterable[dict[str, Any]] = (),
    indexes: Iterable[IndexSpec] = INDEXES,
    level: str | None = None,
    action: str | None = None,
) -> Iterator[Collection[dict[str, Any]]]:
    """A collection with the leads' validator and indexes, holding `documents`; dropped at the end, also on error."""
    collection = database[scratch_name(purpose)]
    try:
        create_like(database, collection.name, settings, indexes=indexes, level=level, action=action)
        loaded = list(documents)
        if loaded:
            collection.with_options(write_concern=WriteConcern(w=1)).insert_many(loaded, ordered=False)
        yield collection
    finally:
        drop_scratch(collection)


def sweep(database: Database[dict[str, Any]], *, at_work: Iterable[str] = ()) -> list[str]:
    """Drop what killed processes left in scratch collections, and nothing else; returns the names.

    Of this machine: those whose process has ended. Of other machines, or where the name tells no process: those older
    than `owner.LONGEST`, since nobody can be asked; but none that carries a token of `at_work` (see `undo.Changes`).
    """
    dropped, spared = [], tuple(f"_{token}_" for token in at_work)
    for name in database.list_collection_names(filter=NAMED):
        if is_left(name) and not any(token in name for token in spared):
            drop_scratch(database[name])
            dropped.append(name)
    return dropped


def is_left(name: str) -> bool:
    """Whether the process that made this scratch name has ended, so that `sweep` drops it."""
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    if match["machine"] == owner.machine() and match["start"]:
        return not owner.lives(int(match["pid"], 16), match["start"])
    return time.time() - int(match["born"], 16) > owner.LONGEST.total_seconds()
