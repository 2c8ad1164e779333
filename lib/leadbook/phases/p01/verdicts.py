"""What phase 01 judges: what MongoDB tells of itself, its security, its host, and the pools of both services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any

from redis import Redis

from leadbook.atlas.records import AtlasCluster
from leadbook.core import connect
from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured
from leadbook.core.connect import Client, Database
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.phases.judging import PRIVILEGE, Finding, Missing, checks_of, got
from leadbook.provision import excess, pools, security
from leadbook.provision.asked import REFUSED_DBA, Asked, on_loopback
from leadbook.provision.connectivity import Latency
from leadbook.provision.pools import Held
from leadbook.provision.server import GB, Server, majority_journals
from leadbook.rehearsal import servers

Checks = tuple[Check, ...]

REDIS_AWAY = "make Redis answer first (see RDS-CON-001) and run this notebook again"
SUPPORTED_UNTIL = {
    "5.0": date(2024, 10, 31), "6.0": date(2025, 7, 31), "7.0": date(2027, 8, 31), "8.0": date(2029, 10, 31),
}  # fmt: skip
"""MongoDB software lifecycle schedules, https://www.mongodb.com/legal/support-policy/lifecycles."""
OPLOG, OPLOG_FULL = "MDB-ENG-004", 0.95
"""Before the oplog is this full, its first entry tells when it began, not how much it holds."""
NO_LIMIT = 10**6
"""Stands for a pool without a limit, which any target allows."""


def answered(asked: Asked) -> Asked:
    """The answer; raises Missing where there is none, with what to do first where the DBA's account was refused."""
    if asked.problem:
        wrong = "correct user, password and authSource in MONGODB_ADMIN_URI"
        raise Missing(Unmeasured(asked.problem, wrong if asked.problem == REFUSED_DBA else PRIVILEGE))
    return asked


# ------------------------------------------------------------------------------------------------------- connectivity


def connectivity(
    client: Client, redis: Redis | Unmeasured, trips: Sequence[Latency | Unmeasured | Exception], settings: Settings
) -> Checks:
    """Both answer with the application's credentials, and their round trips (`trips`: MongoDB's, Redis')."""
    mongodb_trips, redis_trips = trips

    def trip(found: Latency | Unmeasured | Exception) -> Finding:
        latency = got(found)
        return latency.p50_ms, str(latency)

    def pinged() -> Finding:
        connect.ping_mongodb(client)
        return True, f"ping answered by {connect.mongodb_address(client)}"

    def ponged() -> Finding:
        if isinstance(redis_trips, Latency):
            return True, f"PONG from {connect.redis_address(got(redis))}"
        return False, redis_trips.why if isinstance(redis_trips, Unmeasured) else str(redis_trips)

    return checks_of({
        "MDB-CON-001": pinged,
        "MDB-CON-002": lambda: trip(mongodb_trips),
        "RDS-CON-001": ponged,
        "RDS-CON-002": lambda: trip(redis_trips),
    }, settings)  # fmt: skip


# ----------------------------------------------------------------------------------------------------- release, members


def topology(server: Server, settings: Settings) -> Checks:
    """Release and its support, voting members, one primary, lag."""
    return checks_of({
        "MDB-VER-001": lambda: (float(_series(server)), f"MongoDB {server.version}"),
        "MDB-VER-002": lambda: _support(_series(server)),
        "MDB-TOP-001": lambda: _voters(server),
        "MDB-TOP-002": lambda: _health(server),
        "MDB-TOP-003": lambda: _lag(server),
    }, settings, this_machine=on_loopback(server.names))  # fmt: skip


def _series(server: Server) -> str:
    answered(server.build)
    return ".".join(server.version.split(".")[:2])


def _numbers(series: str) -> tuple[int, ...]:
    return tuple(map(int, series.split(".")))


def _support(series: str) -> Finding:
    until = SUPPORTED_UNTIL.get(series)
    if until is None:
        newest = max(SUPPORTED_UNTIL, key=_numbers)
        if _numbers(series) < _numbers(newest):
            return 0, f"MongoDB {series} is older than {newest} and not among the releases still supported"
        return Doubtful(series), f"{series} is newer than the list that this check knows"
    return (until - datetime.now(UTC).date()).days, f"MongoDB {series} is supported until {until}"


def _refuse_sharded(server: Server) -> None:
    if server.kind == "sharded cluster":
        raise Missing(Unmeasured("a mongos does not tell of its shards' members and hosts", "ask each shard"))


