"""The configuration in force, as the servers and the driver tell it. Read-only; no addresses, no credentials."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from redis import Redis

from leadbook.core.settings import Settings
from leadbook.monitor.topology import optional
from leadbook.provision.asked import ask
from leadbook.provision.cache import CONFIGURATION, Cache, inspect_cache
from leadbook.provision.pools import held
from leadbook.schema.state import CollectionState, actual

Rows = list[tuple[str, Any]]
Configuration = dict[str, Rows]
"""(setting, value) by section; a value of None could not be read."""


def read_configuration(
    admin: MongoClient[dict[str, Any]], leads: Collection[dict[str, Any]], redis: Redis | None, settings: Settings
) -> Configuration:
    """Ask the servers; what a user may not read is None, never guessed."""
    found = optional(lambda: actual(leads))
    state = found if found is not None and found.exists else None
    taken, kept = "phase 06 of the rehearsal, as a drill", "no, removed after the drill"
    if settings.is_production:
        taken = "mongod's provider, or `leadbook`'s dump (phase 06)"
        kept = "the dump until somebody removes it; snapshots as the provider is set"
    return {
        "MongoDB": _mongodb(admin),
        "Collection": [("database", leads.database.name), ("collection", leads.name), *_collection(state)],
        "Indexes": [(index.name, str(index)) for index in (state.indexes if state else ())],
        "Redis": _redis(optional(lambda: inspect_cache(redis)) if redis is not None else None),
        "Connection pools": _pools(leads.database.client, redis, settings),
        "Backup": [("taken by", taken), ("kept", kept), ("asked for, days, at least", settings.target_backup_days),
                   ("proven by", "phase 06: dump, restore beside the original, compare")],
    }  # fmt: skip


def _mongodb(admin: MongoClient[dict[str, Any]]) -> Rows:
    status, config, options = (ask(admin, name) for name in ("serverStatus", "replSetGetConfig", "getCmdLineOpts"))
    cache = status.get("wiredTiger.cache.maximum bytes configured")
    members = config.get("config.members") or []
    key_file = "keyFile" if options.get("parsed.security.keyFile") else None
    return [
        ("version", ask(admin, "buildInfo").get("version")),
        ("storage engine", status.get("storageEngine.name")),
        ("WiredTiger cache, MB", round(cache / 1e6) if cache else None),
        ("replica set", config.get("config._id")),
        ("members", len(members) or None),
        ("voting members", sum(1 for member in members if member.get("votes", 1)) or None),
        ("election time-out, ms", config.get("config.settings.electionTimeoutMillis")),
        ("default write concern", ask(admin, "getDefaultRWConcern").get("defaultWriteConcern.w")),
        ("TLS mode", options.get("parsed.net.tls.mode")),
        ("authorisation", options.get("parsed.security.authorization") or key_file),
    ]


def _collection(state: CollectionState | None) -> Rows:
    schema = state.validator.get("$jsonSchema", {}) if state else {}
    return [
        ("validator", f"{len(schema.get('properties', {}))} fields" if state and state.validator else "none"),
        ("required fields", ", ".join(schema.get("required", [])) or None),
        ("validation level", state.validation_level if state else None),
        ("validation action", state.validation_action if state else None),
    ]


def _redis(cache: Cache | None) -> Rows:
    if cache is None:
        return [("Redis", None)]
    rows: Rows = [
        ("version", cache.version), ("maxmemory, MB", round(1000 * cache.maxmemory_gb) or None),
        ("maxmemory-policy", cache.info.get("maxmemory_policy")),
    ]  # fmt: skip
    return rows + [(name, cache.configuration.get(name)) for name in CONFIGURATION]


def _pools(client: MongoClient[dict[str, Any]], redis: Redis | None, settings: Settings) -> Rows:
    rows: Rows = [
        (f"{one.service} {one.setting}{one.unit and f', {one.unit}'}", "none" if one.value is None else one.value)
        for one in held(client, redis, settings)
    ]
    rows.append(("retryable writes", client.options.retry_writes))
    return [*rows, ("life of a duplicate key, days", settings.key_ttl_days)]
