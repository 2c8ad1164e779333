"""One monitoring snapshot: sources, watcher, workload and one-time looks, put together.

On rehearsal a writer inserts batches into a scratch collection meanwhile; on production it only watches: nothing is
written to MongoDB, Redis or a configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError
from redis import Redis
from redis.exceptions import RedisError

from leadbook.core import connect
from leadbook.core.canary import Canary
from leadbook.core.errors import UnreachableError
from leadbook.core.settings import Settings
from leadbook.lead.keys import linkedin_key
from leadbook.monitor.host import HostSource, server_pid_here
from leadbook.monitor.loop import Timeline, Watcher
from leadbook.monitor.mongodb import MongoSource
from leadbook.monitor.pools import PoolSource, PoolUse
from leadbook.monitor.readings import Source
from leadbook.monitor.redis_server import RedisSource
from leadbook.monitor.slow import SlowOperation, slow_operations
from leadbook.monitor.topology import Replication, read_replication
from leadbook.monitor.validation import BatchReview, review_first_batch, review_latest
from leadbook.monitor.workload import Batch, Documents, Lookup, Prober, Writer
from leadbook.rehearsal import sample
from leadbook.schema import undo
from leadbook.schema.state import create_like

__all__ = ["Observation", "observe", "sample_documents"]

INTERVAL_S = 0.5
FIRST_SAMPLE = 5_000_000
"""Far from the samples that other phases store."""
DOCUMENTS_PER_S = 2_500
"""Pace of the rehearsal's writer: well above the target of 1,000, below what would fill the cache."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """All that one snapshot saw.

    wrote: whether a writer was at work.  waits_ms: each wait for a pooled connection.  versions: of mongodb and redis.
    absent: source -> why it was not watched.  logs: log file -> bytes, None when the servers run elsewhere.
    slow: None where it may not be read; slow_source says how it was found, or why not.
    again: a second snapshot where the first one missed a time, and canary: the constant workload around it.
    """

    started_at: datetime
    seconds: float
    timeline: Timeline
    batches: Sequence[Batch]
    lookups: Sequence[Lookup]
    waits_ms: Sequence[float]
    pool_failures: Sequence[str]
    pool_maximum: int
    wrote: bool
    review: BatchReview
    replication: tuple[Replication | None, Replication | None] | None
    slow: Sequence[SlowOperation] | None
    slow_source: str
    versions: Mapping[str, str]
    absent: Mapping[str, str]
    cores: int | None
    logs: Mapping[str, int] | None = field(default=None)
    again: Observation | None = None
    canary: Canary | None = None

    @property
    def arriving(self) -> float | None:
        """Documents/s inserted by anybody, on average over the snapshot; None = not reported."""
        return self.timeline.statistic("mongodb.inserts_per_s", "mean")


def sample_documents(settings: Settings) -> Documents | None:
    """Made-up leads for the rehearsal's writer; None on production, where nothing is written."""
    if settings.is_production:
        return None
    return lambda count, start: sample.documents(count, seed=settings.sample_seed, start=FIRST_SAMPLE + start)


def observe(
    endpoints: connect.Endpoints,
    settings: Settings,
    *,
    admin: MongoClient[dict[str, Any]],
    redis: Redis | None,
    documents: Documents | None,
) -> Observation:
    """Watch for `settings.monitor_seconds`; `documents` feeds the writer, and on production there is no writer.

    Redis may go away meanwhile: then everything is told without it. Raises UnreachableError where MongoDB is away, at
    the beginning or at the end; a reading that fails in between is a gap in the timeline.
    """
    use = PoolUse()
    with connect.mongodb(endpoints.mongodb_uri, settings, listeners=[use]) as client:
        try:
            connect.ping_mongodb(client)
            return _observe(client, use, settings, admin, redis, documents)
        except PyMongoError:
            undo.insist_on_mongodb(client)
            raise


def _observe(
    client: MongoClient[dict[str, Any]], use: PoolUse, settings: Settings, admin: MongoClient[dict[str, Any]],
    redis: Redis | None, documents: Documents | None,
) -> Observation:  # fmt: skip
    with ExitStack() as stack:
        database = client[settings.database]
        writer = _writer(database, settings, redis, documents, stack)
        leads = writer.collection if writer else database[settings.collection]
        prober = _prober(leads, redis, writer)
        use.reset()
        sources, absent = _sources(admin, redis, use, settings, client)
        before = _replication(admin)
        started_at, began = datetime.now(UTC), monotonic()
        with Watcher(sources, interval_s=INTERVAL_S) as watcher, ExitStack() as work:
            if writer:
                work.enter_context(writer)
            work.enter_context(prober)
            sleep(settings.monitor_seconds)
            if not client.topology_description.has_writable_server():
                watcher.stop()
                prober.stop()
                if writer:
                    writer.stop()
                undo.insist_on_mongodb(client)
        seconds = monotonic() - began
        slow, how = slow_operations(admin, settings.database, started_at)
        seen = Observation(
            started_at=started_at, seconds=seconds, timeline=watcher.timeline(),
            batches=tuple(writer.batches if writer else ()), lookups=tuple(prober.lookups),
            waits_ms=tuple(1000 * wait for wait in use.checkouts), pool_failures=tuple(use.failures),
            pool_maximum=int(client.options.pool_options.max_pool_size or 0), wrote=writer is not None,
            review=review_first_batch(leads, writer.first_batch) if writer else review_latest(leads),
            replication=None if before is _UNREADABLE else (before, _replication(admin)),  # type: ignore[arg-type]
            slow=slow, slow_source=how, versions=_versions(admin, redis), absent=absent, cores=_cores(admin),
            logs=_logs(admin) if "host" not in absent else None,
        )  # fmt: skip
        return _without_lost_redis(seen, redis)


