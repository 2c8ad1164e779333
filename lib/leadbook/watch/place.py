"""Where the series of a sprint lies on this machine: a folder for each database, wherever it is reached from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from leadbook.core import addresses
from leadbook.core.connect import Endpoints
from leadbook.core.files import project_path
from leadbook.core.settings import Settings
from leadbook.watch.series import Series


def folder_of(settings: Settings, endpoints: Endpoints) -> Path:
    """The folder of this sprint's series, heartbeat and alerts, which no other target shares.

    In `watch_dir`, named by sixteen hexadecimal digits that stand for hosts and database, as the journal's spool is.
    """
    hosts = ",".join(sorted(host.lower() for host in addresses.shown(endpoints.mongodb_uri).split(",")))
    digest = hashlib.sha256(f"{hosts}/{settings.database}".encode()).hexdigest()[:16]
    return project_path(settings.watch_dir or ".leadbook/watch") / digest


def series_of(settings: Settings, endpoints: Endpoints) -> Series:
    """The series of this sprint."""
    return Series(folder_of(settings, endpoints))
