"""Section 4.12: issues that the full run met, and the documents that the phase leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from leadbook.core.checks import Check, Unmeasured, judge
from leadbook.ingest.pipeline import PipelineResult
from leadbook.lead.keys import collection_uuid
from leadbook.phases.p04 import documents
from leadbook.phases.p04.work import PipelineWork
from leadbook.phases.section import Document, Section, Table

__all__ = ["Issue", "issue_check", "issue_table", "issues", "met", "written"]


@dataclass(frozen=True, kw_only=True)
class Issue:
    """Something that the run met, and how it was settled. settled False forbids GO."""

    what: str
    leads: int
    how: str
    settled: bool = True


def met(result: PipelineResult) -> list[Issue]:
    """What the run met, from its own counts."""
    total, flags, cache = result.ledger, result.flags, result.cache
    found = [
        Issue(what="records that are no lead", leads=total.rejects, how="kept with payload and reasons"),
        Issue(what="e-mail held by another person", leads=flags.get("email_conflict", 0),
              how="stored without it; kept aside in additional_data.email_conflict"),
        Issue(what="one member under two URLs", leads=flags.get("same_member", 0), how="flagged, not merged"),
        Issue(what="e-mail that only was guessed by the vendor", leads=flags.get("email_guessed", 0), how="flagged"),
        Issue(what="cache called a known lead new", leads=cache.false_new, how="MongoDB's unique index decided"),
        Issue(what="cache knew a lead that is gone", leads=cache.stale, how="stored again"),
        Issue(what="cache did not answer", leads=cache.failures, how="asked MongoDB instead"),
        Issue(what="outcome unknown", leads=total.failed, how="run the sources again", settled=False),
    ]  # fmt: skip
    return [issue for issue in found if issue.leads]


def issue_table(found: Sequence[Issue]) -> pd.DataFrame:
    """What the run met and how it was settled."""
    rows = [(one.what, one.leads, one.how, "yes" if one.settled else "NO") for one in found]
    return pd.DataFrame(rows, columns=["issue", "leads", "how it was settled", "settled"])


def issue_check(found: Sequence[Issue], read: int, nothing: Unmeasured | None = None) -> Check:
    """Issues that are not settled, of a run that read so many records."""
    said = ", ".join(f"{issue.what} ({issue.leads})" for issue in found) or "none met"
    return judge("PIPE-ISS-001", sum(not issue.settled for issue in found) if read else nothing, evidence=said)


def issues(work: PipelineWork) -> Section:
    """What the full run met."""
    result = work.run.result
    found = met(result)
    return Section(
        tables=(Table(issue_table(found), "Issues that the run met, and how they were settled"),),
        checks=(issue_check(found, result.ledger.read, work.nothing_read),),
    )


def written(work: PipelineWork) -> Section:
    """The optimization results and the hand-off; the workers end here."""
    run = work.run.result
    results = documents.optimization(
        run, work.second, work.limits, work.lookups, work.queries, issue_table(met(run)), work.settings
    )
    handoff = documents.handoff(work.settings, collection_uuid(work.leads))
    work.end()
    readers = ("Technical Lead", "Project Manager")
    return Section(documents=(
        Document("optimization-results", "Optimization results", results, readers),
        Document("n8n-hand-off", "Hand-off: writing leads from n8n", handoff, readers[:1]),
    ))  # fmt: skip
