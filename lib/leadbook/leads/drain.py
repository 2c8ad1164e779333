"""Draining the staging collection, with any number of workers, once or for as long as records come."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

from pymongo.errors import PyMongoError

from leadbook.errors import LeadbookError
from leadbook.leads import faults
from leadbook.leads.batch import Batch, BatchReport, process
from leadbook.leads.cache import CacheTruth
from leadbook.leads.enrich import batch_seconds
from leadbook.leads.ledger import Ledger
from leadbook.leads.pipeline import PipelineResult
from leadbook.leads.site import Site
from leadbook.leads.staging import Bell, Claim, Staging, raw_record, vendor_of
from leadbook.leads.workers import Inline
from leadbook.leads.workers import started as started_executor

__all__ = ["drain", "drain_some"]

SESSION_S = 5.0
"""A worker returns after so long at most, so that a stop is heard and counts are shown."""


def drain(
    site: Site, *, follow: bool = False, vendor: str = "", executor: Executor | None = None, workers: int | None = None,
    lease_s: float = 120.0, progress: Callable[[PipelineResult], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> PipelineResult:  # fmt: skip
    """Move staged records on until none is left; with `follow` wait for more until `stop` or Ctrl-C.

    vendor: of records that name none.  executor, workers: as in `pipeline.run`.  lease_s: see Staging.
    """
    site = replace(site, own_ids=True)
    workers = workers or site.settings.writers
    if site.services.enriches:
        lease_s += batch_seconds(site.settings)
    result = PipelineResult(workers=workers)
    staging = Staging(site.tools().store.collection.database[site.settings.staging_collection])
    ours = executor is None
    if executor is None:
        few = not follow and staging.waiting() <= 4 * site.settings.batch_size
        alone = few or workers == 1
        executor = Inline() if alone else started_executor(site.settings.executor, workers, site)
        result.workers = 1 if alone else workers
    bell = Bell(staging.collection) if follow else None
    started = time.perf_counter()
    try:
        while not result.problem and not stop():
            read = result.ledger.read
            futures = [executor.submit(drain_some, site, vendor, lease_s) for _ in range(result.workers)]
            for future in futures:
                for report in _reports(future, site):
                    result.add(report)
            if progress is not None:
                progress(result)
            if result.ledger.read == read:
                if bell is None:
                    break
                while not bell.wait() and not stop():
                    pass
    except KeyboardInterrupt:
        if not follow:
            raise
    finally:
        result.seconds = time.perf_counter() - started
        if bell is not None:
            bell.close()
        if ours:
            executor.shutdown(cancel_futures=True)
    return result


def _reports(future: Future[list[BatchReport]], site: Site) -> list[BatchReport]:
    """A session's reports; a dead worker's records are claimed again once their claims expire."""
    try:
        return future.result()
    except LeadbookError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever an executor raises)
        return [_nothing(site, f"a worker failed: {type(error).__name__}: {error}"[:300])]


def drain_some(site: Site, vendor: str = "", lease_s: float = 120.0, seconds: float = SESSION_S) -> list[BatchReport]:
    """One worker's session: claim, process, end, until nothing is left or `seconds` are over."""
    tools = site.tools()
    database = tools.store.collection.database
    staging = Staging(database[site.settings.staging_collection], lease_s=lease_s)
    reports: list[BatchReport] = []
    over = time.monotonic() + seconds
    try:
        while time.monotonic() < over:
            claim = staging.claim(site.settings.batch_size)
            if not claim.records:
                break
            reports += _work(claim, staging, tools, vendor)
            if reports[-1].problem:
                break
    except PyMongoError as error:
        reports.append(_nothing(site, faults.described(error)))
    return reports


def _work(claim: Claim, staging: Staging, tools: Any, vendor: str) -> list[BatchReport]:
    parts: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    names: dict[Any, str] = {}
    for record in claim.records:
        said = str(record.get("vendor") or "")
        if said not in names:
            names[said] = vendor_of(record, vendor)
        parts[names[said]].append(record)
    return [_part(name, part, claim, staging, tools) for name, part in parts.items()]


def _part(vendor: str, part: Sequence[Mapping[str, Any]], claim: Claim, staging: Staging, tools: Any) -> BatchReport:
    """One vendor's part of a claim. The ledger counts only records whose claim still was ours when they ended."""
    ids = [record["_id"] for record in part]
    source = f"{staging.collection.name} ({vendor or 'unknown vendor'})"
    records = [raw_record(record, vendor) for record in part]
    report = process(Batch(index=0, source=source, vendor=vendor, records=records, ids=ids), tools)
    ended = staging.end(claim, dict(zip(ids, report.outcomes, strict=True)))
    return replace(report, ledger=Ledger.of(ended.values(), read=len(ended)), outcomes=())


def _nothing(site: Site, problem: str) -> BatchReport:
    return BatchReport(
        index=0, source=site.settings.staging_collection, ledger=Ledger(), stages={}, cache=CacheTruth(), valid=0,
        after={}, reasons={}, flags={}, problem=problem,
    )  # fmt: skip
