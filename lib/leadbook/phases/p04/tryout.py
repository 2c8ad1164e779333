"""Enrichment and CRM: in production what a run did; on rehearsal tried in the SANDBOX of their vendors.

There, made leads go through the pipeline itself, into scratch collections, twice: the second time all of them are
duplicates. Then HubSpot gets the qualified ones in two goes; the first breaks off half-way. Nobody real is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from pymongo.collection import Collection
from pymongo.database import Database

from leadbook.core.checks import Check, judge, not_applicable
from leadbook.core.settings import Settings
from leadbook.enrich.enrich import ERASED, prices
from leadbook.ingest import pipeline
from leadbook.ingest.crm import Synced
from leadbook.ingest.site import Site
from leadbook.lead.ledger import Ledger
from leadbook.page.prose import number
from leadbook.rehearsal import sample
from leadbook.rehearsal.sandbox import Sandbox
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.schema.scratch import drop_scratch, scratch, scratch_name

__all__ = ["COLUMNS", "Told", "Tryout", "checks", "real_checks", "run", "table", "told"]

RECORDS = 200
GO = 30
"""Leads that the first go at HubSpot sends before it breaks off."""

MONEY = {
    "enrichment_budget_usd": 3.5, "hunter_finder_usd": 0.025, "hunter_verifier_usd": 0.0125, "company_usd": 0.1,
}  # fmt: skip
"""Too little for all questions, so that the cap is met."""

COLUMNS = {
    "asked": "what was asked of the sandbox",
    "outcome": "what came of it; whatever it is, the lead goes on",
    "count": "questions, or leads for HubSpot",
}


NOT_ANSWERED = ("skipped: circuit open", "skipped: key refused", "skipped: quota spent", "skipped: spending not known")
"""Questions that were not asked, because of the vendor or of us; a spending cap that is reached is no fault."""


@dataclass(frozen=True, kw_only=True)
class Tryout:
    """What came out. first, second: ledgers of the two runs.  stored: documents counted afterwards.  questions: by
    outcome.  enriched: leads that gained something.  asked_again: requests of the second run.

    spent_usd, billed_usd: counted here, charged by the sandbox; cap_usd: what was allowed.  most_attempts: at one
    question.  sent, again: the two goes at HubSpot.  waiting: qualified leads that it neither took nor refused; wrong:
    contacts that it holds too many or too few; refused: leads by reason.
    """

    first: Ledger
    second: Ledger
    stored: int
    with_email: int
    enriched: int
    questions: Counter[str]
    asked_again: int
    spent_usd: float
    billed_usd: float
    cap_usd: float
    most_attempts: int
    sent: Synced
    again: Synced
    waiting: int
    wrong: int
    refused: Counter[str]

    @property
    def lost(self) -> int:
        """Leads without an honest outcome: neither stored nor rejected, or counted but not there."""
        ledger = self.first
        return abs(ledger.read - ledger.accounted) + ledger.failed + abs(ledger.stored - self.stored)

    def sentence(self) -> str:
        """The result in a sentence."""
        erased = self.first.rejected.get(ERASED, 0)
        return (
            f"**SANDBOX.** {self.first.read} made records gave {self.first.stored} leads; {self.enriched} gained "
            f"something, {self.with_email} have an e-mail, {erased} whose persons had asked for erasure were dropped. "
            f"Spent {number(self.spent_usd, 'USD')} of {number(self.cap_usd, 'USD')} (sandbox money). HubSpot took "
            f"{self.sent.sent} qualified leads, then {self.again.sent} when it was run again, and refused "
            f"{sum(self.refused.values())}."
        )


def run(site: Site) -> Tryout:
    """Try both against the sandbox, with the site's servers and rules. Leaves nothing behind."""
    with Sandbox() as sandbox, _apart(site, sandbox) as trial, TemporaryDirectory(dir=passing_folder()) as folder:
        made = sample.write_sample(Path(folder), records=RECORDS, seed=site.settings.sample_seed + 1)

        def ingest() -> pipeline.PipelineResult:
            return pipeline.run([pipeline.file_source(one.path, one.vendor) for one in made.files], trial, workers=1)

        first = ingest()
        asked = sandbox.requests
        second = ingest()
        asked_again = sandbox.requests - asked
        leads = trial.tools().store.collection
        sent, again = _in_two_goes(trial, leads)
        refused = sent.failed + again.failed
        return Tryout(
            first=first.ledger, second=second.ledger, stored=leads.count_documents({}), enriched=first.enriched,
            with_email=leads.count_documents({"email": {"$gt": ""}}), questions=first.questions,
            asked_again=asked_again, spent_usd=first.spent_usd, cap_usd=trial.settings.enrichment_budget_usd,
            billed_usd=_billed(sandbox, trial), most_attempts=sandbox.most_attempts, sent=sent, again=again,
            waiting=leads.count_documents({**_QUALIFIED, "crm_synced": False, "additional_data.crm_error": None}),
            wrong=abs(len(sandbox.contacts.by_id) - leads.count_documents({"crm_synced": True})), refused=refused,
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


@contextmanager
def _apart(site: Site, sandbox: Sandbox) -> Iterator[Site]:
    """The site with scratch collections of its own, the sandbox's vendors, and no cache."""
    names = {"rejected_collection": scratch_name("rejected"), "staging_collection": scratch_name("staged")}
    own = {"spending": scratch_name("spending"), "erasures": scratch_name("erasures")}
    mongodb, _ = replace(site, use_cache=False).clients()
    with mongodb:
        database: Database[dict[str, Any]] = mongodb[site.settings.database]
        with scratch(database, "tryout", site.settings) as leads:
            changed = {**names, "collection": leads.name, "enrichment": True, "crm": True, "batch_size": 100,
                       "enrichment_concurrency": 8, "crm_batch_size": 20, **MONEY}  # fmt: skip
            try:
                yield replace(
                    site, settings=site.settings.model_copy(update=changed), use_cache=False,
                    services=sandbox.services, spending=own["spending"], erasures=own["erasures"],
                )  # fmt: skip
            finally:
                Site.close()
                for name in (*names.values(), *own.values()):
                    drop_scratch(database[name])


def table(tried: Tryout) -> pd.DataFrame:
    """COLUMNS, of enrichment and CRM."""
    return _table(tried.questions, {"HubSpot, first go": tried.sent, "HubSpot, second go": tried.again})


def _table(questions: Mapping[str, int], goes: Mapping[str, Synced]) -> pd.DataFrame:
    rows = [("enrichment", said, count) for said, count in sorted(questions.items())]
    for name, one in goes.items():
        taken = [("taken: new contact", one.created), ("taken: known contact", one.updated)]
        taken += [("left out: asked for erasure", one.erased)] if one.erased else []
        rows += [(name, said, count) for said, count in (*taken, *(
            (f"refused: {reason}", count) for reason, count in sorted(one.failed.items())))]  # fmt: skip
    return pd.DataFrame(rows or [("nobody", "enrichment and CRM are off", 0)], columns=list(COLUMNS))


def checks(tried: Tryout) -> list[Check]:
    """Nothing lost, nothing asked for duplicates, no cent over the cap, no fourth attempt, no qualified lead
    forgotten."""
    against = "against the sandbox"
    money = f"{against}: {tried.spent_usd:.2f} USD counted, {tried.billed_usd:.2f} charged, cap {tried.cap_usd:.2f}"
    over = max(0.0, tried.billed_usd - tried.spent_usd) + max(0.0, tried.spent_usd - tried.cap_usd)
    asked = sum(tried.questions.values())
    failed = ", ".join(f"{reason}: {count}" for reason, count in tried.refused.items()) or "none refused"
    crm = f"{against}: {tried.sent.sent} then {tried.again.sent} leads sent; {failed}"
    return [
        judge("PIPE-ENR-001", tried.lost if asked else None,
              evidence=f"{against}: {tried.first.read} records, {asked} questions; {tried.stored} leads counted"),
        judge("PIPE-ENR-002", tried.asked_again if tried.second.duplicates else None,
              evidence=f"{against}: the same input again, {tried.second.duplicates} duplicates"),
        judge("PIPE-ENR-003", round(over, 6) if asked else None, evidence=money),
        judge("PIPE-ENR-004", tried.most_attempts or None, evidence=f"{against}: the most at any question"),
        judge("PIPE-CRM-001", tried.waiting if tried.sent.sent else None,
              evidence=tried.again.stopped or tried.sent.stopped or crm),
        judge("PIPE-CRM-002", tried.wrong if tried.again.updated else None,
              evidence=f"{against}: broken off after {tried.sent.sent} leads, {tried.again.updated} sent again"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------ what is shown


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the notebook shows: a sentence, a table under a title, checks."""

    sentence: str
    title: str
    table: pd.DataFrame
    checks: list[Check]


SANDBOXED = ("PIPE-ENR-001", "PIPE-ENR-002", "PIPE-ENR-003", "PIPE-ENR-004", "PIPE-CRM-001", "PIPE-CRM-002")


def told(site: Site, result: pipeline.PipelineResult) -> Told:
    """On rehearsal the try-out in the sandbox; in production, which sees no made leads, what `result` says."""
    if site.settings.is_rehearsal:
        tried = run(site)
        real = [not_applicable(one, "rehearsals ask the sandbox") for one in ("PIPE-ENR-005", "PIPE-CRM-003")]
        return Told(
            sentence=tried.sentence(), title="SANDBOX: what was asked and what came of it", table=table(tried),
            checks=checks(tried) + real,
        )  # fmt: skip
    tried_elsewhere = [not_applicable(one, "the sandbox and its made leads are for rehearsals") for one in SANDBOXED]
    return Told(
        sentence=_sentence(site, result), title="Enrichment and CRM in this run",
        table=_table(result.questions, {"HubSpot": result.crm} if result.crm else {}),
        checks=tried_elsewhere + real_checks(site.settings, result),
    )  # fmt: skip


def _sentence(site: Site, result: pipeline.PipelineResult) -> str:
    settings = site.settings
    asked = (
        f"Enrichment gave {result.enriched:,} leads something and spent {number(result.spent_usd, 'USD')} at most."
        if settings.enrichment
        else "Enrichment is off."
    )
    sent = f"HubSpot took {result.crm.sent:,} leads. {result.crm.stopped}" if result.crm else "The CRM is off."
    return f"{asked} {sent}"


def real_checks(settings: Settings, result: pipeline.PipelineResult) -> list[Check]:
    """Of a production run: the share of questions that failed, and whether the CRM run came to its end."""
    asked = sum(result.questions.values())
    bad = [said for said in result.questions if said.startswith("failed") or said in NOT_ANSWERED]
    share = 100 * sum(result.questions[said] for said in bad) / asked if asked else None
    said = "; ".join(f"{one}: {result.questions[one]}" for one in sorted(bad)) or f"{asked} questions"
    crm = result.crm
    return [
        judge("PIPE-ENR-005", share, evidence=said) if settings.enrichment
        else not_applicable("PIPE-ENR-005", "enrichment is off"),
        judge("PIPE-CRM-003", not crm.stopped if crm else None, evidence=crm.stopped if crm else "the run ended early")
        if settings.crm else not_applicable("PIPE-CRM-003", "crm is off"),
    ]  # fmt: skip
