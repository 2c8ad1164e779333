"""What a number was measured on: versions, topology, round trips, cache, pools, and the write concern really sent."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import pymongo
import redis as redis_py

from leadbook.core.traces import CommandTrace
from leadbook.measure.session import PREFIX, BenchmarkSession, Leads
from leadbook.provision.asked import ask
from leadbook.provision.cache import inspect_cache
from leadbook.provision.connectivity import Latency, mongodb_latency, redis_latency

PINGS = 200
LIKE = ("mongodb", "topology", "members", "engine", "cache_bytes", "tls", "write_concern", "redis", "cores",
        "memory_bytes", "indexes", "leads", "trial_documents", "profile")  # fmt: skip
"""Facts that must agree before two runs may be compared."""


@dataclass(frozen=True, kw_only=True)
class Disclosure:
    """Facts by name, JSON-ready; a fact that could not be read is None. trips: to each service that answers."""

    facts: Mapping[str, Any]
    trips: tuple[Latency, ...]

    def __getitem__(self, name: str) -> Any:
        return self.facts[name]


def disclose(session: BenchmarkSession, filled: Leads) -> Disclosure:
    """Read everything once. `filled` is the collection that finds are measured on; one lead comes and goes
    there where it is a scratch collection. Raises UnreachableError where MongoDB is away."""
    settings, options = session.settings, session.mongodb.options.pool_options
    status = ask(session.admin, "serverStatus")
    sizes = ask(session.mongodb, "collStats", settings.database, value=filled.name)
    limit = status.get("wiredTiger.cache.maximum bytes configured")
    data = sizes.get("size") + sizes.get("totalIndexSize") if sizes.values else None
    cache, trips = None, [mongodb_latency(session.mongodb, PINGS)]
    if not session.lost_redis() and session.redis is not None:
        trips.append(redis_latency(session.redis, PINGS))
        with contextlib.suppress(redis_py.RedisError):
            cache = inspect_cache(session.redis)
    facts = {
        "mongodb": ask(session.mongodb, "buildInfo").get("version"),
        "topology": session.mongodb.topology_description.topology_type_name,
        "members": len(ask(session.mongodb, "hello").get("hosts") or (1,)),
        "engine": status.get("storageEngine.name"),
        "cache_bytes": limit,
        "data_and_index_bytes": data,
        "data_over_cache": round(data / limit, 4) if data and limit else None,
        "tls": options._ssl_context is not None,
        "write_concern": wire_concern(session, filled),
        "pool": {"max": options.max_pool_size, "min": options.min_pool_size, "max_connecting": options.max_connecting},
        "redis": cache.version if cache else None,
        "redis_maxmemory": cache.info.get("maxmemory") if cache else None,
        "redis_persistence": cache.persistence if cache else None,
        "indexes": max(0, len(list(filled.list_indexes())) - 1),
        "leads": filled.estimated_document_count(),
        "trial_documents": settings.bench_documents,
        "profile": settings.profile,
        "endpoints": session.endpoints.source,
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "machine": f"{platform.system()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "pymongo": pymongo.version,
        "redis_py": redis_py.__version__,
    }
    return Disclosure(facts=facts, trips=tuple(trips))


def wire_concern(session: BenchmarkSession, collection: Leads) -> Mapping[str, Any] | None:
    """The writeConcern that one insert of the application's client really carried; the document is removed again.

    None, and nothing is written, where `collection` is not a scratch collection.
    """
    if not collection.name.startswith(PREFIX):
        return None
    trace = CommandTrace()
    with session.client(trace) as client, trace:
        target: Leads = client[collection.database.name][collection.name]
        made = target.insert_one(session.documents(1)[0]).inserted_id
        sent = trace.named("insert")[0].write_concern
        target.delete_one({"_id": made})
    return dict(sent) if sent is not None else None
