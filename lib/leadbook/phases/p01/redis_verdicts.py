"""What phase 01 judges of Redis: release, memory, eviction, persistence proven by doing it, and the key formats."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_hex
from typing import Any

from redis import Redis

from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.phases.judging import Finding, checks_of, got
from leadbook.provision import cache as probes
from leadbook.provision.asked import on_loopback
from leadbook.provision.cache import Cache, Written, inspect_cache

DAY_S = 86_400
RAM, SHARE = "RDS-MEM-001", "RDS-MEM-003"
UNTOLD = "Redis does not tell the limit of its container, nor what else this machine is for; look at the real one"

Checks = tuple[Check, ...]
Inspected = Cache | Unmeasured | Exception


def memory(inspected: Inspected, url: str, settings: Settings) -> Checks:
    """Release, authentication, encryption, RAM, maxmemory and eviction."""

    def release() -> Finding:
        cache = got(inspected)
        named = cache.info.get("server_name") or "redis"
        major_minor = float(".".join(cache.version.split(".")[:2]))
        return major_minor, f"{named} {cache.version}, {cache.info.get('redis_mode')}"

    def stranger() -> Finding:
        got(inspected)
        refusal = probes.refusal_of_stranger(url, settings)
        return bool(refusal), f"PING without password: {refusal or 'it was answered'}"

    def of_info(name: str, value: Callable[[Cache], Any], told: Callable[[Cache], str]) -> Finding:
        cache = got(inspected)
        if name not in cache.info:
            return Unmeasured(f"not measurable: INFO does not tell {name} here", f"look at {cache.place}"), ""
        return value(cache), told(cache)

    policy = "maxmemory_policy"
    return checks_of({
        "RDS-VER-001": release,
        "RDS-SEC-001": stranger,
        "RDS-SEC-002": lambda: (got(inspected).encrypted, "class of the pool's connections"),
        RAM: lambda: _ram(got(inspected), settings),
        "RDS-MEM-002": lambda: of_info("maxmemory", lambda cache: round(cache.maxmemory_gb, 3), _room),
        SHARE: lambda: _share(got(inspected), settings),
        "RDS-MEM-004": lambda: of_info(policy, lambda cache: cache.info[policy], lambda _: f"INFO {policy}"),
    }, settings, this_machine=isinstance(inspected, Cache) and on_loopback([inspected.host]))  # fmt: skip


def _room(cache: Cache) -> str:
    ram = f"RAM of the machine {cache.memory_gb:.2f} GB" if cache.memory_gb else "RAM hidden by the service"
    return f"maxmemory {cache.maxmemory_gb:.2f} GB, {ram}"


def _ram(cache: Cache, settings: Settings) -> Finding:
    found, entry = cache.memory_gb or cache.maxmemory_gb or None, definition(RAM)
    if found and entry.holds(found, entry.target) and _is_shared(cache) and not settings.is_rehearsal:
        return Doubtful(found), f"{_room(cache)}: {UNTOLD}"
    return found, _room(cache)


def _share(cache: Cache, settings: Settings) -> Finding:
    if cache.memory_gb is None:
        told = f"{_room(cache)}: the provider keeps a share of the RAM back by itself"
        return (0.0, _room(cache)) if settings.is_rehearsal else (Doubtful(None), told)
    share = round(100 * cache.maxmemory_gb / cache.memory_gb, 1)
    if _is_shared(cache) and not settings.is_rehearsal:
        return Doubtful(share), f"{_room(cache)}: {UNTOLD}"
    return share, _room(cache)


def _is_shared(cache: Cache) -> bool:
    """Whether maxmemory is so far below the machine's RAM that Redis may be meant to use only a part of it."""
    least = definition(SHARE).target[0]
    return bool(cache.memory_gb and cache.maxmemory_gb and 100 * cache.maxmemory_gb / cache.memory_gb < least)


