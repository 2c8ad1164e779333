"""The control document: what running followers are asked to work with in place of their own settings, and their ear.

One document in the leads' database, written with majority and numbered. A follower reads it between its turns and
obeys, and so does one that is started later; a value that is absent leaves a follower its own setting. What somebody
else wrote into it and no bounds allow counts for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import pymongo
from pymongo import ReadPreference, WriteConcern
from pymongo.errors import DuplicateKeyError, PyMongoError, WTimeoutError

from leadbook.core import connect
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.core.settings import Settings

COLLECTION = "sprint_control"
INGEST = "ingest"
"""`_id` of the document."""
BOUNDS: Mapping[str, tuple[int, int]] = {"batch_size": (1, 10_000), "writers": (1, 64), "pool_size": (1, 500)}
"""Least and most that may be asked for: documents a batch, a tenth of what the setting allows, since a claim of more
lasts too long; workers, as the setting; connections, the book's 100 five times over."""
PATIENCE_S = 2.0
"""A follower waits no longer for the document; it asks again before its next turn."""
LOOK_S = 2.0
"""A follower at work looks so often. Its workers come back after five seconds at most."""


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What followers are asked for. version: grows with each change; 0 where nobody ever asked.

    batch_size: documents a batch.  writers: workers of each follower.  pool_size: maxPoolSize of a worker's client.
    None leaves a follower its own setting.
    """

    version: int = 0
    batch_size: int | None = None
    writers: int | None = None
    pool_size: int | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any] | None) -> Orders:
        """The orders of a document; values beyond BOUNDS are left out."""
        found = document or {}
        version = found.get("version")
        return cls(
            version=version if type(version) is int and version > 0 else 0,
            **{name: found[name] for name in BOUNDS if _is_within(name, found.get(name))},
        )

    def values(self) -> dict[str, int | None]:
        """What is asked for by name."""
        return {name: value for name, value in asdict(self).items() if name in BOUNDS}

    def obeyed(self, settings: Settings) -> Settings:
        """A follower's settings with what is asked for in place of its own."""
        wanted = {"batch_size": self.batch_size, "writers": self.writers, "max_pool_size": self.pool_size}
        changed = {name: value for name, value in wanted.items() if value is not None}
        if not changed:
            return settings
        smaller = min(settings.min_pool_size, changed.get("max_pool_size", settings.max_pool_size))
        return settings.model_copy(update={**changed, "min_pool_size": smaller})


def _is_within(name: str, value: Any) -> bool:
    low, high = BOUNDS[name]
    return type(value) is int and low <= value <= high


def refuse_beyond(name: str, value: int) -> None:
    """Raise ParameterError where no follower may be asked for that."""
    if not _is_within(name, value):
        low, high = BOUNDS[name]
        raise ParameterError(name, f"must be a whole number from {low} to {high:,}, got {value:,}")


def read(database: connect.Database) -> Orders:
    """What is asked for now, as the primary has it. Raises PyMongoError, within PATIENCE_S."""
    found = database.get_collection(COLLECTION, read_preference=ReadPreference.PRIMARY)
    with pymongo.timeout(PATIENCE_S):
        return Orders.of(found.find_one({"_id": INGEST}))


def give(database: connect.Database, seen: Orders, changed: Mapping[str, int | None], *, by: str) -> Orders:
    """Ask for `changed` (None: their own setting again) in place of what was `seen`; the new orders.

    Raises ParameterError (out of bounds), RefusedError where somebody changed the orders since, and PyMongoError.
    """
    for name, value in changed.items():
        if value is not None:
            refuse_beyond(name, value)
    collection = database.get_collection(COLLECTION, write_concern=WriteConcern("majority", wtimeout=5_000))
    asked = {name: value for name, value in changed.items() if value is not None}
    left = {name: "" for name, value in changed.items() if value is None}
    update = {
        "$set": {**asked, "version": seen.version + 1, "at": datetime.now(UTC), "by": by},
        **({"$unset": left} if left else {}),
    }  # fmt: skip
    wanted = {"_id": INGEST, **({"version": seen.version} if seen.version else {"version": {"$not": {"$gt": 0}}})}
    try:
        collection.update_one(wanted, update, upsert=True)
    except DuplicateKeyError:
        raise RefusedError("somebody else changed the orders meanwhile; look at the plan again") from None
    except WTimeoutError:  # the primary has them, and followers obey: what counts is read back
        pass
    return read(database)


class Ear:
    """Hears new orders. own: the settings that the follower was started with.  heard: the orders that hold."""

    def __init__(self, own: Settings) -> None:
        self.own, self.heard, self._due = own, Orders(), 0.0

    def listen(self, database: connect.Database) -> Settings | None:
        """The settings to go on with; None where nothing changed, it is too early, or MongoDB does not answer: what
        was asked for before holds then."""
        now = time.monotonic()
        if now < self._due:
            return None
        self._due = now + LOOK_S
        try:
            found = read(database)
        except PyMongoError:
            return None
        if found == self.heard:
            return None
        self.heard = found
        return found.obeyed(self.own)

    def told(self) -> str:
        """What holds, in a line."""
        asked = ", ".join(f"{name} {value}" for name, value in self.heard.values().items() if value is not None)
        return f"orders {self.heard.version}: {asked or 'its own settings again'}"
