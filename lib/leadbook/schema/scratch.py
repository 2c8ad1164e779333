"""Scratch collections: named so that nobody mistakes them for leads, dropped at the end and after a crash."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from secrets import token_hex
from typing import Any

from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database

from leadbook.errors import RefusedError
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.state import create_like
from leadbook.settings import Settings

__all__ = ["SCRATCH_PREFIX", "drop_scratch", "scratch", "scratch_name", "sweep"]

SCRATCH_PREFIX = "leadbook_scratch_"
"""Benchmarks, drills and probes write only to collections whose names begin so."""


def scratch_name(purpose: str) -> str:
    """A new name: prefix, purpose, time of creation (hexadecimal seconds) and a random part."""
    return f"{SCRATCH_PREFIX}{purpose}_{int(time.time()):x}_{token_hex(3)}"


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


def sweep(database: Database[dict[str, Any]], *, older_than_s: float = 3600.0) -> list[str]:
    """Drop scratch collections that a killed run left more than `older_than_s` seconds ago; returns their names."""
    dropped = []
    for name in database.list_collection_names(filter={"name": {"$regex": f"^{SCRATCH_PREFIX}"}}):
        try:
            born = int(name.rsplit("_", 2)[-2], 16)
        except (IndexError, ValueError):
            continue
        if time.time() - born > 0 and time.time() - born > older_than_s:
            drop_scratch(database[name])
            dropped.append(name)
    return dropped
