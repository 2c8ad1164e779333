"""The pipeline beside raw inserts, on the same servers: `leadbook bench`.

Raw: `insert_many` of prepared documents (those that the pipeline itself stores), best of 1, 2 and 4 writers. Pipeline:
from vendor records on disk to acknowledged inserts with both cache keys written, enrichment off. Both go into scratch
collections with the leads' validator and indexes, same batch size and write concern, in turns, so that a noisy moment
meets both. Two inputs: new leads only, as the raw side has; and the made sample with its duplicates, fills and rejects.
"""

from __future__ import annotations

import csv
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bson import ObjectId

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.ingest import pipeline
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.readers.records import read_records
from leadbook.ingest.site import Site
from leadbook.ingest.trials.apart import apart
from leadbook.ingest.workers import processes, warm
from leadbook.lead.vendors import load_vendor
from leadbook.measure.inserts import insert_batches
from leadbook.rehearsal import sample, servers
from leadbook.rehearsal.servers.owner import passing_folder

WRITERS = (1, 2, 4)
Files = Sequence[tuple[Path, str]]


@dataclass(frozen=True, kw_only=True)
class Round:
    """One round: documents/s raw (best of WRITERS), stored leads/s of the pipeline on new leads, and on the mixture
    (stored leads/s, and records/s). stages: microseconds a record of new leads, summed over workers."""

    raw: float
    new: float
    mixed: float
    mixed_records: float
    stages: dict[str, float]

    @property
    def share(self) -> float:
        """Pipeline on new leads over raw."""
        return self.new / self.raw


def new_leads_only(files: Files, folder: Path) -> list[tuple[Path, str]]:
    """The files again with only the first valid record of each lead, in the same formats."""
    seen: set[str] = set()
    made = []
    for path, name in files:
        kept = [payload for payload, _ in first_sightings(path, name, seen)]
        made.append((folder / f"new-{path.name}", name))
        with made[-1][0].open("w", encoding="utf-8", newline="") as out:
            if path.suffix == ".csv":
                writer = csv.DictWriter(out, list(kept[0]))
                writer.writeheader()
                writer.writerows(kept)
            else:
                out.writelines(json.dumps(payload) + "\n" for payload in kept)
    return made


def first_sightings(path: Path, vendor_name: str, seen: set[str]) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Payload and cleaned lead of each valid record whose LinkedIn URL is not in `seen` yet; `seen` grows."""
    vendor = load_vendor(vendor_name)
    for record in read_records(path, vendor):
        cleaned = None if record.problem else clean(record.payload, vendor)
        if cleaned is None or reject_reasons(cleaned.lead, cleaned) or cleaned.lead["linkedin_url"] in seen:
            continue
        seen.add(cleaned.lead["linkedin_url"])
        yield record.payload, cleaned.lead


def ingested(there: Site, files: Files, pool: Executor) -> pipeline.PipelineResult:
    """The files run through the pipeline by a warm pool. Raises RuntimeError unless every record has its outcome."""
    wait(warm(pool, there.settings.writers, there))
    sources = [pipeline.file_source(path, vendor) for path, vendor in files]
    result = pipeline.run(sources, there, executor=pool, workers=there.settings.writers)
    if result.problem or result.ledger.failed:
        raise RuntimeError(result.problem or "records failed")
    return result


def _pipeline(site: Site, files: Files, pool: Executor) -> tuple[pipeline.PipelineResult, list[dict[str, Any]]]:
    """A run into a scratch collection, and the documents that it stored."""
    with apart(site, "benchmark", cached=True) as there:
        return ingested(there, files, pool), list(there.tools().store.collection.find())


def _raw(site: Site, documents: Sequence[dict[str, Any]], writers: int) -> float:
    with apart(site, "benchmark") as there, connect.mongodb(site.endpoints.mongodb_uri, site.settings) as client:
        leads = client[there.settings.database][there.settings.collection]
        fresh = [{**document, "_id": ObjectId()} for document in documents]
        leads.find_one()
        return insert_batches(leads, fresh, there.settings.batch_size, writers=writers).rate


def run(settings: Settings, *, records: int = 26_000, rounds: int = 5) -> list[Round]:
    """Measure, in scratch collections. Rehearsal only."""
    settings.refuse_in_production("run the pipeline's benchmark")
    site = Site(endpoints=servers.resolve(settings), settings=settings)
    made = []
    with tempfile.TemporaryDirectory(dir=passing_folder()) as name, processes(settings.writers) as pool:
        facts = sample.write_sample(Path(name), records=records, seed=settings.sample_seed)
        mixed = [(one.path, one.vendor) for one in facts.files]
        new = new_leads_only(mixed, Path(name))
        for _ in range(rounds):
            on_new, documents = _pipeline(site, new, pool)
            raw = max(_raw(site, documents, writers) for writers in WRITERS)
            on_mixed, _ = _pipeline(site, mixed, pool)
            stages = {stage: 1e6 * spent / on_new.ledger.read for stage, spent in on_new.stages.items()}
            made.append(Round(raw=raw, new=on_new.stored_per_second, mixed=on_mixed.stored_per_second,
                              mixed_records=on_mixed.leads_per_second, stages=stages))  # fmt: skip
    Site.close()
    return made


def table(rounds: Sequence[Round]) -> list[tuple[str, str]]:
    """What was measured, in words: medians over rounds with the least and the greatest."""
    said = {
        "raw insert_many, best of 1, 2, 4 writers": _spread([one.raw for one in rounds], "documents/s"),
        "pipeline, new leads only": _spread([one.new for one in rounds], "leads/s"),
        "pipeline over raw, round by round": _spread([one.share for one in rounds], "", digits=2),
        "pipeline, repeats and rejects among them": _spread([one.mixed_records for one in rounds], "records/s"),
        "new leads stored of them": _spread([one.mixed for one in rounds], "leads/s"),
    }
    for stage in rounds[0].stages:
        said[f"stage {stage}, new leads only"] = _spread([one.stages[stage] for one in rounds], "us a record")
    return list(said.items())


def _spread(values: Sequence[float], unit: str, digits: int = 0) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f} {unit}".strip() + f" ({least:,.{digits}f} to {most:,.{digits}f})"
