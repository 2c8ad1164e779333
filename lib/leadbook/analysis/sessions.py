"""What ingest sessions told the journal, held against what the data says of them. Read-only.

A session of the staging collection left its id on each record that it ended, so that the two can be compared one by
one. Of files nothing but the journal tells what was read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection

from leadbook.core.journal import Entry, Journal
from leadbook.core.provenance import collection_uuids

KINDS = ("stored", "filled", "duplicate", "rejected", "failed")
ENDED = KINDS[:-1]
"""Outcomes that stay: a failed record goes back, and another session may end it."""
FILES, STAGING = "files", "staging"
NEVER = datetime.min.replace(tzinfo=UTC)
SLACK = timedelta(minutes=2)
"""Clocks differ, and what a session did last may lie so long after its last entry."""


@dataclass(frozen=True, kw_only=True)
class ReadFile:
    """A file that a session read. content, path: digests; empty where an older leadbook did not tell."""

    vendor: str
    name: str
    content: str = ""
    path: str = ""

    def is_mended_by(self, later: ReadFile) -> bool:
        """Whether nothing of it is missing once `later` was read to its end: the same content, wherever it lies, or
        what lies in its place now."""
        if not (self.content and later.content):
            return (self.vendor, self.name) == (later.vendor, later.name)
        return self.vendor == later.vendor and (self.content == later.content or self.path == later.path)


@dataclass(frozen=True, kw_only=True)
class IngestSession:
    """One `leadbook ingest`, as the journal knows it. source: `files` or `staging`.  names: of files; contents, paths:
    their digests, where it says.  by: who.

    end: `ended`, `dead` (another found it so) or empty (at work, or nobody has looked yet).  problem: why it ended
    before its time.  leads: UUID of their collection; empty where it does not say.  told: `read` and records by kind of
    outcome.
    """

    id: str
    source: str = ""
    names: tuple[str, ...] = ()
    contents: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    vendor: str = ""
    by: str = ""
    begun: datetime = NEVER
    last: datetime = NEVER
    end: str = ""
    problem: str = ""
    leads: str = ""
    told: Counter[str] = field(default_factory=Counter)

    @property
    def files(self) -> list[ReadFile]:
        """The files that it read, or was to read."""
        if not len(self.names) == len(self.contents) == len(self.paths):
            return [ReadFile(vendor=self.vendor, name=name) for name in self.names or ("files",)]
        told = zip(self.names, self.contents, self.paths, strict=True)
        return [ReadFile(vendor=self.vendor, name=name, content=content, path=path) for name, content, path in told]

    @property
    def unbalanced(self) -> int:
        """Records that it read and that have no outcome, or two."""
        return abs(self.told["read"] - sum(self.told[kind] for kind in KINDS))

    @property
    def cut(self) -> str:
        """Why it did not come to its end in order: of files it may have read a part only. Empty where it did."""
        return self.problem or ("" if self.end == "ended" else "no end told")

    @property
    def complete(self) -> bool:
        """Whether it came to its end and nothing failed."""
        return not self.cut and not self.told["failed"]

    def covers(self, at: Any) -> bool:
        """Whether it was at work at that time."""
        return isinstance(at, datetime) and self.begun <= at + SLACK and at <= self.last + SLACK


def read_sessions(journal: Journal | None, *, ledgers: bool = True) -> list[IngestSession]:
    """The journal's ingest sessions, in the order in which they began. ledgers: with what those told that did not end;
    a journal has tens of thousands of such entries. Raises PyMongoError."""
    entries: dict[str, list[Entry]] = {}
    kinds = ("session.begun", "session.ended", *(("session.batch", "session.beat") if ledgers else ()))
    for entry in journal.entries(*kinds) if journal else ():
        entries.setdefault(str(entry.get("session")), []).append(entry)
    return sorted((_session(name, mine) for name, mine in entries.items()), key=lambda one: one.begun)


def _session(name: str, entries: list[Entry]) -> IngestSession:
    first = next((one for one in entries if one["kind"] == "session.begun"), {})
    last = next((one for one in reversed(entries) if one["kind"] == "session.ended"), {})
    end = "dead" if last.get("dead") else "ended" if last else ""
    batches = [one for one in entries if one["kind"] == "session.batch"]
    told = [last] if end == "ended" and last.get("ledger") else batches
    ledgers = [one.get("ledger") or {} for one in told]
    own = [one["at"] for one in entries if not one.get("dead")] or [entries[0]["at"]]
    return IngestSession(
        id=name, source=str(first.get("source") or entries[0].get("source") or ""),
        names=_texts(first.get("names")), contents=_texts(first.get("contents")), paths=_texts(first.get("paths")),
        vendor=str(first.get("vendor") or ""), by=str(entries[0].get("by", "")), begun=own[0], last=own[-1], end=end,
        problem=str(last.get("problem") or ""), leads=str(first.get("leads") or ""),
        told=sum(map(counts_of, ledgers), Counter()),
    )  # fmt: skip


def _texts(told: Any) -> tuple[str, ...]:
    """What an entry lists, or says alone."""
    return tuple(map(str, [told] if isinstance(told, str) else told or ()))


def cut_short(sessions: Iterable[IngestSession]) -> list[tuple[str, IngestSession]]:
    """Files, by name, that no session read to its end after one that did not: what that left unread is in no ledger.
    sessions: in the order in which they began."""
    cut: list[tuple[ReadFile, IngestSession]] = []
    for one in sessions:
        for file in one.files if one.source == FILES else ():
            untold = ReadFile(vendor=file.vendor, name=file.name)
            cut = [
                (other, before) for other, before in cut
                if not (other in (file, untold) if one.cut else other.is_mended_by(file))
            ]  # fmt: skip
            cut += [(file, one)] if one.cut else []
    return [(file.name, one) for file, one in cut]


@dataclass(frozen=True, kw_only=True)
class Parted:
    """Sessions by whose leads they brought in. mine: of the leads that are there now, or they do not say.  elsewhere:
    of another collection that is there too.  dropped: of leads that are there no more, whoever dropped them."""

    mine: list[IngestSession]
    elsewhere: list[IngestSession]
    dropped: list[IngestSession]


def parted(
    sessions: Iterable[IngestSession], leads: Collection[dict[str, Any]], staging: Collection[dict[str, Any]]
) -> Parted:
    """Sessions by their collections. One whose staged records are there still is today's, whatever became of its leads:
    the records bear witness of them. Raises PyMongoError."""
    found, there = Parted(mine=[], elsewhere=[], dropped=[]), collection_uuids(leads.database)
    staged = set(map(str, staging.distinct("pipeline.session")))
    for one in sessions:
        if one.leads in ("", there.get(leads.name)) or one.id in staged:
            found.mine.append(one)
        else:
            (found.elsewhere if one.leads in there.values() else found.dropped).append(one)
    return found


@dataclass(frozen=True, kw_only=True)
class ErasedCount:
    """What one erasure deleted. leads; staged: records whose own `_id` told the person, all others are stripped and
    stay.  ended: of those, records that had an outcome."""

    at: datetime
    leads: int
    staged: int
    ended: int


def read_erasures(journal: Journal | None) -> list[ErasedCount]:
    """What `leadbook erase` deleted, by the journal; older entries tell of leads alone. Raises PyMongoError."""
    found = []
    for entry in journal.entries("action", action="erase") if journal else ():
        planned = {"leads": (entry.get("plan") or {}).get("leads")}
        told = {**planned, **((entry.get("done") or {}).get("deleted") or {})}
        counts = {name: told.get(name) or 0 for name in ("leads", "staged", "ended")}
        found.append(ErasedCount(at=entry["at"], **counts))
    return found


def counts_of(ledger: Mapping[str, Any]) -> Counter[str]:
    """`read` and records by kind of outcome of a ledger's mapping (see `lead.ledger`)."""
    said = {name: ledger.get(name) or 0 for name in ("read", *KINDS)}
    return Counter({
        name: sum(value.values()) if isinstance(value, Mapping) else int(value) for name, value in said.items()
    })  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SessionDifference:
    """Where data and journal disagree on a session. untold: records that it ended by the data, and that it did not
    tell.  unseen: records that it told, and of which the data knows nothing.  why: empty where nothing explains it."""

    session: str
    end: str
    by: str
    untold: int
    unseen: int
    why: str


