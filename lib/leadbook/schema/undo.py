"""What the next leadbook must put back when this one is killed: recorded in the database before anything is changed.

One document a session, in a collection of leadbook's own beside the leads, renewed while the session lives. It holds
who works there and what was before each change (profiler, cache), and on which member. Scratch collections, Redis keys
and Redis users of a session carry its token in their names. `sweep` puts back what dead sessions left, and says so. The
collection stays when it is empty: whoever dropped it could take a record that another session has just written with it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from secrets import token_hex
from typing import Any

import pymongo
import redis as redis_py
from pymongo import IndexModel, MongoClient, ReadPreference, WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.read_preferences import Nearest
from pymongo.results import UpdateResult
from pymongo.server_selectors import Selection

from leadbook.core import connect, write_errors
from leadbook.core.errors import RefusedError
from leadbook.core.ticker import Ticker
from leadbook.rehearsal.servers import owner
from leadbook.schema.scratch import SCRATCH_PREFIX, drop_scratch, of_this_process, scratch_name
from leadbook.schema.scratch import sweep as drop_left

SCRATCH_KEYS = "leadbook_scratch:"
"""How the Redis keys of measurements begin; they expire by themselves."""
COLLECTION = "leadbook_undo"
PATIENCE_S = 5.0
"""Longest that cleaning up waits for a server, s."""
ANSWER_S = 3.0
"""How long MongoDB has to answer a ping before it counts as away, after something went wrong, s."""
_SEEN = {"$currentDate": {"seen": True}}
_IDLE_S = {"$divide": [{"$subtract": ["$$NOW", "$seen"]}, 1_000]}
"""When a session was last renewed, and for how long it was not: both by the server's clock."""
_STAYS = " (system.profile stays there: only a primary may drop it)"
Document = dict[str, Any]
Client = MongoClient[Document]


