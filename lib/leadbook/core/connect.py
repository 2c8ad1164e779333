"""The only place clients are built; what listens to them stands in `traces`.

An option that stands in the address itself wins over the setting: whoever wrote `?maxPoolSize=20` into MONGODB_URI
meant it. Phase 01 therefore shows what the driver *really* holds, never what a profile says. Everything else (pool,
time-outs, write concern) is passed explicitly, so that no driver default decides silently.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import redis as redis_py
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient
from pymongo import collection as pymongo_collection
from pymongo import database as pymongo_database
from pymongo.common import VALIDATORS
from pymongo.errors import ConfigurationError, PyMongoError
from redis.backoff import ExponentialBackoff
from redis.connection import URL_QUERY_ARGUMENT_PARSERS as _REDIS_OPTIONS
from redis.retry import Retry

from leadbook.core import addresses, write_errors
from leadbook.core.addresses import Address, AddressError
from leadbook.core.errors import ParameterError, UnreachableError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings

Client = MongoClient[dict[str, Any]]
"""A MongoClient whose documents are plain dicts."""

Database = pymongo_database.Database[dict[str, Any]]
Collection = pymongo_collection.Collection[dict[str, Any]]

LENIENT: CodecOptions[dict[str, Any]] = CodecOptions(
    tz_aware=True, datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)
"""Whatever somebody stored must be readable: dates beyond Python's years, text that is no UTF-8. One such document is
then judged like any other, not an error of the whole question."""

APP_NAME = "leadbook"
NOTEBOOK = "leadbook-notebook"
"""What the phases' clients are called: what they ask of a live sprint is no part of it."""
WATCH = "leadbook-watch"
ASKS = (NOTEBOOK, WATCH)
"""Names of clients that look at a sprint; what ingests is called APP_NAME."""
logging.getLogger("pymongo").addHandler(logging.NullHandler())
"""The driver's background thread logs a traceback each second in which it cannot log in; the call itself tells it."""
_CONCERN = {"w": "w", "wtimeout": "wTimeoutMS", "j": "journal"}
"""Parts of a write concern, and the options of the driver that set them."""
_PROFILE = ("minPoolSize", "maxPoolSize", "wTimeoutMS", "journal")
"""Options of the profile that the driver holds against those in the address."""


REHEARSAL_MARK = "leadbook_rehearsal"
"""What the servers that leadbook starts say of themselves: a tag that `hello` tells, a word in Redis's title template
(which has no effect there). Production knows by it whose servers these are, whatever checkout started them."""


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
        return addresses.secret_values([self.mongodb_uri, self.admin_uri, self.reporting_uri or "", self.redis_url])

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


def mongodb(
    uri: str,
    settings: Settings,
    *,
    listeners: Sequence[Any] = (),
    retry_writes: bool = True,
    application: str = APP_NAME,
) -> Client:
    """A MongoClient with the settings' pool, time-outs and write concern; options in `uri` win. Waits for no server.
    `retry_writes`: False switches retryable writes off, whatever `uri` says; the database `local` refuses them.
    application: the name under which the server lists its connections.

    Raises ParameterError for an address or a combination of settings that the driver refuses, and UnreachableError
    where a `mongodb+srv` name cannot be resolved.
    """
    name = _variable(uri, settings)
    address = read(uri, name, "MongoDB")
    in_uri = {key.lower() for key, _ in address.options}
    options = {key: value for key, value in _options(settings).items() if key.lower() not in in_uri}
    options |= {} if retry_writes else {"retryWrites": False}
    options |= {"appname": application} if "appname" in options else {}
    try:
        with warnings.catch_warnings():  # the driver only warns of a bad value, and goes on without it
            warnings.filterwarnings("error", message=r"(?!Unknown option)", category=UserWarning)
            return MongoClient(uri, tz_aware=True, event_listeners=list(listeners), **options)
    except (PyMongoError, OSError, ValueError, TypeError, UserWarning) as error:
        if address.scheme == "mongodb+srv" and isinstance(error, ConfigurationError) and "DNS" in str(error):
            problem = "this name has no SRV record, or no name server answers"
            raise UnreachableError("MongoDB", address.shown, problem, "check the host name") from None
        raise ParameterError(name, f"is not a usable MongoDB address: {_refusal(error, address)}") from None


