"""Faults of the replica set, the rehearsal's own: the primary steps down, a member is killed, its disk runs full."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress

from pymongo.errors import AutoReconnect

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.rehearsal import servers
from leadbook.rehearsal.faults.fault import Fault
from leadbook.rehearsal.faults.undo import FILLER

DOWN_S = 20
"""So long the primary that stepped down may not be elected."""
LARGEST = 8 * 2**30
"""A file system of more bytes is nobody's own: filling it would hurt others."""
FULL = 0.92
"""Of the file system that is used then."""


class Failover(Fault):
    """The primary steps down, and another one is elected."""

    name = "failover"
    told = "the primary steps down (replSetStepDown)"
    needs = frozenset({"mongodb", "members"})

    def inject(self) -> None:
        """Once; the set mends itself."""
        with self.scene.admin() as admin, suppress(AutoReconnect):
            admin.admin.command("replSetStepDown", DOWN_S, secondaryCatchUpPeriodSecs=10)


class MemberKilled(Fault):
    """A secondary is killed, and comes back with its data."""

    name = "member-killed"
    told = "a secondary is killed"
    needs = frozenset({"mongodb", "members"})

    def inject(self) -> None:
        """By SIGKILL."""
        with self.scene.admin() as admin:
            connect.ping_mongodb(admin)
            primary = admin.primary
        for process in self.scene.servers().members:
            if process.alive and primary is not None and process.port != primary[1]:
                os.kill(process.pid, signal.SIGKILL)
                return

    def end(self) -> None:
        """Start it again."""
        self.scene.start_servers()


class DiskFull(Fault):
    """The file system of the servers is filled, where it is small and theirs alone."""

    name = "disk-full"
    told = f"the file system of the servers' data is filled to {FULL:.0%}"
    needs = frozenset({"mongodb"})

    @classmethod
    def unfit(cls, settings: Settings, endpoints: connect.Endpoints) -> str:
        """Also where the file system is large: others need it."""
        state = servers.status()
        if state is not None and (size := shutil.disk_usage(state.folder).total) > LARGEST:
            return (
                f"the servers' file system has {size / 2**30:,.0f} GiB, and others need it: let LEADBOOK_STATE name a "
                f"folder in one of {LARGEST / 2**30:.0f} GiB at most that is theirs alone, such as a tmpfs"
            )
        return super().unfit(settings, endpoints)

    def inject(self) -> None:
        """Reserve the room; the file goes with the servers' data whatever happens."""
        data = self.scene.servers().data
        usage = shutil.disk_usage(data)
        wanted = round(FULL * usage.total - usage.used)
        if wanted > 0:
            with (data / FILLER).open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, wanted)

    def end(self) -> None:
        """Remove the file."""
        (self.scene.servers().data / FILLER).unlink(missing_ok=True)
