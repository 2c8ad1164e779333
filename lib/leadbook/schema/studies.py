"""The study of phase 02: every query of the task book measured, every index reviewed, on a realistic collection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bson.errors import BSONError
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core.checks import Check, errored, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.schema.contracts import ENOUGH, measure_contracts, realistic
from leadbook.schema.explain import QueryResult
from leadbook.schema.index_advice import (
    IndexAdvice,
    IndexUsage,
    Selectivity,
    advise,
    index_sizes,
    index_usage,
    selectivity,
)
from leadbook.schema.indexes import IndexSpec
from leadbook.schema.state import actual

__all__ = ["IndexReview", "QueryStudy", "study"]

Document = dict[str, Any]

QUERY_CHECKS = tuple(f"MDB-PLAN-{number:03d}" for number in range(1, 15))
TIME_CHECK, EFFORT_CHECK = "MDB-PLAN-015", "MDB-PLAN-016"
USAGE_CHECK, PREFIX_CHECK, SELECTIVITY_CHECK = "MDB-IDX-013", "MDB-IDX-014", "MDB-IDX-015"
WASTEFUL = 2.0
"""Documents examined for each one returned, above which a query deserves a better index; 1 is ideal."""


@dataclass(frozen=True, kw_only=True)
class IndexReview:
    """What was found out about the indexes. sizes: bytes by name.  usage: empty where $indexStats may not be read."""

    indexes: tuple[IndexSpec, ...] = ()
    sizes: dict[str, int] = field(default_factory=dict)
    usage: tuple[IndexUsage, ...] = ()
    selectivity: tuple[Selectivity, ...] = ()
    advice: tuple[IndexAdvice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QueryStudy:
    """Measured queries, reviewed indexes, and the checks over both. subject: the collection measured."""

    subject: str = ""
    documents: int = 0
    queries: tuple[QueryResult, ...] = ()
    review: IndexReview = field(default_factory=IndexReview)
    checks: tuple[Check, ...] = ()

    @property
    def basis(self) -> str:
        """A sentence saying on what it was measured."""
        what = "sample leads in a scratch collection, since dropped" if "scratch" in self.subject else "stored leads"
        return f"Measured on **{self.documents:,} {what}** (`{self.subject}`)." if self.subject else "Nothing measured."


def study(
    leads: Collection[Document],
    admin: MongoClient[Document] | None,
    settings: Settings,
    sample: Iterable[Document],
) -> QueryStudy:
    """Measure the task book's queries and review the indexes of `leads`.

    With too few leads stored, plans and selectivity come from a scratch collection of `sample` leads, dropped at the
    end; production makes one only where `apply_schema` is approved, and measures no query otherwise. Use ($indexStats,
    read by `admin` where given) is that of `leads`. A server error becomes `error` checks.
    """
    try:
        if not settings.approves("apply_schema") and leads.estimated_document_count() < ENOUGH:
            review, advised = _review(leads, leads, admin)
            return QueryStudy(review=review, checks=(*_unapproved(settings), *advised))
        with realistic(leads, settings, sample) as subject:
            queries = measure_contracts(subject)
            review, advised = _review(leads, subject, admin)
            return QueryStudy(
                subject=subject.name, documents=subject.estimated_document_count(), queries=tuple(queries),
                review=review, checks=(*query_checks(queries, settings), *advised),
            )  # fmt: skip
    except (PyMongoError, BSONError) as error:
        ids = (*QUERY_CHECKS, TIME_CHECK, EFFORT_CHECK, USAGE_CHECK, PREFIX_CHECK, SELECTIVITY_CHECK)
        return QueryStudy(checks=tuple(errored(check_id, error, settings=settings) for check_id in ids))


def _unapproved(settings: Settings) -> list[Check]:
    why = f"fewer than {ENOUGH:,} leads are stored, and a scratch collection of sample leads is not approved"
    remedy = settings.how_to_approve("apply_schema")
    ids = (*QUERY_CHECKS, TIME_CHECK, EFFORT_CHECK)
    return [not_measured(check_id, why, settings=settings, remedy=remedy) for check_id in ids]


def query_checks(results: Sequence[QueryResult], settings: Settings) -> list[Check]:
    """One check for each plan, one for the slowest time, one for the worst effort."""
    plans = [_plan_check(result, results) for result in results if result.contract.check_id]
    return [*plans, _time_check(results, settings), _effort_check(results)]


def _plan_check(result: QueryResult, results: Sequence[QueryResult]) -> Check:
    plan, contract = result.plan, result.contract
    if plan.collection_scan is None:
        return not_measured(contract.check_id, f"no plan to judge on {result.subject}: {plan.stages or 'empty answer'}")
    evidence = _effort(result)
    if not set(plan.indexes) & set(contract.indexes) and not plan.collection_scan:
        evidence += f"; expected {' or '.join(contract.indexes)}"
    if contract.hint:
        plain = [one for one in results if not one.contract.check_id and one.contract.filter == contract.filter]
        evidence += "".join(f". Without the hint: {_effort(one)}" for one in plain)
    return judge(contract.check_id, not plan.collection_scan, evidence=evidence)


def _effort(result: QueryResult) -> str:
    plan = result.plan
    return (
        f"{result.contract.shape}: {' → '.join(plan.stages)} by {', '.join(plan.indexes) or 'no index'}; "
        f"{plan.keys_examined} keys and {plan.docs_examined} documents examined, {plan.returned} returned, "
        f"{result.millis} ms"
    )


def _time_check(results: Sequence[QueryResult], settings: Settings) -> Check:
    timed = [(result.millis, result) for result in results if result.millis is not None]
    if len(timed) < len(results) or not timed:
        return not_measured(TIME_CHECK, f"{len(results) - len(timed)} queries have no time", settings=settings)
    millis, slowest = max(timed, key=lambda pair: pair[0])
    over = [result.contract.shape for took, result in timed if took >= settings.target_find_ms]
    evidence = f"slowest of {len(timed)}: {slowest.contract.shape}, {slowest.plan.returned} returned"
    if over:
        evidence += f"; over the target: {'; '.join(over)}"
    return judge(TIME_CHECK, millis, settings=settings, evidence=evidence)


def _effort_check(results: Sequence[QueryResult]) -> Check:
    efforts = [
        (ratio, result)
        for result in results
        if result.contract.check_id and (ratio := result.plan.examined_per_returned) is not None
    ]
    if not efforts:
        return not_measured(EFFORT_CHECK, "no execution statistics")
    worst, result = max(efforts, key=lambda pair: pair[0])
    evidence = f"worst: {result.contract.shape} by {', '.join(result.plan.indexes) or 'no index'}"
    check = judge(EFFORT_CHECK, round(worst, 2), evidence=evidence)
    if check.verdict == "pass" and worst > WASTEFUL:
        return warned(EFFORT_CHECK, round(worst, 2), evidence=evidence)
    return check


def _review(
    leads: Collection[Document], subject: Collection[Document], admin: MongoClient[Document] | None
) -> tuple[IndexReview, list[Check]]:
    found = actual(leads).indexes
    fields = [index.fields[0] for index in found if len(index.keys) == 1 and not index.unique]
    picks = selectivity(subject, fields)
    usage, used = _usage(leads if admin is None else admin[leads.database.name][leads.name], found)
    advice = advise(found, picks, usage)
    review = IndexReview(
        indexes=found,
        sizes=index_sizes(leads) if picks and subject.name == leads.name else {},
        usage=tuple(usage),
        selectivity=tuple(picks),
        advice=tuple(advice),
    )
    if not found:
        why, remedy = f"{leads.name} has no index yet", "apply the schema first"
        ids = (USAGE_CHECK, PREFIX_CHECK, SELECTIVITY_CHECK)
        return review, [not_measured(check_id, why, remedy=remedy) for check_id in ids]
    low = _advice_check(SELECTIVITY_CHECK, "low selectivity", advice)
    if not picks:
        low = not_measured(SELECTIVITY_CHECK, f"{subject.name} holds no lead to sample")
    return review, [used, _advice_check(PREFIX_CHECK, "redundant prefix", advice), low]


def _usage(reader: Collection[Document], found: Iterable[IndexSpec]) -> tuple[list[IndexUsage], Check]:
    try:
        usage = index_usage(reader)
    except PyMongoError as error:
        return [], not_measured(USAGE_CHECK, f"$indexStats: {type(error).__name__}; needs clusterMonitor or dbAdmin")
    hours = min((one.window_hours for one in usage), default=0.0)
    known = bool(usage) and {one.name for one in usage} >= {index.name for index in found}
    evidence = f"$indexStats of {len(usage)} indexes on one node, window {hours:.1f} h"
    return usage, judge(USAGE_CHECK, known, evidence=evidence)


def _advice_check(check_id: str, kind: str, advice: Iterable[IndexAdvice]) -> Check:
    mine = [one for one in advice if one.kind == kind]
    if not mine:
        return judge(check_id, 0, evidence=f"no {kind} found")
    return warned(check_id, len(mine), evidence="; ".join(_said(one) for one in mine))


def _said(advice: IndexAdvice) -> str:
    return advice.evidence if advice.evidence.startswith(advice.index) else f"{advice.index}: {advice.evidence}"
