"""Whose record a staged or rejected one is: its LinkedIn URL and other keys, cleaned as the pipeline does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.staging import raw_record, vendor_of
from leadbook.lead.suppression import keys_of
from leadbook.lead.vendors import load_vendor


def profile_url(record: Mapping[str, Any]) -> str:
    """The canonical URL in a staged or rejected record; empty where it holds none, or its vendor is unknown."""
    return str(lead_in(record).get("linkedin_url", ""))


def keys_in(record: Mapping[str, Any]) -> set[str]:
    """All that tells the person of a staged or rejected record (see `suppression.keys_of`)."""
    return keys_of(lead_in(record))


def lead_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipeline's cleaning makes of a staged or rejected record; nothing where its vendor is unknown."""
    vendor = vendor_of(record)
    payload = raw_record(record, vendor).payload if vendor else {}
    return clean(payload, load_vendor(vendor)).lead if payload else {}
