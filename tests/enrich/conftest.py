"""Enrichment works on the pipeline's own fixtures: leads' collection, site, vendor files."""

from ingest.conftest import at, ingest, leads, site, vendor_file

__all__ = ["at", "ingest", "leads", "site", "vendor_file"]
