"""Findings as messages to people: what, how much, likely cause, what to do, where to look. Nothing else of a finding
leaves for a message than its rule's words and its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from leadbook.alerts.records import Alert
from leadbook.core.settings import Settings
from leadbook.page.prose import whose_data
from leadbook.phases.live.records import Finding


def alert_of(finding: Finding) -> Alert:
    """The alert of one finding."""
    subject = f" ({finding.subject})" if finding.subject else ""
    title = f"{finding.title}{subject}"
    return Alert(key=finding.key, level=finding.level, title=title, lines=tuple(_lines(finding)), at=finding.since)


def _lines(finding: Finding) -> Iterator[str]:
    if finding.value is not None and not (finding.limit == 0 and finding.evidence):  # any at all: the evidence tells it
        limit = f", limit {_number(finding.limit)}" if finding.limit is not None else ""
        yield f"Now {_number(finding.value)} {finding.unit}".rstrip() + f"{limit}."
    if finding.evidence:
        yield f"Seen: {finding.evidence}"
    yield f"Likely cause: {finding.cause}"
    yield f"To do ({finding.owner}): {finding.remedy}"
    yield f"Where to look: the live page, `leadbook status`, notebook {finding.notebook}"


def _number(value: float) -> str:
    if not isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.3g}"


def heading(settings: Settings, target: str) -> str:
    """The first line of each message: whose data, which database, where. target: of MongoDB, without credentials."""
    whose, _ = whose_data(settings.profile, settings.lead_files)
    return f"{whose}: database {settings.database} at {target}"
