"""Whose record a staged or rejected one is: its LinkedIn URL, cleaned as the pipeline does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.staging import raw_record, vendor_of
from leadbook.lead.vendors import load_vendor

__all__ = ["reject_url", "staged_url"]


def staged_url(record: Mapping[str, Any]) -> str:
    """The canonical URL in a staged record; empty where it holds none, or its vendor is unknown."""
    vendor = vendor_of(record)
    return _url(raw_record(record, vendor).payload, vendor)


def reject_url(reject: Mapping[str, Any]) -> str:
    """The canonical URL in a rejected record's payload; empty where it holds none, or its vendor is unknown."""
    try:
        payload = json.loads(reject.get("payload", ""))
    except (TypeError, ValueError):
        return ""
    return _url(payload, vendor_of(reject))


def _url(payload: Any, vendor: str) -> str:
    if not isinstance(payload, Mapping) or not vendor:
        return ""
    return str(clean(payload, load_vendor(vendor)).lead.get("linkedin_url", ""))