class Member(Nearest):
    """Sends a command to one member of a replica set, given as `host:port`, whether it is the primary or not."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self.server = server

    def __call__(self, selection: Selection) -> Selection:
        """Of all members, this one."""
        found = [one for one in selection.server_descriptions if f"{one.address[0]}:{one.address[1]}" == self.server]
        return selection.with_server_descriptions(found)


def set_profiler(database: Database[Document], before: Document, at: Member) -> None:
    """Set level, slowms, sampleRate and filter of a member's profiler. Raises OperationFailure without dbAdmin.

    `made`: `system.profile` was not there before; it is dropped once the profiler is off, where that member is the
    primary: no other may drop it.
    """
    options = {name: before[name] for name in ("slowms", "sampleRate", "filter") if before.get(name) is not None}
    database.command("profile", before["level"], read_preference=at, **options)
    if before.get("made") and before["level"] == 0 and at.server == address_of(database.client):
        database.drop_collection("system.profile")


def set_cache(client: Client, size: int, at: Member) -> None:
    """Set the WiredTiger cache of a member, bytes."""
    client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=f"cache_size={size}", read_preference=at)


_PUT_BACK: dict[str, Callable[[Client, str, Document, Member], None]] = {
    "profiler": lambda admin, database, before, at: set_profiler(admin[database], before, at),
    "cache": lambda admin, _, before, at: set_cache(admin, before["bytes"], at),
}


def _undo(what: str, before: Document, database: str, admin: Client) -> None:
    """Put `what` back on the member where it was changed. Raises RefusedError where that member cannot be reached."""
    shown = {name: value for name, value in before.items() if name in ("level", "slowms", "sampleRate", "bytes")}
    server = before.get("server") or address_of(admin)
    try:
        with pymongo.timeout(PATIENCE_S):
            address_of(admin)  # the members are known from here on
            if server not in {f"{host}:{port}" for host, port in admin.topology_description.server_descriptions()}:
                raise PyMongoError("this address does not lead to that member")
            _PUT_BACK[what](admin, database, before, Member(server))
    except PyMongoError as error:
        raise RefusedError(
            f"the {what} of {server} was {shown} and could not be put back ({write_errors.line(error)[:80]}): the "
            f"next phase does it once that member answers; if it never will, delete the record from {COLLECTION}"
        ) from None


class Changes:
    """One leadbook at work in a database. Nothing is written before `begin`.

    token: part of the names of everything that it makes.
    """

    def __init__(self, database: Database[Document]) -> None:
        self.token = token_hex(4)
        self._record = database.get_collection(COLLECTION, write_concern=WriteConcern("majority", wtimeout=5_000))
        self._begun = self._left = False
        self._life = contextlib.ExitStack()

    @property
    def keys(self) -> str:
        """What the session's Redis keys begin with."""
        return _keys(self.token)

    def begin(self) -> None:
        """Record who works here, once, and renew it until `end`. Raises PyMongoError."""
        if self._begun:
            return
        self._record.update_one({"_id": self.token}, {"$set": owner.me(), **_SEEN}, upsert=True)
        self._life.enter_context(Ticker(self._renew, owner.BEAT_S, first_after_s=owner.BEAT_S))
        self._begun = True

    def _renew(self) -> None:
        with contextlib.suppress(PyMongoError), pymongo.timeout(PATIENCE_S):
            self._record.update_one({"_id": self.token}, _SEEN)

    @contextlib.contextmanager
    def changed(self, what: str, before: Document, admin: Client) -> Iterator[Member]:
        """Record what was `before` ("profiler": level, slowms, …; "cache": bytes), and put it back after the block.

        Yields the member that is to be changed. Raises RefusedError where another session holds the same: both would
        put the other's value back; and where it cannot be put back now.
        """
        self.begin()
        server = address_of(admin)
        held = {what: {**before, "server": server}}
        found = self._hold(what, server, {"_id": self.token, what: {"$exists": False}}, {"$set": held})
        if not found.matched_count:
            raise RefusedError(f"this session has changed the {what} before and not put it back; open a phase anew")
        try:
            yield Member(server)
        finally:
            left, self._left = self._left, True
            _undo(what, held[what], self._record.database.name, admin)
            self._record.update_one({"_id": self.token}, {"$unset": {what: ""}})
            self._left = left

    def keep(self, what: str, before: Document, admin: Client) -> Member:
        """Record what was `before`, to stay changed after this process until `sweep(kept=True)` or `put_back` puts it
        back. Give the member that is to be changed. Raises RefusedError as `changed`, and PyMongoError."""
        server = address_of(admin)
        kept = {**owner.me(), "kept": True, what: {**before, "server": server}}
        self._hold(what, server, {"_id": self.token}, {"$set": kept, **_SEEN}, upsert=True)
        return Member(server)

    def _hold(
        self, what: str, server: str, session: Document, change: Document, *, upsert: bool = False
    ) -> UpdateResult:
        """Write down that `what` of a member is changed. Raises RefusedError where another session holds the same."""
        server_of = IndexModel(f"{what}.server", unique=True, sparse=True)
        try:
            self._record.create_indexes([server_of], **connect.commit_quorum(self._record.database))
            return self._record.update_one(session, change, upsert=upsert)
        except DuplicateKeyError:
            other = self._record.find_one({f"{what}.server": server}) or {}
            todo = f"run `leadbook act {what}=off` first" if other.get("kept") else "run again when it ended"
            raise RefusedError(f"{_who(other)} has changed the {what} and not put it back yet; {todo}") from None

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

    def forget(self, redis: redis_py.Redis) -> None:
        """Remove the session's Redis keys. Where Redis is away the session stays on record: the next sweep does it."""
        try:
            _unlink(redis, self.token, own=False)
        except redis_py.RedisError:
            self._left = True

    def end(self) -> None:
        """Forget the session; where something that it made is left, the next sweep does it. Raises PyMongoError."""
        self._life.close()
        if not self._begun:
            return
        self._begun = False
        if self._left and not self._record.database.client.topology_description.has_writable_server():
            return  # nobody is waited for: the record counts as left once this process is gone
        with pymongo.timeout(PATIENCE_S):
            if self._left:
                self._record.update_one({"_id": self.token}, {"$set": {"ended": True}})
            else:
                self._record.delete_one({"_id": self.token})


def left_of(database: Database[Document], redis: redis_py.Redis | None, keys: Iterable[str]) -> list[str]:
    """What sessions whose Redis keys begin so (`Changes.keys`), and this process, have left here: names of scratch
    collections and keys, and tokens on record. Read-only. Raises PyMongoError and RedisError."""
    begun = tuple(keys)
    tokens = [one.removeprefix(SCRATCH_KEYS).rstrip(":") for one in begun]
    left = [*of_this_process(database), *map(str, database[COLLECTION].distinct("_id", {"_id": {"$in": tokens}}))]
    if redis is not None and begun:
        found = (key.decode(errors="replace") for key in redis.scan_iter(match=f"{SCRATCH_KEYS}*", count=2_000))
        left += [key for key in found if key.startswith(begun)]
    return left


def address_of(client: Client) -> str:
    """`host:port` of the primary, or of a mongos, that the client speaks to; empty where there is none."""
    return ":".join(map(str, connect.server_of(client) or ()))


def insist_on_mongodb(client: Client) -> None:
    """Raise UnreachableError, within ANSWER_S, where MongoDB is away: nothing more can be measured then."""
    with pymongo.timeout(ANSWER_S):
        connect.ping_mongodb(client)


