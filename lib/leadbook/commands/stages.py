"""What a run of the sprint's stages leaves in the journal."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.errors import LeadbookError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.core.provenance import read_record
from leadbook.core.settings import Settings
from leadbook.rehearsal import adoption, servers

if TYPE_CHECKING:
    from leadbook.report.records import PhaseRecord
    from leadbook.runner.chain import RunResult


def journal(settings: Settings, result: RunResult) -> str:
    """Write the verdict of each stage that the run was asked for, and that a phase which had closed is not believed; of
    a part of the chain no verdict. Empty, or the one line that says why the journal does not hold it. A MongoDB that is
    away is no reason: the spool takes it."""
    decision = result.decision
    verdicts = decision.stages or tuple(replace(decision, stage=stage) for stage in result.record.stages)
    broken = [phase for phase in result.record.phases if phase.broken is not None]
    if not verdicts and not broken:
        return ""
    try:
        endpoints = servers.resolve(settings)
        with connect.mongodb(endpoints.mongodb_uri, settings) as client:
            with suppress(UnreachableError):
                adoption.require(client, settings, endpoints)
            book = Journal(client[settings.database], endpoints.mongodb_uri)
            for phase in broken:
                _condemn(book, result, phase)
            for one in verdicts:
                book.write("stage", stage=one.stage, run=result.record.id, verdict=one.verdict, reason=one.reason,
                           exit_status=one.exit_status, risks=[check.id for check in one.accepted])  # fmt: skip
    except (LeadbookError, OSError) as error:
        return f"the sprint's journal does not hold this verdict: {error}"
    return ""


def _condemn(book: Journal, result: RunResult, phase: PhaseRecord) -> None:
    """Where a phase has left its record in the journal, and the runner found it broken after that, leave the runner's
    word as the newer one. What broke before it closed left none: what was known before it still counts."""
    run, profile = result.record.id, result.record.profile
    with suppress(PyMongoError):  # it cannot be asked, so it is told in any case
        newest = book.newest("phase", phase=phase.phase, profile=profile)
        if newest is None or newest.get("run") != run:
            return
    record = {
        **read_record(result.directory, phase.phase), "phase": phase.phase, "closed": None, "broken": str(phase.broken),
        "broken_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip
    book.write("phase", phase=phase.phase, profile=profile, run=run, verdict="broken", counts=phase.counts,
               record=json.dumps(record))  # fmt: skip