def differences(
    sessions: Iterable[IngestSession], ended: Mapping[str, Counter[str]], *, expires: bool, erased: int
) -> list[SessionDifference]:
    """Sessions of the staging collection that the data knows otherwise. ended: its records by session and outcome.

    expires: ended records are removed after a while.  erased: records whose persons were erased after they had ended:
    they name no session any more.
    """
    staged = {one.id: one for one in sessions if one.source == STAGING}
    found = []
    for name in dict.fromkeys([*staged, *ended]):
        session = staged.get(name, IngestSession(id=name, end="not in the journal"))
        data, told = ended.get(name, Counter()), session.told
        untold = sum(max(0, data[kind] - told[kind]) for kind in ENDED)
        unseen = sum(max(0, told[kind] - data[kind]) for kind in ENDED)
        if untold or unseen:
            why = [_untold(session)] if untold else []
            why += [_unseen(expires, unseen <= erased)] if unseen else []
            erased -= min(erased, unseen)
            found.append(SessionDifference(
                session=name, end=session.end or "no end told", by=session.by, untold=untold, unseen=unseen,
                why="; ".join(why) if all(why) else "",
            ))  # fmt: skip
    return found


def _untold(session: IngestSession) -> str:
    reasons = {"dead": "it died before it told of them", "": "it has not come to its end, or died unseen"}
    return reasons.get(session.end, "")


def _unseen(expires: bool, erased: bool) -> str:
    return "their persons were erased since" if erased else "staged records expire here" if expires else ""
