"""The benchmark session that this room measures in, and the site whose pipeline it measures."""

from benchmark_session import place, scratches
from ingest.conftest import at, leads, site

__all__ = ["at", "leads", "place", "scratches", "site"]
