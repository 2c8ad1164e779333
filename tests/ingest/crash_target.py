"""What a process does that a test kills: ingest files, send leads. Importable by name, for other processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

from leadbook.ingest import pipeline
from leadbook.ingest import session as session_module
from leadbook.ingest.batches import BatchReport, RecordBatch
from leadbook.ingest.isolate import safely
from leadbook.ingest.session import WorkOrder
from leadbook.ingest.site import Site
from leadbook.ingest.store.tools import Tools


def ingest(files: list[tuple[Path, str]], site: Site, workers: int = 1) -> None:
    """Bring the files in; the caller may kill us at any moment."""
    pipeline.run([pipeline.file_source(path, vendor) for path, vendor in files], site, workers=workers)


def sync(site: Site) -> None:
    """Send qualified leads to the site's HubSpot."""
    assert site.services.hubspot is not None
    pipeline.crm_of(site, site.services.hubspot).sync()


DEADLY = "kill this worker"


def drain_or_die(site: Site, order: WorkOrder) -> list[BatchReport]:
    """`drain_some` in a worker process that a record whose name is DEADLY kills; in the tests' own process, nothing."""
    if multiprocessing.parent_process() is None:
        return []
    session_module.safely = _safely_or_die
    return session_module.drain_some(site, order)


def _safely_or_die(batch: RecordBatch, tools: Tools) -> BatchReport:
    if any(record.payload.get("name") == DEADLY for record in batch.records):
        os.kill(os.getpid(), signal.SIGKILL)
    return safely(batch, tools)
