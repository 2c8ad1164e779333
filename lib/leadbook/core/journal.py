"""The sprint's journal: what must be known later, written when it happens and never changed.

Entries lie in the leads' database, so that every machine sees the same sprint. While that database is away, or refuses,
or holds nothing at all yet (whoever approves nothing finds it as it was), they wait in a spool on this machine, and the
next writer carries them over.

An entry holds `_id`, `kind`, `at` (UTC), `by` (leadbook's version, host and process) and what its kind says:

- `session.begun`: session (ObjectId), source (`staging`, `files` or `replay`), names (of files), vendor; contents and
  paths, in the order of names: 12 hexadecimal digits of the SHA-256 of what each file held before it was read, as it
  lay there, and of its resolved path (absent in entries of older leadbooks); mark (of its process, see
  `owner.me`), executor (`processes`, `threads` or `dask`), enriches (whether vendors are asked); leads: UUID of their
  collection (see `provenance`), empty where it was not there
- `session.batch`: session, source, ledger (see `lead.ledger`)
- `session.beat`: session, source, backlog (waiting, claimed, oldest_s; empty for files), work (see `ingest.logbook`):
  sent once a minute while it lives, and when it obeys new orders
- `session.ended`: session, ledger, problem; `dead`: true where another found that it gives no sign any more. Of one
  session the newest counts: who was only cut off for a while ends again, by itself
- `phase`: phase, profile, run, verdict, counts, record (the whole record as JSON text, see `provenance`). Where the
  runner does not believe a phase that had closed, one more, whose record is not closed
- `stage`: stage, run, verdict, reason, exit_status, risks (ids of accepted checks)
- `action`: action (`recover`, `erase`, `cleanup`, `apply_schema`, …), plan, done (counts; of `erase` `left` and
  `deleted`, what went whole), approved (what was approved). Those of `leadbook act` hold also who, target, before,
  after, hash (of the plan), kind_of_action, because (the alarm that it answers), problem. A rehearsal's `drill` holds
  what it did, began, and the alarm that it shall raise
- `alert`: event (`begun`, `graver`, `told`, `unanswered`, `answered`, `over`), key, moment (by the sprint's clock);
  level, title, since, ended; of `told` levels and the channel's kind, never an address; of `answered` person and
  until: see `alerts.incidents`
"""

from __future__ import annotations

import fcntl
import os
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pymongo
from bson import ObjectId, json_util
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.write_concern import WriteConcern

from leadbook import __version__
from leadbook.core import addresses, connect, write_errors
from leadbook.core.settings import PROJECT

COLLECTION = "sprint_journal"
KINDS = ("session.begun", "session.batch", "session.beat", "session.ended", "phase", "stage", "action", "alert")
PATIENCE_S = 3.0
"""A write waits no longer for the database: the spool takes it."""
SLACK = timedelta(minutes=2)
"""An entry may be so far in the future: two machines' clocks under NTP differ by less."""

_BY_KIND = pymongo.IndexModel([("kind", 1), ("at", -1), ("_id", -1)], name="idx_kind_at")
"""A day's journal has some 80,000 entries; the newest of a kind is asked for again and again."""

_AWARE = json_util.JSONOptions(tz_aware=True)
Entry = dict[str, Any]


