"""What Atlas measures of the primary's machine: processors, memory and disk, which no user of a cluster can see.

It is asked beside the snapshots, in a thread of its own, once a minute at most: its points are a minute apart, and an
Atlas that is slow or away must not hold up a snapshot.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from leadbook.atlas import metrics
from leadbook.atlas.records import AtlasProcess, Measurement
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.watch.sources.access import EACH_S, Access
from leadbook.watch.sources.base import Moment, Numbers, SourcePart, SourceReading

if TYPE_CHECKING:
    from leadbook.atlas.project import AtlasProject

EVERY_S = 60.0
"""Granularity PT1M: asked sooner, Atlas has nothing new."""
STALE_S = 300.0
"""Atlas's newest point is a minute or two old; an older one tells nothing of now."""
PERIOD = "PT10M"
PRIMARY = "REPLICA_PRIMARY"
INSTEAD = {
    "host.cpu_percent": "atlas.cpu_percent", "host.memory_percent": "atlas.memory_percent",
    "mongodb.disk_used_percent": "atlas.disk_used_percent", "mongodb.disk_used_bytes": "atlas.disk_used_bytes",
    "mongodb.disk_total_bytes": "atlas.disk_total_bytes",
}  # fmt: skip
"""Readings that rules and forecast look at, and what Atlas measured in their place."""


@dataclass(kw_only=True)
class _Asked:
    """One question. why: why nothing was read.  ms, requests: what it cost."""

    since: float
    values: Numbers = field(default_factory=dict)
    why: str = ""
    unmeasured: dict[str, str] = field(default_factory=dict)
    ms: float = 0.0
    requests: int = 0


class AtlasMetrics(SourcePart):
    """Measurements of the primary; nothing at all where no Atlas project is set."""

    name, server, covers = "atlas", "", ("atlas",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._thread: threading.Thread | None = None
        self._now: _Asked | None = None
        self._last: _Asked | None = None

    def read(self, moment: Moment) -> SourceReading:
        """What was learnt last; asks anew where that is a minute old. Waits for its first answer, EACH_S at most."""
        if not self._access.settings.atlas_project:
            return SourceReading()
        is_busy = self._thread is not None and self._thread.is_alive()
        if not is_busy:
            self._last = self._now or self._last
            if self._last is None or moment.real - self._last.since >= EVERY_S:
                self._ask(moment.real)
        if self._last is None and self._thread is not None:
            self._thread.join(EACH_S)
            self._last = None if self._thread.is_alive() else self._now
        last = self._last
        if last is None:
            return SourceReading(unmeasured={"atlas": "Atlas is being asked, and has not answered yet"})
        found = SourceReading(unmeasured=dict(last.unmeasured))
        found.readings = {"atlas.asked_ms": last.ms, "atlas.requests": float(last.requests)}
        if last.why or moment.real - last.since > STALE_S:
            found.unmeasured["atlas"] = last.why or "Atlas has not answered for minutes"
        else:
            found.readings |= last.values
        return found

    def _ask(self, real: float) -> None:
        self._now = None
        asked = _Asked(since=real)

        def ask() -> None:
            _read(asked, self._access.settings, self._access.endpoints.mongodb_uri)
            self._now = asked

        self._thread = threading.Thread(target=ask, name="leadbook-atlas", daemon=True)
        self._thread.start()


def _read(asked: _Asked, settings: Settings, uri: str) -> None:
    """Ask all; a failure is a reason, never an exception."""
    from leadbook.atlas.project import open_project  # loads httpx, which a watch without Atlas does not need

    try:
        with open_project(settings, uri) as project:
            try:
                primary = next((one for one in project.processes() if one.kind == PRIMARY), None)
                if primary is None:
                    asked.why = "Atlas names no primary"
                    return
                _machine(asked, project, primary)
                _disk(asked, project, primary)
            finally:
                asked.ms, asked.requests = 1_000 * project.client.seconds, project.client.asked
    except LeadbookError as error:
        asked.why = str(error)
    except Exception as error:  # noqa: BLE001  a thread that dies silently would look like an Atlas that is slow
        asked.why = f"Atlas's answer could not be used: {type(error).__name__}"


def _machine(asked: _Asked, project: AtlasProject, primary: AtlasProcess) -> None:
    seen = _fresh(project.measurements(primary, metrics.MACHINE, PERIOD))
    if parts := [seen[name] for name in metrics.CPU if name in seen]:
        asked.values["atlas.cpu_percent"] = sum(parts)
    else:
        asked.unmeasured["atlas.cpu_percent"] = "Atlas has no point of it that is new enough"
    memory = metrics.share(seen.get(metrics.MEMORY_USED), seen.get(metrics.MEMORY_AVAILABLE))
    if memory is not None:
        asked.values["atlas.memory_percent"] = memory
    if metrics.CONNECTIONS in seen:
        asked.values["atlas.connections"] = seen[metrics.CONNECTIONS]


def _disk(asked: _Asked, project: AtlasProject, primary: AtlasProcess) -> None:
    try:
        seen = _fresh(project.measurements(primary, metrics.DISK, PERIOD))
    except LeadbookError as error:
        asked.unmeasured["atlas.disk_used_percent"] = str(error)
        return
    used, free, reads, writes = (seen.get(name) for name in metrics.DISK)
    percent = metrics.share(used, free)
    if used is not None and free is not None and percent is not None:
        asked.values |= {
            "atlas.disk_used_bytes": used, "atlas.disk_total_bytes": used + free, "atlas.disk_used_percent": percent,
        }  # fmt: skip
    if reads is not None or writes is not None:
        asked.values["atlas.disk_iops"] = (reads or 0.0) + (writes or 0.0)


def _fresh(measured: Sequence[Measurement]) -> Numbers:
    """The newest value of each that is not older than STALE_S."""
    found: Numbers = {}
    now = datetime.now(UTC)
    for one in measured:
        known = [(at, value) for at, value in zip(one.times, one.values, strict=True) if value is not None]
        if known and (now - known[-1][0]).total_seconds() <= STALE_S:
            found[one.name] = float(known[-1][1])
    return found


def stand_in(found: SourceReading) -> None:
    """Atlas's own measurements where the machine under the database cannot be looked at; a first look, which tells no
    share yet, is no such case: the two are not measured alike, and a series must not jump between them."""
    for name, atlas in INSTEAD.items():
        unread = name in found.unmeasured or name.partition(".")[0] in found.unmeasured
        if unread and name not in found.readings and atlas in found.readings:
            found.readings[name] = found.readings[atlas]
            found.unmeasured.pop(name, None)
