"""Where the series of a sprint lies on this machine: a folder for each database, wherever it is reached from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from leadbook.core import addresses
from leadbook.core.connect import Endpoints
from leadbook.core.files import project_path
from leadbook.core.settings import PROJECT, Settings
from leadbook.watch.series import Series


def digest_of(settings: Settings, endpoints: Endpoints) -> str:
    """Sixteen hexadecimal digits that stand for the hosts and the database, as the journal's spool has them."""
    hosts = ",".join(sorted(host.lower() for host in addresses.shown(endpoints.mongodb_uri).split(",")))
    return hashlib.sha256(f"{hosts}/{settings.database}".encode()).hexdigest()[:16]


def folder_of(settings: Settings, endpoints: Endpoints) -> Path:
    """The folder of this sprint's series, heartbeat and alerts: `watch_dir`, else one named by hosts and database."""
    if settings.watch_dir:
        return project_path(settings.watch_dir)
    return PROJECT / ".leadbook" / "watch" / digest_of(settings, endpoints)


def series_of(settings: Settings, endpoints: Endpoints) -> Series:
    """The series of this sprint."""
    return Series(folder_of(settings, endpoints), digest_of(settings, endpoints))
