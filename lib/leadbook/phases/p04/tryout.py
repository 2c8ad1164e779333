"""Section 4.10, enrichment and CRM, tried in the SANDBOX of their vendors.

Made leads go through the pipeline itself, into scratch collections, twice: the second time all of them are
duplicates. Then HubSpot gets the qualified ones in two goes; the first breaks off half-way. Nobody real is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pymongo.collection import Collection

from leadbook.core.checks import Check
from leadbook.enrich.enrich import ERASED, prices
from leadbook.ingest import pipeline
from leadbook.ingest.crm import QUALIFIED, Synced
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.page.prose import number
from leadbook.phases.judging import checks_of
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Section, Table, rows_table
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


def run(work: PipelineWork) -> Tryout:
    """Try both against the sandbox, with the phase's servers and rules. Leaves nothing behind."""
    with (
        Sandbox() as sandbox, TemporaryDirectory(dir=passing_folder()) as folder,
        work.apart("tryout", sandbox.services, changed=CHANGED) as trial,
    ):  # fmt: skip
        made = sample.write_sample(Path(folder), records=RECORDS, seed=work.settings.sample_seed + 1)

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
            waiting=leads.count_documents({**QUALIFIED, "crm_synced": False, "additional_data.crm_error": None}),
            wrong=abs(len(sandbox.contacts.by_id) - leads.count_documents({"crm_synced": True})),
        )  # fmt: skip


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


@tried
def vendors(work: PipelineWork) -> Section:
    """The try-out in the sandbox."""
    tried_out = run(work)
    goes = {"HubSpot, first go": tried_out.sent, "HubSpot, second go": tried_out.again}
    shown = _table(tried_out.first.questions, goes)
    return Section(says=tried_out.sentence(), tables=(shown,), found=tried_out, checks=checks(tried_out))


def _table(questions: Mapping[str, int], goes: Mapping[str, Synced]) -> Table:
    rows = [("enrichment", said, count) for said, count in sorted(questions.items())]
    for name, one in goes.items():
        rows += [(name, "taken: new contact", one.created), (name, "taken: known contact", one.updated)]
        rows += [(name, "left out: asked for erasure", one.erased)] if one.erased else []
        rows += [(name, f"refused: {reason}", count) for reason, count in sorted(one.failed.items())]
    return rows_table("SANDBOX: what was asked and what came of it", COLUMNS, rows)


# --------------------------------------------------------------------------------------------------------- checks

AGAINST = "against the sandbox"


def checks(tried_out: Tryout) -> tuple[Check, ...]:
    """Nothing lost, nothing asked for duplicates, no cent over the cap, no fourth attempt, no qualified lead
    forgotten, no contact made twice."""
    first, known, asked = tried_out.first, tried_out.second.ledger.duplicates, tried_out.first.questions.total()
    money = f"{first.spent_usd:.2f} USD counted, {tried_out.billed_usd:.2f} charged, cap {tried_out.cap_usd:.2f}"
    refused = ", ".join(f"{reason}: {count}" for reason, count in tried_out.refused.items()) or "none refused"
    sent = f"{AGAINST}: {tried_out.sent.sent} then {tried_out.again.sent} leads sent; {refused}"
    resumed = f"broken off after {tried_out.sent.sent} leads, {tried_out.again.updated} sent again"
    return checks_of({
        "PIPE-ENR-001": (tried_out.lost if asked else None, f"{AGAINST}: {first.ledger.read} records, {asked} "
                         f"questions; {tried_out.stored} leads counted"),
        "PIPE-ENR-002": (tried_out.asked_again if known else None, f"{AGAINST}: the same input again, {known} known"),
        "PIPE-ENR-003": (tried_out.overspent_usd if asked else None, f"{AGAINST}: {money}"),
        "PIPE-ENR-004": (tried_out.most_attempts or None, f"{AGAINST}: the most at any question"),
        "PIPE-CRM-001": (tried_out.waiting if tried_out.sent.sent else None,
                         tried_out.again.stopped or tried_out.sent.stopped or sent),
        "PIPE-CRM-002": (tried_out.wrong if tried_out.again.updated else None, f"{AGAINST}: {resumed}"),
    })  # fmt: skip
