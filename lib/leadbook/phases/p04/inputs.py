"""What the trial tries: vendor files named by the settings, or a made sample with known contents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from leadbook.core.errors import ParameterError
from leadbook.core.files import project_path
from leadbook.core.settings import Settings
from leadbook.ingest import pipeline
from leadbook.ingest.readers.records import checked_file, read_records
from leadbook.lead.vendors import load_vendor
from leadbook.rehearsal import sample


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


def choose(settings: Settings, folder: Path) -> Inputs:
    """The settings' `lead_files`; else a sample made in `folder`.

    Raises ParameterError (not `path:vendor`, unknown vendor) and InputFileError (no such file).
    """
    if named := named_files(settings):
        return Inputs(files=named)
    facts = sample.write_sample(folder, records=settings.trial_records, seed=settings.sample_seed)
    return Inputs(files=tuple((one.path, one.vendor) for one in facts.files), facts=facts)


def named_files(settings: Settings) -> tuple[tuple[Path, str], ...]:
    """(path, vendor) of each of the settings' `lead_files`, looked into. Raises as `choose` does."""
    return tuple(_named(part) for part in settings.lead_files.split(",") if part.strip())


def _named(text: str) -> tuple[Path, str]:
    name, colon, vendor = text.strip().rpartition(":")
    if not colon or not name:
        raise ParameterError("lead_files", f"{text.strip()!r} is not path:vendor", "such as exports/apollo.csv:apollo")
    return checked_file(project_path(name), vendor.strip())
