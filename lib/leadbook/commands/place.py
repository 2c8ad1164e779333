"""Where the DBA's commands work: the database and Redis of a profile as they are, with nothing started and nothing
changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from redis import Redis

from leadbook.core import connect
from leadbook.core.allowed import ACTIONS
from leadbook.core.errors import ServerError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.core.settings import Settings
from leadbook.ingest.site import Site
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.locks import TargetLock


@dataclass(frozen=True, kw_only=True)
class Place:
    """The servers of a profile. database: the application's view, from the primary.  admin: the DBA's client.

    redis: None where it is away; redis_problem says why.
    """

    settings: Settings
    endpoints: connect.Endpoints
    client: connect.Client
    admin: connect.Client
    database: connect.Database
    redis: Redis | None
    redis_problem: str
    journal: Journal

    @property
    def own(self) -> bool:
        """True on servers that leadbook started."""
        return self.endpoints.source == "rehearsal"


def addresses(settings: Settings) -> connect.Endpoints:
    """The addresses of a profile; starts nothing. Raises ServerError where rehearsal servers are down, and
    ParameterError."""
    servers.refuse_addresses(settings)
    if not servers.all_named(settings):
        state = servers.status()
        if state is None or state.dead:
            raise ServerError(servers.told())
    return servers.resolve(settings)


def hurried(settings: Settings, patience_ms: int) -> Settings:
    """The settings with servers waited for so long only."""
    seconds = patience_ms / 1000
    return settings.model_copy(update={
        "server_selection_timeout_ms": patience_ms, "connect_timeout_ms": patience_ms, "min_pool_size": 0,
        "socket_timeout_ms": 4 * patience_ms, "redis_connect_timeout_s": seconds, "redis_socket_timeout_s": seconds,
    })  # fmt: skip


@contextmanager
def opened(settings: Settings, what: str = "", *, patience_ms: int = 0) -> Iterator[Place]:
    """The place of a profile. what: of a command that changes something, so that no run works there meanwhile.

    patience_ms: how long a server is waited for, where that differs from the settings. Raises UnreachableError,
    RefusedError (this profile may not work there, or a run does), ServerError and ParameterError.
    """
    settings = hurried(settings, patience_ms) if patience_ms else settings
    endpoints = addresses(settings)
    with ExitStack() as stack:
        client = stack.enter_context(connect.mongodb(endpoints.mongodb_uri, settings))
        connect.ping_mongodb(client)
        adoption.require(client, settings, endpoints)
        if what and settings.is_rehearsal:
            stack.enter_context(TargetLock(settings, what, shared=True))
        admin = stack.enter_context(connect.mongodb(endpoints.admin_uri, settings))
        redis, problem = stack.enter_context(connect.redis(endpoints.redis_url, settings)), ""
        try:
            connect.ping_redis(redis)
        except UnreachableError as error:
            problem = str(error)
        database = Site(endpoints=endpoints, settings=settings).database(client)
        yield Place(
            settings=settings, endpoints=endpoints, client=client, admin=admin, database=database,
            redis=None if problem else redis, redis_problem=problem,
            journal=Journal(client[settings.database], endpoints.mongodb_uri),
        )  # fmt: skip


def approved(settings: Settings, action: str) -> bool:
    """Whether somebody said `ACTION on DATABASE` for this database, in whatever profile: a rehearsal too asks first.

    Raises ParameterError, in production, where it is approved for another database only.
    """
    said = {tuple(map(str.strip, entry.split(" on ", 1))) for entry in settings.approve.split(",") if entry.strip()}
    return settings.approves(action) and (action, settings.database) in said


def how_to_approve(settings: Settings, action: str, command: str) -> str:
    """What to type so that a command goes on: to let leadbook do what its plan says."""
    return (
        f"nothing is changed; to let leadbook {ACTIONS[action]}, run `leadbook {command} --profile {settings.profile} "
        f"-p approve='{action} on {settings.database}'`"
    )
