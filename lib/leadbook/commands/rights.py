"""Which rights each of the three MongoDB users needs, which of them it lacks, and the command that grants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.errors import PyMongoError

from leadbook.core import connect

OURS = "{database}"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a user needs: roles as (role, database), and for each an action or two that tell whether it is there.

    An action without a database is the cluster's. OURS stands for the leads' database.
    """

    roles: tuple[tuple[str, str], ...]
    actions: tuple[tuple[str, str], ...]

    def told(self, database: str) -> str:
        """The roles in words."""
        return ", ".join(f"{role} on {where.format(database=database)}" for role, where in self.roles)


APPLICATION = Grant(
    roles=(("readWrite", OURS),),
    actions=tuple((action, OURS) for action in (
        "find", "insert", "update", "remove", "createCollection", "createIndex", "dropCollection", "changeStream"
    )),
)  # fmt: skip
ADMIN = Grant(
    roles=(("clusterMonitor", "admin"), ("dbAdmin", OURS), ("read", "local")),
    actions=(
        ("serverStatus", ""), ("replSetGetStatus", ""), ("hostInfo", ""), ("getCmdLineOpts", ""), ("top", ""),
        ("collMod", OURS), ("enableProfiler", OURS), ("validate", OURS), ("find", "local"),
    ),
)  # fmt: skip
REPORTING = Grant(roles=(("read", OURS),), actions=(("find", OURS),))


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """What a user may not do. user: `name@database`.  actions: in words.  grant: the command that mends it."""

    user: str
    actions: tuple[str, ...] = ()
    grant: str = ""


def lacking(client: connect.Client, wanted: Grant, database: str) -> Lacking | None:
    """What the user of this connection may not do, as the server tells; None where nobody is logged in, or it does not
    tell. Reads only, and any user may ask."""
    try:
        info = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    except PyMongoError:
        return None
    user = next(iter(info["authenticatedUsers"]), None)
    if user is None:
        return None
    privileges = info.get("authenticatedUserPrivileges", ())
    needed = [(action, where.format(database=database)) for action, where in wanted.actions]
    missing = tuple(f"{action} on {where or 'the cluster'}" for action, where in needed
                    if not _may(privileges, action, where))  # fmt: skip
    roles = ", ".join(f'{{role: "{role}", db: "{where.format(database=database)}"}}' for role, where in wanted.roles)
    grant = f'db.getSiblingDB("{user["db"]}").grantRolesToUser("{user["user"]}", [{roles}])'
    return Lacking(user=f"{user['user']}@{user['db']}", actions=missing, grant=grant)


def _may(privileges: Iterable[Mapping[str, Any]], action: str, database: str) -> bool:
    return any(action in one["actions"] and _covers(one["resource"], database) for one in privileges)


def _covers(resource: Mapping[str, Any], database: str) -> bool:
    """Whether a privilege's resource holds every collection of a database; of the cluster where that is empty."""
    if resource.get("anyResource"):
        return True
    if not database:
        return bool(resource.get("cluster"))
    return resource.get("collection") == "" and resource.get("db") in ("", database)
