"""What phase 06 backs up and restores: the leads where there are any, else made leads in scratch collections.

Before the sprint there are no leads, and a way back that was never gone is none. So a few thousand made records go
through the pipeline, apart from everything real, and all that notebook 06 does is done to them. Nothing of them stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bson import ObjectId
from redis import Redis

from leadbook.core import connect
from leadbook.core.checks import Unmeasured
from leadbook.core.settings import Settings
from leadbook.ingest import pipeline
from leadbook.ingest.session import WorkOrder, drain_some
from leadbook.ingest.site import Site
from leadbook.ingest.trials.apart import apart
from leadbook.lead.clock import now_ms
from leadbook.phases.judging import attempt
from leadbook.phases.phase import Phase
from leadbook.phases.section import Section
from leadbook.rehearsal import sample
from leadbook.rehearsal.servers.owner import passing_folder

RECORDS = 4_000
"""Made records of a trial: about 3,000 leads of them, enough to cut a dump half-way and to time a restore."""
WORDS = ("made leads", "made staged records", "made rejects", "made spending", "made erasure requests")
"""What people read in place of the names of a trial's collections."""
SECONDS = 120.0
"""Longest that they may take to become leads, s."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What the sections work on. settings: they name its collections; of a trial scratch ones.  staging: where real
    collectors stage.

    swept: what killed sessions had left when the phase opened.  made: collections of a trial, none where it is the
    leads.  leads_made: how many made leads these hold.  absent: why there is nothing to back up.
    """

    settings: Settings
    staging: str
    database: connect.Database
    admin: connect.Client
    redis: Redis | None
    swept: Sequence[str] = ()
    made: tuple[str, ...] = ()
    leads_made: int = 0
    absent: Unmeasured | Exception | None = None
    life: ExitStack = field(default_factory=ExitStack)

    @property
    def leads(self) -> connect.Collection:
        """The leads, or the made ones."""
        return self.database[self.settings.collection]

    def told(self) -> str:
        """What the drills are of, in a sentence."""
        if self.made:
            return (
                f"**There are no leads yet, so this is a trial:** {self.leads_made:,} made leads, with staged and "
                "rejected records beside them, lie in scratch collections. They are backed up, damaged and restored "
                "in the leads' place, and removed at the end."
            )
        return "" if self.absent else "The drills are of the leads as they are now."

    def plain(self, section: Section) -> Section:
        """A section with words in place of a trial's scratch names."""
        if not self.made:
            return section

        def said(value: Any) -> Any:
            for name, words in zip(self.made, WORDS, strict=False) if isinstance(value, str) else ():
                value = value.replace(name, words)
            return value

        checks = tuple(replace(check, evidence=said(check.evidence)) for check in section.checks)
        tables = tuple(replace(table, frame=table.frame.map(said)) for table in section.tables)
        return replace(section, checks=checks, tables=tables)

    def left(self) -> list[str]:
        """Remove a trial's collections; those that are there still. Raises pymongo's errors."""
        self.life.close()
        return sorted(set(self.made) & set(self.database.list_collection_names()))


def chosen(book: Phase) -> Subject:
    """The leads where there are any; else a trial, which in production needs the approval `restore_drill`.

    Raises ParameterError where that is approved for another database.
    """
    leads = Subject(settings=book.settings, staging=book.settings.staging_collection, database=book.database,
                    admin=book.admin, redis=book.redis, swept=book.swept)  # fmt: skip
    approved = book.settings.approves("restore_drill")
    if attempt(lambda: leads.leads.find_one({}, {"_id": 1})) is not None:  # what cannot be read is told by the dump
        return leads
    if not approved:
        why = "there are no leads yet, and a drill with made ones beside them is not approved"
        return replace(leads, absent=Unmeasured(why, book.settings.how_to_approve("restore_drill")))
    trial = attempt(lambda: _trial(leads, Site(endpoints=book.endpoints, settings=book.settings)))
    return trial if isinstance(trial, Subject) else replace(leads, absent=trial)


def _trial(leads: Subject, site: Site) -> Subject:
    """Made leads in scratch collections, which last until `left`, or until their process ends."""
    with ExitStack() as stack:
        trial = stack.enter_context(apart(site, "drill"))
        _fill(trial, leads.database)
        stored = leads.database[trial.settings.collection].estimated_document_count()
        names = (trial.settings.collection, trial.settings.staging_collection, trial.settings.rejected_collection,
                 trial.spending, trial.erasures)  # fmt: skip
        return replace(leads, settings=trial.settings, made=names, leads_made=stored, life=stack.pop_all())


def _fill(trial: Site, database: connect.Database) -> None:
    """Stage made records as collectors do, and bring them to their outcomes."""
    staged: list[dict[str, Any]] = []
    with TemporaryDirectory(dir=passing_folder()) as folder:
        made = sample.write_sample(Path(folder), records=RECORDS, seed=trial.settings.sample_seed + 6)
        for one in made.files:
            records = pipeline.file_source(one.path, one.vendor).records
            staged += [
                {"vendor": one.vendor, "payload": record.payload, "collected_at": now_ms()} for record in records
            ]
    database[trial.settings.staging_collection].insert_many(staged, ordered=False)
    drain_some(replace(trial, own_ids=True), WorkOrder(id=ObjectId(), seconds=SECONDS))
