"""Which servers a backup was taken from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from leadbook.backup.archive import Manifest
from leadbook.core import connect


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A replica set as its members know it. replica_set: its name.  hosts: `host:port` of its members. Both are empty
    for a standalone server and for a sharded cluster."""

    replica_set: str = ""
    hosts: tuple[str, ...] = ()

    @classmethod
    def read(cls, client: connect.Client) -> Self:
        """Where `client` is connected to. Raises PyMongoError."""
        hello = client.admin.command("hello")
        return cls(replica_set=hello.get("setName", ""), hosts=tuple(sorted(hello.get("hosts", ()))))

    def objection(self, manifest: Manifest) -> str:
        """Why a backup is not of these servers; empty where it is. Members may have come and gone since: one in common
        is enough. Older backups name no members."""
        if manifest.replica_set not in ("", self.replica_set):
            return f"it is of replica set {manifest.replica_set}"
        if manifest.hosts and self.hosts and not set(manifest.hosts) & set(self.hosts):
            return f"it is of other servers: {', '.join(manifest.hosts)}"
        return ""
