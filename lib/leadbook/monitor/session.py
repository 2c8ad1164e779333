"""One monitoring snapshot: sources, watcher, workload and one-time looks, put together.

On rehearsal a writer inserts batches into a scratch collection meanwhile. On production, and where collectors are at
work, it only watches: nothing is written to MongoDB, Redis or a configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core import connect, write_errors
from leadbook.core.errors import UnreachableError
from leadbook.core.traces import PoolUse
from leadbook.lead.keys import linkedin_key
from leadbook.measure.session import BenchmarkSession
from leadbook.monitor.host import HostSource, RemoteHost, server_pid_here
from leadbook.monitor.loop import Timeline, Watcher
from leadbook.monitor.mongodb import MongoSource
from leadbook.monitor.pools import PoolSource
from leadbook.monitor.readings import ReadingSource
from leadbook.monitor.redis_server import RedisSource
from leadbook.monitor.slow import Logging, SlowOperation, server_time, slow_operations
from leadbook.monitor.staging import is_lively
from leadbook.monitor.topology import Replication, optional, read_replication
from leadbook.monitor.validation import BatchReview, review_first_batch, review_latest
from leadbook.monitor.workload import BatchInsert, Lookup, Prober, Writer
from leadbook.provision.asked import ask, refusal
from leadbook.schema import undo

Client = MongoClient[dict[str, Any]]
INTERVAL_S = 0.5
DOCUMENTS_PER_S = 2_500
"""Pace of the rehearsal's writer: well above the target of 1,000, below what would fill the cache."""
SAMPLED = 500
"""Stored leads that are looked up where nothing is written."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """All that one snapshot saw.

    wrote: whether a writer was at work.  waits_ms: each wait for a pooled connection.  versions: of mongodb and redis.
    absent: source -> why it was not watched.  logs: log file -> bytes, None when the servers run elsewhere.
    slow: None where it may not be read; slow_source says how it was found, or why not; slow_logging what of it the
    server writes down.
    replication: before and after; None where it may not be read.
    """

    started_at: datetime
    seconds: float
    timeline: Timeline
    batches: Sequence[BatchInsert]
    lookups: Sequence[Lookup]
    waits_ms: Sequence[float]
    pool_failures: Sequence[str]
    pool_maximum: int
    wrote: bool
    review: BatchReview
    replication: tuple[Replication, Replication] | None
    slow: Sequence[SlowOperation] | None
    slow_source: str
    versions: Mapping[str, str]
    absent: Mapping[str, str]
    cores: int | None
    slow_logging: Logging = field(default_factory=Logging)
    logs: Mapping[str, int] | None = None

    def insert_rate(self, size: int | None = None) -> float | None:
        """Acknowledged documents per second of inserting time (pauses left out), of one batch size or of all."""
        chosen = [batch for batch in self.batches if size in (None, batch.sent)]
        busy = sum(batch.seconds for batch in chosen)
        return sum(batch.acknowledged for batch in chosen) / busy if busy else None

    @property
    def written(self) -> int:
        """Documents that the writer inserted, acknowledged."""
        return sum(batch.acknowledged for batch in self.batches)

    @property
    def sizes(self) -> list[int]:
        """Batch sizes that were inserted, in order."""
        return sorted({batch.sent for batch in self.batches})


def observe(place: BenchmarkSession) -> Observation:
    """Watch for `monitor_seconds`; with a writer at work on a rehearsal in which no sprint is going on.

    Redis may go away meanwhile: then everything is told without it. Raises UnreachableError where MongoDB is away, at
    the beginning or at the end; a reading that fails in between is a gap in the timeline.
    """
    use = PoolUse()
    with place.client(use) as client:
        try:
            connect.ping_mongodb(client)
            return _observe(place, client, use)
        except PyMongoError:
            undo.insist_on_mongodb(client)
            raise


def _observe(place: BenchmarkSession, client: Client, use: PoolUse) -> Observation:
    admin, settings = place.admin, place.settings
    with ExitStack() as stack:
        writer = None
        if settings.is_rehearsal and not is_lively(place.database[settings.staging_collection]):
            writer = _writer(place, client, stack)
        leads = writer.collection if writer else client[settings.database][settings.collection]
        prober = _prober(leads, place, writer)
        use.reset()
        maximum = int(client.options.pool_options.max_pool_size or 0)
        sources, absent = _sources(place, PoolSource(use, maximum, place.redis))
        before = _replication(admin)
        since = server_time(admin.admin.command("hello"))
        started_at, began = datetime.now(UTC), monotonic()
        with Watcher(sources, interval_s=INTERVAL_S) as watcher, ExitStack() as work:
            at_work = [writer, prober] if writer else [prober]
            for worker in at_work:
                work.enter_context(worker)
            sleep(settings.monitor_seconds)
            if not client.topology_description.has_writable_server():
                for one in (watcher, *at_work):
                    one.stop()
                undo.insist_on_mongodb(client)
        seconds = monotonic() - began
        after = _replication(admin)
        slow, how, logging = slow_operations(admin, settings.database, since)
        seen = Observation(
            started_at=started_at, seconds=seconds, timeline=watcher.timeline(),
            batches=tuple(writer.batches if writer else ()), lookups=tuple(prober.lookups),
            waits_ms=tuple(1000 * wait for wait in use.checkouts), pool_failures=tuple(use.failures),
            pool_maximum=maximum, wrote=writer is not None,
            review=review_first_batch(leads, writer.first_batch) if writer else review_latest(leads),
            replication=(before, after) if before and after else None, slow=slow, slow_source=how, slow_logging=logging,
            versions=_versions(place), absent=absent, cores=ask(admin, "hostInfo").get("system.numCores"),
            logs=_logs(admin) if any(isinstance(one, HostSource) for one in sources) else None,
        )  # fmt: skip
        return _without_lost_redis(seen, place)


def _without_lost_redis(seen: Observation, place: BenchmarkSession) -> Observation:
    """The observation as if there had been no Redis, where it went away meanwhile: half a watch of it tells nothing."""
    try:
        if place.redis is not None:
            connect.ping_redis(place.redis)
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


def _writer(place: BenchmarkSession, client: Client, stack: ExitStack) -> Writer:
    """A writer into a scratch collection; with the stack's end both are gone."""
    scratch = stack.enter_context(place.scratch("monitor"))
    collection = client[scratch.database.name][scratch.name]
    keys = f"{place.undo.keys}monitor:"
    writer = Writer(collection, place.documents, redis=place.redis, per_second=DOCUMENTS_PER_S, keys=keys)
    stack.callback(writer.clean_up)
    writer.stock_up(int(DOCUMENTS_PER_S * place.settings.monitor_seconds) + 500)
    return writer


