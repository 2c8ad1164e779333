"""The clause with the numbers that a finding shows: of the rule's template, never of what a lead or a query holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any

from leadbook.page.prose import NOT_MEASURED
from leadbook.phases.live.measures import LiveMoment
from leadbook.phases.live.rules import PLACE, LiveRule
from leadbook.watch.moments import duration
from leadbook.watch.names import READINGS

SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_MOST = 3
"""Slow operations that are named."""


def told(rule: LiveRule, moment: LiveMoment, *, words: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """The rule's evidence, filled in. words: `value`, `limit` and the like.  rows: the subject's row of the table."""

    def place(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("value", "limit", "worst"):
            return amount(words[name], rule.told_unit)
        if name == "seconds":
            return "a while" if words[name] is None else amount(words[name], "s")
        if name == "slow":
            return slow_told(moment.snapshot.details.get("slow", ()))
        if name in words:
            return str(words[name])
        if name.startswith("row."):
            value = rows.get(name.removeprefix("row."))
            return amount(float(value)) if isinstance(value, int | float) else "not told"
        value = moment.snapshot.readings.get(name)
        return amount(value, READINGS[name][0])

    return PLACE.sub(place, "; ".join(_measured(rule.evidence.split("; "), moment.snapshot.readings)))


def _measured(clauses: Sequence[str], readings: Mapping[str, float | None]) -> Iterator[str]:
    """Clauses without those of several readings of which none was measured: they would tell of nothing twice."""
    for clause in clauses:
        places = PLACE.findall(clause)
        if len(places) < 2 or any(name not in READINGS or readings.get(name) is not None for name in places):
            yield clause


def amount(value: float | None, unit: str = "") -> str:
    """Three figures and the unit, for a clause: `93.8 %`, `1,204 records`, `1 member`, `1.5 GB`, `40 min`."""
    if value is None or not isfinite(value):
        return NOT_MEASURED
    if unit == "bytes":
        value, unit = next(((value / size, name) for size, name in SIZES if abs(value) >= size), (value, unit))
    if unit == "s" and abs(value) >= 100:
        return duration(value)
    if value == 1 and unit.endswith("s") and unit not in ("s", "ms", "us") and not unit.endswith("/s"):
        unit = unit.removesuffix("es") if unit.endswith("sses") else unit.removesuffix("s")
    whole = value == int(value) or abs(value) >= 100
    return f"{value:,.0f} {unit}".strip() if whole else f"{value:.3g} {unit}".strip()


def slow_told(rows: Sequence[Mapping[str, Any]]) -> str:
    """Slow queries that scanned: collection, fields of the filter, the index that helps."""
    scans = [_scan(row) for row in rows if "COLLSCAN" in row["plan"]]
    return "; ".join(dict.fromkeys(scans[:_MOST])) or "which ones was not told"


def _scan(row: Mapping[str, Any]) -> str:
    helps = f"; an index that helps: {row['index']}" if row["index"] else ""
    return f"{row['collection']} by {', '.join(row['fields']) or 'no field'}{helps}"