def read(uri: str, variable: str, service: Literal["MongoDB", "Redis"]) -> Address:
    """The parts of an address. Raises ParameterError that names the variable and the kind of problem, never a part of
    the address: what looks like a host or a port may be the middle of a password."""
    schemes = addresses.MONGODB if service == "MongoDB" else addresses.REDIS
    if not uri.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        raise ParameterError(variable, f"must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    try:
        return addresses.parse(uri)
    except AddressError as error:
        raise ParameterError(variable, f"is not a usable {service} address: {error}") from None


def _variable(uri: str, settings: Settings) -> str:
    """Name of the environment variable that holds `uri`."""
    names = [str(settings.__dict__[f"mongodb_{kind}uri_env"]) for kind in ("", "admin_", "reporting_")]
    return next((name for name in names if os.environ.get(name, "").strip() == uri), names[0])


def _refusal(error: BaseException, address: Address) -> str:
    """Why a driver refuses an address, without a word of the driver's: it quotes what it was given."""
    text = str(error)
    known = [key for key, _ in address.options if key.lower() in {*VALIDATORS, *_REDIS_OPTIONS}]
    named = dict.fromkeys(key for key in [*known, *_PROFILE] if re.search(rf"(?i)\b{key}\b", text))
    if isinstance(error, OSError) or "file" in text.lower():
        files = [key for key in known if "file" in key.lower()]
        return f"a file that it names cannot be read: {', '.join(files) or 'see its options'}"
    if named:
        return f"the driver refuses its option {' and '.join(named)}"
    if address.scheme in addresses.MONGODB and address.user and not address.password:
        return "it names a user and no password"
    return "the driver refuses one of its options" if address.options else f"the driver refuses it; {addresses.ENCODE}"


def write_concern(settings: Settings) -> dict[str, Any]:
    """The write concern that the settings ask for, as a command carries it; what stands in an address wins over it."""
    number = settings.write_concern.isdigit()
    concern: dict[str, Any] = {"w": int(settings.write_concern) if number else settings.write_concern}
    if settings.wtimeout_ms and concern["w"] != 0:
        concern["wtimeout"] = settings.wtimeout_ms
    if settings.journal != "default":
        concern["j"] = settings.journal == "true"
    return concern


def _options(settings: Settings) -> dict[str, Any]:
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
    }
    return options | {_CONCERN[name]: value for name, value in write_concern(settings).items()}


def redis(url: str, settings: Settings, *, application: str = APP_NAME) -> redis_py.Redis:
    """A Redis client over a pool that makes callers wait for a free connection instead of raising. Does not connect.

    Replies are bytes. A caller waits as long for a free connection as for a new one (redis_connect_timeout_s), and a
    broken connection is retried twice within 0.1 s: the cache may be slow or gone, never in the way.
    Raises ParameterError.
    """
    address = read(url, settings.redis_url_env, "Redis")
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
            client_name=application,
        )
        pool.connection_class(**pool.connection_kwargs)  # an unknown option would else be found at the first command
    except (redis_py.RedisError, OSError, ValueError, TypeError) as error:
        problem = f"is not a usable Redis address: {_refusal(error, address)}"
        raise ParameterError(settings.redis_url_env, problem) from None
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


def server_of(client: Client) -> tuple[str, int] | None:
    """Host and port of the primary, of a standalone server, or of one mongos of several, which the driver takes in
    turns; None where there is no primary. Raises ServerSelectionTimeoutError."""
    if client.topology_description.topology_type_name == "Sharded":
        client.admin.command("ping")
        return next(((host, port) for host, port in sorted(client.nodes) if port), None)
    return client.address


_DIAGNOSES: tuple[tuple[str, str, str], ...] = (
    (r"handshake( operation)? timed out", "no answer in time",
     "the server may be frozen or overloaded, or does not speak TLS where the address asks for it"),
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
    (r"[Aa]uthenticat|WRONGPASS|NOAUTH|bad auth|AuthenticationError|invalid username-password", "authentication failed",
     "check user and password in the address (for MongoDB also authSource)"),
    (r"NOPERM|NoPermissionError", "its user may not", "leadbook doctor prints the ACL rules that it needs"),
    (r"not authorized|requires authentication", "not authorised", "grant the user the role it needs"),
    (r"LOADING|BusyLoading", "still loading its data set", "wait until it has loaded"),
    (r"No replica set members|No primary|not primary", "no primary answers", "look at the replica set's members"),
    (r"connection closed|reset by peer|closed by server", "connection closed by the server",
     "the server may require TLS (tls=true / rediss://), or an access list keeps this machine out"),
    (r"timed out|Timeout", "no answer in time",
     "check host, port, firewall and IP access list, and whether the server speaks TLS where the address asks for it"),
)  # fmt: skip


def _diagnose(text: str, error: BaseException, service: str) -> tuple[str, str]:
    """What went wrong and what to do, in plain words, from a driver's message."""
    text = re.sub(r", full error: \{.*?\}\}?", "", text.replace("\n", " "))
    if service == "MONGODB" and getattr(error, "code", None) in (18, 8000):
        text = "authentication failed"
    for pattern, problem, hint in _DIAGNOSES:
        if re.search(pattern, text):
            return problem, hint
    return write_errors.line(text).rstrip("."), "see the server's log"


def commit_quorum(database: Database) -> dict[str, Any]:
    """The option of createIndexes with which a build on data ends though a member is away.

    MongoDB's default, `votingMembers`, waits for every voting member that holds data, for ever if need be
    (documentation of createIndexes, commitQuorum). Empty for a standalone server, which does not take it.
    """
    hello = database.client.admin.command("hello")
    return {"commitQuorum": "majority"} if hello.get("setName") or hello.get("msg") == "isdbgrid" else {}