def _voters(server: Server) -> Finding:
    _refuse_sharded(server)
    if server.members and not server.configuration.problem:
        voters = [m.name for m in server.members if m.votes and m.state != "ARBITER"]
        return len(voters), f"{server.kind} {server.hello.get('setName')}: {', '.join(voters)}"
    hosts = server.hello.get("hosts") or ()
    unseen = f"; whether all of them vote is not known: {problem}" if (problem := server.configuration.problem) else ""
    return len(hosts), f"{server.kind}; members as hello lists them: {', '.join(hosts) or 'none'}{unseen}"


def _health(server: Server) -> Finding:
    _refuse_sharded(server)
    if server.kind == "standalone":
        return False, "a standalone server: no election, no transactions, no majority"
    answered(server.replication)
    states = [member.state for member in server.members]
    fine = states.count("PRIMARY") == 1 and all(
        member.healthy and member.state in ("PRIMARY", "SECONDARY", "ARBITER") for member in server.members
    )
    return fine, ", ".join(f"{member.name} {member.state}" for member in server.members)


def _lag(server: Server) -> Finding:
    _refuse_sharded(server)
    if server.kind == "standalone":
        return Inapplicable("a standalone server has no secondary"), ""
    answered(server.replication)
    lags = {member.name: member.lag_s for member in server.members if member.lag_s is not None}
    if not lags:
        return Inapplicable("the set has no secondary"), ""
    slowest = max(lags, key=lambda name: lags[name])
    return lags[slowest], f"slowest of {len(lags)} secondaries: {slowest}"


# ----------------------------------------------------------------------------------------------------------- security


def encryption(client: Client, server: Server, settings: Settings) -> Checks:
    """TLS as negotiated, the refusal of plain connections, the certificate."""
    try:
        tls: security.Tls | Unmeasured | None = security.handshake(client)
    except (OSError, AttributeError, ValueError) as error:
        tls = Unmeasured(f"handshake failed: {type(error).__name__}: {str(error)[:120]}")

    def negotiated() -> Finding:
        found = got(tls)
        return (found.version, f"TLS {found.version}, {found.cipher}") if found else (
            0.0, "the driver connects without TLS")  # fmt: skip

    def cut_off() -> Finding:
        got(tls)
        return _cut_off([(host, port) for host, port in server.hosts if port])

    def certificate() -> Finding:
        found = got(tls)
        if found is None:
            return Inapplicable("no TLS, so no certificate: see MDB-SEC-001"), ""
        if not found.verified:
            return 0, "the driver does not verify the server's certificate"
        return found.days_left, "chain and host name verified by the driver's context"

    asked: dict[str, Callable[[], Finding]] = {
        "MDB-SEC-001": negotiated, "MDB-SEC-002": cut_off, "MDB-SEC-003": certificate,
    }  # fmt: skip
    return checks_of(asked, settings, this_machine=on_loopback(server.names))


def _cut_off(members: Sequence[tuple[str, int]]) -> Finding:
    """Whether each member cuts an unencrypted hello off; one that answers fails, silence is no refusal."""
    plain, silent = [], []
    for host, port in members:
        try:
            plain += [f"{host}:{port}"] * security.speaks_plainly(host, port)
        except OSError as error:
            silent.append(f"{host}:{port} ({type(error).__name__})")
    if plain:
        return False, f"an unencrypted hello was answered by {', '.join(plain)}"
    if silent or not members:
        why = f"an unencrypted hello was neither answered nor cut off by {', '.join(silent) or 'anybody'}"
        return Unmeasured(why, "see that every member listens and answers, then run the section again"), ""
    return True, f"an unencrypted hello was cut off by {len(members)} of {len(members)} members"


def access(client: Client, reporting: Client | None, uri: str, server: Server, settings: Settings) -> Checks:
    """Anonymous clients are refused, the application has what it needs, the reporting user only reads."""

    def refused() -> Finding:
        told = security.strangers_read(uri, settings)
        said = "was answered" if told else "is refused: command find requires authentication"
        return not told, f"a find without credentials {said}"

    return checks_of({
        "MDB-SEC-004": refused,
        "MDB-SEC-005": lambda: _narrow(client, settings),
        "MDB-SEC-006": lambda: _reads_only(reporting, client, settings),
    }, settings, this_machine=on_loopback(server.names))  # fmt: skip


def _narrow(client: Client, settings: Settings) -> Finding:
    own = servers.status() if settings.is_rehearsal else None
    found = excess.of_application(client, {settings.database, *(own.databases if own else ())})
    if not found.users:
        return Doubtful(None), "no user is logged in: everything is allowed to everybody"
    told = f"the application holds {', '.join(found.roles) or 'no role'}"
    if not found.told:
        return Doubtful(None), f"{told}; what these allow is not told here"
    return found.count, f"{told}; beyond readWrite on {settings.database}: {found}"


