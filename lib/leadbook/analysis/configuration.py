"""The configuration in force, as the servers and the driver tell it. Read-only; no addresses, no credentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.core.settings import Settings

Rows = list[tuple[str, Any]]
Configuration = dict[str, Rows]
"""(setting, value) by section; a value of None could not be read."""


def read_configuration(
    admin: MongoClient[dict[str, Any]], leads: Collection[dict[str, Any]], redis: Redis | None, settings: Settings
) -> Configuration:
    """Ask the servers; what a user may not read is None, never guessed."""
    return {
        "MongoDB": _mongodb(admin), "Collection": _collection(leads), "Indexes": _indexes(leads),
        "Redis": _redis(redis), "Connection pools": _pool(leads.database.client, settings),
        "Backup": _backup(settings),
    }  # fmt: skip


def _ask(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (PyMongoError, RedisError):
        return None


def _mongodb(admin: MongoClient[dict[str, Any]]) -> Rows:
    status = _ask(lambda: admin.admin.command({"serverStatus": 1, "metrics": 0, "locks": 0, "tcmalloc": 0})) or {}
    config = (_ask(lambda: admin.admin.command("replSetGetConfig")) or {}).get("config", {})
    concern = _ask(lambda: admin.admin.command("getDefaultRWConcern")) or {}
    options = (_ask(lambda: admin.admin.command("getCmdLineOpts")) or {}).get("parsed", {})
    cache = status.get("wiredTiger", {}).get("cache", {}).get("maximum bytes configured")
    members = config.get("members", [])
    return [
        ("version", _ask(lambda: admin.server_info()["version"])),
        ("storage engine", status.get("storageEngine", {}).get("name")),
        ("WiredTiger cache, MB", round(cache / 1e6) if cache else None),
        ("replica set", config.get("_id")),
        ("members", len(members) or None),
        ("voting members", sum(1 for member in members if member.get("votes", 1)) or None),
        ("election time-out, ms", config.get("settings", {}).get("electionTimeoutMillis")),
        ("default write concern", (concern.get("defaultWriteConcern") or {}).get("w")),
        ("TLS mode", options.get("net", {}).get("tls", {}).get("mode")),
        ("authorisation", options.get("security", {}).get("authorization") or ("keyFile" if "keyFile" in
                                                                               options.get("security", {}) else None)),
    ]  # fmt: skip


def _collection(leads: Collection[dict[str, Any]]) -> Rows:
    found = _ask(lambda: next(iter(leads.database.list_collections(filter={"name": leads.name})), {})) or {}
    options = found.get("options", {})
    schema = options.get("validator", {}).get("$jsonSchema", {})
    return [
        ("database", leads.database.name), ("collection", leads.name),
        ("validator", "none" if not options.get("validator") else f"{len(schema.get('properties', {}))} fields"),
        ("required fields", ", ".join(schema.get("required", [])) or None),
        ("validation level", options.get("validationLevel")), ("validation action", options.get("validationAction")),
    ]  # fmt: skip


def _indexes(leads: Collection[dict[str, Any]]) -> Rows:
    rows: Rows = []
    for index in _ask(lambda: list(leads.list_indexes())) or []:
        flags = [name for name in ("unique", "sparse", "hidden") if index.get(name)]
        keys = ", ".join(f"{name}: {way}" for name, way in index["key"].items())
        rows.append((index["name"], f"{{{keys}}} {' '.join(flags)}".strip()))
    return rows


def _redis(redis: Redis | None) -> Rows:
    if redis is None:
        return [("Redis", None)]
    info: Any = _ask(redis.info) or {}
    names = ("maxmemory-policy", "appendonly", "appendfsync", "save", "slowlog-log-slower-than",
             "latency-monitor-threshold", "timeout")  # fmt: skip
    config: Any = _ask(lambda: redis.config_get(*names)) or {}
    rows: Rows = [
        ("version", info.get("redis_version")),
        ("maxmemory, MB", round(info["maxmemory"] / 1e6) if info.get("maxmemory") else None),
        ("maxclients", info.get("maxclients")),
    ]
    return rows + [(name, config.get(name)) for name in names]


def _pool(client: MongoClient[dict[str, Any]], settings: Settings) -> Rows:
    pool = client.options.pool_options
    idle, wait = pool.max_idle_time_seconds, pool.wait_queue_timeout
    return [
        ("MongoDB maxPoolSize, connections", pool.max_pool_size), ("minPoolSize, connections", pool.min_pool_size),
        ("maxConnecting, connections", pool.max_connecting),
        ("maxIdleTimeMS, ms", None if idle is None else int(1000 * idle)),
        ("connectTimeoutMS, ms", int(1000 * pool.connect_timeout) if pool.connect_timeout else None),
        ("waitQueueTimeoutMS, ms", None if wait is None else int(1000 * wait)),
        ("write concern", str(client.write_concern.document.get("w", "server's default"))),
        ("retryable writes", client.options.retry_writes),
        ("Redis max connections", settings.redis_max_connections),
        ("Redis reply time-out, s", settings.redis_socket_timeout_s),
        ("life of a duplicate key, days", settings.key_ttl_days),
    ]  # fmt: skip


def _backup(settings: Settings) -> Rows:
    kind = "mongod's provider or `leadbook` dump (phase 06)" if settings.is_production else "phase 06 of the rehearsal"
    return [("taken by", kind), ("kept, days, at least", settings.target_backup_days),
            ("proven by", "phase 06: dump, restore beside the original, compare")]  # fmt: skip
