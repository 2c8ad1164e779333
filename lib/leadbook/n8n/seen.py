"""What is known of a running n8n: what it says itself, what the servers see of it, what the data say it staged."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from leadbook.core import connect
from leadbook.core.errors import LeadbookError
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest.staging import LONGEST_NAME, STAGED_AT, WORKFLOW
from leadbook.n8n import names, servers
from leadbook.n8n.client import N8nClient, open_n8n
from leadbook.n8n.records import N8nCredential, N8nHistory, N8nWorkflow
from leadbook.n8n.servers import N8nConnections

MONGODB, REDIS = "mongoDb", "redis"
"""Types of nodes, and of their credentials."""
PATIENCE_MS = 3_000
TRIES = 6
"""Of a credential that connects, until its connection is seen: Redis is let go of after some milliseconds."""
_AHEAD = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True)
class StagedBy:
    """Records in the staging collection that bear one stamp. newest: when the latest was staged."""

    records: int = 0
    in_day: int = 0
    newest: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class CollectorSeen:
    """One of the ten. workflow: None where n8n has none of this name.  twins: further ones of the name.  stamp: what it
    writes on its records, empty where it cannot be read.  staged: records that bear it."""

    name: str
    workflow: N8nWorkflow | None
    twins: int = 0
    stamp: str = ""
    history: N8nHistory = field(default_factory=N8nHistory)
    staged: StagedBy = field(default_factory=StagedBy)


@dataclass(frozen=True, kw_only=True)
class LookUpSeen:
    """The look-up. ended_well: each node's end in its newest execution, empty where it never ran or n8n keeps no
    data."""

    workflow: N8nWorkflow | None
    history: N8nHistory = field(default_factory=N8nHistory)
    ended_well: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TriedCredential:
    """A credential that nodes use. listed: whether n8n has it, None where it does not list them.  works: what n8n said
    when it tried it just now, None where it does not try.  server: what ours saw of n8n meanwhile."""

    credential: N8nCredential
    used_by: int
    listed: bool | None
    works: bool | None
    server: N8nConnections


@dataclass(frozen=True, kw_only=True)
class N8nSeen:
    """An n8n. copies: name and stamp of active workflows of other names that insert under a stamp of the ten.

    release: empty where it does not tell.  warning: what is doubtful about its address.  staged: by stamp,
    "" for none.  tried: credentials of collectors and look-up.  limits: connections that a server takes, by
    the credential's type.  leads: the UUID of the leads' collection, empty while there is none."""

    address: str
    release: str
    warning: str
    collectors: tuple[CollectorSeen, ...]
    look_up: LookUpSeen
    errors: N8nWorkflow | None
    staged: Mapping[str, StagedBy]
    tried: tuple[TriedCredential, ...]
    limits: Mapping[str, int | None] = field(default_factory=dict)
    leads: str = ""
    copies: tuple[tuple[str, str], ...] = ()

    @property
    def users(self) -> frozenset[str]:
        """Users of MongoDB by which n8n was logged in while it tried its credentials."""
        return frozenset(user for one in self.tried for user in one.server.users)

    @property
    def unknown(self) -> dict[str, StagedBy]:
        """What is staged by none of the ten: other stamps, and "" for records without one."""
        known = {one.stamp for one in self.collectors if one.stamp}
        return {stamp: found for stamp, found in self.staged.items() if stamp not in known}


def look(settings: Settings, endpoints: connect.Endpoints) -> N8nSeen:
    """Ask n8n, MongoDB and Redis. Raises PyMongoError, and what `open_n8n` and N8nClient raise.

    Redis may be away, and the DBA's user may lack rights: then what they would have seen says why it is missing.
    """
    hurried = settings.model_copy(update={
        "min_pool_size": 0, "server_selection_timeout_ms": PATIENCE_MS, "connect_timeout_ms": PATIENCE_MS,
        "redis_connect_timeout_s": PATIENCE_MS / 1000, "redis_socket_timeout_s": PATIENCE_MS / 1000,
    })  # fmt: skip
    with ExitStack() as stack:
        n8n = stack.enter_context(open_n8n(settings))
        workflows = n8n.workflows()
        client = stack.enter_context(connect.mongodb(endpoints.mongodb_uri, hurried))
        connect.ping_mongodb(client)
        admin = stack.enter_context(connect.mongodb(endpoints.admin_uri, hurried))
        redis = connect.redis(endpoints.redis_url, hurried)
        stack.callback(redis.close)
        database = client[settings.database]
        staged = staged_by(database[settings.staging_collection])
        used = [one for one in workflows if not one.archived]
        collectors = tuple(_collector(number, used, staged, n8n) for number in range(1, len(names.STAMPS) + 1))
        look_up = _look_up(_named(names.LOOK_UP, used), n8n)
        mine = [one for one in (*(each.workflow for each in collectors), look_up.workflow) if one is not None]
        looks = {MONGODB: lambda: servers.at_mongodb(admin), REDIS: lambda: servers.at_redis(redis)}
        return N8nSeen(
            address=n8n.shown, release=n8n.release(), warning=n8n.warning, collectors=collectors, look_up=look_up,
            errors=next(iter(_named(names.ERRORS, used)), None), staged=staged, tried=_tried(mine, n8n, looks),
            limits={MONGODB: servers.mongodb_limit(admin), REDIS: servers.redis_limit(redis)},
            leads=collection_uuid(database[settings.collection]), copies=copies_of(collectors, used),
        )  # fmt: skip


def staged_by(staging: connect.Collection) -> dict[str, StagedBy]:
    """What stands in the staging collection, by stamp; "" for records without one. Raises PyMongoError.

    A record that says it was staged in the future tells no time.
    """
    told = {"$cond": [{"$lt": [{"$subtract": [STAGED_AT, "$$NOW"]}, _AHEAD.total_seconds() * 1000]}, STAGED_AT, None]}
    young = {"$lt": [{"$subtract": ["$$NOW", "$at"]}, timedelta(days=1).total_seconds() * 1000]}
    rows = staging.aggregate([
        {"$project": {"workflow": WORKFLOW, "at": told}},
        {"$group": {"_id": "$workflow", "records": {"$sum": 1}, "newest": {"$max": "$at"},
                    "in_day": {"$sum": {"$cond": [{"$and": [{"$ne": ["$at", None]}, young]}, 1, 0]}}}},
        {"$sort": {"_id": 1}},
    ])  # fmt: skip
    return {row["_id"][:LONGEST_NAME]: StagedBy(records=row["records"], in_day=row["in_day"], newest=row["newest"])
            for row in rows}  # fmt: skip


def stamp_of(workflow: N8nWorkflow) -> str:
    """The stamp that a workflow writes: the value called `workflow` of a Set node, else one of the ten that stands in
    any of its nodes; empty where neither is there, or more than one."""
    for node in workflow.of_kind("set"):
        for one in _assigned(node.parameters):
            if one.get("name") == "workflow" and isinstance(value := one.get("value"), str) and "{{" not in value:
                return value
    texts = [text for node in workflow.nodes if not node.disabled for text in node.texts()]
    found = {stamp for stamp in names.STAMPS if any(re.search(rf"\b{stamp}\b", text) for text in texts)}
    return found.pop() if len(found) == 1 else ""


def _assigned(parameters: Mapping[str, object]) -> Iterable[Mapping[str, object]]:
    outer = parameters.get("assignments")
    inner = outer.get("assignments") if isinstance(outer, Mapping) else None
    return [one for one in inner if isinstance(one, Mapping)] if isinstance(inner, list) else []


def _named(name: str, workflows: Iterable[N8nWorkflow]) -> list[N8nWorkflow]:
    """Workflows of a name, the active first."""
    return sorted((one for one in workflows if one.name == name), key=lambda one: not one.active)


def _collector(
    number: int, workflows: Iterable[N8nWorkflow], staged: Mapping[str, StagedBy], n8n: N8nClient
) -> CollectorSeen:
    name = names.collector_name(number)
    found = _named(name, workflows)
    if not found:
        return CollectorSeen(name=name, workflow=None)
    stamp = stamp_of(found[0])
    return CollectorSeen(
        name=name, workflow=found[0], twins=len(found) - 1, stamp=stamp, history=n8n.history(found[0].id),
        staged=staged.get(stamp, StagedBy()) if stamp else StagedBy(),
    )  # fmt: skip


def copies_of(collectors: Iterable[CollectorSeen], workflows: Iterable[N8nWorkflow]) -> tuple[tuple[str, str], ...]:
    """Name and stamp of each active workflow that inserts under a collector's stamp and has another name."""
    ten = list(collectors)
    stamps, own = {one.stamp for one in ten if one.stamp}, {one.name for one in ten}
    found = [(one.name, stamp_of(one)) for one in workflows if one.active and one.name not in own
             and any(node.text("operation") == "insert" for node in one.of_kind(MONGODB))]  # fmt: skip
    return tuple((name, stamp) for name, stamp in found if stamp in stamps)


