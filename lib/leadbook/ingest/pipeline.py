"""The pipeline: sources are read and cut into batches here, batches run in any executor, and the ledgers add up.

At most two batches per worker are in flight, so that memory stays constant whatever the size of the input.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any

from leadbook.core.errors import InputFileError, LeadbookError
from leadbook.core.traces import PoolCounts
from leadbook.enrich.services import Service
from leadbook.ingest.batches import BatchReport, Counts, RecordBatch
from leadbook.ingest.crm import Crm, Synced
from leadbook.ingest.isolate import safely
from leadbook.ingest.readers.records import read_records
from leadbook.ingest.site import Site
from leadbook.ingest.store import members
from leadbook.ingest.workers import Inline, started, submitted, told
from leadbook.lead.ledger import FAILED, Ledger
from leadbook.lead.vendors import RawRecord, load_vendor

IN_FLIGHT = 2
"""Batches per worker that are read ahead: one at work and one waiting for it."""

INLINE_BATCHES = 4
"""Up to so many batches, starting worker processes (about 1 s) would cost more than they save."""


@dataclass(frozen=True, kw_only=True)
class RecordSource:
    """Records of one vendor under one name. records: any iterable; read once.  content: see `FileMark`; empty where
    they come from no file."""

    name: str
    vendor: str
    records: Iterable[RawRecord]
    content: str = ""


def file_source(path: Path, vendor: str) -> RecordSource:
    """A vendor's file. Raises ParameterError for an unknown vendor; reading raises InputFileError."""
    known = load_vendor(vendor)
    return RecordSource(name=path.name, vendor=known.name, records=read_records(path, known))


@dataclass(kw_only=True)
class PipelineResult(Counts):
    """What a run did; it grows with each batch.

    batches: (source, what the worker's connection pool did, ledger).  stages: `read` and `wait` are the feeding
    process's.  seconds: from the first read to the last acknowledgement.  staging: what is left of staged records,
    empty for files.  batch_size: documents a batch, now.  work: of a drain, what it works with now: batch_size,
    writers, pool_size (of each worker), orders (the version that it obeys).
    """

    sources: dict[str, Ledger] = field(default_factory=dict)
    batches: list[tuple[str, PoolCounts, Ledger]] = field(default_factory=list)
    crm: Synced | None = None
    workers: int = 1
    batch_size: int = 0
    seconds: float = 0.0
    staging: dict[str, int] = field(default_factory=dict)
    work: dict[str, int] = field(default_factory=dict)

    @property
    def leads_per_second(self) -> float:
        """Records brought to an outcome per second."""
        return self.ledger.read / self.seconds if self.seconds else 0.0

    @property
    def stored_per_second(self) -> float:
        """New leads acknowledged per second."""
        return self.ledger.stored / self.seconds if self.seconds else 0.0

    @property
    def written_per_second(self) -> float:
        """Leads acknowledged per second, new ones and filled ones: what the server had to write."""
        return (self.ledger.stored + self.ledger.filled) / self.seconds if self.seconds else 0.0

    def add(self, report: BatchReport) -> None:
        """Take a batch's report in. Raises UnbalancedError when its ledger does not balance."""
        report.ledger.assert_balanced()
        self.count(report)
        self.sources[report.source] = self.sources.get(report.source, Ledger()) + report.ledger
        self.batches.append((report.source, report.pool, report.ledger))

    def as_dict(self) -> dict[str, Any]:
        """What `leadbook ingest --json` prints."""
        said = self.ledger.as_dict()
        said |= {"seconds": round(self.seconds, 3), "leads_per_second": round(self.leads_per_second, 1)}
        if self.in_doubt:
            said["in_doubt"] = self.in_doubt
        if self.staging:
            said["staging"] = dict(self.staging)
        if self.cache.failures:
            said["cache_away"] = {"leads_not_asked": self.cache.away, "failed_calls": self.cache.failures}
        if self.questions:
            said["enrichment"] = {
                "leads": self.enriched, "questions": dict(self.questions), "spent_usd": round(self.spent_usd, 4)
            }  # fmt: skip
        if self.crm is not None:
            said["crm"] = self.crm.as_dict()
        return said


