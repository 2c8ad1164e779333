"""Which leadbook this is, of what code, with which drivers, and against which servers."""

from __future__ import annotations

import platform
from importlib.metadata import version

from leadbook.commands.place import opened
from leadbook.commands.sprint import PATIENCE_MS
from leadbook.core import connect
from leadbook.core.errors import LeadbookError
from leadbook.core.provenance import code_digest
from leadbook.core.settings import Settings

DRIVERS = ("pymongo", "redis", "papermill")


def versions() -> dict[str, str]:
    """leadbook, the digest of its code, Python and the drivers."""
    drivers = {name: version(name) for name in DRIVERS}
    return {"leadbook": version("leadbook"), "code": code_digest(), "Python": platform.python_version(), **drivers}


def of_servers(settings: Settings) -> dict[str, str]:
    """The servers' releases, or in words why one cannot be told."""
    try:
        with opened(settings, patience_ms=PATIENCE_MS) as place:
            told = {f"MongoDB at {connect.mongodb_address(place.client)}": place.client.server_info()["version"]}
            redis = place.redis_problem if place.redis is None else str(place.redis.info("server")["redis_version"])
            return {**told, "Redis": redis}
    except LeadbookError as error:
        return {"servers": str(error)}
