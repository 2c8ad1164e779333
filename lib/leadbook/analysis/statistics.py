"""Final statistics of the leads. Read-only; every number comes from a pipeline of `queries`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pymongo.collection import Collection

from leadbook.analysis.queries import run
from leadbook.core.checks import Check, judge, not_measured, warned
from leadbook.core.settings import Settings

__all__ = [
    "STRETCH_UNIQUE", "Collected", "Statistics", "collected", "count_checks", "quality_checks", "read_statistics",
    "score_sentence", "statistics_frame",
]  # fmt: skip

STRETCH_UNIQUE = 20_000
"""Unique leads that the task book's headline asks for; the gate itself is 18,000 (decision 11)."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """The leads in numbers.

    by_source, by_score, by_points: counts by value, None where the field is missing.  mean_points: of `max_points`.
    company: leads with company_name and company_industry, as the task book's SQL counts them.
    """

    total: int
    unique: int
    by_source: Mapping[str | None, int]
    by_score: Mapping[int | None, int]
    by_points: Mapping[int | None, int]
    mean_score: float | None
    mean_points: float | None
    max_points: int
    email: int
    company: int
    qualified: int

    def percent(self, count: int) -> float | None:
        """Share of all leads, %; None without leads."""
        return 100 * count / self.total if self.total else None

    @property
    def points_percent(self) -> float | None:
        """Mean points in percent of the most that a lead can have."""
        return None if self.mean_points is None else 100 * self.mean_points / self.max_points


@dataclass(frozen=True, kw_only=True)
class Collected:
    """How many raw records were collected, and whence that is known. exact: False where it is only a lower bound."""

    records: int | None
    source: str
    exact: bool


def read_statistics(leads: Collection[dict[str, Any]], settings: Settings) -> Statistics:
    """Run the report's queries. Raises PyMongoError."""
    means = next(iter(run(leads, "mean quality score")), {})
    weights = 4 * settings.points_required_field + settings.points_email + settings.points_company
    return Statistics(
        total=leads.count_documents({}),
        unique=_count(leads, "unique leads"),
        by_source={row["_id"]: row["count"] for row in run(leads, "leads by source")},
        by_score={row["_id"]: row["count"] for row in run(leads, "leads by quality score")},
        by_points={row["_id"]: row["count"] for row in run(leads, "leads by quality points")},
        mean_score=means.get("mean"), mean_points=means.get("points"), max_points=weights,
        email=_count(leads, "leads with an e-mail"), company=_count(leads, "leads with company data"),
        qualified=_count(leads, "qualified leads"),
    )  # fmt: skip


def _count(leads: Collection[dict[str, Any]], name: str) -> int:
    return next((int(row["count"]) for row in run(leads, name)), 0)


def collected(
    ledger: Mapping[str, Any] | None, staging: Collection[dict[str, Any]], rejected: Collection[dict[str, Any]],
    stored: int,
) -> Collected:  # fmt: skip
    """Raw records: the most that anything tells. What phase 04's run read, or what lies in staging, is a count; stored
    plus rejected is a lower bound, since of records from files the duplicates are not known any more."""
    staged, refused = staging.count_documents({}), rejected.count_documents({})
    read = ledger.get("read") if ledger else None
    told = [
        Collected(records=staged, source=f"records in {staging.name}", exact=True),
        Collected(
            records=stored + refused, exact=False,
            source=f"{stored:,} stored and {refused:,} rejected; duplicates among records from files are not known",
        ),
    ]  # fmt: skip
    if isinstance(read, int):
        told.insert(0, Collected(records=read, source="records read, in the ledger of phase 04", exact=True))
    return max(told, key=lambda one: one.records or 0)


