"""What phase 01 hands over: the configuration as found, without credentials, for people and for later phases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus, urlencode

from leadbook.core import addresses
from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.page.prose import words
from leadbook.page.tables import measured_text
from leadbook.phases.documents import render
from leadbook.phases.section import Document
from leadbook.provision.cache import Cache
from leadbook.provision.connectivity import Latency
from leadbook.provision.pools import Held
from leadbook.provision.server import Server

MASKED_OPTIONS = {"tlscafile": "<ca.pem>", "tlscertificatekeyfile": "<client.pem>"}
Facts = Mapping[str, Mapping[str, Any]]


def connection_string(uri: str, rows: Sequence[Held]) -> str:
    """The address for n8n and others: `<username>:<password>`, and the pool parameters that were really held."""
    address = addresses.parse(uri)
    options = {
        name: MASKED_OPTIONS.get(name.lower(), unquote_plus(value))
        for name, value in address.plain_options()
        if name.lower() != "authmechanismproperties"
    }
    known = {name.lower() for name in options}
    for row in rows:
        if row.service == "MongoDB" and row.value is not None and row.setting.lower() not in known:
            options[row.setting] = str(row.value).lower() if isinstance(row.value, bool) else row.value
    place = f"{address.shown}{address.path or '/'}"
    return f"{address.scheme}://<username>:<password>@{place}?{urlencode(options, safe='<>./,:')}"


def infrastructure(
    server: Server, cache: Cache | None, rows: Sequence[Held], latencies: Iterable[Latency], uri: str,
    settings: Settings,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Configuration facts by topic (`mongodb`, `redis`, `mongodb_pool`, …), JSON-ready and without credentials."""
    trips = {
        one.service: {"round_trip_p50_ms": one.p50_ms, "round_trip_slowest_ms": one.slowest_ms} for one in latencies
    }
    facts: dict[str, dict[str, Any]] = {
        "mongodb": {
            "release": server.version, "topology": server.kind, "set": server.hello.get("setName"),
            "database": settings.database, "address": connection_string(uri, rows),
            "members": ", ".join(f"{m.name} {m.state}" for m in server.members) or "not asked",
            **trips.get("MongoDB", {}),
        },
        "mongodb_host": {
            "cores": server.cores, "ram_gb": server.memory_gb, "storage_gb": server.storage_gb,
            "wiredtiger_cache_gb": server.cache_gb, "storage_engine": server.status.get("storageEngine.name"),
            "operating_system": server.system, "oplog_hours": server.oplog.get("hours"),
        },
        "mongodb_pool": _pool(rows, "MongoDB"),
    }  # fmt: skip
    if cache is None:
        return {**facts, "redis": {"state": "away while phase 01 ran"}}
    facts["redis"] = {
        "release": cache.version, "address": cache.address, "encrypted": cache.encrypted,
        "maxmemory_gb": cache.maxmemory_gb, "ram_gb": cache.memory_gb,
        "maxmemory_policy": cache.info.get("maxmemory_policy"), "persistence": cache.persistence,
        "save": cache.configuration.get("save"), "appendfsync": cache.configuration.get("appendfsync"),
        "keys": "lead:linkedin:{linkedin_url}, lead:email:{email}", "key_ttl_days": settings.key_ttl_days,
        **trips.get("Redis", {}),
    }  # fmt: skip
    return {**facts, "redis_pool": _pool(rows, "Redis")}


def _pool(rows: Sequence[Held], service: str) -> dict[str, Any]:
    return {
        row.setting + (f" ({row.unit})" if row.unit else ""): "none" if row.value is None else row.value
        for row in rows
        if row.service == service
    }


def documents(facts: Facts, checks: Sequence[Check], server: Server, settings: Settings) -> tuple[Document, ...]:
    """For the Technical Lead the database and Redis; for the Project Manager access, encryption and backups."""

    def found(*prefixes: str) -> list[tuple[str, ...]]:
        return [
            (f"{check.id} {check.title}", check.verdict.value, measured_text(check), check.evidence or "–")
            for check in checks
            if check.id.startswith(prefixes)
        ]

    def written(slug: str, title: str, reader: str) -> Document:
        text = render(__file__, slug, facts=facts, found=found, rows=_rows, server=server, settings=settings)
        return Document(slug, title, text, (reader,))

    return (
        written("database-configuration", "Database configuration", "Technical Lead"),
        written("security-and-backup", "Security and backup configuration", "Project Manager"),
        written("redis-configuration", "Redis configuration and key format", "Technical Lead"),
    )


def _rows(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(words(name), value) for name, value in values.items()]
