"""Findings as messages to people: what, how much, likely cause, what to do, where to look. Nothing else of a finding
leaves for a message than its rule's words and its numbers."""

from __future__ import annotations

from collections.abc import Iterator

from leadbook.alerts.records import Alert
from leadbook.core.settings import Settings
from leadbook.page.prose import whose_data
from leadbook.phases.live.drawn import words
from leadbook.phases.live.records import Finding


def alert_of(finding: Finding) -> Alert:
    """The alert of one finding."""
    subject = f" ({finding.subject})" if finding.subject else ""
    title = f"{finding.title}{subject}"
    return Alert(key=finding.key, level=finding.level, title=title, lines=tuple(_lines(finding)), at=finding.since)


def _lines(finding: Finding) -> Iterator[str]:
    yield f"Seen: {words.seen(finding)}"
    yield f"Likely cause: {finding.cause}"
    yield f"To do ({finding.owner}): {finding.remedy}"
    yield f"Where to look: the live page, `leadbook status`, notebook {finding.notebook}"


def heading(settings: Settings, target: str) -> str:
    """The first line of each message: whose data, which database, where. target: of MongoDB, without credentials."""
    whose, _ = whose_data(settings.profile, settings.lead_files)
    return f"{whose}: database {settings.database} at {target}"
