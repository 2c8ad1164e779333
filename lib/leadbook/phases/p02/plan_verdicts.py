"""What phase 02 judges of queries and indexes: each plan, the slowest, the most wasteful, what indexes are worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from leadbook.core.checks import Check, Inapplicable, Unmeasured
from leadbook.core.settings import Settings
from leadbook.phases.judging import Finding, Missing, checks_of, got
from leadbook.schema.contracts import ENOUGH
from leadbook.schema.explain import QueryResult
from leadbook.schema.index_advice import USAGE_WINDOW_HOURS, IndexAdvice
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.studies import IndexReview, QueryStudy

Studied = QueryStudy | Unmeasured | Exception

SAMPLE = "put sample leads into a scratch collection, explain the queries there and remove it again"

PLANS = tuple(f"MDB-PLAN-{number:03d}" for number in range(1, 14))
"""A check for each judged query, in the order of `schema.contracts`."""


def queries(studied: Studied, settings: Settings) -> tuple[Check, ...]:
    """One check for each plan, one for the slowest time, one for the worst effort."""

    def results() -> Sequence[QueryResult]:
        found = got(studied)
        if not found.subject:
            why = f"fewer than {ENOUGH:,} leads are stored, and a scratch collection of sample leads is not approved"
            raise Missing(Unmeasured(why, settings.how_to_approve("apply_schema", SAMPLE)))
        return found.queries

    def plan(number: int) -> Finding:
        judged = [result for result in results() if result.contract.judged]
        return _plan(judged[number], got(studied).review.indexes)

    asked: dict[str, Callable[[], Finding]] = {
        **{check_id: partial(plan, number) for number, check_id in enumerate(PLANS)},
        "MDB-PLAN-015": lambda: _time(results(), settings),
        "MDB-PLAN-016": lambda: _effort(results()),
    }
    return checks_of(asked, settings)


def _plan(result: QueryResult, found: Sequence[IndexSpec]) -> Finding:
    plan, contract = result.plan, result.contract
    if plan.collection_scan is None:
        raise Missing(Unmeasured(f"no plan to judge on {result.subject}: {plan.stages or 'empty answer'}"))
    said = (
        f"{contract.shape}: {' → '.join(plan.stages)} by {', '.join(plan.indexes) or 'no index'}; "
        f"{plan.keys_examined} keys and {plan.docs_examined} documents examined, {plan.returned} returned, "
        f"{result.millis} ms"
    )
    wanted = [index for index in INDEXES if index.name in contract.indexes]
    alike = {known.name for index in wanted if (known := index.among(found))}  # they may have other names there
    if not set(plan.indexes) & {*contract.indexes, *alike} and not plan.collection_scan:
        said += f"; expected {' or '.join(contract.indexes)}"
    return not plan.collection_scan, said


def _time(results: Sequence[QueryResult], settings: Settings) -> Finding:
    timed = [(result.millis, result) for result in results if result.millis is not None]
    if len(timed) < len(results) or not timed:
        raise Missing(Unmeasured(f"{len(results) - len(timed)} queries have no time"))
    millis, slowest = max(timed, key=lambda pair: pair[0])
    over = [result.contract.shape for took, result in timed if took >= settings.target_find_ms]
    said = f"slowest of {len(timed)}: {slowest.contract.shape}, {slowest.plan.returned} returned"
    return millis, said + (f"; over the target: {'; '.join(over)}" if over else "")


def _effort(results: Sequence[QueryResult]) -> Finding:
    efforts = [
        (ratio, result)
        for result in results
        if result.contract.judged and (ratio := result.plan.examined_per_returned) is not None
    ]
    if not efforts:
        raise Missing(Unmeasured("no execution statistics"))
    worst, result = max(efforts, key=lambda pair: pair[0])
    return round(worst, 2), f"worst: {result.contract.shape} by {', '.join(result.plan.indexes) or 'no index'}"


def indexes(studied: Studied, collection: str, settings: Settings) -> tuple[Check, ...]:
    """Advice about the indexes, counted: unused, redundant, of little selectivity. Never a failure."""

    def review() -> IndexReview:
        found = got(studied).review
        if not found.indexes:
            raise Missing(Unmeasured(f"{collection} has no index yet", "apply the schema first"))
        return found

    def unused() -> Finding:
        found = review()
        if found.usage_problem:
            raise Missing(Unmeasured(found.usage_problem))
        hours = max((one.window_hours for one in found.usage), default=0.0)
        if hours < USAGE_WINDOW_HOURS:
            return Inapplicable(f"use was counted for {hours:.1f} h only: it says nothing before a day has passed"), ""
        return _advised("not used", found.advice)

    def unselective() -> Finding:
        found = review()
        if not found.sampled:
            raise Missing(Unmeasured(f"{got(studied).subject or collection} holds no lead to sample"))
        count, said = _advised("low selectivity", found.advice)
        return count, f"on sample leads, of which none is in a CRM yet: {said}" if got(studied).on_sample else said

    return checks_of({
        "MDB-IDX-013": unused,
        "MDB-IDX-014": lambda: _advised("redundant prefix", review().advice),
        "MDB-IDX-015": unselective,
    }, settings)  # fmt: skip


def _advised(kind: str, advice: Sequence[IndexAdvice]) -> Finding:
    mine = [one for one in advice if one.kind == kind]
    said = [one.evidence if one.evidence.startswith(one.index) else f"{one.index}: {one.evidence}" for one in mine]
    return len(mine), "; ".join(said) or f"no index: {kind}"
