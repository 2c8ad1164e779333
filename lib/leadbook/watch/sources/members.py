"""The replica set, its oplog, the disk under the database, and the newest backup."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from leadbook.backup.folder import backups_place
from leadbook.backup.newest import newest_of, sound
from leadbook.backup.origin import Origin
from leadbook.core.errors import LeadbookError
from leadbook.monitor.topology import read_disk, read_oplog, read_replication
from leadbook.watch.records import Event
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading

SHOWN = 2
"""Backups of which it is told why they do not count, of many."""


class Elections:
    """Who is primary, and in which term: every user may ask for it (`hello`)."""

    def __init__(self) -> None:
        self._term: int | None = None

    def read(self, moment: Moment, hello: dict[str, Any]) -> SourceReading:
        """Elections since the snapshot before, by the term in `electionId`; nothing on a server without a set."""
        election = hello.get("electionId")
        if election is None:
            return SourceReading()
        before, self._term = self._term, int(str(election)[8:], 16)
        if before is None:
            return SourceReading()
        count = max(0, self._term - before)
        found = SourceReading(readings={"mongodb.elections": float(count)})
        if count:
            told = {"primary": str(hello.get("primary", "")), "term": self._term}
            found.events.append(Event(at=moment.at, kind="elected", source="mongodb", told=told))
        return found


class Members(SourcePart):
    """State and lag of the members, as replSetGetStatus tells."""

    name, needs = "members", ("clusterMonitor",)
    covers = ("mongodb.members_down", "mongodb.lag_s", "members")

    def read(self, moment: Moment) -> SourceReading:
        """One replSetGetStatus and one replSetGetConfig."""
        del moment
        seen = read_replication(self._access.admin)
        if not seen.members:
            return SourceReading(unmeasured=dict.fromkeys(self.covers, "this server is no replica set"))
        found = SourceReading(readings={"mongodb.members_down": float(seen.members - seen.healthy)})
        if seen.lag_s is not None:
            found.readings["mongodb.lag_s"] = seen.lag_s
        else:
            found.unmeasured["mongodb.lag_s"] = (
                f"no member besides the primary tells how far it is: {seen.shown}" if seen.others
                else "there is no secondary"
            )  # fmt: skip
        if seen.delays:
            found.unmeasured["mongodb.delays"] = f"a delayed member counts with its delay: {seen.delays}"
        found.details["members"] = [{"member": name, "state": state} for name, state in seen.states.items()]
        return found


class OplogSpan(SourcePart):
    """How far back the oplog reaches."""

    name, needs = "oplog", ("clusterMonitor",)
    covers = ("mongodb.oplog_window_h", "mongodb.oplog_full_percent")

    def read(self, moment: Moment) -> SourceReading:
        """Its first and last entry, and its size."""
        del moment
        oplog = read_oplog(self._access.admin)
        if oplog is None:
            return SourceReading(unmeasured=dict.fromkeys(self.covers, "this server has no oplog"))
        return SourceReading(readings=dict(zip(self.covers, (oplog.window_h, oplog.full_percent), strict=True)))


class DiskSpace(SourcePart):
    """dbStats of the leads' database: a reading user may ask for it."""

    name = "disk"
    covers = (
        "mongodb.disk_used_percent", "mongodb.disk_used_bytes", "mongodb.disk_total_bytes", "mongodb.data_bytes"
    )  # fmt: skip

    def read(self, moment: Moment) -> SourceReading:
        """One dbStats."""
        del moment
        disk = read_disk(self._access.database.client, self._access.settings.database)
        if disk is None:
            why = (
                "dbStats tells no fsTotalSize: the database is empty, or the tier keeps it (see the provider's metrics)"
            )
            return SourceReading(unmeasured=dict.fromkeys(self.covers, why))
        sizes = (disk.used_percent, disk.used_bytes, disk.total_bytes, disk.storage_bytes + disk.index_bytes)
        return SourceReading(readings=dict(zip(self.covers, map(float, sizes), strict=True)))


class BackupAge(SourcePart):
    """Age of the newest backup that is sound; every byte of it is read once, when it is new."""

    name, covers = "backup", ("backup",)

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._known: tuple[str, datetime | None, str] = ("", None, "")

    def read(self, moment: Moment) -> SourceReading:
        """Look into the folder of backups; makes none where there is none."""
        del moment
        settings = self._access.settings
        folder = backups_place(settings)
        origin = Origin.read(self._access.database[settings.collection])
        path, notes = newest_of(folder, settings, origin) if folder.is_dir() else (None, ())
        if path is None:
            why = f"no backup of {settings.database} on these servers lies in the backups' folder"
            return SourceReading(unmeasured={"backup": "; ".join([why, *notes[:SHOWN]])})
        if self._known[0] != path.name:
            try:
                self._known = (path.name, datetime.fromisoformat(sound(path).taken_at), "")
            except LeadbookError as error:
                self._known = (path.name, None, str(error))
        taken = self._known[1]
        if taken is None:
            return SourceReading(unmeasured={"backup": self._known[2]})
        age_h = (datetime.now(UTC) - taken).total_seconds() / 3600
        newer = {"backup.newer": "; ".join(notes[:SHOWN])} if notes else {}
        return SourceReading(readings={"backup.age_h": age_h}, unmeasured=newer)