def count_checks(found: Statistics, raw: Collected, settings: Settings) -> list[Check]:
    """Collected, unique, the stretch goal, and whether sources and scores account for every lead."""
    bound = "" if raw.exact else "at least; "
    share = f"{100 * found.unique / raw.records:.1f} % of the collected" if raw.records else "nothing was collected"
    named = sum(count for source, count in found.by_source.items() if source)
    scored = sum(count for score, count in found.by_score.items() if score is not None and 0 <= score <= 100)
    stretch_evidence = f"{found.unique:,} unique leads; {STRETCH_UNIQUE:,} is the stretch goal, the gate is lower"
    if found.unique >= STRETCH_UNIQUE:
        stretch = judge("FIN-COUNT-004", found.unique, evidence=stretch_evidence)
    else:
        stretch = warned("FIN-COUNT-004", found.unique, evidence=stretch_evidence)
    return [
        judge("FIN-COUNT-001", raw.records, settings=settings, evidence=f"{bound}{raw.source}"),
        judge("FIN-COUNT-002", found.unique, settings=settings, evidence=f"distinct linkedin_url; {share}"),
        judge("FIN-COUNT-003", found.total - found.unique if found.total else None,
              evidence=f"{found.total:,} documents, {found.unique:,} distinct linkedin_url"),
        stretch,
        _all_of("FIN-SRC-001", named, found.total, f"{len(found.by_source)} sources"),
        _all_of("FIN-SCORE-001", scored, found.total, f"{len(found.by_score)} different scores"),
    ]  # fmt: skip


def _all_of(check_id: str, count: int, total: int, evidence: str) -> Check:
    if not total:
        return not_measured(check_id, "no lead is stored")
    return judge(check_id, round(100 * count / total, 3), evidence=f"{count:,} of {total:,} leads, {evidence}")


def quality_checks(found: Statistics, settings: Settings) -> list[Check]:
    """Mean score, e-mail and company data beside their targets; without leads nothing is measured."""
    email, company = found.percent(found.email), found.percent(found.company)
    points = "" if found.points_percent is None else f"; points {found.mean_points:.1f} of {found.max_points}"
    return [
        judge("FIN-QUAL-001", _rounded(found.mean_score), settings=settings,
              evidence=f"mean data_quality_score{points}. A valid lead cannot score below 80: this target cannot fail"),
        judge("FIN-QUAL-002", _rounded(email), settings=settings, evidence=f"{found.email:,} of {found.total:,} leads"),
        judge("FIN-QUAL-003", _rounded(company), settings=settings,
              evidence=f"{found.company:,} of {found.total:,} leads with company_name and company_industry"),
    ]  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def score_sentence(found: Statistics) -> str:
    """Decision 10 in words, with the number that can still tell good data from bad."""
    if found.points_percent is None or found.mean_score is None:
        return "No lead carries quality points, so nothing can be said of quality."
    return (
        f"The mean quality score is **{found.mean_score:.1f}** of 100. The task book's weights add up to "
        f"{found.max_points} points while the field ends at 100, so a valid lead cannot score below 80 and the mean "
        "cannot miss its target. "
        f"What still tells good data from bad is the mean of the points themselves: **{found.mean_points:.1f} of "
        f"{found.max_points} ({found.points_percent:.1f} %)**."
    )


def statistics_frame(found: Statistics, raw: Collected, settings: Settings) -> pd.DataFrame:
    """A row for each final number: what, value, share of leads, target."""
    unknown = None
    rows = [
        ("leads collected (raw records)", raw.records, unknown, f">= {settings.target_collected:,}"),
        ("unique leads stored", found.unique, unknown, f">= {settings.target_unique:,}"),
        ("unique leads, stretch goal", found.unique, unknown, f">= {STRETCH_UNIQUE:,}"),
        ("mean quality score", found.mean_score, unknown, f"> {settings.target_quality_score:g}"),
        (
            f"mean quality points of {found.max_points}",
            found.mean_points,
            found.points_percent,
            "none: shown to tell more",
        ),
        ("leads with an e-mail", found.email, found.percent(found.email), f"> {settings.target_email_percent:g} %"),
        (
            "leads with company data",
            found.company,
            found.percent(found.company),
            f"> {settings.target_company_percent:g} %",
        ),
        ("qualified leads", found.qualified, found.percent(found.qualified), "none"),
    ]
    rows += [(f"leads from {source or 'no source'}", count, found.percent(count), "none")
             for source, count in found.by_source.items()]  # fmt: skip
    return pd.DataFrame(rows, columns=["what", "value", "% of leads", "target"])