def _prober(leads: Collection[dict[str, Any]], place: BenchmarkSession, writer: Writer | None) -> Prober:
    if writer is not None:
        return Prober(leads, place.redis, known=writer.written, key=writer.key, cached=writer.cached)
    found = leads.find({"linkedin_url": {"$exists": True}}, {"linkedin_url": 1}).limit(SAMPLED)
    stored = [lead["linkedin_url"] for lead in found]
    return Prober(leads, place.redis, known=stored, key=linkedin_key, cached=lambda _: False)


def _sources(place: BenchmarkSession, pool: PoolSource) -> tuple[list[ReadingSource], dict[str, str]]:
    mongodb, sources, absent = MongoSource(place.admin), list[ReadingSource]([pool]), dict[str, str]()
    try:
        mongodb.read()
        sources.append(mongodb)
    except OperationFailure as error:
        absent["mongodb"] = refusal(error, "run serverStatus")
    if place.redis is None:
        absent["redis"] = "Redis is away"
    else:
        sources.append(RedisSource(place.redis))
    pid = optional(lambda: server_pid_here(place.admin))
    host = RemoteHost(place.admin) if pid is None else HostSource(pid)
    try:
        host.read()
        sources.append(host)
    except (PyMongoError, OSError, psutil.Error) as error:
        absent["host"] = f"the server runs on another machine, and does not tell of it: {write_errors.line(error)}"
    return sources, absent


def _replication(admin: Client) -> Replication | None:
    try:
        return read_replication(admin)
    except OperationFailure:
        return None


def _versions(place: BenchmarkSession) -> dict[str, str]:
    versions = {"mongodb": str(place.admin.server_info()["version"])}
    redis = place.redis
    if redis is not None and (info := optional(lambda: redis.info("server"))):
        versions["redis"] = str(info.get("redis_version", ""))
    return versions


def _logs(admin: Client) -> dict[str, int] | None:
    path = Path(ask(admin, "getCmdLineOpts").get("parsed.systemLog.path") or "")
    return {path.name: path.stat().st_size} if path.is_file() else None
