"""What MongoDB and Redis see of n8n: connections that its nodes hold, told apart by driver and name. Read-only.

n8n opens a client for each execution and closes it at its end, so that there is nothing to see between two: who wants
to know whether n8n reaches *these* servers looks while n8n tries its credentials (`while_trying`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import NoPermissionError, RedisError

from leadbook.core import write_errors
from leadbook.core.connect import Client
from leadbook.provision.asked import acl, ask, refusal

T = TypeVar("T")
LOOK_EVERY_S = 0.005
"""A test of a credential takes n8n 15 ms and more."""
_OF_N8N = {"$or": [{"clientMetadata.driver.name": {"$regex": "n8n"}}, {"appName": {"$regex": "n8n"}}]}
"""The MongoDB node calls itself `nodejs|n8n_crud`; leadbook's credentials name appName=leadbook-n8n besides."""
_LIBRARIES = ("node-redis", "ioredis")
"""Of the Redis node, and of n8n itself in queue mode."""


@dataclass(frozen=True, kw_only=True)
class N8nConnections:
    """Connections of n8n's at one server. ids: the server's numbers of them.  hosts: of the machines that hold them,
    never shown.  users: MongoDB's, who are logged in on them.  problem: why nobody could look; empty where one could.
    """

    ids: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()
    problem: str = ""

    def and_then(self, later: N8nConnections) -> N8nConnections:
        """All that was seen at two moments."""
        return N8nConnections(ids=self.ids | later.ids, hosts=self.hosts | later.hosts,
                              users=self.users | later.users, problem=later.problem)  # fmt: skip


def at_mongodb(admin: Client) -> N8nConnections:
    """Connections to the primary ($currentOp, idle ones too). The user needs clusterMonitor to see those of others."""
    try:
        rows = list(admin.admin.aggregate([
            {"$currentOp": {"allUsers": True, "idleConnections": True}},
            {"$match": {"connectionId": {"$exists": True}, **_OF_N8N}},
            {"$project": {"connectionId": 1, "client": 1, "effectiveUsers": 1}},
        ]))  # fmt: skip
    except PyMongoError as error:
        return N8nConnections(problem=refusal(error, "list connections ($currentOp)"))
    return N8nConnections(
        ids=frozenset(str(row["connectionId"]) for row in rows),
        hosts=frozenset(str(row.get("client", "")).rpartition(":")[0] for row in rows),
        users=frozenset(str(user["user"]) for row in rows for user in row.get("effectiveUsers") or ()),
    )  # fmt: skip


def mongodb_limit(admin: Client) -> int | None:
    """Connections that the server takes in all; None where it does not tell."""
    said = ask(admin, "serverStatus").get("connections") or {}
    current, available = said.get("current"), said.get("available")
    return int(current + available) if current is not None and available is not None else None


def at_redis(redis: Redis) -> N8nConnections:
    """Connections to Redis (CLIENT LIST), by library and name."""
    try:
        rows: Any = redis.client_list()
    except NoPermissionError as error:
        return N8nConnections(problem=f"the Redis user may not list connections, allow it: {acl(str(error))}")
    except (RedisError, OSError) as error:
        return N8nConnections(problem=f"Redis does not list connections: {write_errors.described(error)}")
    mine = [row for row in rows if row.get("lib-name", "").startswith(_LIBRARIES) or "n8n" in row.get("name", "")]
    return N8nConnections(
        ids=frozenset(str(row.get("id")) for row in mine),
        hosts=frozenset(str(row.get("addr", "")).rpartition(":")[0] for row in mine),
    )  # fmt: skip


def redis_limit(redis: Redis) -> int | None:
    """Connections that Redis takes in all; None where it does not tell (Redis before 7)."""
    try:
        said: Any = redis.info("clients")
    except (RedisError, OSError):
        return None
    return int(most) if (most := said.get("maxclients")) is not None else None


def while_trying(attempt: Callable[[], T], look: Callable[[], N8nConnections]) -> tuple[T, N8nConnections]:
    """What `attempt()` returns, and what `look()` saw until then, again and again. Raises what `attempt` raises."""
    with ThreadPoolExecutor(1) as pool:
        trying, seen = pool.submit(attempt), look()
        while not trying.done() and not seen.problem:
            time.sleep(LOOK_EVERY_S)
            seen = seen.and_then(look())
        return trying.result(), seen