def run_batch(batch: RecordBatch, site: Site) -> BatchReport:
    """What an executor runs: one batch with this worker's own clients."""
    return safely(batch, site.tools())


def run(
    sources: Iterable[RecordSource], site: Site, *, executor: Executor | None = None, workers: int | None = None,
    progress: Callable[[PipelineResult], None] | None = None, stop: Callable[[], str] = lambda: "",
) -> PipelineResult:  # fmt: skip
    """Bring every record of `sources` to its outcome.

    executor: any `concurrent.futures.Executor`; without one that which `settings.executor` names, or none at all for a
    few batches. workers: how many it has (default: settings.writers). stop: why to read no further, once it is told
    to; what was read is settled. A server that cannot be used stops the run early: see `problem`; run the sources
    again then. Raises InputFileError (after what was read is settled), UnbalancedError (a defect), and
    KeyboardInterrupt once the batches in flight have ended.
    """
    result = PipelineResult(workers=workers or site.settings.writers, batch_size=site.settings.batch_size)
    feed = _timed(_batches(sources, site.settings.batch_size), result)
    begun, ours = time.perf_counter(), executor is None
    first = list(islice(feed, INLINE_BATCHES + 1)) if ours else []
    if executor is None:
        if len(first) <= INLINE_BATCHES:
            result.workers = 1
        executor = Inline() if result.workers == 1 else started(site.settings.executor, result.workers, site)
    try:
        _drive(chain(first, feed), site, executor, result, progress or (lambda _: None), stop)
    except InputFileError as error:
        if not result.ledger.read:
            raise
        result.problem = str(error)
    finally:
        result.seconds = time.perf_counter() - begun
        if ours:
            executor.shutdown(cancel_futures=True)
    return result


def finish(result: PipelineResult, site: Site) -> PipelineResult:
    """After a run: flag members known by two URLs (one look at the whole collection), and tell the CRM if it is on."""
    if result.ledger.stored:
        result.flags[members.FLAG] = members.flag(site.tools().store.collection)
    if site.services.hubspot is not None:
        result.crm = crm_of(site, site.services.hubspot).sync()
    return result


def crm_of(site: Site, hubspot: Service) -> Crm:
    """The CRM of a site's leads, as its settings say; less patient with the sandbox."""
    settings, made = site.settings, site.services.sandbox
    return Crm(
        site.tools().store.collection, hubspot, site.tools().erasures, batch=settings.crm_batch_size,
        id_property=settings.crm_id_property, pause_s=0.01 if made else 1.0,
    )  # fmt: skip


def _batches(sources: Iterable[RecordSource], size: int) -> Iterator[RecordBatch]:
    for source in sources:
        records = iter(source.records)
        while part := list(islice(records, size)):
            yield RecordBatch(source=source.name, vendor=source.vendor, records=part, content=source.content)


def _timed(batches: Iterator[RecordBatch], result: PipelineResult) -> Iterator[RecordBatch]:
    while True:
        with result.stage("read"):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _drive(
    batches: Iterator[RecordBatch], site: Site, executor: Executor, result: PipelineResult,
    progress: Callable[[PipelineResult], None], stop: Callable[[], str],
) -> None:  # fmt: skip
    flying: dict[Future[BatchReport], RecordBatch] = {}
    try:
        for batch in batches:
            result.problem = result.problem or stop()
            if result.problem:
                return
            flying[submitted(executor, run_batch, batch, site)] = batch
            while len(flying) >= IN_FLIGHT * result.workers or any(future.done() for future in flying):
                _collect(flying, result, progress)
            if result.problem:
                return
    finally:
        while flying:
            _collect(flying, result, progress)


def _collect(
    flying: dict[Future[BatchReport], RecordBatch], result: PipelineResult, progress: Callable[[PipelineResult], None]
) -> None:
    with result.stage("wait"):
        done, _ = wait(flying, return_when=FIRST_COMPLETED)
    for future in done:
        result.add(_report(future, flying.pop(future)))
    progress(result)


def _report(future: Future[BatchReport], batch: RecordBatch) -> BatchReport:
    """The batch's report; a batch whose worker died has failed as a whole, and is read again by the next run."""
    try:
        return future.result()
    except LeadbookError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever an executor raises: the records must be accounted for)
        return BatchReport.alike(batch, FAILED, told(error), sent=True)
