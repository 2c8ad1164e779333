"""Which leads are missing, who bears witness of them, and from where each can come back. Read-only.

Staged records that ended as stored bear witness, and the newest sound backup. A lead is missing where neither its `_id`
nor its URL is stored, and where its person did not ask for erasure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from leadbook.backup.archive import DATA, documents_in, read_manifest
from leadbook.core import connect
from leadbook.core.provenance import CLOCK_SLACK
from leadbook.core.settings import Settings
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import REASONS, reject_reasons
from leadbook.ingest.staging import Staging, key_of, raw_record, vendor_of
from leadbook.lead.ledger import DUPLICATES, FILLED, STORED, duplicate
from leadbook.lead.suppression import SUPPRESSED, SuppressionList, keys_of
from leadbook.lead.vendors import load_vendor

Document = dict[str, Any]
T = TypeVar("T")
BATCH = 1_000
STAGING, BACKUP, BOTH = "staging", "backup", "both"
SOURCES = (STAGING, BACKUP, BOTH)
"""Where missing leads may come from; of both the backup first, and from staging the rest."""


@dataclass(kw_only=True)
class LostLead:
    """A missing lead. saved: it is in the backup.  staged: `_id`s of its staged records in the order in which they made
    it, of one that comes from the backup those since then.  problem: why its staged records do not give it back."""

    saved: bool = False
    staged: list[Any] = field(default_factory=list)
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Dropped:
    """A backup of a collection that is gone (see `newest.of_dropped`): it bears witness, and nothing is taken from it
    until a person names it. leads: in it.  missing: those of them that are, by their names in a plan."""

    backup: Path
    leads: int
    missing: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class RecoveryPlan:
    """What a recovery would do. source: one of SOURCES.  backup: the one that is read, None where there is none.

    notes: what a user should know of the backups.  known, missing: leads by witness.  erased: missing, and on the list
    of requests, so that they stay out.  leads: the missing ones by URL, by their `_id` where they have none.
    dropped: backups that are compared only.
    """

    source: str
    backup: Path | None
    notes: tuple[str, ...]
    known: Mapping[str, int]
    missing: Mapping[str, int]
    erased: int
    leads: Mapping[str, LostLead]
    vendor: str = ""
    dropped: tuple[Dropped, ...] = ()

    def way(self, lead: LostLead) -> str:
        """Where a missing lead comes back from; empty where it does not."""
        if lead.saved and self.source != STAGING:
            return BACKUP
        return STAGING if lead.staged and not lead.problem and self.source != BACKUP else ""

    def ways(self) -> Counter[str]:
        """How many come back, by where from."""
        return Counter(way for lead in self.leads.values() if (way := self.way(lead)))

    def stay(self) -> Counter[str]:
        """How many do not come back, by reason."""
        return Counter(self._why(lead) for lead in self.leads.values() if not self.way(lead))

    def alone(self, dropped: Dropped) -> int:
        """How many missing leads of such a backup nothing else brings back."""
        return sum(name not in self.leads or not self.way(self.leads[name]) for name in dropped.missing)

    def _why(self, lead: LostLead) -> str:
        if lead.saved or (self.source == BACKUP and lead.staged and not lead.problem):
            return f"only {BACKUP if lead.saved else STAGING} has them: use --from {BOTH}"
        return lead.problem

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, without a word of any person."""
        return {
            "from": self.source, "backup": self.backup.name if self.backup else None, "notes": list(self.notes),
            "known": dict(self.known), "missing_by_witness": dict(self.missing), "missing": len(self.leads),
            "erased": self.erased, "come_back": dict(self.ways()), "stay_missing": dict(self.stay()),
            "dropped": [{"backup": str(one.backup), "leads": one.leads, "missing": len(one.missing),
                         "missing_elsewhere": self.alone(one)} for one in self.dropped],
        }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- search


