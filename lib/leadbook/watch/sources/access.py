"""The clients of a watch: few connections, short patience, the least rights that suffice, and a name of its own."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import pymongo
from bson.errors import BSONError
from pymongo import ReadPreference
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from leadbook.core import connect, write_errors
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.core.traces import CommandTrace
from leadbook.provision.asked import FORBIDDEN_CODES, REFUSED_DBA, UNAUTHORIZED, acl
from leadbook.provision.rights import Holder

APPLICATION = connect.WATCH
FIRST_S = 1.5
"""The first question to a server waits no longer: one that is away costs each snapshot so much."""
EACH_S = 2.5
"""Each further question; the server itself ends what takes longer (maxTimeMS)."""
RIGHTS_S = 300.0
"""So long what was read of a user's rights is believed."""
_REFUSED = (18, 8000)
SILENT_DBA = "MONGODB_ADMIN_URI does not answer, though the application's address does: look at its hosts and network"


@dataclass
class Own:
    """What the watch itself asked of the servers since it read their counters: it is no part of what it tells.

    scanned, returned: documents.  reads: commands, and read_us their time.  hits, misses: look-ups in Redis.
    """

    scanned: int = 0
    returned: int = 0
    reads: int = 0
    read_us: float = 0.0
    hits: int = 0
    misses: int = 0


class Access:
    """Clients while entered. data: of whoever may read the leads, the reporting user where there is one.  admin: of the
    DBA, or else the application's.  trace: commands that were sent to MongoDB since `with access.trace` began.
    own: what the watch asked itself, to be taken off what servers count."""

    def __init__(self, settings: Settings, endpoints: connect.Endpoints) -> None:
        self.settings, self.endpoints, self.trace = settings, endpoints, CommandTrace()
        self._patient = settings.model_copy(update={
            "min_pool_size": 0, "max_pool_size": 2, "max_connecting": 2, "max_idle_time_ms": 0,
            "connect_timeout_ms": 1_000, "server_selection_timeout_ms": 1_000, "wait_queue_timeout_ms": 1_000,
            "socket_timeout_ms": 5_000, "redis_connect_timeout_s": 0.8, "redis_socket_timeout_s": 0.8,
            "redis_max_connections": 2,
        })  # fmt: skip
        self._stack, self._clients = ExitStack(), dict[str, connect.Client]()
        self._data_uri = endpoints.reporting_uri or endpoints.mongodb_uri
        self._admin_uri, self._checked, self._refused = endpoints.admin_uri, -RIGHTS_S, ""
        self._held: tuple[float, Holder] | None = None
        self.own = Own()

    def __enter__(self) -> Self:
        self.redis = connect.redis(self.endpoints.redis_url, self._patient, application=APPLICATION)
        self._stack.callback(self.redis.connection_pool.disconnect)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
        self._clients = {}

    def _client(self, uri: str) -> connect.Client:
        if uri not in self._clients:
            client = connect.mongodb(uri, self._patient, listeners=[self.trace], application=APPLICATION)
            self._clients[uri] = self._stack.enter_context(client)
        return self._clients[uri]

    @property
    def admin(self) -> connect.Client:
        """The DBA's client, or the application's."""
        return self._client(self._admin_uri)

    @property
    def database(self) -> connect.Database:
        """The leads' database, read from the primary whatever the address asks for: a member that lags tells less."""
        client = self._client(self._data_uri)
        return client.get_database(
            self.settings.database, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("local")
        )

    def collection(self, name: str) -> connect.Collection:
        """A collection of the leads' database."""
        return self.database[name]

    def first(self) -> dict[str, Any]:
        """What the primary says of itself (`hello`). Raises PyMongoError within FIRST_S where it is away.

        The application's user takes the place of one who is refused: each refusal would cost time.
        """
        with pymongo.timeout(FIRST_S):
            try:
                hello = dict(self.database.command("hello"))
            except OperationFailure as error:
                if error.code not in _REFUSED or not self.demote():
                    raise
                hello = dict(self.database.command("hello"))
        self._check_admin()
        return hello

    def _check_admin(self) -> None:
        """Ask once in RIGHTS_S whether the DBA's address answers and lets its user in; else the application's takes its
        place: a server that answers the application is not away."""
        if time.monotonic() - self._checked < RIGHTS_S:
            return
        self._admin_uri, self._refused = self.endpoints.admin_uri, ""
        try:
            with pymongo.timeout(FIRST_S):
                self.admin.admin.command("ping")
        except OperationFailure as error:
            if error.code in _REFUSED:
                self._admin_uri, self._refused = self.endpoints.mongodb_uri, REFUSED_DBA
        except PyMongoError:
            self._admin_uri, self._refused = self.endpoints.mongodb_uri, SILENT_DBA
        self._checked = time.monotonic()

    def demote(self) -> bool:
        """Read as the application from now on; False where that is so already."""
        was, self._data_uri = self._data_uri, self.endpoints.mongodb_uri
        return was != self._data_uri

    def why(self, error: Exception, needs: tuple[str, ...]) -> str:
        """Why something cannot be read, in one line without a secret or a value; what right is missing, and the command
        that grants it. needs: keys of `rights.RIGHTS`."""
        if isinstance(error, NoPermissionError):
            return f"the Redis user lacks a right, allow it: {acl(str(error))}"
        if isinstance(error, ResponseError) and "unknown command" in str(error):
            return "the provider of Redis does not offer it"
        if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
            return self._refused or self._missing(needs) or f"the user may not read it: {write_errors.line(error)}"
        if isinstance(error, OperationFailure) and error.code in FORBIDDEN_CODES - set(_REFUSED):
            return "this tier does not offer it: look in the provider's console"
        if isinstance(error, LeadbookError):
            return str(error)
        if isinstance(error, PyMongoError | RedisError | BSONError):
            return f"{type(error).__name__}: {write_errors.line(error)}"
        return type(error).__name__

    def _missing(self, needs: tuple[str, ...]) -> str:
        holder = self._holder()
        lacks = holder.missing(needs) if holder else ()
        if holder is None or not lacks:
            return ""
        user = f"the user {holder.name}" if holder.own else "MONGODB_ADMIN_URI is not set, and the application's user"
        return f"{user} lacks {holder.told(lacks)}: {holder.grant(lacks)}"

    def _holder(self) -> Holder | None:
        """The DBA's user and what that user lacks; asked once in RIGHTS_S, since rights may be granted meanwhile."""
        now = time.monotonic()
        if self._held is None or now - self._held[0] > RIGHTS_S:
            try:
                with pymongo.timeout(EACH_S):
                    own = self.endpoints.has_own_admin
                    self._held = now, Holder.of(self.admin, self.settings.database, own=own)
            except PyMongoError:
                return None
        return self._held[1]
