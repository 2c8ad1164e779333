"""Sections 4.3 and 4.4: the small sample, and the full run with its ledger."""

from __future__ import annotations

from typing import Any

from leadbook.core.checks import Check, Inapplicable, judge
from leadbook.ingest import pipeline
from leadbook.ingest.pipeline import PipelineResult
from leadbook.lead.ledger import Ledger
from leadbook.page.prose import number
from leadbook.phases.judging import checks_of
from leadbook.phases.p04 import contents, figures, quality
from leadbook.phases.p04.contents import FullRun
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Plot, Section, Table, rows_table, section

TRIAL = 500
"""Records of the small sample: the task book asks for 100 to 500."""

COLUMNS = {
    "source": "file, or the whole run", "read": "records, broken ones too", "stored": "new leads acknowledged",
    "filled": "known leads that gained a field", "duplicate": "known leads", "rejected": "no lead; kept with reasons",
    "failed": "outcome unknown", "balanced": "read = all the others together",
}  # fmt: skip


def _ledgers(title: str, result: PipelineResult) -> Table:
    rows = [
        (name, one.read, one.stored, one.filled, one.duplicates, one.rejects, one.failed,
         "yes" if one.read == one.accounted else "NO")
        for name, one in {**result.sources, "all": result.ledger}.items()
    ]  # fmt: skip
    return rows_table(title, COLUMNS, rows)


def in_words(ledger: Ledger) -> str:
    """A ledger in words."""
    return (
        f"stored {ledger.stored:,}, filled {ledger.filled:,}, duplicate {ledger.duplicates:,}, "
        f"rejected {ledger.rejects:,}, failed {ledger.failed:,}"
    )


# --------------------------------------------------------------------------------------------------- small sample


@tried
def small_sample(work: PipelineWork) -> Section:
    """The first records through the whole flow into scratch collections of their own, in this process."""
    with work.apart("sample", cached=True) as site:
        result = pipeline.run(work.input.sources(first=TRIAL), site, workers=1)
        stored, kept = (
            work.database[name].count_documents({})
            for name in (site.settings.collection, site.settings.rejected_collection)
        )
    lost = abs(result.ledger.stored - stored) + abs(result.ledger.rejects - kept) + result.ledger.failed
    evidence = f"{result.ledger.read} records; {stored} leads and {kept} rejects were counted afterwards"
    return Section(
        tables=(_ledgers("Ledger of the small sample", result),),
        checks=(judge("PIPE-E2E-001", lost if result.ledger.read else None, evidence=evidence),),
    )


# ------------------------------------------------------------------------------------------------------- full run


@tried
@section("4.4")
def full(work: PipelineWork) -> Section:
    """The whole input, from nothing: run again, it is a new trial."""
    if hasattr(work, "full_run") or not work.running:
        work.renew()
    result = pipeline.finish(work.ingest(), work.trial)
    held = contents.second_pass(work.input.sources())
    if work.input.facts:
        held = contents.planted(work.input.facts, held)
    work.full_run = FullRun(result=result, held=held)
    caption = "Ledger of the full run: the last bar, unaccounted records, must be nothing"
    return Section(
        says=_sentence(result),
        plots=(Plot(figures.waterfall(result.ledger), caption),),
        found=work.full_run,
    )


def _sentence(result: PipelineResult) -> str:
    share = 100 * result.ledger.rejects / result.ledger.read if result.ledger.read else float("nan")
    return (
        f"**{result.ledger.read:,}** records read, **{result.ledger.stored:,}** leads stored in "
        f"{number(result.seconds, 's')} by {result.workers} workers: "
        f"{number(result.stored_per_second, 'new leads/s')}, {number(result.leads_per_second, 'records/s')} brought to "
        f"an outcome of any kind; {number(share, '%')} rejected. {result.problem}"
    )


@tried
@section("4.4, ledger", "4.4")
def ledger(work: PipelineWork) -> Section:
    """The full run's ledger by source, why records were rejected, and what the checks say of it."""
    run = work.full_run
    reasons = Plot(figures.reasons(run.result.reasons), "Reasons of rejection; a record may have several")
    return Section(
        tables=(
            _ledgers("Ledger by source", run.result),
            Table(
                quality.rejected_examples(work.rejected), "One example for each reason, masked", quality.EXAMPLE_COLUMNS
            ),
        ),
        plots=(reasons,),
        checks=(*ledger_checks(run), *batch_checks(run.result, work.settings.batch_size)),
    )


def ledger_checks(run: FullRun) -> tuple[Check, ...]:
    """The run's ledger: balanced in every part, nothing failed, and equal to what the input holds."""
    result, held, total = run.result, run.held, run.result.ledger
    parts = [part for _, _, part in result.batches] + list(result.sources.values()) + [total]
    balanced = all(part.read == part.accounted for part in parts)
    sums = sum((part for _, _, part in result.batches), Ledger()) == total
    off = abs(total.read - held.read) + abs(total.stored - held.unique) + abs(total.rejects - held.rejects)
    counted = f"{held.told_by}: {held.read:,} records, {held.unique:,} leads, {held.rejects:,} rejects"
    found = {
        "PIPE-LED-001": (balanced and sums, f"{len(result.batches)} batches, {len(result.sources)} sources"),
        "PIPE-LED-002": (total.failed, result.problem or in_words(total)),
        "PIPE-LED-003": (off, counted),
    }
    return checks_of({one: (value if total.read else None, how) for one, (value, how) in found.items()})


def batch_checks(result: PipelineResult, size: int) -> tuple[Check, ...]:
    """The largest batch, and the smallest full one. size: of a full one; what is left of a source is none."""
    read = [part.read for _, _, part in result.batches]
    full = [count for count in read if count >= size]
    said = f"{len(read)} batches, {len(full)} of them full (batch_size {size})"
    smallest: Any = min(full) if full else Inapplicable("no source fills a batch") if read else None
    return checks_of({"PIPE-BAT-001": (max(read, default=None), said), "PIPE-BAT-004": (smallest, said)})
