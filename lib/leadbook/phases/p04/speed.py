"""Sections 4.8 and 4.9: the pipeline beside the server's own limit, and the task book's queries."""

from __future__ import annotations

from collections.abc import Sequence

from leadbook.bench import limits
from leadbook.bench.limits import Limits
from leadbook.core import connect
from leadbook.core.checks import Check, judge
from leadbook.core.settings import Settings
from leadbook.core.traces import concern_text
from leadbook.phases.judging import checks_of
from leadbook.phases.p04 import figures
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Plot, Section, Table, rows_table, section
from leadbook.schema.contracts import measure_contracts
from leadbook.schema.explain import QueryResult

COLUMNS = {
    "query": "its shape, without values", "index": "index of the winning plan", "examined": "documents looked at",
    "returned": "documents found", "ms": "server's time, median of three",
}  # fmt: skip

PREPARED = {
    "batch size": "documents sent by one insert_many", "writers": "threads that insert at the same time",
    "documents/s": "documents acknowledged in a second, over all rounds", "ms a batch": "mean time of one batch, ms",
}  # fmt: skip


@tried
@section("4.8", "4.4", "4.7")
def limit(work: PipelineWork) -> Section:
    """How fast prepared documents go in, and the pipeline's rates and stages beside that."""
    settings, result = work.settings, work.full_run.result
    found = work.limits = limits.measure(work.site)
    beside = [
        (f"prepared documents,\n{found.best.writers} writer(s)", found.best.rate),
        ("pipeline: leads written,\nnew and filled", result.written_per_second),
        ("pipeline: records,\nany outcome", result.leads_per_second),
        ("pipeline: second run,\nrecords, any outcome", work.second.leads_per_second),
    ]  # fmt: skip
    rates = figures.throughput(beside, target=settings.target_insert_rate)
    stages = figures.stages(result.stages, records=result.ledger.read)
    share = result.written_per_second / found.best.rate
    written = f"{result.written_per_second:,.0f} leads/s written, new and filled"
    evidence = f"{written}, beside {found.best.rate:,.0f} prepared documents/s"
    return Section(
        tables=(Table(found.table(), "Prepared documents", PREPARED),),
        plots=(
            Plot(rates, "Leads a second: the pipeline beside prepared documents"),
            Plot(stages, "Time by stage, all workers together; read is the feeding process"),
        ),
        checks=(
            *_batches(found, settings),
            judge("PIPE-SPD-001", share if result.ledger.stored else None, evidence=evidence),
        ),
    )


def _batches(found: Limits, settings: Settings) -> tuple[Check, ...]:
    """Prepared leads: rates by batch size, what was sent, what was read back."""
    singles = sorted((rate for rate in found.rates if rate.writers == 1), key=lambda one: one.rate)
    slowest, best = singles[0], singles[-1]
    share = found.single(settings.batch_size).rate / best.rate
    asked = f"ordered: false, writeConcern {concern_text(connect.write_concern(settings))}"
    as_set = all(sent == asked for sent in found.sent)
    configured = f"{settings.batch_size} a batch; best is {best.batch} with {best.rate:,.0f} documents/s"
    measured = {
        "PIPE-INS-001": (found.wrong, found.read_back),
        "PIPE-INS-002": (found.best.rate, f"{found.best.writers} writers"),
        "PIPE-INS-003": (as_set if found.sent else None, "; ".join(found.sent)),
        "PIPE-BAT-002": (slowest.rate, f"slowest: {slowest.batch} a batch"),
        "PIPE-BAT-003": (share, configured),
    }
    return checks_of(measured, settings)


@tried
@section("4.9", "4.4")
def queries(work: PipelineWork) -> Section:
    """The task book's queries, explained on the leads just stored."""
    measured = measure_contracts(work.leads)
    rows = [
        (one.contract.shape, ", ".join(one.plan.indexes) or "none", one.plan.docs_examined, one.plan.returned,
         one.millis) for one in measured
    ]  # fmt: skip
    table = rows_table("The task book's queries, explained", COLUMNS, rows)
    work.queries = table.frame
    some = measured if work.full_run.result.ledger.stored else []
    return Section(
        tables=(table,),
        checks=query_checks(some, work.settings),
    )


def query_checks(results: Sequence[QueryResult], settings: Settings) -> tuple[Check, ...]:
    """Collection scans, and the slowest query."""
    judged = [one for one in results if one.contract.judged]
    scans = [one.contract.title for one in judged if one.plan.collection_scan]
    times = {one.contract.title: one.millis for one in judged if one.millis is not None}
    slowest = max(times, key=lambda title: times[title], default="none was timed")
    return (
        judge("PIPE-QRY-001", len(scans) if judged else None,
              evidence=", ".join(scans) or f"{len(judged)} queries"),
        judge("PIPE-QRY-002", times.get(slowest), settings=settings, evidence=f"slowest: {slowest}"),
    )  # fmt: skip
