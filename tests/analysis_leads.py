"""Leads for the tests of the analysis: whole ones, and ways to make them odd."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from leadbook.phases.p09.evidence import RunEvidence
from leadbook.phases.p09.sections import FinalAnalysis

NOW = datetime(2025, 5, 1, 12, tzinfo=UTC)


def lead(name: str, **fields: Any) -> dict[str, Any]:
    """A whole lead without e-mail; `fields` replace or add, None leaves a field out."""
    made = {
        "linkedin_url": f"https://www.linkedin.com/in/{name}", "full_name": f"Person {name.title()}",
        "job_title": "Growth Manager", "company_name": f"Company {name.title()}", "company_industry": "Advertising",
        "data_source": "Apollo", "data_collected_date": NOW, "data_quality_score": 100, "is_qualified": False,
        "email_verified": False, "crm_synced": False, "created_at": NOW, "updated_at": NOW,
        "additional_data": {"quality_points": 100}, **fields,
    }  # fmt: skip
    return {key: value for key, value in made.items() if value is not None}


SECTIONS = ("counterparts", "final_statistics", "quality", "completeness", "integrity", "losses", "odd_leads",
            "readiness", "performance", "final_push", "cost", "recommendations", "documents")  # fmt: skip


def whole_analysis(leads, admin, reporting, redis, settings):
    """All that notebook 09 does: the checks, and the documents."""
    made = FinalAnalysis(leads, admin=admin, reporting_user=reporting, redis=redis, settings=settings,
                         evidence=RunEvidence())  # fmt: skip
    sections = [getattr(made, name)() for name in SECTIONS]
    return [check for one in sections for check in one.checks], sections[-1].documents
