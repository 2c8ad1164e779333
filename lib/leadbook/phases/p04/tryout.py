"""Section 4.10, enrichment and CRM: in production what a run did; on rehearsal tried in the SANDBOX of their vendors.

There, made leads go through the pipeline itself, into scratch collections, twice: the second time all of them are
duplicates. Then HubSpot gets the qualified ones in two goes; the first breaks off half-way. Nobody real is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.core.checks import Check, Inapplicable, judge
from leadbook.core.settings import Settings
from leadbook.enrich.enrich import ERASED, prices
from leadbook.ingest import pipeline
from leadbook.ingest.crm import Synced
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.ingest.trials.apart import apart
from leadbook.page.prose import number
from leadbook.phases.p04.work import PipelineWork
from leadbook.phases.section import Section, Table
from leadbook.rehearsal import sample
from leadbook.rehearsal.sandbox.server import Sandbox
from leadbook.rehearsal.servers.owner import passing_folder

RECORDS = 200
GO = 30
"""Leads that the first go at HubSpot sends before it breaks off."""

CHANGED = {
    "enrichment": True, "crm": True, "batch_size": 100, "enrichment_concurrency": 8, "crm_batch_size": 20,
    "enrichment_budget_usd": 3.5, "hunter_finder_usd": 0.025, "hunter_verifier_usd": 0.0125, "company_usd": 0.1,
}  # fmt: skip
"""Settings of the try-out; too little money for all questions, so that the cap is met."""

COLUMNS = {
    "asked": "what was asked of the sandbox",
    "outcome": "what came of it; whatever it is, the lead goes on",
    "count": "questions, or leads for HubSpot",
}

NOT_ANSWERED = ("skipped: circuit open", "skipped: key refused", "skipped: quota spent", "skipped: spending not known")
"""Questions that were not asked, because of the vendor or of us; a spending cap that is reached is no fault."""


@dataclass(frozen=True, kw_only=True)
class Tryout:
    """What came out. first, second: the two runs of the same input.  stored: documents counted afterwards; with_email:
    those that have one.  asked_again: requests of the second run.  billed_usd: charged by the sandbox; cap_usd: what
    was allowed.  most_attempts: at one question.  sent, again: the two goes at HubSpot.  waiting: qualified leads that
    it neither took nor refused; wrong: contacts that it holds too many or too few.
    """

    first: PipelineResult
    second: PipelineResult
    stored: int
    with_email: int
    asked_again: int
    billed_usd: float
    cap_usd: float
    most_attempts: int
    sent: Synced
    again: Synced
    waiting: int
    wrong: int

    @property
    def lost(self) -> int:
        """Leads without an honest outcome: neither stored nor rejected, or counted but not there."""
        ledger = self.first.ledger
        return abs(ledger.read - ledger.accounted) + ledger.failed + abs(ledger.stored - self.stored)

    @property
    def overspent_usd(self) -> float:
        """What the sandbox charged beyond what was counted, and what was counted beyond the cap."""
        spent = self.first.spent_usd
        return round(max(0.0, self.billed_usd - spent) + max(0.0, spent - self.cap_usd), 6)

    @property
    def refused(self) -> Counter[str]:
        """Leads that HubSpot refused, by reason."""
        return self.sent.failed + self.again.failed

    def sentence(self) -> str:
        """The result in a sentence."""
        ledger = self.first.ledger
        return (
            f"**SANDBOX.** {ledger.read} made records gave {ledger.stored} leads; {self.first.enriched} gained "
            f"something, {self.with_email} have an e-mail, {ledger.rejected.get(ERASED, 0)} whose persons had asked "
            f"for erasure were dropped. Spent {number(self.first.spent_usd, 'USD')} of {number(self.cap_usd, 'USD')} "
            f"(sandbox money). HubSpot took {self.sent.sent} qualified leads, then {self.again.sent} when it was run "
            f"again, and refused {self.refused.total()}."
        )


def run(site: Site) -> Tryout:
    """Try both against the sandbox, with the site's servers and rules. Leaves nothing behind."""
    with (
        Sandbox() as sandbox, TemporaryDirectory(dir=passing_folder()) as folder,
        apart(site, "tryout", sandbox.services, changed=CHANGED) as trial,
    ):  # fmt: skip
        made = sample.write_sample(Path(folder), records=RECORDS, seed=site.settings.sample_seed + 1)

        def ingest() -> PipelineResult:
            return pipeline.run([pipeline.file_source(one.path, one.vendor) for one in made.files], trial, workers=1)

        first = ingest()
        asked = sandbox.requests
        second = ingest()
        asked_again = sandbox.requests - asked
        leads = trial.tools().store.collection
        sent, again = _in_two_goes(trial, leads)
        return Tryout(
            first=first, second=second, stored=leads.count_documents({}), asked_again=asked_again,
            with_email=leads.count_documents({"email": {"$gt": ""}}), billed_usd=_billed(sandbox, trial),
            cap_usd=trial.settings.enrichment_budget_usd, most_attempts=sandbox.most_attempts, sent=sent, again=again,
            waiting=leads.count_documents({**_QUALIFIED, "crm_synced": False, "additional_data.crm_error": None}),
            wrong=abs(len(sandbox.contacts.by_id) - leads.count_documents({"crm_synced": True})),
        )  # fmt: skip


