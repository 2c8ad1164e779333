"""What a process does that a test kills: ingest files, send leads. Importable by name, for other processes."""

from __future__ import annotations

from pathlib import Path

from leadbook.leads import pipeline
from leadbook.leads.site import Site


def ingest(files: list[tuple[Path, str]], site: Site, workers: int = 1) -> None:
    """Bring the files in; the caller may kill us at any moment."""
    pipeline.run([pipeline.file_source(path, vendor) for path, vendor in files], site, workers=workers)


def sync(site: Site) -> None:
    """Send qualified leads to the site's HubSpot."""
    assert site.services.hubspot is not None
    pipeline.crm_of(site, site.services.hubspot).sync()