def plan(
    database: connect.Database, settings: Settings, source: str, backup: Path | None, *,
    notes: Sequence[str] = (), vendor: str = "", dropped: Sequence[Path] = (),
) -> RecoveryPlan:  # fmt: skip
    """Look for missing leads. backup: a sound one.  vendor: of staged records that name none.  dropped: sound backups
    that are only compared. Raises pymongo's errors and InputFileError."""
    search = _Search(database, settings, source, vendor)
    if backup is not None:
        search.in_backup(backup)
    search.in_staging()
    if search.found and source != BACKUP and settings.on_duplicate == "fill":
        search.sightings()
    compared = tuple(search.in_dropped(path) for path in dropped)
    return RecoveryPlan(
        source=source, backup=backup, notes=tuple(notes), known=search.known,
        missing={witness: len(search.missing[witness]) for witness in search.known},
        erased=len(search.erased), leads=search.found, vendor=vendor, dropped=compared,
    )  # fmt: skip


class _Search:
    def __init__(self, database: connect.Database, settings: Settings, source: str, vendor: str) -> None:
        self.settings, self.source, self.vendor = settings, source, vendor
        self.leads = database[settings.collection]
        self.staging = Staging(database[settings.staging_collection]).collection
        self.erasures = SuppressionList(database[SUPPRESSED])
        self.found: dict[str, LostLead] = {}
        self.known: Counter[str] = Counter()
        self.missing: dict[str, set[str]] = {BACKUP: set(), STAGING: set()}
        self.erased: set[str] = set()
        self.taken: datetime | None = None
        self.saved: dict[Any, str] = {}

    def in_backup(self, path: Path) -> None:
        """Leads of a backup that are missing."""
        self.taken = datetime.fromisoformat(read_manifest(path).taken_at) - CLOCK_SLACK
        for part in parts(documents_in(path / f"{self.settings.collection}{DATA}"), BATCH):
            self.known[BACKUP] += len(part)
            for lead_id, url in self._absent([(lead.get("_id"), lead) for lead in part]):
                name = self.saved[key_of(lead_id)] = name_of(lead_id, url)
                self.missing[BACKUP].add(name)
                self.found[name] = LostLead(saved=True)

    def in_dropped(self, path: Path) -> Dropped:
        """What a backup that is only compared says."""
        leads, names = 0, set[str]()
        for part in parts(documents_in(path / f"{self.settings.collection}{DATA}"), BATCH):
            leads += len(part)
            names.update(name_of(*one) for one in self._absent([(lead.get("_id"), lead) for lead in part]))
        return Dropped(backup=path, leads=leads, missing=frozenset(names))

    def in_staging(self) -> None:
        """Staged records whose lead is missing."""
        stored = {"pipeline.state": "done", "pipeline.outcome": STORED}
        for part in parts(self.staging.find(stored, {"_id": 1}, batch_size=BATCH), BATCH):
            self.known[STAGING] += len(part)
            unknown = self._unknown([record["_id"] for record in part])
            records = list(self.staging.find({"_id": {"$in": unknown}})) if unknown else []
            said = {key_of(record["_id"]): sighting_in(record, self.vendor) for record in records}
            ended = {key_of(record["_id"]): record["pipeline"].get("ended_at") for record in records}
            for record_id, url in self._absent([(record["_id"], said[key_of(record["_id"])][0]) for record in records]):
                key = key_of(record_id)
                name = url or self.saved.get(key) or name_of(record_id, url)
                self.missing[STAGING].add(name)
                lead = self.found.setdefault(name, LostLead())
                lead.problem = lead.problem or said[key][1]
                self._add(lead, record_id, ended[key])

    def sightings(self) -> None:
        """Later sightings of the missing: first those that filled, as they came; the others added nothing then."""
        for outcomes in ([FILLED], [duplicate(by) for by in DUPLICATES]):
            wanted = {"pipeline.state": "done", "pipeline.outcome": {"$in": outcomes}}
            order = [("pipeline.ended_at", 1), ("_id", 1)]
            for record in self.staging.find(wanted, sort=order, allow_disk_use=True, batch_size=BATCH):
                sighting, problem = sighting_in(record, self.vendor)
                lead = self.found.get(url_of(sighting))
                if lead is not None and not problem and (lead.saved or lead.staged):
                    self._add(lead, record["_id"], record["pipeline"].get("ended_at"))

    def _add(self, lead: LostLead, record_id: Any, ended: Any) -> None:
        """What a backup holds already is not applied again: somebody may have taken it out of the lead since."""
        held = self.taken is not None and isinstance(ended, datetime) and ended < self.taken
        if not (held and lead.saved and self.source != STAGING):
            lead.staged.append(record_id)

    def _absent(self, named: Sequence[tuple[Any, Mapping[str, Any]]]) -> list[tuple[Any, str]]:
        """`_id` and URL of those leads of which neither is stored; the erased are counted and left out."""
        unknown = {key_of(lead_id) for lead_id in self._unknown([lead_id for lead_id, _ in named])}
        gone = [(lead_id, lead) for lead_id, lead in named if key_of(lead_id) in unknown]
        stored = stored_urls(self.leads, [url for _, lead in gone if (url := url_of(lead))])
        erased = are_erased(self.erasures, [lead for _, lead in gone])
        self.erased.update(url_of(lead) for (_, lead), out in zip(gone, erased, strict=True) if out)
        return [(lead_id, url_of(lead)) for (lead_id, lead), out in zip(gone, erased, strict=True)
                if not out and url_of(lead) not in stored]  # fmt: skip

    def _unknown(self, ids: Sequence[Any]) -> list[Any]:
        there = {key_of(lead["_id"]) for lead in self.leads.find({"_id": {"$in": list(ids)}}, {"_id": 1})}
        return [one for one in ids if key_of(one) not in there]


