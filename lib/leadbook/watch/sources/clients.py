"""Who holds connections, by name and user, never by address; and the longest operation under way."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from leadbook.core import connect
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading

MOST = 40
"""Rows that are kept: a sprint has ten workflows, some followers and the DBA's tools."""
NAME = 80


class MongoClients(SourcePart):
    """Connections to the primary by application and user ($currentOp), and the longest operation on the leads."""

    name, needs = "clients", ("clusterMonitor",)
    covers = ("mongodb.clients", "mongodb.longest_running_s")

    def read(self, moment: Moment) -> SourceReading:
        """One $currentOp, grouped by the server."""
        del moment
        database = self._access.settings.database
        rows = list(self._access.admin.admin.aggregate([
            {"$currentOp": {"allUsers": True, "idleConnections": True}},
            {"$match": {"connectionId": {"$exists": True}}},
            {"$group": {
                "_id": {"app": "$appName", "driver": "$clientMetadata.driver.name",
                        "user": {"$first": "$effectiveUsers.user"}},
                "connections": {"$sum": 1}, "active": {"$sum": {"$cond": ["$active", 1, 0]}},
                "longest_us": {"$max": {"$cond": [_works_on(database), "$microsecs_running", 0]}},
            }},
            {"$sort": {"connections": -1}},
        ]))  # fmt: skip
        longest = max((row["longest_us"] or 0 for row in rows if row["_id"].get("app") not in connect.ASKS), default=0)
        clients = [
            {"server": "mongodb", "client": str(row["_id"].get("app") or row["_id"].get("driver") or "unnamed")[:NAME],
             "user": str(row["_id"].get("user") or ""), "connections": row["connections"], "active": row["active"]}
            for row in rows
        ]  # fmt: skip
        return SourceReading(readings={"mongodb.longest_running_s": longest / 1e6}, details={"clients": clients[:MOST]})


def _works_on(database: str) -> dict[str, Any]:
    """An operation on the database's collections; a change stream that waits for news is none."""
    waits = {"$or": [
        {"$eq": ["$cursor.awaitData", True]}, {"$eq": ["$cursor.tailable", True]},
        {"$eq": [{"$type": "$cursor.originatingCommand.resumeAfter"}, "object"]},
    ]}  # fmt: skip
    mine = {"$eq": [{"$substrBytes": [{"$ifNull": ["$ns", ""]}, 0, len(database) + 1]}, f"{database}."]}
    return {"$and": [{"$eq": ["$active", True]}, mine, {"$not": [waits]}]}


class RedisClients(SourcePart):
    """Connections to Redis by name, library and user (CLIENT LIST)."""

    name, server, covers = "redis clients", "redis", ("redis.clients",)

    def read(self, moment: Moment) -> SourceReading:
        """One CLIENT LIST."""
        del moment
        found: Any = self._access.redis.client_list()
        groups: dict[tuple[Any, Any], list[dict[str, Any]]] = defaultdict(list)
        for row in found:
            groups[row.get("name") or row.get("lib-name") or "unnamed", row.get("user", "")].append(row)
        clients: list[dict[str, Any]] = [
            {"server": "redis", "client": str(name)[:NAME], "user": str(user), "connections": len(rows),
             "active": sum(int(row.get("idle", 0)) < 1 for row in rows)}
            for (name, user), rows in groups.items()
        ]  # fmt: skip
        return SourceReading(
            details={"redis_clients": sorted(clients, key=lambda row: -int(row["connections"]))[:MOST]}
        )
