"""The sections of notebook 01, in its order. What one finds the later ones take (`found`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from redis import Redis

from leadbook.core.checks import Unmeasured, unrecorded
from leadbook.core.definitions import expected
from leadbook.core.errors import LeadbookError, UnreachableError
from leadbook.phases.console import access, backups, cluster, collectors
from leadbook.phases.console.asked import by_api
from leadbook.phases.console.atlas import atlas_of, only_by_atlas
from leadbook.phases.console.provider import instance, provider_facts
from leadbook.phases.judging import attempt, got
from leadbook.phases.p01 import figures, redis_verdicts, tables, verdicts
from leadbook.phases.p01.documents import documents, infrastructure
from leadbook.phases.phase import Phase
from leadbook.phases.section import Plot, Section
from leadbook.provision.cache import Cache, inspect_cache
from leadbook.provision.connectivity import Latency, mongodb_latency, redis_latency
from leadbook.provision.pools import Held, held
from leadbook.provision.server import Server, inspect

Inspected = Cache | Unmeasured | Exception


def reach(book: Phase) -> Section:
    """1.1: both services answer, and how far away they are. found: a Latency for each that answered."""
    trips = [_timed(lambda: mongodb_latency(book.mongodb)), _timed(lambda: redis_latency(got(_redis(book))))]
    found = [trip for trip in trips if isinstance(trip, Latency)]
    checks = verdicts.connectivity(book.mongodb, _redis(book), trips, book.settings)
    return Section(tables=(tables.latencies(found),), checks=checks, found=found)


def _redis(book: Phase) -> Redis | Unmeasured:
    return Unmeasured(book.redis_problem, verdicts.REDIS_AWAY) if book.redis is None else book.redis


def _timed(ask: Callable[[], Latency]) -> Latency | Unmeasured | Exception:
    found = attempt(ask)
    return Unmeasured(str(found), verdicts.REDIS_AWAY) if isinstance(found, UnreachableError) else found


def round_trips(latencies: Sequence[Latency]) -> Section:
    """1.1: the plot of the round trips that `reach` took."""
    drawn = figures.round_trips({each.service: each.samples_ms for each in latencies})
    return Section(plots=(Plot(drawn, "Round trips of MongoDB and Redis: share of pings answered within a time"),))


def members(book: Phase) -> Section:
    """1.2: release and members. found: what the server told, asked once."""
    server = inspect(book.mongodb, book.admin, book.settings)
    return Section(tables=(tables.members(server),), checks=verdicts.topology(server, book.settings), found=server)


def security(book: Phase, server: Server) -> Section:
    """1.3: TLS, authentication and roles, by probes."""
    encryption = verdicts.encryption(book.mongodb, server, book.settings)
    access = verdicts.access(book.mongodb, book.reporting, book.endpoints.mongodb_uri, server, book.settings)
    return Section(checks=(*encryption, *access))


def host(book: Phase, server: Server) -> Section:
    """1.4: the host's size, the engine, the journal and the oplog."""
    return Section(checks=verdicts.host(server, book.settings, book.database, instance(atlas_of(book))))


def pools(book: Phase) -> Section:
    """1.5: both pools as the clients hold them, shared by threads. found: the settings held."""
    rows = held(book.mongodb, book.redis, book.settings)
    checks = verdicts.pool(book.mongodb, _redis(book), rows, book.settings)
    return Section(tables=(tables.pools(rows),), checks=checks, found=rows)


def cache(book: Phase) -> Section:
    """1.6: Redis' memory and eviction. found: what Redis told, asked once."""
    inspected = attempt(lambda: inspect_cache(got(_redis(book))))
    checks = redis_verdicts.memory(inspected, book.endpoints.redis_url, book.settings)
    return Section(checks=checks, found=inspected)


def kept(book: Phase, inspected: Inspected) -> Section:
    """1.7: Redis' persistence and the formats of its keys."""
    persistence = redis_verdicts.persistence(_redis(book), inspected, book.settings)
    return Section(checks=(*persistence, *redis_verdicts.keys(_redis(book), book.settings)))


def console(book: Phase) -> Section:
    """1.8: what the provider's console shows: measured where its API is asked, else attested. found: the instance."""
    atlas, uri, settings = atlas_of(book), book.endpoints.mongodb_uri, book.settings
    by_atlas = {**cluster.ordered(atlas), **access.attested(atlas, uri, settings), **backups.first(atlas, settings)}
    n8n = collectors.asked_once(settings, book.endpoints)
    only_atlas = {
        **cluster.besides(atlas), **access.besides(atlas, uri, settings, lambda: collectors.users_of(n8n)),
        **backups.besides(atlas),
    }  # fmt: skip
    by_apis = {**by_atlas, **collectors.of_phase("01", settings, n8n)}
    attested = [entry.id for entry in expected("01") if entry.kind == "attestation" and entry.id not in by_apis]
    checks = (*by_api(by_apis, settings), *only_by_atlas(only_atlas, settings))
    of_atlas = [check for check in checks if check.id in {*by_atlas, *only_atlas}]
    return Section(checks=checks, attested=tuple(attested), found=provider_facts(atlas, of_atlas))


def handover(
    book: Phase, server: Server, inspected: Inspected, rows: Sequence[Held], latencies: Sequence[Latency],
    provider: Mapping[str, Any],
) -> Section:  # fmt: skip
    """1.9: the configuration as found, with the checks recorded so far, for people and for later phases. provider:
    what section 1.8 found.

    Raises LeadbookError while checks are missing: the documents would lack them.
    """
    if missing := unrecorded("01", book.recorded):
        raise LeadbookError(
            f"{len(missing)} checks are missing, such as {missing[0]}: run all cells above this one first"
        )
    known = inspected if isinstance(inspected, Cache) else None
    uri = book.endpoints.mongodb_uri
    facts = {**infrastructure(server, known, rows, latencies, uri, book.settings), "provider": dict(provider)}
    return Section(
        documents=documents(facts, book.recorded, server, book.settings), facts={"infrastructure": facts}, found=facts
    )
