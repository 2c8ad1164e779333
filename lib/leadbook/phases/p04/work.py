"""Phase 04 at work: where its sections work, what they found, and why something could not be measured."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from leadbook.bench.limits import Limits
from leadbook.core.checks import Unmeasured
from leadbook.core.errors import LeadbookError
from leadbook.enrich.services import Services
from leadbook.ingest import pipeline
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.ingest.trials import rehearsal
from leadbook.ingest.workers import started
from leadbook.phases.p04 import inputs
from leadbook.phases.p04.contents import FullRun
from leadbook.phases.p04.lookups import BatchLookups
from leadbook.phases.phase import Phase
from leadbook.phases.section import Section, Table
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.schema import guard
from leadbook.schema.state import apply

T = TypeVar("T")


class FoundBy(Generic[T]):
    """What a section found, for those after it; read before that, it raises LeadbookError and names the section."""

    def __init__(self, section: str) -> None:
        self.section = section

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, work: Any, owner: type) -> T:
        if self.name not in vars(work):
            raise LeadbookError(f"this cell needs what section {self.section} found: run its cells, then this one")
        found: T = vars(work)[self.name]
        return found

    def __set__(self, work: Any, value: T) -> None:
        vars(work)[self.name] = value


class PipelineWork:
    """What the sections of phase 04 share. Made by `begin`; `end` lets go of it, and a section may be run again then.

    input: what is brought in; None where nothing is.  unjudged: why no lead may be written, empty where one may.
    not_approved: why made records may not be written beside the leads, in scratch collections, and timed; None where
    they may.  nothing_read: why the input gives nothing to measure; None where there is input.
    """

    full_run = FoundBy[FullRun]("4.4, the full run,")
    second = FoundBy[PipelineResult]("4.7, duplicates,")
    lookups = FoundBy[BatchLookups]("4.7, duplicates,")
    limits = FoundBy[Limits]("4.8, speed,")
    queries = FoundBy[pd.DataFrame]("4.9, queries,")

    def __init__(self, book: Phase) -> None:
        self.book, self.settings = book, book.settings
        services = Services.of(book.settings) if book.settings.is_production else Services()
        self.site = Site(endpoints=book.endpoints, settings=book.settings, services=services)
        self.database = self.site.database(book.mongodb)
        self.leads = self.database[self.settings.collection]
        self.staging = self.database[self.settings.staging_collection]
        self.unjudged = guard.unjudged(book.leads)
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._pool: Executor | None = None
        self.input = None if self.unjudged else inputs.choose(self.settings, self._made_in(), self.staging)
        _ = self.pool

    @classmethod
    def begin(cls, book: Phase) -> PipelineWork:
        """Empty the rehearsal (never production), choose the input, start the workers.

        Where no unique index judges the leads, nothing is brought in. Raises ParameterError (w: 0) before any lead is
        written.
        """
        guard.refuse_unacknowledged(book.leads)
        if book.settings.is_rehearsal:
            book.say(rehearsal.reset(Site(endpoints=book.endpoints, settings=book.settings)))
        apply(book.leads, book.admin, book.settings)
        return cls(book)

    def opening(self) -> Section:
        """What is brought in, or why nothing is."""
        if nothing := self.nothing_read:
            return Section(says=f"Nothing is brought in: {nothing.why}; {nothing.remedy}.")
        return Section(tables=(Table(self.input.table(), "Input", inputs.COLUMNS),) if self.input else ())

    @property
    def not_approved(self) -> Unmeasured | None:
        """See the class."""
        if self.settings.approves("benchmarks"):
            return None
        return Unmeasured("inserts of made records are not approved", self.settings.how_to_approve("benchmarks"))

    @property
    def nothing_read(self) -> Unmeasured | None:
        """See the class."""
        if self.unjudged:
            production = self.settings.is_production
            how = self.settings.how_to_approve("apply_schema") if production else "with apply_schema: true"
            return Unmeasured(self.unjudged, f"apply the schema by phase 02, then run this phase again; {how}")
        return None if self.input else Unmeasured(inputs.NOTHING, inputs.BRING_IN)

    @property
    def pool(self) -> Executor:
        """The pipeline's workers, started where there are none."""
        if self._pool is None:
            self._pool = started(self.settings.executor, self.settings.writers, self.site)
        return self._pool

    def _made_in(self) -> Path:
        """The folder of made files, which ends with `end`."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(dir=None if self.settings.is_production else passing_folder())
        return Path(self._folder.name)

    def sources(self, first: int | None = None) -> Sequence[pipeline.RecordSource]:
        """The input's sources; with `first`, only so many records of all. A made sample that is gone is made again."""
        if self._folder is None and self.input and self.input.facts:
            self.input = inputs.choose(self.settings, self._made_in(), self.staging)
        return list(self.input.sources(first=first)) if self.input else []

    def ingest(self, sources: Sequence[pipeline.RecordSource], *, cached: bool = True) -> PipelineResult:
        """Run sources through the pipeline, with all workers. cached: False works without Redis."""
        site = self.site if cached else replace(self.site, use_cache=False, services=Services())
        return pipeline.run(sources, site, executor=self.pool, workers=self.settings.writers)

    def end(self) -> None:
        """End the workers and remove the made input."""
        if self._pool is not None:
            self._pool.shutdown()
        if self._folder is not None:
            self._folder.cleanup()
        self._pool = self._folder = None
        Site.close()
