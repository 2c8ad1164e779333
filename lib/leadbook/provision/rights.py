"""Rights of leadbook's three users: which built-in roles each needs, what of them is missing, the commands that grant
them.

They are the coarser form of the custom roles in `roles`, by whose privileges it is seen whether a user holds them. A
check names the rights of the DBA's user that it needs in the catalogue (`needs`)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient

from leadbook.provision.roles import LEADS, ROLES, Privilege

FEW = 2
"""So many missing actions of a role are told by name; of more, the role is."""


@dataclass(frozen=True, kw_only=True)
class Right:
    """A built-in role on a database, and the privileges by which it is seen whether a user holds as much (of whatever
    role): those of `roles.ROLES` that it holds."""

    role: str
    on: str
    why: str
    privileges: tuple[Privilege, ...]

    @classmethod
    def of(cls, role: str, on: str, why: str, *, user: str = "dba") -> Right:
        """The right that stands for what the custom role `user` holds of it."""
        mine = tuple(one for one in ROLES[user].privileges if one.built_in == role)
        return cls(role=role, on=on, why=why, privileges=mine)

    def place(self, database: str) -> str:
        """The database that it is on, where the leads' is `database`."""
        return database if self.on == LEADS else self.on


Rights = Mapping[str, Right]

RIGHTS: Rights = {right.role: right for right in (
    Right.of("clusterMonitor", "admin", "state of the servers, the members and the oplog; the log"),
    Right.of("dbAdmin", LEADS, "change the validator, validate, profile, restore invalid documents as they were"),
    Right.of("readWrite", LEADS, "look at leads as they are, restore a copy beside them"),
)}  # fmt: skip
"""The DBA's, by the name that the catalogue uses. No more is needed for any check of any phase."""
APPLICATION: Rights = {"readWrite": Right.of("readWrite", LEADS, "store leads and follow them", user="pipeline")}
REPORTING: Rights = {"read": Right.of("read", LEADS, "report", user="reporting")}


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A user and what that user lacks of the rights that are `wanted`. name: `user@database`; empty without users.

    own: it is not the application's user who stands in for the DBA's.  lacks: keys of `wanted`.  partly: of those that
    lack some of their privileges only, the actions that are missing.
    """

    name: str
    own: bool
    database: str
    wanted: Rights = field(default_factory=lambda: RIGHTS)
    lacks: tuple[str, ...] = ()
    partly: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, client: MongoClient[dict[str, Any]], database: str, *, own: bool = True, wanted: Rights = RIGHTS
    ) -> Holder:
        """Ask the server who `client` is and what that user may. Any account may ask. Raises PyMongoError."""
        told = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
        users = [f"{user['user']}@{user['db']}" for user in told["authenticatedUsers"]]
        held = told.get("authenticatedUserPrivileges", ())
        lacks = {name: found for name, right in wanted.items() if users and (found := _lacking(held, right, database))}
        partly = {name: found for name, found in lacks.items()
                  if len(found) < len(wanted[name].privileges) and len(set(found)) <= FEW}  # fmt: skip
        return cls(name=users[0] if users else "", own=own, database=database, wanted=wanted, lacks=tuple(lacks),
                   partly={name: tuple(dict.fromkeys(found)) for name, found in partly.items()})  # fmt: skip

    def missing(self, needs: Iterable[str]) -> tuple[str, ...]:
        """Which of the rights in `needs` the user lacks."""
        wanted = set(needs)
        return tuple(name for name in self.lacks if name in wanted)

    def told(self, rights: Iterable[str]) -> str:
        """`clusterMonitor on admin, collMod of dbAdmin on leads`: what is missing of a right where not all of it is."""
        return ", ".join(
            f"{' and '.join(self.partly.get(name, ()))} of {told}" if name in self.partly else told
            for name in rights
            for told in [f"{self.wanted[name].role} on {self.wanted[name].place(self.database)}"]
        )

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


def _lacking(held: Iterable[Mapping[str, Any]], right: Right, database: str) -> list[str]:
    """Actions of a right that no privilege, as connectionStatus tells them, allows."""
    names, held = {"database": database}, list(held)
    return [one.action for one in right.privileges if not any(one.is_held(each, names) for each in held)]
