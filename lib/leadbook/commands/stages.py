"""What a run of the sprint's stages leaves in the journal."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from leadbook.core import connect
from leadbook.core.errors import LeadbookError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.core.settings import Settings
from leadbook.rehearsal import adoption, servers

if TYPE_CHECKING:
    from leadbook.runner.chain import RunResult


def journal(settings: Settings, result: RunResult) -> str:
    """Write the verdict of each stage that the run was asked for; of a part of the chain nothing. Empty, or the one
    line that says why the journal does not hold it. A MongoDB that is away is no reason: the spool takes it."""
    decision = result.decision
    verdicts = decision.stages or tuple(replace(decision, stage=stage) for stage in result.record.stages)
    if not verdicts:
        return ""
    try:
        endpoints = servers.resolve(settings)
        with connect.mongodb(endpoints.mongodb_uri, settings) as client:
            with suppress(UnreachableError):
                adoption.require(client, settings, endpoints)
            book = Journal(client[settings.database], endpoints.mongodb_uri)
            for one in verdicts:
                book.write("stage", stage=one.stage, run=result.record.id, verdict=one.verdict, reason=one.reason,
                           exit_status=one.exit_status, risks=[check.id for check in one.accepted])  # fmt: skip
    except (LeadbookError, OSError) as error:
        return f"the sprint's journal does not hold this verdict: {error}"
    return ""
