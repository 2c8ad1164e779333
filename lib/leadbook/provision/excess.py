"""What a user may do beyond its need, by the privileges that the server tells of it, whatever its roles are called."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from leadbook.core.connect import Client
from leadbook.provision.rights import FEW

READS = frozenset({
    "changeStream", "collStats", "dbHash", "dbStats", "find", "killCursors", "listCollections", "listIndexes",
    "listSearchIndexes", "planCacheRead",
})  # fmt: skip
"""Actions of MongoDB's role `read`, of releases 6.0 to 8.0."""
WRITES = READS | frozenset({
    "cleanupStructuredEncryptionData", "compactStructuredEncryptionData", "convertToCapped", "createCollection",
    "createIndex", "createSearchIndexes", "dropCollection", "dropIndex", "dropSearchIndex", "insert", "remove",
    "renameCollectionSameDB", "update", "updateSearchIndex",
})  # fmt: skip
"""Actions of `readWrite`."""
LOOKS = READS | frozenset({
    "allCollectionStats", "checkFreeMonitoringStatus", "connPoolStats", "getClusterParameter", "getCmdLineOpts",
    "getDatabaseVersion", "getDefaultRWConcern", "getLog", "getParameter", "getShardMap", "getShardVersion",
    "hostInfo", "indexStats", "inprog", "listDatabases", "listSampledQueries", "listSessions", "listShards", "netstat",
    "operationMetrics", "queryStatsRead", "queryStatsReadTransformed", "replSetGetConfig", "replSetGetStatus",
    "serverStatus", "setFreeMonitoring", "shardedDataDistribution", "shardingState", "top", "useUUID", "viewRole",
    "viewUser",
})  # fmt: skip
"""Actions that change nothing: those of `read` and `clusterMonitor`, and a look at users and roles."""
CHANGES = frozenset({"dropCollection", "dropDatabase", "insert", "remove", "update"})
"""Those of `dbOwner` by which documents change or vanish."""
LOOKING_ROLES = frozenset({"read", "readAnyDatabase", "clusterMonitor"})
OF_THE_SERVER = ("", "admin", "config", "local")
"""Databases by which a user reaches every other: none named (all), and MongoDB's own."""


@dataclass(frozen=True, kw_only=True)
class Excess:
    """What a user may do beyond its need. users: `name@database`; empty where nobody is logged in.  roles: held, as
    `role@database`.  rights: actions by where, a database or `the cluster` or `every database`.  told: False where the
    server tells roles and no privileges."""

    users: tuple[str, ...]
    roles: tuple[str, ...]
    rights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    told: bool = True

    @property
    def count(self) -> int:
        """Actions, each counted once for every place."""
        return sum(map(len, self.rights.values()))

    def __str__(self) -> str:
        return "; ".join(f"{_few(actions)} on {place}" for place, actions in self.rights.items()) or "nothing"


def of_application(client: Client, databases: Collection[str]) -> Excess:
    """What the application may do beyond readWrite on `databases`. Any account may ask. Raises PyMongoError."""

    def needed(privilege: Mapping[str, Any]) -> frozenset[str]:
        return WRITES if _database(privilege) in databases else frozenset()

    return _excess(client, needed, {f"{role}@{name}" for role in ("read", "readWrite") for name in databases})


def of_reporting(client: Client, database: str) -> Excess:
    """What a user may change in `database`, or in all, or of the server itself; what it may do in other databases is
    left out. Any account may ask. Raises PyMongoError."""

    def needed(privilege: Mapping[str, Any]) -> frozenset[str]:
        return LOOKS if _database(privilege) in (database, *OF_THE_SERVER) else frozenset(privilege["actions"])

    return _excess(client, needed, LOOKING_ROLES)


def _excess(client: Client, needed: Callable[[Mapping[str, Any]], frozenset[str]], fine: Collection[str]) -> Excess:
    """fine: built-in roles, with their database or without, that hold nothing beyond, whatever the release."""
    told = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    users = tuple(f"{user['user']}@{user['db']}" for user in told["authenticatedUsers"])
    roles = tuple(sorted(f"{role['role']}@{role['db']}" for role in told["authenticatedUserRoles"]))
    if all(role in fine or role.partition("@")[0] in fine for role in roles):
        return Excess(users=users, roles=roles)
    privileges = told.get("authenticatedUserPrivileges") or ()
    found: dict[str, set[str]] = {}
    for one in privileges:
        found.setdefault(_place(one), set()).update(set(one["actions"]) - needed(one))
    rights = {place: tuple(sorted(actions, key=_gravest)) for place, actions in sorted(found.items()) if actions}
    return Excess(users=users, roles=roles, rights=rights, told=bool(privileges))


def _gravest(action: str) -> tuple[bool, bool, bool, str]:
    """For sorting: what changes documents or drops them first, then other changes, then what shows documents."""
    return action in LOOKS, action != "find", action not in CHANGES, action


def _database(privilege: Mapping[str, Any]) -> str:
    """The database that a privilege is on; empty for every one, and for the cluster."""
    return str(privilege["resource"].get("db", ""))


def _place(privilege: Mapping[str, Any]) -> str:
    resource = privilege["resource"]
    return "the cluster" if resource.get("cluster") else resource.get("db") or "every database"


def _few(actions: Iterable[str]) -> str:
    named = list(actions)
    more = len(named) - FEW
    return ", ".join(named) if more <= 1 else f"{', '.join(named[:FEW])} and {more} more"
