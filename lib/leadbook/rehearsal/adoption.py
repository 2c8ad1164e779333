"""Whose database it is: a rehearsal works on servers of its own, elsewhere only in a database adopted for it.

`adopt` takes an empty database on servers named by the environment and marks it; `require` refuses everything else
before the first write. What a rehearsal empties, loads and fills is then never somebody's data.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from leadbook import __version__
from leadbook.core import connect
from leadbook.core.errors import RefusedError, UnreachableError
from leadbook.core.provenance import Target
from leadbook.core.settings import Settings

MARKER = "leadbook_adopted"
"""Collection that holds the one document which makes a database a rehearsal's."""
UNAUTHORIZED = 13
"""MongoDB's error code: the user has no right on that database, so it is surely not adopted by it."""


def adopt(settings: Settings) -> dict[str, Any]:
    """Mark the settings' database on the servers that the environment names as made for rehearsals; the mark.

    It must hold nothing at all. Starts no server: where the environment names no Redis, the rehearsal brings its own.

    Doing it twice is no error. Raises RefusedError (production, servers of leadbook's own, a database that holds
    anything, no right to look) and UnreachableError.
    """
    name = settings.database
    if settings.is_production:
        raise RefusedError("profile production needs no adopted database; adopt one for rehearsal, ci or thorough")
    uri, redis_url = (os.environ.get(name, "").strip() for name in (settings.mongodb_uri_env, settings.redis_url_env))
    if not uri:
        raise RefusedError(
            f"{settings.mongodb_uri_env} is not set: a rehearsal on servers of its own needs no adopted database"
        )
    endpoints = connect.Endpoints(
        mongodb_uri=uri, admin_uri=uri, reporting_uri=None, redis_url=redis_url, source="environment",
        redis_source="environment" if redis_url else "rehearsal",
    )  # fmt: skip
    with connect.mongodb(uri, settings) as client:
        connect.ping_mongodb(client)
        try:
            return _mark(client[name], Target.read(client, settings, endpoints))
        except PyMongoError as error:
            raise RefusedError(
                f"database {name} was not adopted: {type(error).__name__} (code {getattr(error, 'code', None)}); "
                f"the user of {settings.mongodb_uri_env} needs readWrite on it"
            ) from None


def _mark(database: connect.Database, target: Target) -> dict[str, Any]:
    found = database[MARKER].find_one({"_id": "adopted"})
    if found is not None:
        _refuse_other(found, target)
        return found
    holds = database.list_collection_names()
    if holds:
        some = ", ".join(sorted(holds)[:4]) + (", …" if len(holds) > 4 else "")
        raise RefusedError(
            f"database {database.name} is not adopted: it holds {len(holds)} collections ({some}), which may be "
            "somebody's; name a database that does not exist yet"
        )
    mark = {
        "_id": "adopted", "database": target.database, "replica_set": target.replica_set, "hosts": list(target.hosts),
        "redis": target.redis, "adopted_at": datetime.now(UTC).replace(microsecond=0), "by": f"leadbook {__version__}",
    }  # fmt: skip
    database[MARKER].insert_one(mark)
    return mark


def require(client: connect.Client, settings: Settings, endpoints: connect.Endpoints) -> None:
    """Raise RefusedError unless this profile may work here. Reads only; call it before the first write.

    Production: not on a rehearsal's servers, nor in a database adopted for one. Any other profile: on servers of its
    own, or in a database adopted on these very servers with this Redis.
    """
    if endpoints.source == "rehearsal" and endpoints.redis_source == "rehearsal":
        return
    if endpoints.source == "rehearsal" and not settings.is_production:
        raise RefusedError(
            f"profile {settings.profile} does not use the Redis that {settings.redis_url_env} names: its MongoDB would "
            f"be leadbook's own; unset {settings.redis_url_env}, or set {settings.mongodb_uri_env} too and adopt a "
            "database, or use --profile production"
        )
    try:
        mark = client[settings.database][MARKER].find_one({"_id": "adopted"})
    except PyMongoError as error:
        if getattr(error, "code", None) == UNAUTHORIZED and not settings.is_production:
            raise RefusedError(_not_adopted(settings)) from None
        raise UnreachableError(
            "MongoDB", connect.mongodb_address(client), f"database {settings.database} cannot be read "
            f"({type(error).__name__})", f"the user of {settings.mongodb_uri_env} needs readWrite on it",
        ) from None  # fmt: skip
    if settings.is_production:
        _refuse_rehearsals_servers(client, settings, endpoints)
        if mark is not None:
            raise RefusedError(
                f"database {settings.database} was adopted for rehearsals on {mark.get('adopted_at')}: it holds "
                "made-up leads; name production's own with -p database=…"
            )
        return
    if mark is None:
        raise RefusedError(_not_adopted(settings))
    _refuse_other(mark, Target.read(client, settings, endpoints))


def _refuse_rehearsals_servers(client: connect.Client, settings: Settings, endpoints: connect.Endpoints) -> None:
    """Refuse servers that leadbook started, in this checkout or another: they say so themselves."""
    own = {}
    if client.admin.command("hello").get("tags", {}).get(connect.REHEARSAL_MARK):
        own[settings.mongodb_uri_env] = f"MongoDB at {connect.mongodb_address(client)}"
    # A Redis that is away, or tells strangers nothing, is none: the rehearsal's tells everything to its one user.
    with suppress(RedisError), connect.redis(endpoints.redis_url, settings) as redis:
        if connect.REHEARSAL_MARK in str(redis.config_get("proc-title-template")):
            own[settings.redis_url_env] = f"Redis at {connect.redis_address(redis)}"
    if own:
        raise RefusedError(
            f"profile production does not work on a rehearsal's servers ({', '.join(own.values())}): set "
            f"{' and '.join(own)} to production's own, or unset every address and use --profile rehearsal"
        )


def _not_adopted(settings: Settings) -> str:
    return (
        f"profile {settings.profile} does not work in database {settings.database} on servers named by "
        f"{settings.mongodb_uri_env}: it empties, fills and loads what it works on. For the real sprint: --profile "
        "production; to rehearse there: leadbook adopt NEW_DATABASE, and -p database=NEW_DATABASE; to rehearse on "
        f"servers of leadbook's own: unset {settings.mongodb_uri_env} and {settings.redis_url_env}"
    )


def _refuse_other(mark: dict[str, Any], target: Target) -> None:
    own = {"database": target.database, "replica_set": target.replica_set, "redis": target.redis}
    for key, here in own.items():
        if mark.get(key) != here:
            raise RefusedError(
                f"database {target.database} was adopted with {key.replace('_', ' ')} {mark.get(key)}, here it is "
                f"{here}; adopt a new database for these servers"
            )
