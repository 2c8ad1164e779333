"""What a number was measured on: versions, topology, round trips, cache, pools, and the write concern really sent."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import pymongo
import redis as redis_py
from pymongo.errors import PyMongoError

from leadbook.core.traces import CommandTrace
from leadbook.measure.histograms import Latencies, Summary
from leadbook.measure.rounds import timed
from leadbook.measure.session import PREFIX, BenchmarkSession, Leads

PINGS = 200
LIKE = ("mongodb", "topology", "members", "engine", "cache_bytes", "tls", "write_concern", "redis", "cores",
        "memory_bytes", "indexes", "leads", "trial_documents", "profile")  # fmt: skip
"""Facts that must agree before two runs may be compared."""


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """Facts by name, JSON-ready; a fact that could not be read is None. trips: round trips to MongoDB and Redis."""

    facts: Mapping[str, Any]
    trips: Mapping[str, Summary]

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]


def disclose(place: BenchmarkSession, filled: Leads) -> Disclosure:
    """Read everything once. `filled` is the collection that finds are measured on; one lead comes and goes
    there where it is a scratch collection."""
    settings = place.settings
    hello = _told(lambda: place.mongodb.admin.command("hello")) or {}
    status = _told(lambda: place.admin.admin.command("serverStatus")) or {}
    sizes = _told(lambda: filled.database.command("collStats", filled.name)) or {}
    cache = status.get("wiredTiger", {}).get("cache", {})
    data = _sum(sizes.get("size"), sizes.get("totalIndexSize"))
    limit = cache.get("maximum bytes configured")
    options = place.mongodb.options.pool_options
    redis_info: Any = _told(place.redis.info) if place.redis is not None else None
    facts = {
        "mongodb": _told(lambda: place.mongodb.server_info()["version"]),
        "topology": place.mongodb.topology_description.topology_type_name,
        "members": len(hello.get("hosts", [])) or 1,
        "engine": status.get("storageEngine", {}).get("name"),
        "cache_bytes": limit,
        "data_and_index_bytes": data,
        "data_over_cache": round(data / limit, 4) if data and limit else None,
        "tls": place.mongodb.options.pool_options._ssl_context is not None,
        "write_concern": wire_concern(place, filled),
        "pool": {"max": options.max_pool_size, "min": options.min_pool_size, "max_connecting": options.max_connecting},
        "redis": redis_info.get("redis_version") if redis_info else None,
        "redis_maxmemory": redis_info.get("maxmemory") if redis_info else None,
        "redis_persistence": _persistence(place.redis),
        "indexes": max(0, len(list(filled.list_indexes())) - 1),
        "leads": filled.estimated_document_count(),
        "trial_documents": settings.bench_documents,
        "profile": settings.profile,
        "endpoints": place.endpoints.source,
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "machine": f"{platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "pymongo": pymongo.version,
        "redis_py": redis_py.__version__,
    }
    return Disclosure(facts=facts, trips=_trips(place))


def wire_concern(place: BenchmarkSession, collection: Leads) -> Mapping[str, Any] | None:
    """The writeConcern that one insert of the application's client really carried; the document is removed again.

    None, and nothing is written, where `collection` is not a scratch collection.
    """
    if not collection.name.startswith(PREFIX):
        return None
    trace = CommandTrace()
    with place.client(trace) as client, trace:
        target: Leads = client[collection.database.name][collection.name]
        made = target.insert_one(place.documents(1)[0]).inserted_id
        sent = trace.named("insert")[0].write_concern
        target.delete_one({"_id": made})
    return dict(sent) if sent is not None else None


def round_trip(call: Callable[[], Any], count: int = PINGS) -> Summary:
    """Latencies of `count` calls that do nothing in the server."""
    return Latencies(timed(call, count)).summary()


def _trips(place: BenchmarkSession) -> dict[str, Summary]:
    trips = {"MongoDB": round_trip(lambda: place.mongodb.admin.command("ping"))}
    if place.redis is not None:
        trips["Redis"] = round_trip(place.redis.ping)
    return trips


def _told(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (PyMongoError, redis_py.RedisError):
        return None


def _persistence(client: redis_py.Redis | None) -> str | None:
    if client is None:
        return None
    read = _told(lambda: {**client.config_get("save"), **client.config_get("appendonly")})  # type: ignore[misc]
    return None if read is None else f"save {read.get('save') or 'off'}, appendonly {read.get('appendonly')}"


def _sum(*parts: float | None) -> int | None:
    known = [part for part in parts if part is not None]
    return int(sum(known)) if len(known) == len(parts) else None