class Journal:
    """The journal of one database. uri: the address it is reached by.  spool: folder of this machine for entries that
    the database could not take.

    spool: the file that they are written to.  spools: that and those of other spellings of the address, read as well.
    """

    def __init__(self, database: connect.Database, uri: str, spool: Path | None = None) -> None:
        self.collection = database.get_collection(COLLECTION, write_concern=WriteConcern("majority"))
        folder = spool or PROJECT / ".leadbook" / "spool"
        self.spools = [folder / f"{name}.jsonl" for name in addresses.places(uri, database.name)]
        self.spool = self.spools[0]
        self._holds = False
        self.by = f"leadbook {__version__} on {platform.node()}, process {os.getpid()}"

    def write(self, kind: str, **body: Any) -> ObjectId:
        """Add an entry; its `_id`. Raises as `entry` and `add`."""
        entry = self.entry(kind, **body)
        self.add([entry])
        found: ObjectId = entry["_id"]
        return found

    def entry(self, kind: str, **body: Any) -> Entry:
        """An entry of this moment, not added yet. Raises ValueError for an unknown kind."""
        if kind not in KINDS:
            raise ValueError(f"the journal knows no entries {kind!r}")
        return {"_id": ObjectId(), "kind": kind, "at": datetime.now(UTC), "by": self.by, **body}

    def add(self, entries: Sequence[Entry]) -> None:
        """Add entries in one write. Where the database does not take them, the spool does. Raises OSError where neither
        can be written."""
        try:
            if self._takes():
                with suppress(OSError):  # a spool that this user may not read keeps its entries, and holds up no other
                    self.carry_over()
                with pymongo.timeout(PATIENCE_S):
                    self._insert(entries)
                return
        except PyMongoError:
            pass
        self._spooled(entries)

    def _takes(self) -> bool:
        """Whether the database is there to be written. Asks nobody where the driver knows that all members are away."""
        topology = self.collection.database.client.topology_description
        if topology.topology_type_name == "ReplicaSetNoPrimary":
            return False
        if not self._holds:
            with pymongo.timeout(PATIENCE_S):
                self._holds = bool(self.collection.database.list_collection_names())
                if self._holds:
                    quorum = connect.commit_quorum(self.collection.database)
                    self.collection.create_indexes([_BY_KIND], **quorum)
        return self._holds

    def _spooled(self, entries: Sequence[Entry]) -> None:
        self.spool.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.spool.open("a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if file.tell():
                file.write("\n")  # whatever a crash cut off must not swallow what comes next
            file.writelines(json_util.dumps(entry) + "\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())

    def carry_over(self) -> int:
        """Take what waits in the spools into the database; how many entries. Raises PyMongoError: they wait on."""
        return sum(self._carried(spool) for spool in self.spools if spool.exists())

    def _carried(self, spool: Path) -> int:
        with spool.open("r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read()
            entries = _parsed(text)
            with pymongo.timeout(PATIENCE_S):
                self._insert(entries)
            if torn := [line for line in text.splitlines() if line.strip() and not _parsed(line)]:
                with spool.with_suffix(".torn").open("a", encoding="utf-8") as kept:
                    kept.write("\n".join([*torn, ""]))
            file.truncate(0)
        return len(entries)

    def _insert(self, entries: Sequence[Entry]) -> None:
        try:
            if entries:
                self.collection.insert_many(entries, ordered=False)
        except BulkWriteError as error:
            if any(one["code"] != write_errors.DUPLICATE for one in error.details["writeErrors"]):
                raise

    def entries(self, *kinds: str, **match: Any) -> list[Entry]:
        """Entries of these kinds in the order in which they were written, `match` as equal values. Raises PyMongoError.

        What waits in this machine's spool is told too. An entry that no leadbook can have written (see `_is_sound`)
        counts for nothing: what it should have told is then missing, and the close says so.
        """
        query = {**({"kind": {"$in": list(kinds)}} if kinds else {}), **match}
        found = {entry["_id"]: entry for entry in self.collection.find(query)}
        for entry in self.waiting():
            if _is(entry, kinds, match):
                found.setdefault(entry["_id"], entry)
        return sorted(filter(_is_sound, found.values()), key=_order)

    def record_of(self, phase: str, profile: str) -> str:
        """The newest record that a phase left in this profile, wherever it ran, as JSON text; empty where there is none
        or the journal cannot be read."""
        try:
            found = self.newest("phase", phase=phase, profile=profile)
        except PyMongoError:
            return ""
        return str(found.get("record", "")) if found else ""

    def newest(self, kind: str, **match: Any) -> Entry | None:
        """The last entry of `entries`, without reading the others. Raises PyMongoError."""
        query = {"kind": kind, **match, "at": {"$type": "date", "$lte": datetime.now(UTC) + SLACK}}
        there = self.collection.find(query).sort([("at", -1), ("_id", -1)]).limit(1)
        waits = [entry for entry in self.waiting() if _is(entry, (kind,), match)]
        return max(filter(_is_sound, [*there, *waits]), key=_order, default=None)

    def waiting(self) -> list[Entry]:
        """Entries that wait in this machine's spools."""
        return [entry for spool in self.spools for entry in _read(spool)]

    def elsewhere(self) -> dict[Path, int]:
        """How many entries wait in other spools of this machine: of other databases, or of this one by an address
        that lacks the host this journal writes under."""
        others = sorted({*self.spool.parent.glob("*.jsonl")} - {*self.spools})
        return {spool: count for spool in others if (count := len(_read(spool)))}


def _read(spool: Path) -> list[Entry]:
    try:
        return _parsed(spool.read_text(encoding="utf-8"))
    except OSError:
        return []


def _parsed(text: str) -> list[Entry]:
    """The entries of a spool. A line that a crash cut off was never told to be written, and is left out."""
    entries = []
    for line in text.splitlines():
        with suppress(ValueError):
            entries.append(json_util.loads(line, json_options=_AWARE))
    return entries


def _is(entry: Entry, kinds: Sequence[str], match: Mapping[str, Any]) -> bool:
    return (not kinds or entry["kind"] in kinds) and all(entry.get(key) == match[key] for key in match)


def _order(entry: Entry) -> tuple[datetime, str]:
    return entry["at"], str(entry["_id"])


def _is_sound(entry: Entry) -> bool:
    """Whether an entry has the shape that `write` gives it: a time that is not in the future, and whole ledgers."""
    at, ledger = entry.get("at"), entry.get("ledger", {})
    if not isinstance(at, datetime) or at > datetime.now(UTC) + SLACK:
        return False
    if not str(entry.get("kind")).startswith("session."):
        return True
    return "session" in entry and isinstance(ledger, Mapping) and all(map(_is_count, ledger.values()))


def _is_count(value: Any) -> bool:
    counts = value.values() if isinstance(value, Mapping) else [value]
    return all(isinstance(one, int) and one >= 0 for one in counts)
