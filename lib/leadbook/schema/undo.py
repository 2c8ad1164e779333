"""What the next leadbook must put back when this one is killed: recorded in the database before anything is changed.

One document a session, in a collection of leadbook's own beside the leads. It holds who works there and what was before
each change (profiler, cache). Scratch collections, Redis keys and Redis users of a session carry its token in their
names. `sweep` puts back what dead sessions left, and says so.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from secrets import token_hex
from typing import Any

import pymongo
import redis as redis_py
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError

from leadbook.errors import RefusedError
from leadbook.schema.scratch import SCRATCH_PREFIX, drop_scratch, scratch_name
from leadbook.schema.scratch import sweep as sweep_old
from leadbook.servers import owner

__all__ = ["COLLECTION", "Session", "address_of", "set_cache", "set_profiler", "sweep"]

COLLECTION = "leadbook_undo"
PATIENCE_S = 5.0
"""Longest that cleaning up waits for a server, s."""
ANSWER_S = 3.0
"""How long MongoDB has to answer a ping before it counts as away, after something went wrong, s."""
Document = dict[str, Any]
Client = MongoClient[Document]


def set_profiler(database: Database[Document], before: Document) -> None:
    """Set level, slowms, sampleRate and filter of the profiler. Raises OperationFailure without dbAdmin.

    `made`: `system.profile` was not there before; it is dropped once the profiler is off.
    """
    options = {name: before[name] for name in ("slowms", "sampleRate", "filter") if before.get(name) is not None}
    database.command("profile", before["level"], **options)
    if before.get("made") and before["level"] == 0:
        database.drop_collection("system.profile")


def set_cache(client: Client, size: int) -> None:
    """Set the WiredTiger cache of this server, bytes."""
    client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=f"cache_size={size}")


_PUT_BACK: dict[str, Callable[[Client, str, Document], None]] = {
    "profiler": lambda admin, database, before: set_profiler(admin[database], before),
    "cache": lambda admin, _, before: set_cache(admin, before["bytes"]),
}


class Session:
    """One leadbook at work in a database. Nothing is written before `begin`.

    token: part of the names of everything that it makes.
    """

    def __init__(self, database: Database[Document]) -> None:
        self.token = token_hex(4)
        self._record = database.get_collection(COLLECTION, write_concern=WriteConcern("majority", wtimeout=5_000))
        self._begun = self._left = False

    @property
    def keys(self) -> str:
        """What the session's Redis keys begin with."""
        return _keys(self.token)

    def begin(self) -> None:
        """Record who works here; once. Raises PyMongoError."""
        if self._begun:
            return
        self._record.insert_one({"_id": self.token, **owner.me()})
        self._begun = True

    @contextlib.contextmanager
    def changed(self, what: str, before: Document, admin: Client) -> Iterator[None]:
        """Record what was `before` ("profiler": level, slowms, …; "cache": bytes), and put it back after the block.

        Raises RefusedError where another session holds the same: both would put the other's value back.
        """
        self.begin()
        other = self._record.find_one({what: {"$exists": True}, "_id": {"$ne": self.token}})
        if other is not None:
            raise RefusedError(f"{_who(other)} has changed the {what} and not put it back yet; run again when it ended")
        self._record.update_one({"_id": self.token}, {"$set": {what: {**before, "server": address_of(admin)}}})
        try:
            yield
        finally:
            _PUT_BACK[what](admin, self._record.database.name, before)
            self._record.update_one({"_id": self.token}, {"$unset": {what: ""}})

    def name(self, purpose: str) -> str:
        """A name for a scratch collection of this session."""
        return scratch_name(f"{purpose}_{self.token}")

    def drop(self, collection: Collection[Document]) -> None:
        """Drop a scratch collection of this session. Where no primary is known nobody is waited for: the session stays
        on record then, and the next sweep drops it."""
        try:
            if not collection.database.client.topology_description.has_writable_server():
                raise PyMongoError("no primary")
            with pymongo.timeout(PATIENCE_S):
                drop_scratch(collection)
        except PyMongoError:
            self._left = True

    def end(self) -> None:
        """Forget the session, when everything that it made is gone. Raises PyMongoError."""
        if self._begun and not self._left:
            self._begun = False
            _forget(self._record.database, self.token)