def stored_urls(leads: connect.Collection, urls: Sequence[str]) -> set[str]:
    """Those of `urls` under which a lead is stored. Raises pymongo's errors."""
    wanted = {"linkedin_url": {"$in": list(urls)}}
    return {lead["linkedin_url"] for lead in leads.find(wanted, {"_id": 0, "linkedin_url": 1})} if urls else set()


def are_erased(erasures: SuppressionList, leads: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Of each lead whether its person is on the list of requests. Raises pymongo's errors."""
    keys = [keys_of(lead) for lead in leads]
    gone = erasures.among(set().union(*keys))
    return [bool(mine & gone) for mine in keys]


def sighting_in(record: Mapping[str, Any], vendor: str) -> tuple[Document, str]:
    """The lead in a staged record as the pipeline cleans it, and why it is none; `vendor` where it names none."""
    name = vendor_of(record, vendor)
    raw = raw_record(record, name)
    if raw.problem:
        return {}, f"its staged record cannot be read: {REASONS.get(raw.problem, raw.problem)}"
    cleaned = clean(raw.payload, load_vendor(name), raw.collected_at)
    if cleaned.flags:
        cleaned.lead["additional_data"]["flags"] = sorted(cleaned.flags)
    reasons = reject_reasons(cleaned.lead, cleaned)
    return cleaned.lead, f"its staged record is no lead by today's rules: {REASONS[reasons[0]]}" if reasons else ""


def url_of(lead: Mapping[str, Any]) -> str:
    """A lead's URL; empty where it is no text."""
    url = lead.get("linkedin_url")
    return url if isinstance(url, str) else ""


def name_of(lead_id: Any, url: str) -> str:
    """By what a plan names a lead."""
    return url or repr(lead_id)


def parts(values: Iterable[T], size: int) -> Iterator[list[T]]:
    """`values` in lists of `size`."""
    rest = iter(values)
    return iter(lambda: list(islice(rest, size)), [])
