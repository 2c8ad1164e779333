"""Phase 01: is what was ordered really there? Connectivity, topology, security, host, pools, Redis, key format.

`inspect` and `inspect_cache` ask the servers once; the check functions judge the answers and prove by small probes what
settings alone cannot tell. Probes go to scratch collections and probe keys, and are removed.
"""

from leadbook.provision.cache import Cache, inspect_cache, key_checks, memory_checks, persistence_checks
from leadbook.provision.connectivity import Latency, mongodb_connectivity, mongodb_latency, redis_connectivity, samples
from leadbook.provision.documents import (
    connection_string,
    database_document,
    document_check,
    infrastructure,
    redis_document,
    security_document,
)
from leadbook.provision.frames import LATENCY_COLUMNS, MEMBER_COLUMNS, latency_frame, member_frame
from leadbook.provision.pools import POOL_COLUMNS, held, pool_checks, pool_frame, redis_pool_checks
from leadbook.provision.security import access_checks, tls_checks
from leadbook.provision.server import Server, host_checks, inspect, topology_checks, version_checks

__all__ = [
    "LATENCY_COLUMNS",
    "MEMBER_COLUMNS",
    "POOL_COLUMNS",
    "Cache",
    "Latency",
    "Server",
    "access_checks",
    "connection_string",
    "database_document",
    "document_check",
    "held",
    "host_checks",
    "infrastructure",
    "inspect",
    "inspect_cache",
    "key_checks",
    "latency_frame",
    "member_frame",
    "memory_checks",
    "mongodb_connectivity",
    "mongodb_latency",
    "persistence_checks",
    "pool_checks",
    "pool_frame",
    "redis_connectivity",
    "redis_document",
    "redis_pool_checks",
    "samples",
    "security_document",
    "tls_checks",
    "topology_checks",
    "version_checks",
]
