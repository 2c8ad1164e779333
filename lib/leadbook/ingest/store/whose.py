"""Whose record a staged or rejected one is: its LinkedIn URL, cleaned as the pipeline does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.staging import raw_record, vendor_of
from leadbook.lead.vendors import load_vendor


def profile_url(record: Mapping[str, Any]) -> str:
    """The canonical URL in a staged or rejected record; empty where it holds none, or its vendor is unknown."""
    vendor = vendor_of(record)
    payload = raw_record(record, vendor).payload if vendor else {}
    return str(clean(payload, load_vendor(vendor)).lead.get("linkedin_url", "")) if payload else ""
