"""What phase 01 hands over: the configuration as found, without credentials, for people and for later phases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus, urlencode

from leadbook.core import addresses
from leadbook.core.checks import Check, judge
from leadbook.core.settings import Settings
from leadbook.provision.cache import Cache
from leadbook.provision.connectivity import Latency
from leadbook.provision.pools import Held
from leadbook.provision.server import Server

__all__ = ["connection_string", "database_document", "document_check", "infrastructure", "redis_document",
           "security_document"]  # fmt: skip

DATABASE_CHECKS = ("MDB-CON", "MDB-VER", "MDB-TOP", "MDB-HST", "MDB-ENG", "MDB-POOL", "ATL-CLU", "N8N-CON-001")
MASKED_OPTIONS = {"tlscafile": "<ca.pem>", "tlscertificatekeyfile": "<client.pem>"}


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
            options[row.setting] = row.value
    place = f"{address.shown}{address.path or '/'}"
    return f"{address.scheme}://<username>:<password>@{place}?{urlencode(options, safe='<>./,:')}"


def infrastructure(
    server: Server,
    cache: Cache | None,
    rows: Sequence[Held],
    latencies: Sequence[Latency | None],
    uri: str,
    settings: Settings,
) -> dict[str, dict[str, Any]]:
    """Configuration facts by topic (`mongodb`, `redis`, `mongodb_pool`, …), JSON-ready and without credentials."""
    trips = {latency.service: latency for latency in latencies if latency is not None}
    facts: dict[str, dict[str, Any]] = {
        "mongodb": {
            "release": server.version, "topology": server.kind, "set": server.hello.get("setName"),
            "database": settings.database, "address": connection_string(uri, rows),
            "members": ", ".join(f"{m.name} {m.state}" for m in server.members) or "not asked",
            **_trip(trips.get("MongoDB")),
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
        **_trip(trips.get("Redis")),
    }  # fmt: skip
    return {**facts, "redis_pool": _pool(rows, "Redis")}


def _trip(latency: Latency | None) -> dict[str, float]:
    return {} if latency is None else {"round_trip_p50_ms": latency.p50_ms, "round_trip_p99_ms": latency.p99_ms}


def _pool(rows: Sequence[Held], service: str) -> dict[str, Any]:
    return {
        row.setting + (f" ({row.unit})" if row.unit else ""): "none" if row.value is None else row.value
        for row in rows
        if row.service == service
    }


# ---------------------------------------------------------------------------------------------------------- documents


def _facts(title: str, values: Mapping[str, Any]) -> str:
    lines = [f"## {title}", "", "| setting | value |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value).replace("|", "\\|")


def _measured(check: Check) -> str:
    return f"{_shown(check.measured)} {'' if check.measured is None else check.unit}".rstrip()


def _findings(checks: Sequence[Check], prefixes: tuple[str, ...]) -> str:
    lines = ["| check | verdict | found | evidence |", "|---|---|---|---|"]
    lines += [
        f"| {check.id} {check.title} | {check.verdict.value} | {_measured(check)} | {_shown(check.evidence)} |"
        for check in checks
        if check.id.startswith(prefixes)
    ]
    return "\n".join(lines) + "\n"


def database_document(facts: Mapping[str, Mapping[str, Any]], checks: Sequence[Check]) -> str:
    """For the Technical Lead: cluster, address, host, pool, connectivity."""
    return "\n".join([
        "# Database configuration", "",
        "Connection string without credentials; the password manager holds those:", "",
        f"```\n{facts['mongodb']['address']}\n```", "",
        "Write `maxIdleTimeMS` in milliseconds: 600000 is 10 minutes; 30000 would be 30 seconds.", "",
        _facts("Server", facts["mongodb"]), _facts("Host", facts["mongodb_host"]),
        _facts("Connection pool, as the driver holds it", facts["mongodb_pool"]),
        "## Checks", "",
        _findings(checks, DATABASE_CHECKS),
    ])  # fmt: skip


def security_document(checks: Sequence[Check], server: Server) -> str:
    """For the Project Manager: network access, users and roles, TLS, encryption, backups."""
    return "\n".join([
        "# Security and backup configuration", "",
        f"MongoDB {server.version}, {server.kind}. Lines marked `manual` wait for a person's attestation.", "",
        "## Encryption, authentication and roles", "", _findings(checks, ("MDB-SEC", "RDS-SEC")),
        "## Console settings", "", _findings(checks, ("ATL-ACC", "ATL-USR", "ATL-NET", "ATL-ENC", "ATL-AUD")),
        "## Backups", "", "Phase 06 proves a backup by restoring it. The schedule stands in the console:", "",
        _findings(checks, ("ATL-BCK", "MDB-ENG-004")),
    ])  # fmt: skip


def redis_document(facts: Mapping[str, Mapping[str, Any]], checks: Sequence[Check]) -> str:
    """For the Technical Lead: Redis, its keys, its pool."""
    return "\n".join([
        "# Redis configuration and key format", "",
        "| key | example | value | time to live |", "|---|---|---|---|",
        "| `lead:linkedin:{linkedin_url}` | `lead:linkedin:https://www.linkedin.com/in/johndoe` | JSON | "
        f"{facts['redis'].get('key_ttl_days', 7):g} days |",
        "| `lead:email:{email}` | `lead:email:john.doe@example.com` | JSON | "
        f"{facts['redis'].get('key_ttl_days', 7):g} days |", "",
        "A key is written only after MongoDB has acknowledged the insert. A hit means stored; a miss means unknown, "
        "and MongoDB's unique index decides: keys expire and are evicted.", "",
        _facts("Server", facts["redis"]),
        _facts("Connection pool, as the client holds it", facts.get("redis_pool", {})),
        "The client keeps connections until they fail and checks them every 30 s; idle and lifetime limits are the "
        "server's (`timeout`).", "",
        "## Checks", "", _findings(checks, ("RDS-", "N8N-CON-002")),
    ])  # fmt: skip


def document_check(check_id: str, path: Path) -> Check:
    """The document was written, and holds something."""
    return judge(check_id, path.is_file() and path.stat().st_size > 200, evidence=f"documents/{path.name}")