def kept_of(database: Database[Document], what: str, server: str) -> Document | None:
    """The record of what was left changed on purpose on a member (see `Changes.keep`); None where nothing was. Raises
    PyMongoError."""
    found = database.get_collection(COLLECTION, read_preference=ReadPreference.PRIMARY)
    return found.find_one({"kept": True, f"{what}.server": server})


def put_back(database: Database[Document], admin: Client, record: Document) -> list[str]:
    """Put back what a record of `kept_of` holds and forget it; what was put back. Raises RefusedError and
    PyMongoError."""
    done = _put_back(record, database, admin, None, False)
    database[COLLECTION].delete_one({"_id": record["_id"]})
    return done


def sessions(database: Database[Document], *, kept: bool = False) -> tuple[list[Document], list[str]]:
    """(records of sessions that left something; tokens of those at work). kept: also those that left something changed
    on purpose. Raises PyMongoError."""
    gone, at_work = [], []
    found = database.get_collection(COLLECTION, read_preference=ReadPreference.PRIMARY)
    for record in found.aggregate([{"$set": {"idle_s": _IDLE_S}}]):
        if record.get("kept"):
            gone += [record] * kept
        elif record.get("ended") or owner.is_gone(record):
            gone.append(record)
        else:
            at_work.append(str(record["_id"]))
    return gone, at_work


def to_put_back(record: Document) -> str:
    """What a session that is gone changed and did not put back, in words."""
    held = {what: record[what] for what in _PUT_BACK if record.get(what) is not None}
    return ", ".join(f"the {what} of {before.get('server')}" for what, before in held.items())


def sweep(
    database: Database[Document], admin: Client, redis: redis_py.Redis | None, *, own: bool = False,
    kept: bool = False,
) -> list[str]:  # fmt: skip
    """Put back what killed sessions left in this database and in Redis; a line for each, in plain words. kept: also
    what was left changed on purpose.

    database: the application's view.  own: these are rehearsal servers, where scratch lies in `local` too and Redis's
    users are leadbook's.  What cannot be put back is told, and tried again by the next sweep. Raises PyMongoError where
    the database cannot be read.
    """
    lines = []
    gone, at_work = sessions(database, kept=kept)
    for record in gone:
        fate = f"{_who(record)} {_fate(record)}"
        try:
            done = _put_back(record, database, admin, redis, own)
            database[COLLECTION].delete_one({"_id": record["_id"]})
            lines.append(f"{fate}; put back: {', '.join(done) or 'nothing was left'}.")
        except (PyMongoError, redis_py.RedisError, RefusedError) as error:
            lines.append(f"{fate}, and not all could be put back: {str(error).splitlines()[0][:400]}.")
    old: list[str] = []
    try:
        for place in (database, *([admin["local"]] if own else [])):
            old += drop_left(place, at_work=at_work)
    except PyMongoError as error:
        lines.append(f"Scratch collections of killed processes stay: {str(error).splitlines()[0][:200]}.")
    if old:
        lines.append(f"Dropped {len(old)} scratch collections of killed processes: {', '.join(old[:5])}.")
    return lines


def _fate(record: Document) -> str:
    if record.get("kept"):
        return "left something changed on purpose"
    return "left without cleaning up" if record.get("ended") else "was killed or interrupted"


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
    for what in _PUT_BACK:
        before = record.get(what)
        if before is None:
            continue
        _undo(what, before, database.name, admin)
        told = ", ".join(f"{name} {value}" for name, value in before.items() if name not in ("server", "made"))
        stays = before.get("made") and before.get("server") != address_of(admin)
        done.append(f"{what} {told} on {before.get('server')}{_STAYS if stays else ''}")
    return done


def _drop(database: Database[Document], token: str) -> int:
    named = {"name": {"$regex": f"^{SCRATCH_PREFIX}.*_{re.escape(token)}_"}}
    names = database.list_collection_names(filter=named)
    for name in names:
        drop_scratch(database[name])
    return len(names)


def _unlink(redis: redis_py.Redis, token: str, own: bool) -> int:
    removed, found = 0, iter(keys_of_session(redis, token))
    while part := list(islice(found, 2_000)):
        removed += int(redis.unlink(*part))  # type: ignore[arg-type]
    if own:
        redis.acl_deluser(f"{SCRATCH_PREFIX}{token}")
    return removed


def keys_of_session(redis: redis_py.Redis, token: str) -> Iterator[bytes]:
    """Redis keys that a session made. Raises RedisError."""
    yield from redis.scan_iter(match=f"{_keys(token)}*", count=1_000)


def _keys(token: str) -> str:
    return f"{SCRATCH_KEYS}{token}:"


def _who(record: Document) -> str:
    return f"A leadbook of {record.get('at')} (process {record.get('pid')} on {record.get('host')})"
