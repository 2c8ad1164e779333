"""What a phase brings in: vendor files named by the settings, or on rehearsal a made sample with known contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.core.errors import ParameterError
from leadbook.core.settings import PROJECT, Settings
from leadbook.ingest import pipeline
from leadbook.ingest.readers.records import checked_file, read_records
from leadbook.ingest.staging import Staging, raw_record, vendor_of
from leadbook.lead.vendors import load_vendor
from leadbook.rehearsal import sample

NOTHING = "nothing is staged, and no lead_files are set"
BRING_IN = "have payloads staged, or set lead_files, and run this phase again"

COLUMNS = {
    "source": "file's name", "vendor": "whose shape it has", "MB": "size on disk",
    "made": "yes: synthetic, from sample_seed",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Files with their vendors. facts: what a made sample holds, None for a user's files."""

    files: tuple[tuple[Path, str], ...]
    facts: sample.SampleFacts | None = None

    def sources(self, *, first: int | None = None) -> Iterator[pipeline.RecordSource]:
        """The files as sources; with `first`, only so many records of all, spread over the files."""
        for path, vendor in self.files:
            records = read_records(path, load_vendor(vendor))
            part = records if first is None else islice(records, -(-first // len(self.files)))
            yield pipeline.RecordSource(name=path.name, vendor=vendor, records=part)

    def table(self) -> pd.DataFrame:
        """One row a file (COLUMNS)."""
        made = "yes" if self.facts else "no"
        rows = [(path.name, vendor, round(path.stat().st_size / 1e6, 2), made) for path, vendor in self.files]
        return pd.DataFrame(rows, columns=list(COLUMNS))


@dataclass(frozen=True, kw_only=True)
class Staged:
    """What collectors have staged and nobody has ended; after the drain, what was ended since `since`, by the server's
    clock."""

    staging: Collection[dict[str, Any]]
    since: datetime
    facts: None = None

    @classmethod
    def now(cls, staging: Collection[dict[str, Any]]) -> Staged:
        """What waits at this moment."""
        return cls(staging=staging, since=staging.database.command("hello")["localTime"])

    def sources(self, *, first: int | None = None) -> Iterator[pipeline.RecordSource]:
        """Staged records as sources, one a vendor: those still waiting, or ended since then."""
        wanted = {"$or": [{"pipeline.state": {"$ne": "done"}}, {"pipeline.ended_at": {"$gte": self.since}}]}
        said_by = {"$ifNull": ["$vendor", None]}  # a record may name none
        rows = self.staging.aggregate([{"$match": wanted}, {"$group": {"_id": said_by}}])
        for said in [row["_id"] for row in rows]:
            vendor = vendor_of({"vendor": said})
            same = {"$expr": {"$eq": [said_by, {"$literal": said}]}}
            found = self.staging.find({"$and": [wanted, same]}).limit(first or 0)
            records = map(partial(raw_record, vendor=vendor), found)
            name = f"{self.staging.name} ({vendor or 'unknown vendor'})"
            yield pipeline.RecordSource(name=name, vendor=vendor, records=records)

    def table(self) -> pd.DataFrame:
        """One row a vendor (COLUMNS); the size is not known."""
        rows = [(self.staging.name, str(vendor), float("nan"), "no") for vendor in self.staging.distinct("vendor")]
        return pd.DataFrame(rows, columns=list(COLUMNS))


def choose(settings: Settings, folder: Path, staging: Collection[dict[str, Any]]) -> Inputs | Staged | None:
    """The settings' `lead_files`; else on rehearsal a sample made in `folder`; else what is staged; else None.

    Raises ParameterError (not `path:vendor`, unknown vendor) and InputFileError (no such file).
    """
    if named := named_files(settings):
        return Inputs(files=named)
    if settings.is_production:
        return Staged.now(staging) if Staging(staging).waiting() else None
    facts = sample.write_sample(folder, records=settings.sample_records, seed=settings.sample_seed)
    return Inputs(files=tuple((one.path, one.vendor) for one in facts.files), facts=facts)


def named_files(settings: Settings) -> tuple[tuple[Path, str], ...]:
    """(path, vendor) of each of the settings' `lead_files`, looked into. Raises as `choose` does."""
    return tuple(_named(part) for part in settings.lead_files.split(",") if part.strip())


def _named(text: str) -> tuple[Path, str]:
    name, colon, vendor = text.strip().rpartition(":")
    if not colon or not name:
        raise ParameterError("lead_files", f"{text.strip()!r} is not path:vendor", "such as exports/apollo.csv:apollo")
    path = Path(name).expanduser()
    path = path if path.is_absolute() else PROJECT / path
    return checked_file(path, vendor.strip())
