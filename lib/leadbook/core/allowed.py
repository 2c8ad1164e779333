"""What the value of a parameter may be, beyond its type: numbers, names MongoDB takes, files of reasonable size."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

ACTIONS = {
    "apply_schema": "create the collections, the validator and the indexes that are missing",
    "benchmarks": "insert scratch documents, time them and switch the profiler on for a moment",
    "load_test": "put the sprint's load on the servers",
    "restore_drill": "restore a copy of the leads beside them and remove it again",
    "recover": "bring missing leads back from what was staged or from a backup",
    "erase": "remove one person's data and keep that person out",
    "cleanup": "remove what trials and killed sessions left behind",
    "act": "do what the plan says to the running sprint",
}
"""What changes or burdens a production database, by the name under which `approve` lets it happen."""

LONGEST = 1_000_000
"""Bytes of a file that people write by hand: a hundred times the longest profile."""
MOST = 2**31 - 1
"""The largest number that a parameter takes; servers count in 32 bits, and no sprint comes near it."""
COLLECTIONS = ("collection", "staging_collection", "rejected_collection")
"""Parameters that name a collection."""
OWN_COLLECTIONS = ("enrichment_spending", "erasure_requests", "sprint_control")
"""Collections that leadbook names itself, besides all those called leadbook_…"""


def refuse(key: str, value: Any) -> None:
    """Raise ValueError, saying what is allowed, where the parameter `key` may not be `value`."""
    if isinstance(value, int | float) and not 0 <= value <= MOST:  # NaN is in no bounds
        raise ValueError(f"must be a number from 0 to {MOST}")
    if key in RULES:
        RULES[key](value)


def text_of(path: Path) -> str:
    """The text of a file that people write by hand. Raises OSError, and ValueError for what is no such file: a device,
    a folder or a pipe, which may never end, more than LONGEST bytes, or no UTF-8."""
    if path.exists() and not path.is_file():
        raise ValueError("is no regular file")
    if (size := path.stat().st_size) > LONGEST:
        raise ValueError(f"holds {size:,} bytes, more than {LONGEST:,}: is it the file that you mean?")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None


def _executor(value: str) -> None:
    if value not in ("processes", "threads") and not value.startswith(("tcp://", "tls://")):
        raise ValueError("must be 'processes', 'threads' or a Dask scheduler's address, tcp://host:port")


def _write_concern(value: str) -> None:
    if value != "majority" and not value.isdigit():
        raise ValueError("must be 'majority' or a number in quotes, such as '1'")


def _numbers(value: str) -> None:
    if not all(re.fullmatch(r"\s*0*[1-9]\d{0,8}\s*", entry) for entry in value.split(",")):
        raise ValueError("must be whole numbers above 0, separated by commas")


def _sent(value: str) -> None:
    if not all(re.fullmatch(r"\s*[^=,]+=\s*\d{1,9}\s*", entry) for entry in filter(str.strip, value.split(","))):
        raise ValueError("must be counts by collector, 'apollo-1=2000, brightdata-2=1800'")


def _database(value: str) -> None:
    if value.lower() in ("admin", "config", "local"):
        raise ValueError("belongs to MongoDB; name a database of leadbook's own")
    if not value or len(value.encode()) > 63 or re.search(r'[\s\x00/\\."$*<>:|?]', value):
        raise ValueError('must be 1 to 63 bytes without spaces and without any of / \\ . " $ * < > : | ?')


def _collection(value: str) -> None:
    if value.startswith("leadbook_") or value in OWN_COLLECTIONS:
        raise ValueError("is a name that leadbook uses itself; choose another")
    if value.startswith("system.") or len(value.encode()) > 120 or not re.fullmatch(r"[^\s\x00$]+", value):
        raise ValueError("must be 1 to 120 bytes without spaces and $, and not begin with system.")


def _moment(value: str) -> None:
    try:
        told = datetime.fromisoformat(value or "2026-01-01T00:00Z")
    except ValueError:
        told = datetime.min
    if not told.tzinfo or not 2000 <= told.year < 2100:
        raise ValueError("must be a moment with its zone, '2026-12-01T08:00+01:00' or '2026-12-01T07:00Z'")


RULES: Mapping[str, Callable[[str], None]] = {
    "sent": _sent, "executor": _executor, "write_concern": _write_concern, "database": _database,
    **dict.fromkeys(("load_records", "load_writers", "open_loop_percent", "milestones"), _numbers),
    **dict.fromkeys(("sprint_start", "sprint_deadline"), _moment),
    **dict.fromkeys(COLLECTIONS, _collection),
}  # fmt: skip
