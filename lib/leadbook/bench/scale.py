"""What a record costs among a million against among 20,000: seconds and memory, and raw inserts' beside.

The large input runs between rounds of the small one, so that a drift of the machine meets both. What a growing
collection costs the server itself shows in raw `insert_many` of the same documents.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from bson import ObjectId

from leadbook.bench.pipeline import Files, first_sightings, ingested
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.core.ticker import Ticker
from leadbook.ingest import pipeline
from leadbook.ingest.site import Site
from leadbook.ingest.trials.apart import apart
from leadbook.ingest.workers import processes
from leadbook.lead.clock import now_ms
from leadbook.lead.score import Rules, stamp
from leadbook.measure.inserts import insert_batches
from leadbook.rehearsal import sample, servers
from leadbook.rehearsal.servers.owner import passing_folder

SMALL = 20_000
CHUNK = 20_000
"""Documents prepared at a time for raw inserts; preparing them is not timed."""
WRITERS = 2


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Microseconds a record: of the pipeline on small inputs and on the large one, and of raw inserts on both.

    records, stored: of the large input.  peak_bytes: most resident memory of this process and of each worker.
    """

    records: int
    stored: int
    small: list[float]
    large: float
    raw_small: list[float]
    raw_large: float
    peak_bytes: list[int] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """Cost of a record in the large input over the median cost in a small one."""
        return self.large / statistics.median(self.small)

    @property
    def raw_growth(self) -> float:
        """The same of raw inserts: what the server's growing collection costs."""
        return self.raw_large / statistics.median(self.raw_small)


def run(settings: Settings, *, records: int = 1_000_000, small: int = SMALL, rounds: int = 3) -> Scale:
    """Measure in scratch collections; rehearsal only.

    Needs about 0.5 GB of disk for a million records, and caches that hold the data (see `shared_cache_gb`).
    """
    settings.refuse_in_production("run the scale benchmark")
    site = Site(endpoints=servers.resolve(settings), settings=settings)
    with tempfile.TemporaryDirectory(dir=passing_folder()) as name:
        few, many = (_made(Path(name) / str(size), size) for size in (small, records))
        before = [_pipeline(site, few) for _ in range(rounds)]
        with _peaks() as peaks:
            result = _pipeline(site, many)
        after = [_pipeline(site, few) for _ in range(rounds)]
        raw_before = [_raw(site, few) for _ in range(rounds)]
        raw_large = _raw(site, many)
        raw_after = [_raw(site, few) for _ in range(rounds)]
    Site.close()
    return Scale(
        records=result.ledger.read, stored=result.ledger.stored,
        small=[_cost(one) for one in before + after], large=_cost(result),
        raw_small=raw_before + raw_after, raw_large=raw_large, peak_bytes=sorted(peaks.values(), reverse=True),
    )  # fmt: skip


def _made(folder: Path, records: int) -> Files:
    facts = sample.write_sample(folder, records=records, seed=records)
    return [(one.path, one.vendor) for one in facts.files]


def _cost(result: pipeline.PipelineResult) -> float:
    return 1e6 * result.seconds / result.ledger.read


def _pipeline(site: Site, files: Files) -> pipeline.PipelineResult:
    with apart(site, "scale", cached=True) as there, processes(there.settings.writers) as pool:
        return ingested(there, files, pool)


def _raw(site: Site, files: Files) -> float:
    """Microseconds a document of `insert_many` by WRITERS threads."""
    spent, count = 0.0, 0
    prepared = _documents(site, files)
    with apart(site, "scale") as there, connect.mongodb(site.endpoints.mongodb_uri, site.settings) as client:
        leads = client[there.settings.database][there.settings.collection]
        while chunk := list(islice(prepared, CHUNK)):
            one = insert_batches(leads, chunk, site.settings.batch_size, writers=WRITERS)
            spent, count = spent + one.seconds, count + one.sent
    return 1e6 * spent / count


def _documents(site: Site, files: Files) -> Iterator[dict[str, Any]]:
    """The leads of the files as the pipeline would store them at first sight."""
    rules, urls, mails = Rules.of(site.settings), set[str](), set[str]()
    for path, vendor in files:
        for _, lead in first_sightings(path, vendor, urls):
            if lead.get("email") in mails:
                del lead["email"]
            mails |= {lead["email"]} if "email" in lead else set()
            yield {"_id": ObjectId(), **stamp(lead, rules, now_ms())}


@contextmanager
def _peaks() -> Iterator[dict[int, int]]:
    """Most resident bytes by process, of this one and its children, while the block runs."""
    peaks: dict[int, int] = {}
    us = psutil.Process()

    def look() -> None:
        for one in (us, *us.children(recursive=True)):
            with suppress(psutil.Error):
                peaks[one.pid] = max(peaks.get(one.pid, 0), one.memory_info().rss)

    with Ticker(look, 0.25):
        yield peaks


def table(found: Scale) -> list[tuple[str, str]]:
    """What was measured, in words."""
    small, raw_small = statistics.median(found.small), statistics.median(found.raw_small)
    return [
        ("records, of which stored", f"{found.records:,}, {found.stored:,}"),
        ("pipeline, small input", f"{small:,.0f} us a record ({min(found.small):,.0f} to {max(found.small):,.0f})"),
        ("pipeline, large input", f"{found.large:,.0f} us a record: {found.growth:.2f} times as much"),
        ("raw insert_many, small input", f"{raw_small:,.0f} us a document"),
        ("raw insert_many, large input", f"{found.raw_large:,.0f} us a document: {found.raw_growth:.2f} times as much"),
        ("most memory of a process", f"{max(found.peak_bytes, default=0) / 1e6:,.0f} MB"),
    ]
