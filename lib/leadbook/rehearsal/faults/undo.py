"""What faults have changed on the rehearsal's own servers and not put back: a file beside them.

It is written before anything is changed. Servers that stay (`leadbook up`) would else keep what a killed rehearsal did.
"""

from __future__ import annotations

import json
from pathlib import Path

import redis as redis_py

from leadbook.core import files

FILLER = "filler"
"""A file in the servers' folder that fills its file system; it goes with the servers' data."""


def _path(folder: Path) -> Path:
    return folder / "faults.json"


def remember(folder: Path, **before: str) -> None:
    """Write down what was before. What is written down already stays: the first is the true one."""
    files.write(_path(folder), json.dumps({**before, **_held(folder)}), mode=0o600)


def _held(folder: Path) -> dict[str, str]:
    try:
        found = json.loads(_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def put_back(folder: Path, redis: redis_py.Redis) -> list[str]:
    """Put back what is written down, and say so, a line each. Raises RedisError: it stays written down."""
    held, lines = _held(folder), []
    if "maxmemory" in held:
        redis.config_set("maxmemory", held["maxmemory"])
        lines.append(f"Redis's maxmemory is {held['maxmemory']} bytes again")
    filler = folder / "set" / FILLER
    if filler.exists():
        filler.unlink()
        lines.append(f"{filler} is removed")
    _path(folder).unlink(missing_ok=True)
    return lines
