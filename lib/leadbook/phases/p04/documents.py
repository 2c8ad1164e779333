"""Documents that phase 04 leaves for people, from the templates beside; and section 4.12: issues and results."""

from __future__ import annotations

from functools import partial

import pandas as pd

from leadbook.bench.limits import Limits
from leadbook.core.checks import Check, judge
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest.normalize.rules import REASONS
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.store.cache import CacheTruth
from leadbook.lead.keys import email_key, linkedin_key
from leadbook.lead.score import Rules
from leadbook.lead.vendors import load_vendor, vendor_names
from leadbook.n8n import names, workflows
from leadbook.page.prose import number
from leadbook.phases.console import advisor, collectors
from leadbook.phases.console.asked import with_api
from leadbook.phases.console.atlas import atlas_of
from leadbook.phases.documents import render
from leadbook.phases.p04.lookups import BatchLookups
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Document, Section, Table, section

UNSETTLED = "outcome unknown"
SHOWN = ("linkedin_url", "full_name", "job_title", "company_name", "email", "phone")


def design(settings: Settings) -> str:
    """The pipeline's design: flow, mappings, rules, batches, errors (task book 2.1.1)."""
    vendors = [load_vendor(name) for name in vendor_names()]
    mappings = [(one.title, *(", ".join(one.fields.get(target, ())) for target in SHOWN)) for one in vendors]
    return render(
        __file__,
        "pipeline-design",
        settings=settings,
        rules=Rules.of(settings),
        mappings=mappings,
        reasons=REASONS.items(),
    )


def handoff(settings: Settings, uuid: str) -> str:
    """The Technical Lead's hand-off; its examples run (a test runs them). Holds no credentials (task book 2.1.2)."""
    url, email = linkedin_key("https://www.linkedin.com/in/example"), email_key("someone@example.com")
    collector, look_up = workflows.all_workflows(settings, uuid)[-1], workflows.look_up(settings, uuid)
    return render(
        __file__, "n8n-hand-off", settings=settings, uuid=uuid, url_key=url, email_key=email,
        collector=partial(workflows.shown, collector), script=partial(workflows.script_of, collector),
        look_up=partial(workflows.shown, look_up), look_up_script=partial(workflows.script_of, look_up),
        collectors=[(one.workflow, one.vendor, one.stamp, f"POST /webhook/{workflows.path_of(one.number)}")
                    for one in names.INSTANCES], names=names, batch=workflows.BATCH, most=workflows.MAX_RECORDS,
    )  # fmt: skip


def optimization(
    result: PipelineResult, again: PipelineResult, limits: Limits, found: BatchLookups, queries: pd.DataFrame,
    settings: Settings,
) -> str:  # fmt: skip
    """What was measured and tuned: queries, inserts, Redis (task book 2.3.1.9)."""
    per = {name: 1e6 * spent / max(result.ledger.read, 1) for name, spent in result.stages.items()}
    return render(__file__,
        "optimization-results", result=result, again=again, limits=limits, best=limits.best, found=found,
        queries=queries, issues=issues_met(result), settings=settings,
        stages=", ".join(f"{name} {value:,.0f}" for name, value in sorted(per.items())),
        share=result.written_per_second / limits.best.rate, truth=f"In the first run: {cache_sentence(result.cache)}",
    )  # fmt: skip


def cache_sentence(cache: CacheTruth) -> str:
    """How far the cache was right, in one sentence."""
    return (
        f"asked about {cache.asked:,} leads, Redis knew {cache.hits:,}; it called {cache.false_new:,} new that MongoDB "
        f"knew ({number(cache.false_new_percent, '%')} of the known ones)."
    )


# -------------------------------------------------------------------------------------------------- section 4.12


def issues_met(result: PipelineResult) -> pd.DataFrame:
    """What the run met, from its own counts, and how it was settled. What is not settled forbids GO."""
    total, flags, cache = result.ledger, result.flags, result.cache
    rows = [
        ("records that are no lead", total.rejects, "kept with payload and reasons"),
        ("e-mail held by another person", flags["email_conflict"],
         "stored without it; kept aside in additional_data.email_conflict"),
        ("one member under two URLs", flags["same_member"], "flagged, not merged"),
        ("e-mail that only was guessed by the vendor", flags["email_guessed"], "flagged"),
        ("cache called a known lead new", cache.false_new, "MongoDB's unique index decided"),
        ("cache knew a lead that is gone", cache.stale, "stored again"),
        ("cache did not answer", cache.failures, "asked MongoDB instead"),
        (UNSETTLED, total.failed, "run the sources again"),
    ]  # fmt: skip
    found = pd.DataFrame([row for row in rows if row[1]], columns=["issue", "leads", "how it was settled"])
    return found.assign(settled=["NO" if issue == UNSETTLED else "yes" for issue in found["issue"]])


def issue_check(result: PipelineResult) -> Check:
    """Issues of a run that are not settled."""
    found = issues_met(result)
    said = ", ".join(f"{issue} ({leads})" for issue, leads in zip(found["issue"], found["leads"], strict=True))
    value = int((found["settled"] == "NO").sum()) if result.ledger.read else None
    return judge("PIPE-ISS-001", value, evidence=said or "none met")


@tried
@section("4.12", "4.4")
def issues(work: PipelineWork) -> Section:
    """What the full run met."""
    result = work.full_run.result
    table = Table(issues_met(result), "Issues that the run met, and how they were settled")
    return Section(tables=(table,), checks=(issue_check(result),))


@tried
@section("4.12, results", "4.4", "4.7", "4.7, look-ups", "4.8", "4.9")
def results(work: PipelineWork) -> Section:
    """The optimization results."""
    text = optimization(work.full_run.result, work.second, work.limits, work.lookups, work.queries, work.settings)
    readers = ("Technical Lead", "Project Manager")
    return Section(documents=(Document("optimization-results", "Optimization results", text, readers),))


def handed_over(work: PipelineWork) -> Section:
    """The hand-off, and what only the consoles of n8n and the provider show."""
    text = handoff(work.settings, collection_uuid(work.book.leads))
    by_apis = {**collectors.of_phase("04", work.settings, collectors.asked_once(work.settings, work.book.endpoints)),
               **advisor.quiet(atlas_of(work.book), work.settings)}  # fmt: skip
    handed = Document("n8n-hand-off", "Hand-off: writing leads from n8n", text, ("Technical Lead",))
    return with_api(Section(documents=(handed,)), by_apis, work.settings)