def _look_up(found: list[N8nWorkflow], n8n: N8nClient) -> LookUpSeen:
    if not found:
        return LookUpSeen(workflow=None)
    history = n8n.history(found[0].id)
    try:
        ended = n8n.ended_well(history.last.id) if history.last else {}
    except LeadbookError:  # the list of executions was read: only this one's data cannot be
        ended = {}
    return LookUpSeen(workflow=found[0], history=history, ended_well=ended)


def _tried(
    workflows: Iterable[N8nWorkflow], n8n: N8nClient, looks: Mapping[str, Callable[[], N8nConnections]]
) -> tuple[TriedCredential, ...]:
    """Each credential that nodes use for our servers, tried once by n8n itself."""
    used: dict[tuple[str, str, str], int] = {}
    for workflow in workflows:
        for one in {node.credentials[kind] for kind in looks for node in workflow.of_kind(kind)
                    if kind in node.credentials}:  # fmt: skip
            key = (one.id, one.name, one.kind)
            used[key] = used.get(key, 0) + 1
    listed = n8n.credentials()
    found = []
    for (id_, name, kind), count in sorted(used.items()):
        works, seen = _test(lambda id_=id_: n8n.test(id_), looks[kind])  # type: ignore[misc]
        there = None if listed is None else any((one.id, one.kind) == (id_, kind) for one in listed)
        credential = N8nCredential(id=id_, name=name, kind=kind)
        found.append(TriedCredential(credential=credential, used_by=count, listed=there, works=works, server=seen))
    return tuple(found)


def _test(ask: Callable[[], bool | None], look_at: Callable[[], N8nConnections]) -> tuple[bool | None, N8nConnections]:
    for _ in range(TRIES):
        works, seen = servers.while_trying(ask, look_at)
        if not works or seen.ids or seen.problem:
            break
    return works, seen
