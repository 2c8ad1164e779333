"""Sections 4.5 and 4.6: what cleaning kept, formats of stored leads, and their scores."""

from __future__ import annotations

import json

import pandas as pd

from leadbook.core.checks import Check, Unmeasured, judge
from leadbook.core.settings import Settings
from leadbook.lead.score import Rules
from leadbook.phases.p04 import figures, stored
from leadbook.phases.p04.stored import Formats, Scores
from leadbook.phases.p04.work import PipelineWork
from leadbook.phases.section import Plot, Section, Table

__all__ = ["format_checks", "score_checks", "scores", "transformation"]


def transformation(work: PipelineWork) -> Section:
    """Fields before and after cleaning; formats, counted by the server over all stored leads."""
    rates, formats = work.run.held.fill_rates, stored.formats(work.leads)
    return Section(
        plots=(Plot(figures.fill_rates(rates), "Share of records that hold a field, before and after cleaning"),),
        tables=(Table(formats.table(), "Formats, counted by the server over all stored leads"),),
        checks=format_checks(formats, rates, work.nothing_read),
    )


def format_checks(formats: Formats, rates: pd.DataFrame, nothing: Unmeasured | None = None) -> tuple[Check, ...]:
    """Formats of stored leads, and what cleaning kept."""
    kept = rates[rates["field"].isin(["email", "company_name", "phone"]) & (rates["before"] > 0)]
    worst = float((kept["after"] / kept["before"]).min()) if len(kept) else nothing
    broken = ", ".join(rule for rule, count in formats.violations.items() if count)
    total = sum(formats.violations.values()) if formats.leads else nothing
    return (
        judge("PIPE-MAP-002", total, evidence=broken or f"{formats.leads:,} leads, all rules"),
        judge("PIPE-MAP-003", worst, evidence="fill rates before and after cleaning, in the figure"),
    )


def scores(work: PipelineWork) -> Section:
    """Leads by points, and every score recomputed by the server."""
    found = work.scores = stored.scores(work.leads, Rules.of(work.settings))
    return Section(
        plots=(Plot(figures.scores(found.histogram, max_points=found.max_points), "Leads by quality points"),),
        checks=score_checks(found, work.settings, work.nothing_read),
        facts={
            "mean_quality_score": found.mean, "mean_quality_points": found.mean_points, "qualified": found.qualified
        },
    )  # fmt: skip


def score_checks(found: Scores, settings: Settings, nothing: Unmeasured | None = None) -> tuple[Check, ...]:
    """Scores and qualifications that are not what the stored fields give, and the mean."""
    beside = f"{found.leads:,} leads; mean of {found.mean_points:.1f} points of {found.max_points}"
    remedy = _rejudge(settings) if found.wrong else ""
    wrong, mean = (found.wrong, found.mean) if found.leads else (nothing, nothing)
    return (
        judge("PIPE-SCR-001", wrong, evidence=beside, remedy=remedy),
        judge("PIPE-SCR-002", mean, settings=settings, evidence=beside),
    )


def _rejudge(settings: Settings) -> str:
    """How stored leads are qualified by this run's parameters, for mongosh."""
    wanted, update = (json.dumps(part, ensure_ascii=False) for part in Rules.of(settings).rejudging())
    return (
        "leads judged by other weights or title patterns, or written by somebody else; where only the qualification is "
        f"another one, this judges them anew: db.{settings.collection}.updateMany({wanted}, {update})"
    )
