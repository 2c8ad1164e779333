"""Whose data a live sprint's view shows."""

from __future__ import annotations

from leadbook.core.settings import Settings
from leadbook.page.prose import whose_data


def whose_sprint(settings: Settings) -> str:
    """REAL DATA or MADE-UP DATA."""
    return whose_data(settings.profile, settings.lead_files)[0]
