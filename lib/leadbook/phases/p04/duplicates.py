"""Section 4.7: the same input again, with and without Redis, and look-ups of a batch."""

from __future__ import annotations

from collections.abc import Mapping

from leadbook.core.checks import Check, Unmeasured
from leadbook.core.settings import Settings
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.lead.ledger import DUPLICATES
from leadbook.phases.judging import Answered, checks_of
from leadbook.phases.p04 import contents, documents, runs
from leadbook.phases.p04.contents import Accuracy
from leadbook.phases.p04.lookups import BatchLookups, look_up
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Section, Table, rows_table, section

UNAIDED = 3_000
"""Records that are run once more without Redis."""

COLUMNS = {
    "run": "which run of the same input", "stored": "new leads", "filled": "leads that gained a field",
    "known in the batch": "duplicates within one batch", "known by Redis": "duplicates that the cache named",
    "known by MongoDB": "duplicates that the unique index or a look-up named",
    "records/s": "records brought to an outcome a second",
}  # fmt: skip


@tried
@section("4.7", "4.4")
def repeat(work: PipelineWork) -> Section:
    """The same input once more, and a part of it without Redis: neither may store or fill anything."""
    accuracy = contents.accuracy(work.full_run, work.leads)
    work.second = work.ingest()
    unaided = work.ingest(UNAIDED, cached=False)
    Site.close()  # a cache that gave Redis up during a run asks afresh
    three = {"first": work.full_run.result, "second": work.second, f"without Redis, {UNAIDED:,} records": unaided}
    return Section(
        tables=(_table(three),),
        checks=duplicate_checks(accuracy, work.full_run.held.told_by, work.second, unaided, work.settings),
        facts={"duplicate_accuracy_percent": accuracy.percent},
    )


def _table(three: Mapping[str, PipelineResult]) -> Table:
    rows = [
        (name, run.ledger.stored, run.ledger.filled, *(run.ledger.duplicate.get(by, 0) for by in DUPLICATES),
         round(run.leads_per_second)) for name, run in three.items()
    ]  # fmt: skip
    return rows_table("The same input three times", COLUMNS, rows)


def duplicate_checks(
    accuracy: Accuracy, told_by: str, second: PipelineResult, unaided: PipelineResult, settings: Settings
) -> tuple[Check, ...]:  # fmt: skip
    """Accuracy beside the input's contents, a second run, and a run without Redis."""
    wrong = (
        f"beside {told_by}: {accuracy.checked:,} sightings; missing {accuracy.missing}, extra {accuracy.extra}, "
        f"stored twice {accuracy.doubled}, miscounted {accuracy.miscounted}"
    )

    def again(run: PipelineResult) -> Answered:
        written = run.ledger.stored + run.ledger.filled if run.ledger.read else None
        return Answered(written, runs.in_words(run.ledger))

    return checks_of({
        "PIPE-DUP-001": Answered(accuracy.percent, wrong), "PIPE-DUP-002": again(second),
        "PIPE-DUP-005": again(unaided),
    }, settings)  # fmt: skip


@tried
@section("4.7, look-ups", "4.4")
def lookups(work: PipelineWork) -> Section:
    """Looking up one batch of stored leads, in Redis and in MongoDB."""
    away = work.book.redis_problem or "Redis is away"
    found = work.lookups = look_up(work.trial, work.book.redis, work.leads, away=away)
    return Section(
        says=f"In the first run: {documents.cache_sentence(work.full_run.result.cache)}",
        tables=(Table(found.table(), "Looking up one batch of stored leads"),),
        checks=lookup_checks(found, work.settings),
        found=found,
    )


def lookup_checks(found: BatchLookups, settings: Settings) -> tuple[Check, ...]:
    """Look-ups of a batch in Redis and MongoDB; round trips; what n8n would send."""
    nothing = None if found.leads else Unmeasured("no lead is stored")
    remedy = f"see why Redis is away: it should answer at the address in {settings.redis_url_env}"
    away = nothing or (Unmeasured(found.away, remedy) if found.redis_ms is None else None)
    mongodb = f"one $in of {found.leads} URLs; slowest of the rounds {found.mongodb_slowest_ms or 0:.1f} ms"
    redis = f"one MGET for {found.leads} leads; slowest of the rounds {found.redis_slowest_ms or 0:.1f} ms"
    asked = f"one GET for each of {found.leads} stored leads: {found.answered} named it and this collection"
    before = f"before the keys were written again, {found.known} had one"
    measured = {
        "PIPE-DUP-004": (nothing or found.mongodb_ms, mongodb),
        "PIPE-DUP-003": (away or found.redis_ms, redis),
        "PIPE-RDS-001": (away or found.round_trips, "one MGET to ask, one script of SET … EX to tell"),
        "PIPE-N8N-004": (away or found.leads - found.answered, f"{asked}; {before}"),
    }
    return checks_of(measured, settings)