def _without_lost_redis(seen: Observation, redis: Redis | None) -> Observation:
    """The observation as if there had been no Redis, where it went away meanwhile: half a watch of it tells nothing."""
    try:
        if redis is not None:
            connect.ping_redis(redis)
        return seen
    except UnreachableError as error:
        why = f"Redis went away during the snapshot: {error}"
    frame = seen.timeline.frame
    kept = frame[[name for name in frame.columns if not name.startswith("redis.")]]
    return replace(
        seen, absent={**seen.absent, "redis": why}, timeline=replace(seen.timeline, frame=kept),
        lookups=tuple(lookup for lookup in seen.lookups if lookup.kind != "redis"),
        versions={name: version for name, version in seen.versions.items() if name != "redis"},
    )  # fmt: skip


_UNREADABLE = object()


def _writer(
    database: Database[dict[str, Any]], settings: Settings, redis: Redis | None, documents: Documents | None,
    stack: ExitStack,
) -> Writer | None:  # fmt: skip
    if documents is None or settings.is_production:
        return None
    session = undo.Changes(database)
    session.begin()
    stack.callback(session.end)
    collection = database[session.name("monitor")]
    stack.callback(session.drop, collection)
    create_like(database, collection.name, settings)
    writer = Writer(collection, documents, redis=redis, per_second=DOCUMENTS_PER_S, keys=f"{session.keys}monitor:")
    stack.callback(writer.clean_up)
    writer.stock_up(int(DOCUMENTS_PER_S * settings.monitor_seconds) + 500)
    return writer


def _prober(leads: Collection[dict[str, Any]], redis: Redis | None, writer: Writer | None) -> Prober:
    if writer is not None:

        def latest(turn: int) -> str | None:
            return writer.written[turn * 7919 % len(writer.written)] if writer.written else None

        return Prober(leads, redis, known=latest, key=writer.key, cached=writer.cached)
    stored = [lead["linkedin_url"] for lead in leads.find({}, {"linkedin_url": 1}).limit(500) if "linkedin_url" in lead]

    def sampled(turn: int) -> str | None:
        return stored[turn % len(stored)] if stored else None

    return Prober(leads, redis, known=sampled, key=linkedin_key, cached=lambda _: False)


def _sources(
    admin: MongoClient[dict[str, Any]], redis: Redis | None, use: PoolUse, settings: Settings,
    client: MongoClient[dict[str, Any]],
) -> tuple[list[Source], dict[str, str]]:  # fmt: skip
    sources: list[Source] = [
        MongoSource(admin),
        PoolSource(use, int(client.options.pool_options.max_pool_size or 0), redis),
    ]
    absent: dict[str, str] = {}
    if redis is None:
        absent["redis"] = "Redis is away"
    else:
        sources.append(RedisSource(redis))
    pid = _quietly(lambda: server_pid_here(admin))
    if pid is None:
        absent["host"] = "not measured: the server runs on another machine; see its provider's metrics"
    else:
        sources.append(HostSource({"mongod": pid}))
    return sources, absent


def _quietly(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (PyMongoError, RedisError, psutil.Error):
        return None


def _replication(admin: MongoClient[dict[str, Any]]) -> Any:
    try:
        return read_replication(admin)
    except OperationFailure:
        return _UNREADABLE


def _versions(admin: MongoClient[dict[str, Any]], redis: Redis | None) -> dict[str, str]:
    versions = {"mongodb": str(admin.server_info()["version"])}
    info: Any = _quietly(lambda: redis.info("server")) if redis is not None else None
    if info:
        versions["redis"] = str(info.get("redis_version", ""))
    return versions


def _cores(admin: MongoClient[dict[str, Any]]) -> int | None:
    info = _quietly(lambda: admin.admin.command("hostInfo"))
    return int(info["system"]["numCores"]) if info else None


def _logs(admin: MongoClient[dict[str, Any]]) -> dict[str, int] | None:
    parsed = _quietly(lambda: admin.admin.command("getCmdLineOpts"))
    path = Path(((parsed or {}).get("parsed", {}).get("systemLog", {})).get("path", ""))
    return {path.name: path.stat().st_size} if path.is_file() else None
