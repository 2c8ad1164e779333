"""How complete the leads are, field by field and source by source. Read-only."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.lead.fields import FIELDS, REQUIRED

_LEFT_OUT = {"additional_data"}


def completeness(leads: Collection[dict[str, Any]]) -> pd.DataFrame:
    """A row a field and source (source `all` too): `field`, `source`, `present`, `leads`, `percent`, `required`.

    Present means: exists, is not null, and is not blank text.
    """
    names = [field.name for field in FIELDS if field.name not in _LEFT_OUT]
    counted = {name: {"$sum": {"$cond": [_present(name), 1, 0]}} for name in names}
    group = {"$group": {"_id": "$data_source", "leads": {"$sum": 1}, **counted}}
    rows = []
    for found in leads.aggregate([group]):
        source = found["_id"] or "(no source)"
        rows += [{"field": name, "source": source, "present": found[name], "leads": found["leads"]} for name in names]
    frame = pd.DataFrame(rows, columns=["field", "source", "present", "leads"])
    everything = frame.groupby("field", sort=False)[["present", "leads"]].sum().reset_index().assign(source="all")
    frame = pd.concat([everything, frame], ignore_index=True)
    frame["percent"] = 100 * frame["present"] / frame["leads"]
    frame["required"] = frame["field"].isin(REQUIRED)
    return frame


def _present(name: str) -> dict[str, Any]:
    text = {"$convert": {"input": f"${name}", "to": "string", "onError": "not a text", "onNull": ""}}
    return {"$ne": [{"$trim": {"input": text}}, ""]}


def source_outliers(frame: pd.DataFrame, *, points: float = 25.0) -> pd.DataFrame:
    """Fields that a source fills at least `points` percentage points less often than all sources together."""
    overall = frame[frame["source"] == "all"].set_index("field")["percent"]
    single = frame[frame["source"] != "all"].copy()
    single["all sources"] = single["field"].map(overall)
    found = single[single["percent"] < single["all sources"] - points]
    return found[["source", "field", "percent", "all sources", "leads"]].reset_index(drop=True)
