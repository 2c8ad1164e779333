"""Sections 4.11 and 4.13: a collector's whole way, end to end; and that nothing of the trials stays."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from redis.exceptions import RedisError

from leadbook.backup.backup import back_up
from leadbook.backup.compare import RestoreComparison, compare_all
from leadbook.backup.restore import drop_restored, restore
from leadbook.core.checks import Check, Unmeasured, unrecorded
from leadbook.enrich.services import Service
from leadbook.ingest import pipeline
from leadbook.ingest.crm import QUALIFIED, Synced
from leadbook.ingest.site import Site
from leadbook.ingest.trials.endtoend import CollectorsTrial, collect
from leadbook.phases.judging import Answered, attempt, checks_of
from leadbook.phases.p04.runs import in_words
from leadbook.phases.p04.work import PipelineWork, no_redis, tried
from leadbook.phases.section import Section, Table, rows_table
from leadbook.rehearsal import collectors
from leadbook.rehearsal.sandbox.server import Sandbox
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.schema.undo import left_of

RECORDS = 1_600
"""Made records that the collectors send, besides broken ones and those sent twice: about 1,200 leads."""

COLUMNS = {
    "collector": "workflow that staged the records", "sent": "records staged, broken ones and second ones too",
    "stored": "new leads", "filled": "known leads that gained a field", "duplicate": "known leads",
    "rejected": "no lead; kept with reasons", "failed": "outcome unknown",
    "without outcome": "sent, and not ended: must be 0",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What the CRM would get. qualified: leads with an e-mail that are qualified.  waiting: those that would be sent.
    synced: what the sandbox said to them; None where nothing was sent, not even to it."""

    qualified: int
    waiting: int
    synced: Synced | None = None

    @property
    def missed(self) -> int:
        """Qualified leads that would not be sent, or got no answer."""
        answered = self.synced.sent + self.synced.failed.total() + self.synced.erased if self.synced else self.waiting
        return abs(self.qualified - self.waiting) + abs(self.waiting - answered)


# ---------------------------------------------------------------------------------------------------------- the way


@tried
def way(work: PipelineWork) -> Section:
    """Made records by several collectors: staged, drained by a follower, backed up, restored, shown to the CRM."""
    with work.apart("collected", cached=True) as site:
        collected = collect(collectors.plan(RECORDS, work.settings.sample_seed + 2), site, work.pool)
        copies = attempt(lambda: restored(work, site))
        crm = dry_run(site)
    return Section(
        says=f"{collected.total.read:,} of {sum(collected.sent.values()):,} staged records have an outcome: "
        f"{in_words(collected.total)}.",
        tables=(_table(collected),), found=collected, checks=checks(collected, copies, crm, work.book.redis_problem),
        facts={"end_to_end": {"ledger": collected.total.as_dict(), "lost": collected.lost, "sent": collected.sent}},
    )  # fmt: skip


def _table(collected: CollectorsTrial) -> Table:
    rows = [
        (name, sent, one.stored, one.filled, one.duplicates, one.rejects, one.failed, sent - one.read)
        for name, sent in collected.sent.items() for one in (collected.ledgers[name],)
    ]  # fmt: skip
    return rows_table("What each collector sent, and what became of it", COLUMNS, rows)


def restored(work: PipelineWork, site: Site) -> tuple[RestoreComparison, ...]:
    """Back the site's collections up, restore them beside, compare, and remove copies and backup."""
    settings, database = site.settings, work.database
    names = (settings.collection, settings.staging_collection, settings.rejected_collection)
    with TemporaryDirectory(dir=passing_folder()) as folder:
        backup = back_up(database, names, Path(folder), settings)
        copies = restore(backup.path, database)
        try:
            return compare_all(backup, copies, database)
        finally:
            drop_restored(database, [copy.name for copy in copies])


def dry_run(site: Site) -> DryRun:
    """What the CRM would get of the site's leads. A rehearsal sends it to the SANDBOX, production sends nothing."""
    with Sandbox() as sandbox:
        crm = pipeline.crm_of(replace(site, services=sandbox.services), cast(Service, sandbox.services.hubspot))
        qualified, waiting = crm.leads.count_documents(QUALIFIED), crm.waiting()
        return DryRun(
            qualified=qualified, waiting=waiting, synced=crm.sync() if site.settings.is_rehearsal else None
        )  # fmt: skip


# --------------------------------------------------------------------------------------------------------- checks


Copies = tuple[RestoreComparison, ...] | Unmeasured | Exception
"""The restored copies beside what was backed up, or what stands in their place."""


def checks(collected: CollectorsTrial, copies: Copies, crm: DryRun, away: str = "") -> tuple[Check, ...]:
    """Of the end-to-end trial. away: why Redis is."""
    total, sent = collected.total, sum(collected.sent.values())
    counted = f"{collected.leads:,} leads and {collected.kept:,} rejected records were counted afterwards"
    unlike: Any = copies
    copied = ""
    if isinstance(copies, tuple):
        unlike = sum(not one.equal for one in copies)
        copied = f"{len(copies)} scratch collections, {sum(one.documents_restored for one in copies):,} documents"
    return checks_of({
        "PIPE-E2E-002": (collected.lost, f"{len(collected.sent)} collectors sent {sent:,}: {in_words(total)}"),
        "PIPE-E2E-003": (collected.strangers + abs(collected.kept - total.rejects), counted),
        "PIPE-E2E-004": (
            no_redis(away) if collected.keyless is None else collected.keyless, f"{collected.leads:,} leads"
        ),
        "PIPE-E2E-005": (unlike, copied),
        "PIPE-E2E-006": (crm.missed if crm.qualified else None, _crm_told(crm)),
        "PIPE-N8N-003": (
            sent == total.read if collected.resent else Unmeasured("no payload was sent twice"),
            f"{sent:,} payloads staged by ordered inserts, {collected.resent:,} of them a second time",
        ),
    })  # fmt: skip


def _crm_told(crm: DryRun) -> str:
    if crm.synced is None:
        return f"{crm.waiting} would be sent; a dry run, nothing was sent"
    refused = crm.synced.failed.total()
    return f"against the sandbox: {crm.synced.sent} taken, {refused} refused. {crm.synced.stopped}".rstrip()


# -------------------------------------------------------------------------------------------------------- what stays


def removed(work: PipelineWork) -> Section:
    """Remove the trial, and look whether anything of it is left. Where nothing was tried: what is not measured."""
    if work.not_approved:
        left_out = unrecorded("04", work.book.recorded)
        return Section(checks=checks_of(dict.fromkeys(left_out, Answered(work.not_approved))))
    work.end()
    found: Answered = Answered(no_redis(work.book.redis_problem))
    with suppress(RedisError):
        if work.book.redis is not None:
            left = left_of(work.database, work.book.redis, work.keys)
            said = f"{', '.join(left[:3]) or 'none is left'} of {len(work.keys)} trials"
            found = Answered(len(left), f"scratch collections, Redis keys and records of undo were looked for; {said}")
    return Section(checks=checks_of({"PIPE-E2E-007": found}))
