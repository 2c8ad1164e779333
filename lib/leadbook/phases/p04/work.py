"""Phase 04 at work: where its sections work, what they found, and why something could not be measured."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.bench.limits import Limits
from leadbook.core.checks import Unmeasured
from leadbook.core.errors import LeadbookError
from leadbook.enrich.services import Services
from leadbook.ingest import pipeline
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.ingest.trials.apart import apart
from leadbook.ingest.workers import started
from leadbook.phases.p04 import inputs
from leadbook.phases.p04.contents import FullRun
from leadbook.phases.p04.inputs import Inputs
from leadbook.phases.p04.lookups import BatchLookups
from leadbook.phases.phase import Phase
from leadbook.phases.section import Section, rows_table
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.schema import guard

COLUMNS = {
    "source": "file's name", "vendor": "whose shape it has", "MB": "size on disk",
    "made": "yes: synthetic, from sample_seed",
}  # fmt: skip

Shown = Callable[["PipelineWork"], Section]
"""A section of the phase."""


def tried(section: Shown) -> Shown:
    """A section that needs the trial: where that is not approved, a sentence stands in its place."""

    @wraps(section)
    def shown(work: PipelineWork) -> Section:
        if work.not_approved:
            return Section(says=f"Not tried: {work.not_approved.why}.")
        return section(work)

    return shown


def no_redis(away: str) -> Unmeasured:
    """In place of what Redis should tell. away: why it is; empty where it went away meanwhile."""
    return Unmeasured(away or "Redis stopped answering", "see why Redis is away, then run the phase again")


class PipelineWork:
    """What the sections of phase 04 share: a trial in scratch collections of its own. `end` removes it.

    not_approved: why nothing may be written, not even beside the leads; None where it may.  input: what is tried.
    full_run, second, lookups, limits, queries: what sections found for those after them (see `section`).  keys: what
    the Redis keys of all trials so far begin with.
    """

    input: Inputs
    full_run: FullRun
    second: PipelineResult
    lookups: BatchLookups
    limits: Limits
    queries: pd.DataFrame

    _latest: PipelineWork | None = None

    def __init__(self, book: Phase) -> None:
        self.book, self.settings = book, book.settings
        self.site = Site(endpoints=book.endpoints, settings=book.settings)
        self.database = self.site.database(book.mongodb)
        self.not_approved = None if self.settings.approves("benchmarks") else Unmeasured(
            "a trial in scratch collections is not approved", self.settings.how_to_approve("benchmarks")
        )  # fmt: skip
        self.keys: list[str] = []
        self._kept = ExitStack()
        self._trial: Site | None = None
        self._pool: Executor | None = None

    @classmethod
    def begin(cls, book: Phase) -> PipelineWork:
        """Make the input and the trial's scratch collections, and start the workers; where that is approved.

        A trial that this notebook began before ends. Raises ParameterError (w: 0) before anything is written.
        """
        guard.refuse_unacknowledged(book.leads)
        if cls._latest is not None:
            cls._latest.end()
        work = cls._latest = cls(book)
        atexit.register(work.end)
        if not work.not_approved:
            work.renew()
            _ = work.pool
        return work

    def opening(self) -> Section:
        """What is tried, or why nothing is."""
        if self.not_approved:
            return Section(says=f"**Nothing is tried:** {self.not_approved.why}; {self.not_approved.remedy}.")
        made = "yes" if self.input.facts else "no"
        rows = [(path.name, vendor, round(path.stat().st_size / 1e6, 2), made) for path, vendor in self.input.files]
        return Section(tables=(rows_table("Input of the trial", COLUMNS, rows),))

    def renew(self) -> None:
        """An input and scratch collections of a new trial; those of the one before are removed."""
        self._kept.close()
        folder = self._kept.enter_context(TemporaryDirectory(dir=passing_folder()))
        self.input = inputs.choose(self.settings, Path(folder))
        self._trial = self._kept.enter_context(self.apart("trial", cached=True))
        self._kept.callback(setattr, self, "_trial", None)

    @contextmanager
    def apart(self, purpose: str, services: Services | None = None, **how: Any) -> Iterator[Site]:
        """A site apart, see `ingest.trials.apart`, whose keys are known afterwards."""
        with apart(self.site, purpose, services, **how) as site:
            self.keys.append(site.keys)
            yield site

    @property
    def trial(self) -> Site:
        """Where the full run works. Raises LeadbookError where the trial has ended."""
        if self._trial is None:
            raise LeadbookError("the trial has ended and is removed: run the cells from section 4.4 on again")
        return self._trial

    @property
    def running(self) -> bool:
        """Whether the trial's collections are there."""
        return self._trial is not None

    @property
    def leads(self) -> Collection[dict[str, Any]]:
        """The trial's leads."""
        return self.database[self.trial.settings.collection]

    @property
    def rejected(self) -> Collection[dict[str, Any]]:
        """The trial's rejected records."""
        return self.database[self.trial.settings.rejected_collection]

    @property
    def pool(self) -> Executor:
        """The pipeline's workers, started where there are none."""
        if self._pool is None:
            self._pool = started(self.settings.executor, self.settings.writers, self._trial or self.site)
        return self._pool

    def ingest(self, first: int | None = None, *, cached: bool = True) -> PipelineResult:
        """Run the trial's input, or its first records, through the pipeline with all workers. cached: False works
        without Redis."""
        site = self.trial if cached else replace(self.trial, use_cache=False)
        sources = self.input.sources(first=first)
        return pipeline.run(sources, site, executor=self.pool, workers=self.settings.writers)

    def end(self) -> None:
        """End the workers and remove the trial."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        self._kept.close()
        Site.close()
