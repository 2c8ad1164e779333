"""What was brought in and what became of it, counted from the data itself. Read-only.

Each staged record carries its outcome. Of files the journal's sessions tell: nothing else remembers what was read.
read = stored + filled + duplicate + rejected + failed + waiting + claimed: in all, for each vendor and each collector.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from bson import ObjectId
from pymongo.collection import Collection

from leadbook.analysis.sessions import ENDED, FILES, KINDS, STAGING, ErasedCount, IngestSession, cut_short
from leadbook.core.connect import LENIENT
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.staging import LONGEST_NAME, WORKFLOW, said_vendor, vendor_of
from leadbook.lead.ledger import rejected

OPEN = ("waiting", "claimed")
COLUMNS = ("read", *KINDS, *OPEN)


@dataclass(frozen=True, kw_only=True)
class Brought:
    """Records of one vendor that one collector, or a set of files, brought in; by kind of outcome."""

    vendor: str
    collector: str
    counts: Counter[str]

    @property
    def read(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All that was brought in. staged: by collector.  files: by set of files.  ended: staged records by the session
    that ended them.  files_stored: leads that files brought in, by the journal.  again: files
    that were brought in more than once.  erased: staged records that had ended when their persons were erased.
    gone: records that sessions ended, and that are not staged any more (they have expired, or were removed)."""

    staged: tuple[Brought, ...] = ()
    files: tuple[Brought, ...] = ()
    ended: dict[str, Counter[str]] = field(default_factory=dict)
    files_stored: int = 0
    again: tuple[str, ...] = ()
    erased: int = 0
    gone: Counter[str] = field(default_factory=Counter)

    @property
    def of_staged(self) -> Counter[str]:
        """Staged records by kind of outcome."""
        return sum((one.counts for one in self.staged), Counter())

    @property
    def of_files(self) -> Counter[str]:
        """Records of files by kind of outcome."""
        return sum((one.counts for one in self.files), Counter())

    @property
    def records(self) -> int:
        """Raw records in all."""
        return sum(one.read for one in (*self.staged, *self.files)) + self.gone.total()

    @property
    def source(self) -> str:
        """From where the number of raw records is known."""
        told = f"{self.of_staged.total():,} staged records and {self.of_files.total():,} read from files"
        told += f", {self.gone.total():,} staged ones that are gone, by the journal" if self.gone else ""
        return told + (f"; counted once: {', '.join(self.again)}" if self.again else "")

    def table(self, name: str) -> pd.DataFrame:
        """A row for each `vendor` or `collector`, and one for all: read and each outcome."""
        sums: dict[str, Counter[str]] = {}
        for one in (*self.staged, *self.files):
            key = one.vendor if name == "vendor" else one.collector or f"(not named, {one.vendor})"
            sums.setdefault(key, Counter()).update(one.counts)
        rows = sorted(sums.items()) + ([("(gone, by the journal)", self.gone)] if self.gone else [])
        rows.append(("all", self.of_staged + self.of_files + self.gone))
        return pd.DataFrame(
            [(key, counts.total(), *(counts[kind] for kind in COLUMNS[1:])) for key, counts in rows],
            columns=[name, *COLUMNS],
        )


def read_totals(
    staging: Collection[dict[str, Any]], sessions: Sequence[IngestSession], erasures: Iterable[ErasedCount] = ()
) -> Totals:
    """Count the staged records, and what the journal tells of files. Raises PyMongoError."""
    fields = {"vendor": "$vendor", "collector": WORKFLOW, "state": "$pipeline.state", "outcome": "$pipeline.outcome",
              "session": "$pipeline.session"}  # fmt: skip
    sums: dict[tuple[str, str], Counter[str]] = {}
    ended: dict[str, Counter[str]] = {}
    erased = sum(one.ended for one in erasures)
    counted = staging.with_options(codec_options=LENIENT).aggregate([{"$group": {"_id": fields, "n": {"$sum": 1}}}])
    for row in counted:
        of, count = row["_id"], row["n"]
        kind = kind_of(of.get("state"), of.get("outcome"))
        sums.setdefault((vendor_named(of), of["collector"][:LONGEST_NAME]), Counter())[kind] += count
        if kind in KINDS and isinstance(of.get("session"), ObjectId):
            ended.setdefault(str(of["session"]), Counter())[kind] += count
        elif of.get("outcome") == rejected(ERASED):
            erased += count
    groups, cut = _by_files(sessions), {one.id for _, one in cut_short(sessions)}
    return Totals(
        staged=tuple(Brought(vendor=of[0], collector=of[1], counts=counts) for of, counts in sorted(sums.items())),
        files=tuple(_of_files(mine, cut) for mine in groups), ended=ended, files_stored=sum(map(_stored, groups)),
        again=tuple(f"{_names(mine[0])} (brought in {len(mine)} times)" for mine in groups if len(mine) > 1),
        erased=erased, gone=_gone(sessions, ended, erased),
    )  # fmt: skip


