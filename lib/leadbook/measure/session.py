"""Where measurements happen: clients of their own, fresh documents, and scratch collections that are always dropped."""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import redis as redis_py
from pymongo import WriteConcern
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.errors import UnreachableError
from leadbook.core.settings import Settings
from leadbook.rehearsal import sample
from leadbook.schema import undo
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.scratch import SCRATCH_PREFIX
from leadbook.schema.state import create_like

PREFIX = SCRATCH_PREFIX
SETTLE_MS = 2_000
UNREPLICATED = "local"
Document = dict[str, Any]
Leads = Collection[Document]


class Connected(Protocol):
    """What a phase offers (`leadbook.phases.phase.Phase`)."""

    mongodb: connect.Client
    admin: connect.Client
    redis: redis_py.Redis | None
    redis_problem: str
    endpoints: connect.Endpoints
    settings: Settings


@dataclass(kw_only=True)
class BenchmarkSession:
    """Connections, settings and a source of documents for measurements.

    mongodb and redis are the application's (redis None where it is away); admin is the DBA's.
    Everything is written to collections named `leadbook_scratch_...` in the settings' database, and only where `action`
    is approved.  redis_problem: why Redis is away.
    """

    mongodb: connect.Client
    admin: connect.Client
    redis: redis_py.Redis | None
    endpoints: connect.Endpoints
    settings: Settings
    action: str = "benchmarks"
    redis_problem: str = "Redis does not answer"
    _next: int = field(default=0, repr=False)
    _settles: bool = field(default=True, repr=False)
    _kept: contextlib.ExitStack = field(default_factory=contextlib.ExitStack, repr=False)

    def __post_init__(self) -> None:
        self.undo = undo.Changes(self.database)

    @classmethod
    def of(cls, phase: Connected, action: str = "benchmarks") -> BenchmarkSession:
        """The session of an opened phase, for an action of `settings.ACTIONS`."""
        made = cls(
            mongodb=phase.mongodb,
            admin=phase.admin,
            redis=phase.redis,
            endpoints=phase.endpoints,
            settings=phase.settings,
            action=action,
            redis_problem=phase.redis_problem or "Redis does not answer",
        )
        atexit.register(made.close)
        return made

    def begin(self) -> None:
        """To be called before anything is written. Raises RefusedError where it is not approved."""
        self.settings.refuse_unapproved(self.action)
        self.undo.begin()

    def keep(self, purpose: str, documents: int) -> Leads:
        """A scratch collection holding that many documents that stays until `close`, or until this process exits."""
        return self._kept.enter_context(self.scratch(purpose, documents=documents))

    def close(self) -> None:
        """Drop what `keep` made. What cannot be dropped now is left to the next run's sweep."""
        self._kept.close()
        with contextlib.suppress(PyMongoError):
            self.undo.end()

    def lost_redis(self) -> bool:
        """Whether Redis was there and is away now; then it is left out from here on, and `redis_problem` says why."""
        if self.redis is None:
            return False
        try:
            connect.ping_redis(self.redis)
        except UnreachableError as error:
            self.redis, self.redis_problem = None, str(error)
            return True
        return False

    @property
    def database(self) -> Database[Document]:
        """The application's view of the leads' database."""
        return self.mongodb[self.settings.database]

    @property
    def on_own_servers(self) -> bool:
        """Whether these are rehearsal servers, where a setting may be changed for a trial and nobody else works."""
        return self.endpoints.source == "rehearsal" and not self.settings.is_production

    def documents(self, count: int) -> list[Document]:
        """`count` lead documents that this session has not handed out before."""
        return sample.documents(count, seed=self.settings.sample_seed, start=self.reserve(count))

    def settle(self) -> None:
        """Wait until every member has applied all writes so far: the next trial must not pay for the last one's
        replication.

        Deletes nothing with `w` at the number of members: MongoDB waits for the latest operation then. Given up for
        good after SETTLE_MS, where a member lags or is away.
        """
        client = self.mongodb
        if not (
            self._settles and self.settings.approves(self.action)
        ) or not client.topology_description.topology_type_name.startswith("ReplicaSet"):
            return
        everybody = WriteConcern(w=len(client.nodes), wtimeout=SETTLE_MS)
        try:
            self.database.get_collection(f"{PREFIX}settle", write_concern=everybody).delete_one({"_id": None})
        except PyMongoError:
            self._settles = False

    @property
    def upcoming(self) -> int:
        """Number of the document that will be handed out next."""
        return self._next

    def reserve(self, count: int) -> int:
        """Set the next `count` documents of the sample aside for someone else; gives the number of the first."""
        first, self._next = self._next, self._next + count
        return first

    @contextlib.contextmanager
    def client(self, *listeners: Any, direct: bool = False, **changed: Any) -> Iterator[connect.Client]:
        """A client of its own with the settings, some of them `changed`; closed at the end.

        `direct`: it speaks to the primary alone (not for `mongodb+srv`, where it speaks to all as usual).
        """
        settings = self.settings.model_copy(update=changed) if changed else self.settings
        uri = self.primary_uri if direct else self.endpoints.mongodb_uri
        client = connect.mongodb(uri, settings, listeners=listeners)
        try:
            yield client
        finally:
            client.close()

    @property
    def primary_uri(self) -> str:
        """The address with the primary as its only host, for pools of one server; `mongodb+srv` as it is."""
        uri, primary = self.endpoints.mongodb_uri, self.mongodb.primary
        scheme, _, rest = uri.partition("://")
        authority, slash, path = rest.partition("/")
        if primary is None or scheme != "mongodb":
            return uri
        user, at, _ = authority.rpartition("@")
        database, _, options = path.partition("?")
        kept = [pair for pair in options.split("&") if pair and not pair.lower().startswith("replicaset=")]
        host = f"{primary[0]}:{primary[1]}"
        return f"{scheme}://{user}{at}{host}/{database if slash else ''}?{'&'.join([*kept, 'directConnection=true'])}"

    @contextlib.contextmanager
    def scratch(self, purpose: str, *, documents: int = 0, indexes: Iterable[IndexSpec] = INDEXES) -> Iterator[Leads]:
        """A new collection like the leads' (validator, `indexes`) holding that many documents; dropped at the end."""
        self.begin()
        name = self.undo.name(purpose)
        try:
            collection = create_like(self.database, name, self.settings, indexes=indexes)
            if documents:
                unwaited(collection).insert_many(self.documents(documents), ordered=False)
            yield collection
        finally:
            self.undo.drop(self.database[name])

    @contextlib.contextmanager
    def lone(self, shapes: Mapping[str, Iterable[IndexSpec]]) -> Iterator[dict[str, Leads]]:
        """Scratch collections by name, each with its indexes, whose writes wait for the server alone (`w: 1`).

        On own servers they lie in `local`, which is not replicated (nor validated): members on the same machine would
        take the processor that is measured. On others they are replicated as usual, by machines of their own.
        All are dropped at the end.
        """
        with contextlib.ExitStack() as stack:
            if self.on_own_servers:
                self.begin()
                client = connect.mongodb(self.endpoints.admin_uri, self.settings, retry_writes=False)
                database = stack.enter_context(client)[UNREPLICATED]
                made = {name: stack.enter_context(self._bare(database, indexes)) for name, indexes in shapes.items()}
            else:
                made = {
                    name: stack.enter_context(self.scratch("lone", indexes=indexes)) for name, indexes in shapes.items()
                }
            yield {name: unwaited(one) for name, one in made.items()}

    @contextlib.contextmanager
    def _bare(self, database: Database[Document], indexes: Iterable[IndexSpec]) -> Iterator[Leads]:
        """A new collection with nothing but `indexes`; dropped at the end."""
        collection: Leads = database[self.undo.name("lone")]
        models = [index.model() for index in indexes]
        try:
            if models:
                collection.create_indexes(models)
            yield collection
        finally:
            self.undo.drop(collection)


def unwaited(collection: Leads) -> Leads:
    """`collection` with writes that wait for the server alone (`w: 1`), not for replication."""
    return collection.with_options(write_concern=WriteConcern(w=1))
