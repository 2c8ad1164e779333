"""The servers and their machine: gauges of this moment, rates since the snapshot before."""

from __future__ import annotations

from collections.abc import Mapping

import psutil
from pymongo.errors import PyMongoError

from leadbook.core import connect, write_errors
from leadbook.monitor.host import HostSource, RemoteHost, server_pid_here
from leadbook.monitor.mongodb import MongoSource
from leadbook.monitor.redis_server import RedisSource
from leadbook.watch.records import Event
from leadbook.watch.sources.access import Access, Own
from leadbook.watch.sources.base import Moment, Numbers, Rated, SourcePart, SourceReading, named

_SAME = (
    "cache_dirty_percent", "cache_used_percent", "application_evictions_per_s", "tickets_waiting", "lock_queue",
    "page_faults_per_s", "connections_current", "connections_active", "connections_used_percent",
    "connections_rejected_per_s", "connections_created_per_s", "inserts_per_s", "flow_control_lagged",
    "cpu_cores",
)  # fmt: skip
MONGODB = dict(zip(_SAME, _SAME, strict=True))
REDIS = {
    "memory_percent": "memory_percent", "memory_used_bytes": "used_memory_bytes",
    "memory_limit_bytes": "maxmemory_bytes", "evicted_per_s": "evicted_per_s", "rejected_per_s": "rejected_per_s",
    "oom_errors_per_s": "oom_errors_per_s", "command_p99_us": "command_p99_us",
    "connected_clients": "clients",
}  # fmt: skip
"""Readings by the names of `watch.names`, and what `monitor` calls them."""
FEW = 20
"""Fewer reads, writes or look-ups of others than this make no mean and no share: an idle server tells nothing."""


def _untold(values: Numbers, source: str, names: Mapping[str, str]) -> dict[str, str]:
    """Why readings are absent of which two readings before and after know nothing."""
    why = "this server does not report it: its version, or its tier"
    return {f"{source}.{ours}": why for ours, theirs in names.items() if theirs not in values}


class MongoStatus(SourcePart):
    """serverStatus of the primary."""

    name, covers, needs = "status", ("mongodb",), ("clusterMonitor",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._rated: Rated | None = None
        self._client: connect.Client | None = None

    def read(self, moment: Moment) -> SourceReading:
        """One serverStatus."""
        if self._client is not self._access.admin:
            self._client, self._rated = self._access.admin, None
        self._rated = rated = self._rated or Rated(MongoSource(self._access.admin))
        values, restarted = rated.read()
        found = SourceReading(readings=named(values, "mongodb", MONGODB))
        if rated.grown:
            found.unmeasured |= _untold(values, "mongodb", MONGODB)
        self._of_others(found, rated.grown)
        if "connections_current" in values and "connections_available" in values:
            limit = values["connections_current"] + values["connections_available"]
            found.readings["mongodb.connections_limit"] = limit
        if restarted:
            found.events.append(Event(at=moment.at, kind="restarted", source="mongodb"))
        return found

    def _of_others(self, found: SourceReading, grown: Mapping[str, float]) -> None:
        """Mean time of a read and a write, and documents looked at for each one returned, without what the watch itself
        asked."""
        own = self._access.own
        self._access.own = Own(hits=own.hits, misses=own.misses)
        if grown.get("write_ops", 0.0) >= FEW:
            found.readings["mongodb.write_ms"] = grown["write_latency_us"] / grown["write_ops"] / 1_000
        elif "write_ops" in grown:
            found.unmeasured["mongodb.write_ms"] = f"fewer than {FEW} writes since the snapshot before"
        if not {"read_ops", "read_latency_us", "scanned_objects", "returned"} <= grown.keys():
            return
        reads, us = grown["read_ops"] - own.reads, grown["read_latency_us"] - own.read_us
        if reads < FEW:
            why = f"fewer than {FEW} reads of others since the snapshot before"
            found.unmeasured["mongodb.read_ms"] = found.unmeasured["mongodb.targeting"] = why
            return
        if us > 0:
            found.readings["mongodb.read_ms"] = us / reads / 1_000
        else:
            found.unmeasured["mongodb.read_ms"] = "reads of others took less time than this watch's own"
        scanned, returned = grown["scanned_objects"] - own.scanned, grown["returned"] - own.returned
        found.readings["mongodb.targeting"] = max(0.0, scanned) / max(1.0, returned)


class RedisStatus(SourcePart):
    """INFO and the number of keys."""

    name, server, covers = "redis", "redis", ("redis",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._rated = Rated(RedisSource(access.redis))

    def read(self, moment: Moment) -> SourceReading:
        """One INFO and one DBSIZE."""
        values, restarted = self._rated.read()
        found = SourceReading(readings=named(values, "redis", REDIS))
        if self._rated.grown:
            found.unmeasured |= _untold(values, "redis", REDIS)
        grown, own = self._rated.grown, self._access.own
        hits = grown.get("hits", 0.0) - own.hits
        looked = hits + grown.get("misses", 0.0) - own.misses
        own.hits = own.misses = 0
        if looked >= FEW:
            found.readings["redis.hit_percent"] = 100 * max(0.0, hits) / looked
        else:
            found.unmeasured["redis.hit_percent"] = f"fewer than {FEW} look-ups of others since the snapshot before"
        keys: object = self._access.redis.dbsize()
        found.readings["redis.keys"] = float(str(keys))
        if not values.get("maxmemory_bytes"):
            found.unmeasured["redis.memory_percent"] = "maxmemory is 0: Redis has no limit of its own"
        if restarted:
            found.events.append(Event(at=moment.at, kind="restarted", source="redis"))
        return found


class Host(SourcePart):
    """The machine under the primary: looked at where it is this one, else as MongoDB records it."""

    name, covers, needs = "host", ("host",), ("clusterMonitor",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._rated: Rated | None = None

    def read(self, moment: Moment) -> SourceReading:
        """One look; after a failure the next one finds out anew where the primary runs."""
        del moment
        try:
            if self._rated is None:
                pid = server_pid_here(self._access.admin)
                self._rated = Rated(RemoteHost(self._access.admin) if pid is None else HostSource(pid))
            values, _ = self._rated.read()
        except psutil.Error:
            self._rated = None
            return SourceReading(unmeasured={"host": "the server's process is gone"})
        except PyMongoError:
            self._rated = None
            raise
        except OSError as error:
            return SourceReading(unmeasured={"host": f"it runs elsewhere: {write_errors.line(error)}"})
        share = {"cpu_percent": "cpu_percent", "memory_percent": "memory_percent"}
        return SourceReading(readings=named(values, "host", share))