_QUALIFIED = {"is_qualified": True, "email": {"$gt": ""}}


def _in_two_goes(trial: Site, leads: Collection[dict[str, Any]]) -> tuple[Synced, Synced]:
    """The first go ends as if killed between HubSpot's answer and the marks of some leads; the second goes on."""
    hubspot = trial.services.hubspot
    if hubspot is None:
        return Synced(), Synced()
    sent = pipeline.crm_of(trial, hubspot).sync(limit=GO)
    unmarked = [lead["_id"] for lead in leads.find({"crm_synced": True}, {"_id": 1}).limit(GO // 3)]
    leads.update_many({"_id": {"$in": unmarked}}, {"$set": {"crm_synced": False}, "$unset": {"crm_sync_date": ""}})
    return sent, pipeline.crm_of(trial, hubspot).sync()


def _billed(sandbox: Sandbox, trial: Site) -> float:
    cost = prices(trial.settings)
    names = {"combined": "clearbit/combined", "hunter-combined": "hunter/combined"}
    return sum(count * cost[names.get(call, f"hunter/{call}")] for call, count in sandbox.billed.items()
               if call != "upsert")  # fmt: skip


# ------------------------------------------------------------------------------------------------ what is shown


def vendors(work: PipelineWork) -> Section:
    """On rehearsal the try-out in the sandbox; in production, which sees no made leads, what the full run did."""
    settings, result = work.settings, work.full_run.result
    if settings.is_rehearsal:
        tried = run(work.site)
        goes = {"HubSpot, first go": tried.sent, "HubSpot, second go": tried.again}
        shown = Table(_table(tried.first.questions, goes), "SANDBOX: what was asked and what came of it", COLUMNS)
        return Section(says=tried.sentence(), tables=(shown,), found=tried, checks=checks(settings, tried))
    goes = {"HubSpot": result.crm} if result.crm else {}
    shown = Table(_table(result.questions, goes), "Enrichment and CRM in this run", COLUMNS)
    return Section(says=_sentence(settings, result), tables=(shown,), checks=checks(settings, result))


def _table(questions: Mapping[str, int], goes: Mapping[str, Synced]) -> pd.DataFrame:
    rows = [("enrichment", said, count) for said, count in sorted(questions.items())]
    for name, one in goes.items():
        rows += [(name, "taken: new contact", one.created), (name, "taken: known contact", one.updated)]
        rows += [(name, "left out: asked for erasure", one.erased)] if one.erased else []
        rows += [(name, f"refused: {reason}", count) for reason, count in sorted(one.failed.items())]
    return pd.DataFrame(rows or [("nobody", "enrichment and CRM are off", 0)], columns=list(COLUMNS))


def _sentence(settings: Settings, result: PipelineResult) -> str:
    given = f"Enrichment gave {result.enriched:,} leads something and spent {number(result.spent_usd, 'USD')} at most."
    sent = f"HubSpot took {result.crm.sent:,} leads. {result.crm.stopped}" if result.crm else "The CRM is off."
    return f"{given if settings.enrichment else 'Enrichment is off.'} {sent}"


# --------------------------------------------------------------------------------------------------------- checks

SANDBOXED = ("PIPE-ENR-001", "PIPE-ENR-002", "PIPE-ENR-003", "PIPE-ENR-004", "PIPE-CRM-001", "PIPE-CRM-002")
REAL = ("PIPE-ENR-005", "PIPE-CRM-003")
AGAINST = "against the sandbox"


def checks(settings: Settings, found: Tryout | PipelineResult) -> tuple[Check, ...]:
    """Of a try-out: nothing lost, nothing asked for duplicates, no cent over the cap, no fourth attempt, no qualified
    lead forgotten. Of a production run: the share of questions that failed, and whether the CRM run came to its end."""
    if isinstance(found, Tryout):
        answers = dict(zip(SANDBOXED, _of_tryout(found), strict=True))
        left_out = dict.fromkeys(REAL, (Inapplicable("rehearsals ask the sandbox"), ""))
    else:
        answers = dict(zip(REAL, (_unanswered(settings, found), _crm_ended(settings, found)), strict=True))
        left_out = dict.fromkeys(SANDBOXED, (Inapplicable("the sandbox and its made leads are for rehearsals"), ""))
    return tuple(judge(name, value, evidence=said) for name, (value, said) in (answers | left_out).items())


def _of_tryout(tried: Tryout) -> tuple[tuple[Any, str], ...]:
    """Values and evidence of the checks SANDBOXED."""
    first, known, asked = tried.first, tried.second.ledger.duplicates, tried.first.questions.total()
    money = f"{first.spent_usd:.2f} USD counted, {tried.billed_usd:.2f} charged, cap {tried.cap_usd:.2f}"
    refused = ", ".join(f"{reason}: {count}" for reason, count in tried.refused.items()) or "none refused"
    sent = f"{AGAINST}: {tried.sent.sent} then {tried.again.sent} leads sent; {refused}"
    resumed = f"broken off after {tried.sent.sent} leads, {tried.again.updated} sent again"
    return (
        (tried.lost if asked else None,
         f"{AGAINST}: {first.ledger.read} records, {asked} questions; {tried.stored} leads counted"),
        (tried.asked_again if known else None, f"{AGAINST}: the same input again, {known} duplicates"),
        (tried.overspent_usd if asked else None, f"{AGAINST}: {money}"),
        (tried.most_attempts or None, f"{AGAINST}: the most at any question"),
        (tried.waiting if tried.sent.sent else None, tried.again.stopped or tried.sent.stopped or sent),
        (tried.wrong if tried.again.updated else None, f"{AGAINST}: {resumed}"),
    )  # fmt: skip


def _unanswered(settings: Settings, result: PipelineResult) -> tuple[Any, str]:
    if not settings.enrichment:
        return Inapplicable("enrichment is off"), ""
    bad = {said: count for said, count in sorted(result.questions.items())
           if said.startswith("failed") or said in NOT_ANSWERED}  # fmt: skip
    asked = result.questions.total()
    said = "; ".join(f"{one}: {count}" for one, count in bad.items()) or f"{asked} questions"
    return 100 * sum(bad.values()) / asked if asked else None, said


def _crm_ended(settings: Settings, result: PipelineResult) -> tuple[Any, str]:
    if not settings.crm:
        return Inapplicable("crm is off"), ""
    crm = result.crm
    return (not crm.stopped, crm.stopped) if crm else (None, "the run ended early")
