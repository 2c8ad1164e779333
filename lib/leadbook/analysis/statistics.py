"""Final statistics of the leads. Read-only; every number comes from a pipeline of `queries`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.collection import Collection

from leadbook.analysis.queries import run
from leadbook.core.settings import Settings


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


def cost_basis(settings: Settings) -> str:
    """What the sprint's cost adds up; empty where nobody says. The default is a rehearsal's, and none in production."""
    basis = settings.sprint_cost_basis.strip()
    assumed = basis == Settings.model_fields["sprint_cost_basis"].default
    return "" if assumed and settings.is_production else basis


def cost_per_qualified(found: Statistics, settings: Settings) -> float | None:
    """USD; None where the sprint's cost is not known (0), nobody says what it adds up, or no lead is qualified."""
    if settings.sprint_cost_usd <= 0 or not cost_basis(settings) or not found.qualified:
        return None
    return settings.sprint_cost_usd / found.qualified
