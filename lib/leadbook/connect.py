"""The only place clients are built, and what listens to them.

An option that stands in the address itself wins over the setting: whoever wrote `?maxPoolSize=20` into MONGODB_URI
meant it. Phase 01 therefore shows what the driver *really* holds, never what a profile says. Everything else (pool,
time-outs, write concern) is passed explicitly, so that no driver default decides silently.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import redis as redis_py
from pymongo import MongoClient, monitoring
from pymongo import collection as pymongo_collection
from pymongo import database as pymongo_database
from pymongo.errors import ConfigurationError, InvalidURI, PyMongoError
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from leadbook.errors import ParameterError, UnreachableError
from leadbook.settings import Redactor, Settings, secret_values

__all__ = [
    "Client",
    "Collection",
    "Command",
    "CommandTrace",
    "Database",
    "Endpoints",
    "PoolTrace",
    "mongodb",
    "ping_mongodb",
    "ping_redis",
    "redis",
]


Client = MongoClient[dict[str, Any]]
"""A MongoClient whose documents are plain dicts."""

Database = pymongo_database.Database[dict[str, Any]]
Collection = pymongo_collection.Collection[dict[str, Any]]

APP_NAME = "leadbook"


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """The addresses of one environment. They hold passwords: the repr masks them, and nothing else may print them.

    admin_uri is the DBA's, or the application's where no other is known; reporting_uri is None where nobody set one.
    source and redis_source tell whether MongoDB and Redis are the user's own or rehearsal servers.
    restarts: rehearsal servers that had died and were started again for this, a line each.
    """

    mongodb_uri: str
    admin_uri: str
    reporting_uri: str | None
    redis_url: str
    source: Literal["environment", "rehearsal"]
    redis_source: Literal["environment", "rehearsal"]
    restarts: tuple[str, ...] = ()

    @property
    def secrets(self) -> set[str]:
        """Passwords and whole addresses, for a Redactor."""
        return secret_values([self.mongodb_uri, self.admin_uri, self.reporting_uri or "", self.redis_url])

    @property
    def has_own_admin(self) -> bool:
        """True where the DBA's address differs from the application's."""
        return self.admin_uri != self.mongodb_uri

    def __repr__(self) -> str:
        mask = Redactor().address
        return (
            f"Endpoints(mongodb={mask(self.mongodb_uri)} ({self.source}), redis={mask(self.redis_url)} "
            f"({self.redis_source}), admin={'own' if self.has_own_admin else 'as application'}, "
            f"reporting={'set' if self.reporting_uri else 'not set'})"
        )


def mongodb(uri: str, settings: Settings, *, listeners: Sequence[Any] = (), retry_writes: bool = True) -> Client:
    """A MongoClient with the settings' pool, time-outs and write concern; options in `uri` win. Waits for no server.
    `retry_writes`: False switches retryable writes off, whatever `uri` says; the database `local` refuses them.

    Raises ParameterError for an address or a combination of settings that the driver refuses, and UnreachableError
    where a `mongodb+srv` name cannot be resolved.
    """
    in_uri = {pair.partition("=")[0].lower() for pair in uri.partition("?")[2].replace(";", "&").split("&") if pair}
    options = {key: value for key, value in _options(settings).items() if key.lower() not in in_uri}
    options |= {} if retry_writes else {"retryWrites": False}
    if not uri.startswith(("mongodb://", "mongodb+srv://")):
        raise ParameterError(settings.mongodb_uri_env, "must start with mongodb:// or mongodb+srv://")
    try:
        with warnings.catch_warnings():  # the driver only warns of a bad value, and goes on without it
            warnings.filterwarnings("error", message=r"(?!Unknown option)", category=UserWarning)
            return MongoClient(uri, tz_aware=True, event_listeners=list(listeners), **options)
    except ConfigurationError as error:
        text = Redactor(secret_values([uri])).text(str(error))
        if isinstance(error, InvalidURI) or "DNS" not in text:
            raise ParameterError(settings.mongodb_uri_env, f"is not a usable MongoDB address: {_line(text)}") from None
        raise UnreachableError("MongoDB", Redactor().address(uri), _line(text), "check the host name") from None
    except (ValueError, TypeError, UserWarning) as error:
        text = _line(Redactor(secret_values([uri])).text(str(error)))
        raise ParameterError(settings.mongodb_uri_env, f"is not a usable MongoDB address: {text}") from None


def _options(settings: Settings) -> dict[str, Any]:
    concern = settings.write_concern
    options: dict[str, Any] = {
        "appname": APP_NAME,
        "maxPoolSize": settings.max_pool_size,
        "minPoolSize": settings.min_pool_size,
        "maxConnecting": settings.max_connecting,
        "maxIdleTimeMS": settings.max_idle_time_ms or None,
        "connectTimeoutMS": settings.connect_timeout_ms,
        "socketTimeoutMS": settings.socket_timeout_ms or None,
        "serverSelectionTimeoutMS": settings.server_selection_timeout_ms,
        "waitQueueTimeoutMS": settings.wait_queue_timeout_ms,
        "w": int(concern) if concern.isdigit() else concern,
    }
    if settings.wtimeout_ms and concern != "0":
        options["wTimeoutMS"] = settings.wtimeout_ms
    if settings.journal != "default":
        options["journal"] = settings.journal == "true"
    return options


def redis(url: str, settings: Settings) -> redis_py.Redis:
    """A Redis client over a pool that makes callers wait for a free connection instead of raising. Does not connect.

    Replies are bytes. A caller waits as long for a free connection as for a new one (redis_connect_timeout_s), and a
    broken connection is retried twice within 0.1 s: the cache may be slow or gone, never in the way.
    Raises ParameterError.
    """
    try:
        pool = redis_py.BlockingConnectionPool.from_url(
            url,
            max_connections=settings.redis_max_connections,
            timeout=settings.redis_connect_timeout_s,
            socket_connect_timeout=settings.redis_connect_timeout_s,
            socket_timeout=settings.redis_socket_timeout_s,
            health_check_interval=30,
            retry=Retry(ExponentialBackoff(cap=0.08, base=0.02), 2),
            decode_responses=False,
            client_name=APP_NAME,
        )
    except (ValueError, TypeError) as error:
        text = _line(Redactor(secret_values([url])).text(str(error)))
        raise ParameterError(settings.redis_url_env, f"is not a usable Redis address: {text}") from None
    return redis_py.Redis(connection_pool=pool)


# ------------------------------------------------------------------------------------------------------------- pings


def ping_mongodb(client: Client) -> None:
    """Raise UnreachableError unless a server answers and accepts the credentials."""
    try:
        client.admin.command("ping")
    except PyMongoError as error:
        problem, hint = _diagnose(f"{type(error).__name__}: {error}", error, "MONGODB")
        raise UnreachableError("MongoDB", mongodb_address(client), problem, hint) from None


def ping_redis(client: redis_py.Redis) -> None:
    """Raise UnreachableError unless Redis answers and accepts the password."""
    try:
        client.ping()
    except (redis_py.RedisError, OSError) as error:
        problem, hint = _diagnose(f"{type(error).__name__}: {error}", error, "REDIS")
        raise UnreachableError("Redis", redis_address(client), problem, hint) from None


def mongodb_address(client: Client) -> str:
    """`host:port, host:port` as the driver knows them; no credentials."""
    servers = client.topology_description.server_descriptions()
    return ", ".join(sorted(f"{host}:{port}" if port else host for host, port in servers)) or "(no host)"


def redis_address(client: redis_py.Redis) -> str:
    """`host:port` (or the socket's path) of the pool; no credentials."""
    options = client.connection_pool.connection_kwargs
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


_DIAGNOSES: tuple[tuple[str, str, str], ...] = (
    (r"CERTIFICATE_VERIFY_FAILED.*(hostname|IP address) mismatch", "TLS certificate is for another host name",
     "connect by the name that stands in the certificate"),
    (r"CERTIFICATE_VERIFY_FAILED|self.signed certificate", "TLS certificate is not trusted",
     "name the authority's file: tlsCAFile=… (MongoDB) or ssl_ca_certs=… (Redis) in the address"),
    (r"WRONG_VERSION_NUMBER|record layer failure|UNEXPECTED_EOF|EOF occurred|SSL|TLS", "TLS handshake failed",
     "the server may not speak TLS: compare tls= / rediss:// in the address with the server"),
    (r"Name or service not known|nodename nor servname|getaddrinfo|Temporary failure in name", "host name is unknown",
     "check the host in the address"),
    (r"[Cc]onnection refused|Errno 111|Error 111|Error 61", "connection refused",
     "is the server running, and is this its port?"),
    (r"authenticat|WRONGPASS|NOAUTH|bad auth|AuthenticationError|invalid username-password", "authentication failed",
     "check user, password and authSource in the address"),
    (r"not authorized|NOPERM|requires authentication", "not authorised", "grant the user the role it needs"),
    (r"LOADING|BusyLoading", "still loading its data set", "wait until it has loaded"),
    (r"No replica set members|No primary|not primary", "no primary answers", "look at the replica set's members"),
    (r"connection closed|reset by peer|closed by server", "connection closed by the server",
     "the server may require TLS (tls=true / rediss://), or an access list keeps this machine out"),
    (r"timed out|Timeout", "no answer in time", "check host, port, firewall and IP access list"),
)  # fmt: skip


def _diagnose(text: str, error: BaseException, service: str) -> tuple[str, str]:
    """What went wrong and what to do, in plain words, from a driver's message."""
    text = text.replace("\n", " ")
    if service == "MONGODB" and getattr(error, "code", None) in (18, 8000):
        text = "authentication failed"
    for pattern, problem, hint in _DIAGNOSES:
        if re.search(pattern, text):
            return problem, hint
    return _line(text)[:160], "see the server's log"


def _line(text: str) -> str:
    return (text.splitlines() or [""])[0].split(", Timeout:")[0].strip().rstrip(".")


# ------------------------------------------------------------------------------------------------------------ traces


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command as it went over the wire, without its documents (they may hold personal data).

    write_concern: the `writeConcern` field really sent, or None when the command had none.
    documents: how many documents, updates or deletes it carried. duration_ms: until the driver had the reply.
    """

    name: str
    database: str
    collection: str
    write_concern: Mapping[str, Any] | None
    documents: int
    ordered: bool | None
    duration_ms: float
    failure: str


class CommandTrace(monitoring.CommandListener):
    """Records commands while entered: `with trace: …`, then `trace.commands`. Pass it as a listener of `mongodb`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[tuple[int, Any], Mapping[str, Any]] = {}
        self._commands: list[Command] = []
        self._recording = False

    def __enter__(self) -> Self:
        with self._lock:
            self._commands, self._started, self._recording = [], {}, True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._recording = False

    @property
    def commands(self) -> list[Command]:
        """Commands in the order of their replies."""
        with self._lock:
            return list(self._commands)

    def named(self, name: str) -> list[Command]:
        """Commands of one name, such as `insert`."""
        return [command for command in self.commands if command.name == name]

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        """Driver's hook."""
        if not self._recording:
            return
        body = event.command
        counted = next((body[key] for key in ("documents", "updates", "deletes") if key in body), ())
        named = body.get(event.command_name)
        concern = body.get("writeConcern")
        kept = {
            "name": event.command_name, "database": event.database_name,
            "collection": named if isinstance(named, str) else "",
            "write_concern": dict(concern) if concern is not None else None,
            "documents": len(counted), "ordered": body.get("ordered"),
        }  # fmt: skip
        with self._lock:
            self._started[(event.request_id, event.connection_id)] = kept

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Driver's hook."""
        self._finish(event, "")

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Driver's hook. Keeps the code's name only: a message may quote a document."""
        self._finish(event, str(event.failure.get("codeName") or event.failure.get("code") or "failed"))

    def _finish(self, event: Any, failure: str) -> None:
        with self._lock:
            kept = self._started.pop((event.request_id, event.connection_id), None)
            if kept is not None:
                self._commands.append(Command(**kept, duration_ms=event.duration_micros / 1000, failure=failure))


class PoolTrace(monitoring.ConnectionPoolListener):
    """Counts and times what a connection pool does. Pass it as a listener of `mongodb`; safe in any number of threads.

    checkouts and ready are durations in seconds (waiting for a connection; opening one, with TLS and authentication).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the number of connections open now (`open`)."""
        with self._lock:
            self._checkouts: list[float] = []
            self._ready: list[float] = []
            self._failures: list[str] = []
            self._open: int = getattr(self, "_open", 0)
            self.created = self.closed = self.cleared = 0

    @property
    def checkouts(self) -> list[float]:
        """Seconds each successful check-out took."""
        with self._lock:
            return list(self._checkouts)

    @property
    def ready(self) -> list[float]:
        """Seconds each new connection took to be usable."""
        with self._lock:
            return list(self._ready)

    @property
    def failures(self) -> list[str]:
        """Reason of each failed check-out, such as `timeout`."""
        with self._lock:
            return list(self._failures)

    @property
    def open(self) -> int:
        """Connections open now, in all pools of the client."""
        with self._lock:
            return self._open

    def connection_checked_out(self, event: monitoring.ConnectionCheckedOutEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self._checkouts.append(event.duration or 0.0)

    def connection_check_out_failed(self, event: monitoring.ConnectionCheckOutFailedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self._failures.append(str(event.reason))

    def connection_created(self, event: monitoring.ConnectionCreatedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self.created += 1
            self._open += 1

    def connection_ready(self, event: monitoring.ConnectionReadyEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self._ready.append(event.duration or 0.0)

    def connection_closed(self, event: monitoring.ConnectionClosedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self.closed += 1
            self._open -= 1

    def pool_cleared(self, event: monitoring.PoolClearedEvent) -> None:
        """Driver's hook."""
        with self._lock:
            self.cleared += 1

    def connection_check_out_started(self, event: monitoring.ConnectionCheckOutStartedEvent) -> None:
        """Driver's hook; nothing to record."""

    def connection_checked_in(self, event: monitoring.ConnectionCheckedInEvent) -> None:
        """Driver's hook; nothing to record."""

    def pool_created(self, event: monitoring.PoolCreatedEvent) -> None:
        """Driver's hook; nothing to record."""

    def pool_ready(self, event: monitoring.PoolReadyEvent) -> None:
        """Driver's hook; nothing to record."""

    def pool_closed(self, event: monitoring.PoolClosedEvent) -> None:
        """Driver's hook; nothing to record."""
