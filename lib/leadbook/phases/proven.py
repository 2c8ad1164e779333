"""Whether phase 06 proved its backup, by the verdicts that it left. Light: `leadbook status` asks too."""

from __future__ import annotations

from collections.abc import Mapping

from leadbook.core.checks import Verdict
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings

BACKED_UP = "FIN-PUSH-008"
"""The check of 09 that asks for a proven backup; it follows from those that prove one."""
BACKUP_AGE = "MON-BACKUP-001"
"""The check of 08 that ages it."""
RESTORED, COMPARED = "BKP-RST-001", "BKP-CMP-001"
"""Checks of 06 that pass where the backup was also restored, beside the leads, and all its documents came back."""


def how_to_back_up(settings: Settings) -> str:
    """What makes a proven backup that is restored as a trial, too."""
    return f"`leadbook run --only 06 -p approve='restore_drill on {settings.database}'`"


def restored(verdicts: Mapping[str, str]) -> bool:
    """Whether the backup was restored as a trial, too. verdicts: of phase 06's checks, by id."""
    return all(verdicts.get(proof) == Verdict.PASS for proof in (RESTORED, COMPARED))


def unproven(verdicts: Mapping[str, str]) -> tuple[str, ...]:
    """Checks without which a backup is none, and that did not pass. verdicts: of phase 06's checks, by id."""
    return tuple(proof for proof in definition(BACKED_UP).follows if verdicts.get(proof) != Verdict.PASS)
