"""What the MongoDB server tells about itself, asked once; and the checks of its release, members and host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pymongo import WriteConcern
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core.checks import Check, judge, not_applicable, not_measured, warned
from leadbook.core.connect import Client, Database
from leadbook.core.settings import Settings
from leadbook.provision.judging import (
    Asked,
    ask,
    dba_refused,
    from_asked,
    guarded,
    is_mild,
    mild,
    production_only,
    refusal,
    remedy_for,
)
from leadbook.schema.scratch import scratch_name

__all__ = ["Server", "SetMember", "host_checks", "inspect", "topology_checks", "version_checks"]

SUPPORTED_UNTIL = {
    "5.0": date(2024, 10, 31), "6.0": date(2025, 7, 31), "7.0": date(2027, 8, 31), "8.0": date(2029, 10, 31),
}  # fmt: skip
"""MongoDB software lifecycle schedules, https://www.mongodb.com/legal/support-policy/lifecycles."""

GB, MIB = 1e9, 1024**2
OPLOG_FULL = 0.95
"""Before the oplog is this full, its first entry tells when it began, not how much it holds."""


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
        lag = max(0.0, (head - entry["optimeDate"]).total_seconds())
    return SetMember(
        name=entry["name"], state=entry.get("stateStr", "?"), healthy=entry.get("health") == 1,
        votes=settings.get("votes"), priority=settings.get("priority"), lag_s=lag,
    )  # fmt: skip


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
    except OperationFailure as error:
        return Asked(problem=refusal(error, "read the oplog"))
    except PyMongoError as error:
        return Asked(problem=f"the oplog could not be read: {type(error).__name__}")
    if not first or not last:
        return Asked(problem="there is no oplog")
    hours = (last["ts"].time - first["ts"].time) / 3600
    return Asked(values={"hours": hours, "full": sizes["size"] / sizes["maxSize"], "bytes": sizes["maxSize"]})


# ------------------------------------------------------------------------------------------------------------ checks


def version_checks(server: Server, settings: Settings) -> list[Check]:
    """MongoDB's release, and how long its maker supports it."""

    def release() -> Check:
        return judge(
            "MDB-VER-001", float(".".join(server.version.split(".")[:2])), evidence=f"MongoDB {server.version}"
        )

    def support() -> Check:
        series = ".".join(server.version.split(".")[:2])
        until = SUPPORTED_UNTIL.get(series)
        if until is None:
            return warned("MDB-VER-002", server.version, evidence=f"{series} is not in the list that this check knows")
        left = (until - datetime.now(UTC).date()).days
        evidence = f"MongoDB {series} is supported until {until}"
        return production_only("MDB-VER-002", left, settings, evidence=evidence, unit="days")

    return [
        from_asked("MDB-VER-001", server.build, release, settings),
        from_asked("MDB-VER-002", server.build, support, settings),
    ]


def topology_checks(server: Server, settings: Settings) -> list[Check]:
    """Voting members, one primary, lag. A standalone or small set warns in a rehearsal on this machine."""
    lenient = is_mild(settings, server.names)
    return [
        mild(guarded("MDB-TOP-001", lambda: _voters(server, settings), settings), lenient),
        mild(guarded("MDB-TOP-002", lambda: _health(server, settings), settings), lenient),
        guarded("MDB-TOP-003", lambda: _lag(server, settings), settings),
    ]


def _voters(server: Server, settings: Settings) -> Check:
    if server.kind == "sharded cluster":
        return not_measured("MDB-TOP-001", "mongos does not tell its shards' members", remedy="ask each shard")
    if server.members and not server.configuration.problem:
        voters = [m.name for m in server.members if m.votes and m.state != "ARBITER"]
        return judge(
            "MDB-TOP-001", len(voters), evidence=f"{server.kind} {server.hello.get('setName')}: {', '.join(voters)}"
        )
    hosts = server.hello.get("hosts") or ()
    evidence = f"{server.kind}; members as hello lists them: {', '.join(hosts) or 'none'}"
    return judge("MDB-TOP-001", len(hosts), evidence=evidence)


