"""Examples of rejected records, masked: enough to find the record in its file, too little to learn a person from."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.lead.masks import mask_name, mask_url
from leadbook.lead.vendors import Vendor, load_vendor, vendor_names

__all__ = ["COLUMNS", "rejected_examples"]

COLUMNS = {
    "reason": "first reason of the rejection", "records": "how many are kept with it", "example": "source and record",
    "name": "masked", "URL": "masked",
}  # fmt: skip


def rejected_examples(rejected: Collection[dict[str, Any]]) -> pd.DataFrame:
    """One example for each reason (COLUMNS), the most frequent reasons first. Read-only."""
    each = {"$group": {"_id": "$reason", "count": {"$sum": 1}, "one": {"$min": "$_id"}}}
    groups = rejected.aggregate([each, {"$sort": {"count": -1, "_id": 1}}])
    rows = []
    for group in groups:
        one = rejected.find_one({"_id": group["one"]}) or {}
        name, url = _shown(one)
        where = f"{one.get('source')}, record {one.get('record_number')}"
        rows.append((group["_id"], group["count"], where, name, url))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _shown(reject: dict[str, Any]) -> tuple[str, str]:
    """Name and URL of a record, masked; empty where its columns hold none."""
    try:
        payload = json.loads(reject["payload"])
    except (KeyError, ValueError):
        return "", ""
    if not isinstance(payload, dict) or reject.get("vendor") not in vendor_names():
        return "", ""
    vendor = load_vendor(reject["vendor"])
    return mask_name(_first(payload, vendor, "full_name")), mask_url(_first(payload, vendor, "linkedin_url"))


def _first(payload: dict[str, Any], vendor: Vendor, target: str) -> str:
    for way in vendor.plan(payload).fields.get(target, ()):
        value = payload.get(way[0])
        if isinstance(value, str) and value:
            return value[:200]
    return ""
