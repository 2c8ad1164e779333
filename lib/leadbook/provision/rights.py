"""Rights of leadbook's three users: which roles each needs, what of them is missing, and the commands that grant them.
A check names the rights of the DBA's user that it needs in the catalogue (`needs`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient

LEADS = "{database}"
"""Stands for the leads' database."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """A role on a database, and the actions by which it is seen whether a user holds as much (of whatever role)."""

    role: str
    on: str
    why: str
    actions: frozenset[str]

    def place(self, database: str) -> str:
        """The database that it is on, where the leads' is `database`."""
        return database if self.on == LEADS else self.on


Rights = Mapping[str, Right]

RIGHTS: Rights = {
    "clusterMonitor": Right(
        role="clusterMonitor", on="admin", why="state of the servers, the members and the oplog; the log",
        actions=frozenset({"serverStatus", "hostInfo", "replSetGetStatus", "replSetGetConfig", "getLog"}),
    ),
    "dbAdmin": Right(
        role="dbAdmin", on=LEADS, why="change the validator, validate, profile, restore invalid documents as they were",
        actions=frozenset({"collMod", "validate", "enableProfiler", "bypassDocumentValidation"}),
    ),
    "readWrite": Right(
        role="readWrite", on=LEADS, why="store leads, follow them, restore a copy beside them",
        actions=frozenset({
            "find", "insert", "update", "remove", "createCollection", "createIndex", "dropCollection", "changeStream",
        }),
    ),
}  # fmt: skip
"""The DBA's, by the name that the catalogue uses. No more is needed for any check of any phase."""
APPLICATION: Rights = {"readWrite": RIGHTS["readWrite"]}
REPORTING: Rights = {"read": Right(role="read", on=LEADS, why="report", actions=frozenset({"find"}))}


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A user and what that user lacks of the rights that are `wanted`. name: `user@database`; empty without users.

    own: it is not the application's user who stands in for the DBA's.  lacks: keys of `wanted`.
    """

    name: str
    own: bool
    database: str
    wanted: Rights = field(default_factory=lambda: RIGHTS)
    lacks: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, client: MongoClient[dict[str, Any]], database: str, *, own: bool = True, wanted: Rights = RIGHTS
    ) -> Holder:
        """Ask the server who `client` is and what that user may. Any account may ask. Raises PyMongoError."""
        told = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
        users = [f"{user['user']}@{user['db']}" for user in told["authenticatedUsers"]]
        held = told.get("authenticatedUserPrivileges", ())
        lacks = tuple(name for name, right in wanted.items() if users and not _holds(held, right, database))
        return cls(name=users[0] if users else "", own=own, database=database, wanted=wanted, lacks=lacks)

    def missing(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Which of the rights in `needs` the user lacks."""
        wanted = set(needs)
        return tuple(name for name in self.lacks if name in wanted)

    def told(self, rights: Iterable[str]) -> str:
        """`clusterMonitor on admin, dbAdmin on leads`."""
        return ", ".join(f"{role} on {place}" for role, place in self._roles(rights))

    def grant(self, rights: Iterable[str]) -> str:
        """What to paste into mongosh: grants `rights` to the user; makes a DBA's with all that is needed where the
        application's stands in for it."""
        user, _, home = self.name.rpartition("@")
        roles = ", ".join(
            f"{{role: {json.dumps(role)}, db: {json.dumps(place)}}}"
            for role, place in self._roles(rights if self.own else self.wanted)
        )
        if self.own:
            return f"db.getSiblingDB({json.dumps(home)}).grantRolesToUser({json.dumps(user)}, [{roles}])"
        made = f'{{user: "leadbook_dba", pwd: passwordPrompt(), roles: [{roles}]}}'
        return f'db.getSiblingDB("admin").createUser({made})'

    def _roles(self, rights: Iterable[str]) -> list[tuple[str, str]]:
        return [(self.wanted[name].role, self.wanted[name].place(self.database)) for name in rights]


def _holds(held: Iterable[Mapping[str, Any]], right: Right, database: str) -> bool:
    """Whether privileges, as connectionStatus tells them, allow all that a right is for."""
    place = right.place(database)
    allowed: set[str] = set()
    for privilege in held:
        resource = privilege["resource"]
        whole = right.on == "admin" and resource.get("cluster")
        mine = resource.get("db") in ("", place) and resource.get("collection") == ""
        if whole or mine or resource.get("anyResource"):
            allowed |= set(privilege["actions"])
    return right.actions <= allowed