def _reads_only(reporting: Client | None, client: Client, settings: Settings) -> Finding:
    if reporting is None:
        return Doubtful(None), "no reporting user is named; the task book suggests one"
    if security.may_write(reporting, client, settings.database):
        return False, "its probe insert was stored"
    found = excess.of_reporting(reporting, settings.database)
    told = f"its insert was refused; it holds {', '.join(found.roles) or 'no role'}"
    if not found.told:
        return Doubtful(True), f"{told}; what these allow is not told here"
    return not found.count, f"{told}" + (f", and may {found}" if found.count else "")


# --------------------------------------------------------------------------------------------------------------- host


def host(server: Server, settings: Settings, database: Database, tier: AtlasCluster | None = None) -> Checks:
    """Cores, RAM, storage, engine, cache, journal and oplog. The journal's probe is dropped again.

    tier: as Atlas lists it, for what the server itself does not tell.
    """

    def sized(asked: Asked, value: float | None, listed: str, evidence: str) -> Finding:
        hidden = not value or server.kind == "sharded cluster"
        found = getattr(tier, listed) if tier is not None and hidden else None
        return (found, f"{tier.tier} by Atlas' list") if tier and found else floor(asked, value, evidence)

    def engine() -> Finding:
        _refuse_sharded(server)
        return answered(server.status).get("storageEngine.name"), "serverStatus.storageEngine"

    def floor(asked: Asked, value: float | None, evidence: str) -> Finding:
        _refuse_sharded(server)
        if settings.is_rehearsal and asked.problem:
            return Inapplicable(f"a floor of production; not seen here: {asked.problem}"), ""
        answered(asked)
        return value, evidence

    def window() -> Finding:
        oplog, size = server.oplog, server.oplog.get("bytes") or 0
        hours, full = oplog.get("hours"), oplog.get("full") or 0.0
        told = floor(oplog, hours, f"{100 * full:.0f} % of {size / GB:.2f} GB in use")
        entry = definition(OPLOG)
        if full < OPLOG_FULL and not settings.is_rehearsal and not entry.holds(hours, entry.target):
            return Doubtful(hours), f"{told[1]}: it still holds everything; look again once it is full"
        return told

    share = 100 * server.cache_gb / server.memory_gb if server.cache_gb and server.memory_gb else None
    cache = Asked(problem=server.status.problem or server.host.problem)
    journal = "probe insert acknowledged with w: majority, j: true"
    return checks_of({
        "MDB-HST-001": lambda: sized(server.host, server.cores, "cores", server.system),
        "MDB-HST-002": lambda: sized(server.host, server.memory_gb, "memory_gb", server.system),
        "MDB-HST-003": lambda: sized(server.storage, server.storage_gb, "disk_gb", "file system of the data"),
        "MDB-ENG-001": engine,
        "MDB-ENG-002": lambda: floor(cache, share, f"cache of {server.cache_gb or 0:.2f} GB"),
        "MDB-ENG-003": lambda: (majority_journals(database, settings), journal),
        OPLOG: window,
    }, settings)  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- pools


def pool(client: Client, redis: Redis | Unmeasured, rows: Sequence[Held], settings: Settings) -> Checks:
    """Sizes, times, differences from the profile, and both pools shared by threads."""
    value = {row.setting: row.value for row in rows}
    differing = [f"{row.service} {row.setting}: {shown(row.value)}" for row in rows if row.differs]
    size, idle = value["maxPoolSize"], value["maxIdleTimeMS"]
    closes = "idle connections are never closed" if idle is None else f"{idle / 1000:g} s"

    def shared(connection_id: Callable[[], Any]) -> Finding:
        made = pools.share(connection_id)
        return len(made.failures), str(made)

    def of_redis(setting: str, evidence: str) -> Finding:
        got(redis)
        return value[setting], evidence

    said = f"the address says {', '.join(differing)}" if differing else f"{len(rows)} settings compared"
    return checks_of({
        "MDB-POOL-001": lambda: (NO_LIMIT if size is None else size, f"maxPoolSize {shown(size)}"),
        "MDB-POOL-002": lambda: (value["minPoolSize"], "kept open to every member even when idle"),
        "MDB-POOL-003": lambda: (Doubtful(None) if idle is None else idle, f"{closes}; 10 minutes are 600000 ms"),
        "MDB-POOL-004": lambda: (len(differing), said),
        "MDB-POOL-005": lambda: shared(lambda: client.admin.command("hello")["connectionId"]),
        "RDS-POOL-001": lambda: of_redis("max_connections", "callers wait for a free connection, none is refused"),
        "RDS-POOL-002": lambda: of_redis("socket_connect_timeout", "connection time-out of the client"),
        "RDS-POOL-003": lambda: shared(got(redis).client_id),
    }, settings)  # fmt: skip


def shown(value: Any) -> str:
    """A setting's value for people; None is `none`."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:g}"
    return "none" if value is None else str(value)
