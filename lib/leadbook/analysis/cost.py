"""Cost per qualified lead. Pure arithmetic over counts and a parameter."""

from __future__ import annotations

from leadbook.analysis.statistics import Statistics
from leadbook.core.checks import Check, judge, not_measured
from leadbook.core.settings import Settings

__all__ = ["cost_check", "cost_per_qualified"]


def cost_per_qualified(found: Statistics, settings: Settings) -> float | None:
    """USD; None where the sprint's cost is not known (0) or no lead is qualified."""
    if settings.sprint_cost_usd <= 0 or not found.qualified:
        return None
    return settings.sprint_cost_usd / found.qualified


def cost_check(found: Statistics, settings: Settings) -> Check:
    """Cost per qualified lead beside its target, with the assumption it rests on."""
    if settings.sprint_cost_usd <= 0:
        return not_measured("FIN-COST-001", "sprint_cost_usd is not set", settings=settings,
                            remedy="set sprint_cost_usd to what the sprint cost in all")  # fmt: skip
    if not found.qualified:
        return not_measured("FIN-COST-001", f"none of {found.total:,} leads is qualified", settings=settings)
    origin = "an assumption of the rehearsal" if settings.is_rehearsal else "parameter sprint_cost_usd"
    evidence = (
        f"{settings.sprint_cost_usd:,.0f} USD ({origin}) over {found.qualified:,} qualified leads: score of at least "
        f"{settings.qualified_min_score}, an e-mail, a matching job title"
    )
    cost = cost_per_qualified(found, settings)
    return judge("FIN-COST-001", None if cost is None else round(cost, 3), settings=settings, evidence=evidence)