def _gone(sessions: Iterable[IngestSession], ended: dict[str, Counter[str]], erased: int) -> Counter[str]:
    """Records that sessions told as ended, and that do not carry their ids; without those that were erased since."""
    found: Counter[str] = Counter()
    for one in sessions:
        if one.source == STAGING:
            found += Counter({kind: one.told[kind] for kind in ENDED}) - ended.get(one.id, Counter())
    for kind in ENDED:
        explained = min(erased, found[kind])
        found[kind], erased = found[kind] - explained, erased - explained
    return +found


def kind_of(state: Any, outcome: Any) -> str:
    """Kind of a staged record's outcome; `waiting` or `claimed` without one."""
    kind = str(outcome).partition(":")[0]
    if state == "done" and kind in KINDS:
        return kind
    return "claimed" if state == "claimed" else "waiting"


def vendor_named(record: dict[str, Any]) -> str:
    """Its vendor as in params/vendors; nobody else's words are shown."""
    return vendor_of(record) or ("(unknown vendor)" if said_vendor(record) else "(no vendor named)")


# --------------------------------------------------------------------------------------------------------------- files


def _by_files(sessions: Iterable[IngestSession]) -> list[list[IngestSession]]:
    """Sessions that read files, by vendor, names and content: the same files may be brought in again. Those that do
    not tell the content go by the names alone."""
    found: dict[tuple[str, str], list[list[IngestSession]]] = {}
    for one in sessions:
        if one.source == FILES:
            groups = found.setdefault((one.vendor, _names(one)), [])
            mine = next((mine for mine in groups if _are_alike(mine, one)), None)
            if mine is None:
                groups.append(mine := [])
            mine.append(one)
    return [mine for groups in found.values() for mine in groups]


def _names(session: IngestSession) -> str:
    return ", ".join(session.names) or "files"


def _are_alike(known: Sequence[IngestSession], other: IngestSession) -> bool:
    """Whether nothing says that they read other content."""
    told = {one.contents for one in known if one.contents}
    return not told or not other.contents or other.contents in told


def _of_files(sessions: Sequence[IngestSession], cut: Container[str]) -> Brought:
    """What became of the records of files in the end, however often they were brought in. cut: ids of sessions whose
    files nobody has read to their end since: what failed in others is settled by the mended file."""
    left, last = max(one.told["read"] for one in sessions), sessions[-1]
    counts: Counter[str] = Counter()
    for kind, said in (
        ("failed", 0 if last.cut and last.id not in cut else last.told["failed"]),
        ("rejected", max(one.told["rejected"] for one in sessions)),
        ("stored", _stored(sessions)), ("filled", sum(one.told["filled"] for one in sessions)),
        ("duplicate", left),
    ):  # fmt: skip
        counts[kind] = min(left, said)
        left -= counts[kind]
    return Brought(vendor=last.vendor or "(several vendors)", collector=f"{_names(last)} (file)", counts=counts)


def _stored(sessions: Sequence[IngestSession]) -> int:
    """Leads that files brought in. What a session stored after a complete one had been lost meanwhile: not counted."""
    stored = 0
    for one in sessions:
        stored += one.told["stored"]
        if one.complete:
            break
    return stored