def _health(server: Server, settings: Settings) -> Check:
    if server.kind != "replica set":
        if server.kind == "sharded cluster":
            return not_measured("MDB-TOP-002", "mongos does not tell its shards' members", remedy="ask each shard")
        return judge("MDB-TOP-002", False, evidence="a standalone server: no election, no transactions, no majority")
    if server.replication.problem:
        remedy = remedy_for(server.replication.problem, "name the DBA in MONGODB_ADMIN_URI")
        return not_measured("MDB-TOP-002", server.replication.problem, remedy=remedy)
    states = {member.name: member.state for member in server.members}
    fine = list(states.values()).count("PRIMARY") == 1 and all(
        member.healthy and member.state in ("PRIMARY", "SECONDARY", "ARBITER") for member in server.members
    )
    return judge("MDB-TOP-002", fine, evidence=", ".join(f"{name} {state}" for name, state in states.items()))


def _lag(server: Server, settings: Settings) -> Check:
    if server.kind == "standalone":
        return not_applicable("MDB-TOP-003", "a standalone server has no secondary")
    if server.replication.problem:
        remedy = remedy_for(server.replication.problem, "name the DBA in MONGODB_ADMIN_URI")
        return not_measured("MDB-TOP-003", server.replication.problem, remedy=remedy)
    lags = {member.name: member.lag_s for member in server.members if member.lag_s is not None}
    if not lags:
        return not_applicable("MDB-TOP-003", "the set has no secondary")
    slowest = max(lags, key=lambda name: lags[name])
    return judge("MDB-TOP-003", lags[slowest], evidence=f"slowest of {len(lags)} secondaries: {slowest}")


def host_checks(server: Server, settings: Settings, database: Database) -> list[Check]:
    """Cores, RAM, storage, engine, cache, journal and oplog. Floors of production are shown, not judged, in rehearsal.

    Writes one probe document to a scratch collection of `database` and drops it.
    """
    system = server.system

    def floor(check_id: str, asked: Asked, value: float | None, unit: str, evidence: str) -> Check:
        if settings.is_rehearsal and asked.problem:
            return not_applicable(check_id, f"a floor of production; not seen here: {asked.problem}", settings=settings)
        made = lambda: production_only(check_id, value, settings, evidence=evidence, unit=unit)  # noqa: E731
        return from_asked(check_id, asked, made, settings)

    share = 100 * server.cache_gb / server.memory_gb if server.cache_gb and server.memory_gb else None
    cache = Asked(problem=server.status.problem or server.host.problem)
    return [
        floor("MDB-HST-001", server.host, server.cores, "cores", system),
        floor("MDB-HST-002", server.host, server.memory_gb, "GB", system),
        floor("MDB-HST-003", server.storage, server.storage_gb, "GB", "file system of the data"),
        from_asked("MDB-ENG-001", server.status, lambda: _engine(server), settings),
        floor("MDB-ENG-002", cache, share, "%", f"cache of {server.cache_gb or 0:.2f} GB"),
        guarded("MDB-ENG-003", lambda: _journal(server, database, settings), settings),
        _oplog_window(server, settings),
    ]


def _engine(server: Server) -> Check:
    return judge("MDB-ENG-001", server.status.get("storageEngine.name"), evidence="serverStatus.storageEngine")


def _journal(server: Server, database: Database, settings: Settings) -> Check:
    scratch = database.get_collection(
        scratch_name("provision"),
        write_concern=WriteConcern(w="majority", j=True, wtimeout=settings.wtimeout_ms or None),
    )
    try:
        done = scratch.insert_one({"probe": "journal"})
        return judge("MDB-ENG-003", done.acknowledged, evidence="probe insert acknowledged with w: majority, j: true")
    finally:
        scratch.drop()


def _oplog_window(server: Server, settings: Settings) -> Check:
    check_id = "MDB-ENG-004"
    if server.oplog.problem:
        if settings.is_rehearsal:
            return not_applicable(check_id, f"a floor of production; {server.oplog.problem}", settings=settings)
        remedy = remedy_for(server.oplog.problem, "give the DBA read on the database local")
        return not_measured(check_id, server.oplog.problem, remedy=remedy)
    hours, full = server.oplog.get("hours"), server.oplog.get("full")
    evidence = f"{100 * full:.0f} % of {server.oplog.get('bytes') / GB:.2f} GB in use"
    if full < OPLOG_FULL and not settings.is_rehearsal and hours < 24:
        return warned(check_id, hours, evidence=f"{evidence}: it still holds everything; look again once it is full")
    return production_only(check_id, hours, settings, evidence=evidence, unit="h")
