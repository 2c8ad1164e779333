"""Slow operations since the snapshot before, with their plan and the index that would help; and Redis's slow log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo.errors import OperationFailure

from leadbook.core import connect
from leadbook.monitor.slow import SlowOperation, slow_operations
from leadbook.monitor.topology import optional
from leadbook.schema.index_advice import helping
from leadbook.schema.indexes import IndexSpec
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading

SHAPES = 20
"""Rows that are kept of one snapshot, those with the longest time first."""
ENTRIES = 128


class SlowQueries(SourcePart):
    """What the server logged as slow on the leads' database, or its profiler wrote where it is on."""

    name, needs = "slow", ("clusterMonitor",)
    covers = ("mongodb.slow", "mongodb.slow_scans", "slow")

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._since: datetime | None = None

    def read(self, moment: Moment) -> SourceReading:
        """What ended since the snapshot before, by the server's clock."""
        since = self._since
        if since is None or moment.server <= since:
            self._since = moment.server
            return SourceReading()
        found, how, logging = slow_operations(self._access.admin, self._access.settings.database, since, moment.server)
        if found is None:
            raise OperationFailure(how, 13)
        self._since = moment.server  # a look that failed is made up for by the next one
        found = [one for one in found if one.application not in connect.ASKS]
        scans = [one for one in found if one.is_query and "COLLSCAN" in one.plan]
        readings = {"mongodb.slow": float(len(found)), "mongodb.slow_scans": float(len(scans))}
        settings = self._access.settings
        if (hidden := logging.hides(settings.target_find_ms)) and not found:  # none that was written down is none known
            why = f"{hidden}: {logging.seeing(settings.database, settings.target_find_ms)}"
            return SourceReading(unmeasured=dict.fromkeys(readings, why), details={"slow": []})
        return SourceReading(readings=readings, details={"slow": self._rows(found)})

    def _rows(self, found: Sequence[SlowOperation]) -> list[dict[str, Any]]:
        shapes: dict[tuple[str, str, str, tuple[str, ...]], list[int]] = {}
        for one in found:
            shapes.setdefault((one.collection, one.operation, one.plan, one.fields), []).append(one.ms)
        worst = sorted(shapes.items(), key=lambda item: -max(item[1]))[:SHAPES]
        known: dict[str, list[IndexSpec]] = {}
        rows = []
        for (collection, operation, plan, fields), times in worst:
            index = ""
            if "COLLSCAN" in plan and collection:
                if collection not in known:
                    known[collection] = self._indexes(collection)
                index = helping(fields, known[collection])
            rows.append({
                "collection": collection, "operation": operation, "plan": plan, "fields": list(fields),
                "count": len(times), "ms": max(times), "index": index,
            })  # fmt: skip
        return rows

    def _indexes(self, collection: str) -> list[IndexSpec]:
        listed = optional(lambda: list(self._access.collection(collection).list_indexes()))
        return [IndexSpec.found(one) for one in listed or ()]


class RedisSlow(SourcePart):
    """SLOWLOG since the last entry seen, and LATENCY LATEST where the monitor is on."""

    name, server = "redis slow", "redis"
    covers = ("redis.slow", "redis_slow")

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._last: int | None = None

    def read(self, moment: Moment) -> SourceReading:
        """The commands' names alone: their arguments hold personal data."""
        del moment
        redis = self._access.redis
        entries: Any = redis.slowlog_get(ENTRIES)
        last, newest = self._last, max((int(entry["id"]) for entry in entries), default=-1)
        self._last = newest
        latency: Any = optional(redis.latency_latest) or []
        found = SourceReading(details={"latency": {_text(event[0]): int(event[2]) for event in latency}})
        if last is None:
            return found
        fresh = [entry for entry in entries if int(entry["id"]) > last or newest < last]
        rows: dict[str, list[int]] = {}
        for entry in fresh:
            rows.setdefault(_text(entry["command"]).split(" ")[0].upper()[:20], []).append(int(entry["duration"]))
        found.readings["redis.slow"] = float(len(fresh))
        found.details["redis_slow"] = [
            {"command": command, "count": len(times), "ms": round(max(times) / 1000, 3)}
            for command, times in sorted(rows.items(), key=lambda item: -max(item[1]))[:SHAPES]
        ]  # fmt: skip
        return found


def _text(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
