"""Of which servers and which collection of leads a backup is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from leadbook.backup.archive import Manifest
from leadbook.core import connect
from leadbook.core.provenance import collection_uuid


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where leads are. replica_set: empty for a standalone server and for a sharded cluster.  hosts: `host:port` of its
    members, else what was connected to.  collection_uuid: of the leads (see `provenance`); empty where there are
    none."""

    replica_set: str = ""
    hosts: tuple[str, ...] = ()
    collection_uuid: str = ""

    @classmethod
    def read(cls, leads: connect.Collection) -> Self:
        """Where `leads` are now. Raises PyMongoError."""
        client = leads.database.client
        hello = client.admin.command("hello")
        hosts = hello.get("hosts") or connect.mongodb_address(client).split(", ")
        return cls(
            replica_set=hello.get("setName", ""), hosts=tuple(sorted(hosts)), collection_uuid=collection_uuid(leads)
        )

    def objection(self, manifest: Manifest) -> str:
        """Why a backup is not of these leads; empty where it is. Names of sets and of members are the same in many
        clusters (`rs0`, `mongo1:27017`): the collection's UUID is not. What a backup does not say counts against it."""
        if other := self.other_servers(manifest):
            return other
        if not manifest.collection_uuid:
            return "it does not say of which collection it is (an older leadbook took it)"
        if manifest.collection_uuid != self.collection_uuid:
            since = "dropped and made again" if self.collection_uuid else "dropped"
            return f"it is of another collection of that name: the leads' was {since} since"
        return ""

    def other_servers(self, manifest: Manifest) -> str:
        """Why a backup is not of these servers, by their names; empty where it may be. Members may have come and gone
        since: one in common is enough."""
        if manifest.replica_set != self.replica_set:
            theirs = f"replica set {manifest.replica_set}" if manifest.replica_set else "a server without a replica set"
            return f"it is of {theirs}"
        if not set(manifest.hosts) & set(self.hosts):
            return f"it is of other servers: {', '.join(manifest.hosts) or 'it names none'}"
        return ""
