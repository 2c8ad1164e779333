"""The sections of notebook 01, in its order. What one finds the later ones take (`found`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from redis import Redis

from leadbook.core.checks import Unmeasured, unrecorded
from leadbook.core.definitions import expected
from leadbook.core.errors import LeadbookError, UnreachableError
from leadbook.page import palette, style
from leadbook.phases.console import access, backups, cluster, collectors
from leadbook.phases.console.asked import by_api
from leadbook.phases.console.atlas import atlas_of, only_by_atlas
from leadbook.phases.console.provider import instance, provider_facts
from leadbook.phases.judging import attempt, got
from leadbook.phases.p01 import redis_verdicts, verdicts
from leadbook.phases.p01.documents import documents, infrastructure
from leadbook.phases.phase import Phase
from leadbook.phases.section import Plot, Section, Table, rows_table
from leadbook.provision.cache import Cache, inspect_cache
from leadbook.provision.connectivity import Latency, mongodb_latency, redis_latency
from leadbook.provision.pools import Held, held
from leadbook.provision.server import Server, inspect

Inspected = Cache | Unmeasured | Exception
LATENCY_COLUMNS = {
    "service": "who was asked",
    "pings": "round trips timed, after five that open the connection",
    "p50": "median, ms",
    "slowest": "the slowest, ms; shown and not judged",
}
MEMBER_COLUMNS = {
    "member": "host and port",
    "state": "PRIMARY takes writes, SECONDARY copies them",
    "healthy": "answers the others' heartbeats",
    "votes": "counts in elections and for write concern majority",
    "priority": "0 never becomes primary",
    "lag": "seconds behind the primary",
}
POOL_COLUMNS = {
    "service": "whose pool",
    "setting": "name in the address or in redis-py",
    "profile": "what the profile asks for",
    "held": "what the client really holds; an option in the address wins over the profile",
    "unit": "unit of both",
}


def reach(book: Phase) -> Section:
    """1.1: both services answer, and how far away they are. found: a Latency for each that answered."""
    trips = [_timed(lambda: mongodb_latency(book.mongodb)), _timed(lambda: redis_latency(got(_redis(book))))]
    found = [trip for trip in trips if isinstance(trip, Latency)]
    checks = verdicts.connectivity(book.mongodb, _redis(book), trips, book.settings)
    return Section(tables=(latencies_table(found),), checks=checks, found=found)


def _redis(book: Phase) -> Redis | Unmeasured:
    return Unmeasured(book.redis_problem, verdicts.REDIS_AWAY) if book.redis is None else book.redis


def _timed(ask: Callable[[], Latency]) -> Latency | Unmeasured | Exception:
    found = attempt(ask)
    return Unmeasured(str(found), verdicts.REDIS_AWAY) if isinstance(found, UnreachableError) else found


def round_trips(latencies: Sequence[Latency]) -> Section:
    """1.1: the plot of the round trips that `reach` took."""
    drawn = round_trips_plot({each.service: each.samples_ms for each in latencies})
    return Section(plots=(Plot(drawn, "Round trips of MongoDB and Redis: share of pings answered within a time"),))


def members(book: Phase) -> Section:
    """1.2: release and members. found: what the server told, asked once."""
    server = inspect(book.mongodb, book.admin, book.settings)
    return Section(tables=(members_table(server),), checks=verdicts.topology(server, book.settings), found=server)


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
    return Section(tables=(pools_table(rows),), checks=checks, found=rows)


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


# ---------------------------------------------------------------------------------------------- tables and the plot


def latencies_table(found: Iterable[Latency]) -> Table:
    """One row a service that answered."""
    rows = [[each.service, len(each.samples_ms), round(each.p50_ms, 3), round(each.slowest_ms, 3)] for each in found]
    return rows_table("Round trips", LATENCY_COLUMNS, rows)


def members_table(server: Server) -> Table:
    """One row a member, as the set sees it; empty for a standalone server or where it may not be asked."""
    rows = [[m.name, m.state, m.healthy, m.votes, m.priority, m.lag_s] for m in server.members]
    return rows_table("Members of the replica set", MEMBER_COLUMNS, rows)


def pools_table(held: Sequence[Held]) -> Table:
    """One row a setting."""
    rows = [[row.service, row.setting, verdicts.shown(row.asked), verdicts.shown(row.value), row.unit] for row in held]
    return rows_table("Pool settings asked for and really held", POOL_COLUMNS, rows)


def round_trips_plot(samples: Mapping[str, Sequence[float]]) -> Figure:
    """Share of pings answered within a time, one step line a service. samples: service -> round trips, ms."""
    drawn, axes = style.figure("Round trips", "round trip, ms (logarithmic)", "answered within, %", size=(8.0, 3.4))
    for (service, values), colour in zip(samples.items(), palette.SERIES, strict=False):
        ordered = np.sort(np.asarray(values, dtype=float))
        share = 100 * np.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered, share, where="post", label=f"{service}: median {np.median(ordered):.2f} ms", color=colour)
        axes.plot(np.median(ordered), 50, "o", color=colour)
    style.log_scale(axes, "x")
    axes.set_ylim(0, 102)
    style.legend_below(drawn, axes)
    return drawn
