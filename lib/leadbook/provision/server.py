"""What the MongoDB server tells about itself, asked once, and a write that a majority's journal holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pymongo import WriteConcern
from pymongo.errors import PyMongoError

from leadbook.core.connect import Client, Database
from leadbook.core.settings import Settings
from leadbook.provision.asked import Asked, ask, dba_refused, refusal
from leadbook.schema.scratch import drop_scratch, scratch_name

GB, MIB = 1e9, 1024**2


@dataclass(frozen=True, kw_only=True)
class SetMember:
    """One member of the replica set. lag_s: seconds behind the primary, None for the primary or when unknown."""

    name: str
    state: str
    healthy: bool
    votes: int | None
    priority: float | None
    lag_s: float | None


@dataclass(frozen=True, kw_only=True)
class Server:
    """Answers of the server, and the addresses of its members. Nothing here is a secret."""

    hosts: tuple[tuple[str, int | None], ...]
    hello: Asked
    build: Asked
    status: Asked
    host: Asked
    storage: Asked
    replication: Asked
    configuration: Asked
    oplog: Asked

    @property
    def kind(self) -> str:
        """`replica set`, `sharded cluster` or `standalone`."""
        if self.hello.get("setName"):
            return "replica set"
        return "sharded cluster" if self.hello.get("msg") == "isdbgrid" else "standalone"

    @property
    def names(self) -> list[str]:
        """Host names without ports."""
        return [host for host, _ in self.hosts]

    @property
    def version(self) -> str:
        """Full release, such as `6.0.5`; empty when unknown."""
        return str(self.build.get("version") or "")

    @property
    def system(self) -> str:
        """Name of the operating system, or `hostInfo` where it is not told."""
        return str(self.host.get("os.name") or "hostInfo").removeprefix("PRETTY_NAME=").strip('"')

    @property
    def cores(self) -> int | None:
        """CPU cores that the process may use."""
        cores = self.host.get("system.numCoresAvailableToProcess") or self.host.get("system.numCores")
        return int(cores) if cores else None

    @property
    def memory_gb(self) -> float | None:
        """RAM in GB (10^9 bytes), or the container's limit where that is lower."""
        size = self.host.get("system.memLimitMB") or self.host.get("system.memSizeMB")
        return float(size) * MIB / GB if size else None

    @property
    def storage_gb(self) -> float | None:
        """Size of the file system that holds the data, GB."""
        size = self.storage.get("fsTotalSize")
        return float(size) / GB if size else None

    @property
    def cache_gb(self) -> float | None:
        """WiredTiger's cache, GB."""
        size = self.status.get("wiredTiger.cache.maximum bytes configured")
        return float(size) / GB if size else None

    @property
    def members(self) -> tuple[SetMember, ...]:
        """Members as the set sees them; empty where it may not be asked."""
        settings = {entry["host"]: entry for entry in self.configuration.get("config.members") or ()}
        states = self.replication.get("members") or ()
        head = max((m["optimeDate"] for m in states if m.get("stateStr") == "PRIMARY"), default=None)
        return tuple(_member(entry, settings.get(entry["name"], {}), head) for entry in states)


def _member(entry: dict[str, Any], settings: dict[str, Any], head: datetime | None) -> SetMember:
    lag = None
    if entry.get("stateStr") == "SECONDARY" and head is not None and entry.get("optimeDate"):
        lag = max(0.0, (head - entry["optimeDate"]).total_seconds() - delay_s(settings))
    return SetMember(
        name=entry["name"], state=entry.get("stateStr", "?"), healthy=entry.get("health") == 1,
        votes=settings.get("votes"), priority=settings.get("priority"), lag_s=lag,
    )  # fmt: skip


def delay_s(member: Mapping[str, Any]) -> float:
    """How far a member of replSetGetConfig is to lag on purpose, s; `slaveDelay` before MongoDB 5.0."""
    return float(member.get("secondaryDelaySecs", member.get("slaveDelay", 0)))


def inspect(client: Client, admin: Client, settings: Settings) -> Server:
    """Ask the server everything once, as the DBA where there is such an account. Read-only; never raises."""
    refused = "" if admin is client else dba_refused(admin)

    def dba(question: Callable[[], Asked]) -> Asked:
        return Asked(problem=refused) if refused else question()

    return Server(
        hosts=tuple(sorted(client.topology_description.server_descriptions())),
        hello=ask(client, "hello"),
        build=ask(client, "buildInfo"),
        status=dba(lambda: ask(admin, "serverStatus")),
        host=dba(lambda: ask(admin, "hostInfo")),
        storage=_storage(client, dba(lambda: ask(admin, "dbStats", "admin")), settings),
        replication=dba(lambda: ask(admin, "replSetGetStatus")),
        configuration=dba(lambda: ask(admin, "replSetGetConfig")),
        oplog=dba(lambda: _oplog(admin)),
    )


def _storage(client: Client, other: Asked, settings: Settings) -> Asked:
    """dbStats of the leads' database; an empty one has no file system sizes yet, then those of `other`, the DBA's."""
    own = ask(client, "dbStats", settings.database)
    if own.get("fsTotalSize"):
        return own
    return other if other.get("fsTotalSize") else Asked(values=own.values, problem=own.problem or other.problem)


def _oplog(admin: Client) -> Asked:
    try:
        oplog = admin.local["oplog.rs"]
        sizes = admin.local.command("collStats", "oplog.rs")
        first, last = (oplog.find_one({}, {"ts": 1}, sort=[("$natural", way)]) for way in (1, -1))
    except PyMongoError as error:
        return Asked(problem=refusal(error, "read the oplog"))
    if not first or not last:
        return Asked(problem="there is no oplog")
    hours = (last["ts"].time - first["ts"].time) / 3600
    return Asked(values={"hours": hours, "full": sizes["size"] / sizes["maxSize"], "bytes": sizes["maxSize"]})


def majority_journals(database: Database, settings: Settings) -> bool:
    """Whether one probe insert is acknowledged by a majority's journal. Its scratch collection is dropped. Raises
    PyMongoError."""
    scratch = database.get_collection(
        scratch_name("provision"),
        write_concern=WriteConcern(w="majority", j=True, wtimeout=settings.wtimeout_ms or None),
    )
    try:
        return scratch.insert_one({"probe": "journal"}).acknowledged
    finally:
        drop_scratch(scratch)
