"""Whether phase 06 proved its backup, by the verdicts that it left. Light: `leadbook status` asks too."""

from __future__ import annotations

from collections.abc import Mapping

from leadbook.core.checks import Verdict
from leadbook.core.definitions import definition

BACKED_UP = "FIN-PUSH-008"
"""The check of 09 that asks for a proven backup; it follows from those that prove one."""


def unproven(verdicts: Mapping[str, str]) -> tuple[str, ...]:
    """Checks without which a backup is none, and that did not pass. verdicts: of phase 06's checks, by id."""
    return tuple(proof for proof in definition(BACKED_UP).follows if verdicts.get(proof) != Verdict.PASS)