def persistence(redis: Redis | Unmeasured, inspected: Inspected, settings: Settings) -> Checks:
    """Persistence as configured, a snapshot and an appended write as observed; in production the last snapshot."""

    def configured() -> Finding:
        cache = got(inspected)
        if cache.persistence == "unknown" and cache.refused:
            raise cache.refused
        if cache.persistence == "unknown":
            why = (
                "not measurable: CONFIG GET is not offered here, and INFO tells of no snapshot and no append-only file"
            )
            return Unmeasured(why, f"look at {cache.place}; then accept it in the attestations file"), ""
        if cache.persistence == "none":
            return False, "a restart starts with an empty cache"
        save, fsync = (cache.configuration.get(name) for name in ("save", "appendfsync"))
        details = f": save {save!r}, appendfsync {fsync}" if cache.configuration else ""
        return True, cache.persistence + details

    def written(found: Written | None, absent: str) -> Finding:
        return (found.fine, str(found)) if found else (Inapplicable(absent), "")

    def appended() -> Finding:
        got(inspected)
        return written(probes.append(got(redis)), "appendonly is off: snapshots alone, the last minutes may be lost")

    def snapshot() -> Finding:
        got(inspected)
        if not settings.is_production:
            return written(probes.snapshot(got(redis)), "")
        cache = inspect_cache(got(redis))
        return written(cache.last_snapshot, "") if cache.last_snapshot else _unsaved(cache)

    def age() -> Finding:
        got(inspected)
        cache = inspect_cache(got(redis))
        if not cache.last_snapshot:
            return Inapplicable("no snapshot is known: see RDS-PER-002"), ""
        if cache.info.get("rdb_changes_since_last_save") == 0:
            return Inapplicable("nothing has changed since the last snapshot"), str(cache.last_snapshot)
        return cache.snapshot_age_h, str(cache.last_snapshot)

    asked = {"RDS-PER-001": configured, "RDS-PER-002": snapshot, "RDS-PER-003": appended, "RDS-PER-004": age}
    return checks_of(asked, settings)


def _unsaved(cache: Cache) -> Finding:
    """What is told where no snapshot is known since the server started."""
    if "rdb_last_save_time" not in cache.info:
        return Inapplicable("this service tells nothing of snapshots"), ""
    told, save = "no snapshot since the server started", cache.configuration.get("save")
    if save is None:
        return Unmeasured(f"{told}; whether it makes any is not told", f"look at {cache.place}"), ""
    if not save:
        return Inapplicable("snapshots are switched off: save is empty"), ""
    appends = cache.info.get("aof_enabled") and cache.info.get("aof_last_write_status") == "ok"
    return (Doubtful(False), f"{told}; the append-only file is written") if appends else (False, told)


def keys(redis: Redis | Unmeasured, settings: Settings) -> Checks:
    """Both key formats: written with the profile's time to live, found, expiring, deleted again; and keys asked for
    together, as look-ups do."""
    life = int(settings.key_ttl_days * DAY_S)

    def key(built: str, expected: str) -> Finding:
        client = got(redis)
        if built != expected:
            return False, f"the pipeline builds {built}, the format is {expected}"
        seen = probes.probe_key(client, built, life)
        fine = seen.found and 0 < seen.life_s <= life and seen.deleted
        return fine, f"{expected.rpartition('leadbook-probe')[0]}… expires in {seen.life_s / DAY_S:.1f} days"

    def several() -> Finding:
        mode = f"redis_mode {got(redis).info('server').get('redis_mode')}"  # type: ignore[union-attr]
        refused = probes.cluster_refusal(got(redis))
        return not refused, f"{mode}: {refused or 'MGET of two keys is answered'}"

    mark = f"leadbook-probe-{token_hex(4)}"
    url, address = f"https://www.linkedin.com/in/{mark}", f"{mark}@example.com"
    return checks_of({
        "RDS-KEY-001": lambda: key(linkedin_key(url), f"lead:linkedin:{url}"),
        "RDS-KEY-002": lambda: key(email_key(address), f"lead:email:{address}"),
        "RDS-KEY-003": several,
    }, settings)  # fmt: skip
