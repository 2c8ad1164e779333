"""The clause with the numbers that a finding shows: of the rule's template, never of what a lead or a query holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from leadbook.page.prose import number
from leadbook.phases.live.measures import LiveMoment
from leadbook.phases.live.rules import PLACE, LiveRule
from leadbook.watch.names import READINGS

_MOST = 3
"""Slow operations that are named."""


def told(rule: LiveRule, moment: LiveMoment, *, words: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """The rule's evidence, filled in. words: `value`, `limit` and the like.  rows: the subject's row of the table."""

    def place(found: re.Match[str]) -> str:
        name = found[1]
        if name in ("value", "limit", "worst"):
            return number(words[name], rule.told_unit)
        if name == "slow":
            return slow_told(moment.snapshot.details.get("slow"))
        if name in words:
            return str(words[name])
        if name.startswith("row."):
            value = rows.get(name.removeprefix("row."))
            return number(float(value)) if isinstance(value, int | float) else "not told"
        value = moment.snapshot.readings.get(name)
        return number(value, READINGS[name][0])

    return PLACE.sub(place, rule.evidence)


def slow_told(rows: Any) -> str:
    """Slow queries that scanned: collection, fields of the filter, the index that helps."""
    scans = [row for row in rows if isinstance(row, Mapping) and "COLLSCAN" in str(row.get("plan"))] if (
        isinstance(rows, Sequence) and not isinstance(rows, str)
    ) else []  # fmt: skip
    return "; ".join(dict.fromkeys(map(_scan, scans[:_MOST]))) or "which ones was not told"


def _scan(row: Mapping[str, Any]) -> str:
    fields = row.get("fields") or ()
    named = ", ".join(map(str, fields)) if isinstance(fields, list | tuple) else str(fields)
    index = row.get("index") or row.get("advice") or ""
    helps = f"; an index that helps: {index}" if index else ""
    return f"{row.get('collection', 'a collection')} by {named or 'no field'}{helps}"
