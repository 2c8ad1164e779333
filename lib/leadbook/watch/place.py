"""Where the series of a sprint lies on this machine: a folder for each database, wherever it is reached from."""

from __future__ import annotations

from pathlib import Path

from leadbook.core import addresses
from leadbook.core.connect import Endpoints
from leadbook.core.files import project_path
from leadbook.core.settings import Settings
from leadbook.watch.series import Series


def folder_of(settings: Settings, endpoints: Endpoints) -> Path:
    """The folder of this sprint's series, heartbeat and alerts, which no other target shares.

    In `watch_dir`, named by sixteen hexadecimal digits that stand for host and database, as the journal's spool is.
    Where a watch was begun under another spelling of the address, that one's folder; of several the latest in use.
    """
    root = project_path(settings.watch_dir or ".leadbook/watch")
    folders = [root / name for name in addresses.places(endpoints.mongodb_uri, settings.database)]
    return max(filter(Path.is_dir, folders), key=lambda one: one.stat().st_mtime, default=folders[0])


def series_of(settings: Settings, endpoints: Endpoints) -> Series:
    """The series of this sprint."""
    return Series(folder_of(settings, endpoints))