def address_of(client: Client) -> str:
    """`host:port` of the primary that the client speaks to; empty where there is none."""
    return ":".join(map(str, client.address)) if client.address else ""


def sweep(database: Database[Document], admin: Client, redis: redis_py.Redis | None, *, own: bool = False) -> list[str]:
    """Put back what killed sessions left in this database and in Redis; a line for each, in plain words.

    database: the application's view.  own: these are rehearsal servers, where scratch lies in `local` too and Redis's
    users are leadbook's.  What cannot be put back is told, and tried again by the next sweep. Raises PyMongoError where
    the database cannot be read.
    """
    lines = []
    for record in list(database[COLLECTION].find({})):
        if not owner.is_gone(record):
            continue
        try:
            done = _put_back(record, database, admin, redis, own)
            _forget(database, record["_id"])
            lines.append(f"{_who(record)} was killed; put back: {', '.join(done) or 'nothing was left'}.")
        except (PyMongoError, redis_py.RedisError, RefusedError) as error:
            lines.append(
                f"{_who(record)} was killed, and not all could be put back: {str(error).splitlines()[0][:200]}."
            )
    old = [*sweep_old(database), *(sweep_old(admin["local"]) if own else ())]
    if old:
        lines.append(f"Dropped {len(old)} scratch collections that a killed run left more than an hour ago.")
    return lines


def _put_back(
    record: Document, database: Database[Document], admin: Client, redis: redis_py.Redis | None, own: bool
) -> list[str]:
    token, done = str(record["_id"]), []
    dropped = sum(_drop(place, token) for place in (database, *([admin["local"]] if own else [])))
    if dropped:
        done.append(f"{dropped} scratch collections dropped")
    removed = _unlink(redis, token, own) if redis is not None else 0
    if removed:
        done.append(f"{removed} Redis keys removed")
    for what, put_back in _PUT_BACK.items():
        before = record.get(what)
        if before is None:
            continue
        if before.get("server") and before["server"] != address_of(admin):
            shown = {
                name: value for name, value in before.items() if name in ("level", "slowms", "sampleRate", "bytes")
            }
            raise RefusedError(
                f"the {what} of {before['server']}, no longer the primary, was {shown}: set it there, then delete "
                f"{record['_id']} from {COLLECTION}"
            )
        put_back(admin, database.name, before)
        done.append(f"{what} {', '.join(f'{k} {v}' for k, v in before.items() if k not in ('server', 'made'))}")
    return done


def _drop(database: Database[Document], token: str) -> int:
    named = {"name": {"$regex": f"^{SCRATCH_PREFIX}.*_{re.escape(token)}_"}}
    names = database.list_collection_names(filter=named)
    for name in names:
        drop_scratch(database[name])
    return len(names)


def _unlink(redis: redis_py.Redis, token: str, own: bool) -> int:
    removed = 0
    for found in redis.scan_iter(match=f"{_keys(token)}*", count=1_000):
        removed += int(redis.unlink(found))  # type: ignore[arg-type]
    if own:
        redis.acl_deluser(f"{SCRATCH_PREFIX}{token}")
    return removed


def _keys(token: str) -> str:
    return f"leadbook_scratch:{token}:"


def _forget(database: Database[Document], token: str) -> None:
    """Delete a session's record, and the collection with the last one. Waits PATIENCE_S for the server at most."""
    with pymongo.timeout(PATIENCE_S):
        database[COLLECTION].delete_one({"_id": token})
        if database[COLLECTION].find_one({}) is None:
            database.drop_collection(COLLECTION)


def _who(record: Document) -> str:
    return f"A leadbook of {record.get('at')} (process {record.get('pid')} on {record.get('host')})"
