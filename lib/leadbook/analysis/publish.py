"""Write the documents of phase 09 and check that each one is there and whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from leadbook.analysis.configuration import Configuration
from leadbook.analysis.documents import (
    Analysis,
    configuration_document,
    document_check,
    findings,
    metrics_document,
    performance_report,
    recommendations_document,
    statistics_document,
)
from leadbook.analysis.evidence import metrics_frame
from leadbook.analysis.guide import SECTIONS, maintenance_guide
from leadbook.core.checks import Check
from leadbook.core.settings import Settings

__all__ = ["publish"]

LEAD, MANAGER, RESEARCHER = "Technical Lead", "Project Manager", "Data Researcher"


class _Publisher(Protocol):
    def __call__(self, slug: str, title: str, markdown: str, *, audience: Iterable[str]) -> Path:
        """`Phase.document`."""


def publish(document: _Publisher, made: Analysis, found: Configuration, settings: Settings) -> list[Check]:
    """The seven documents through `document` (a phase's), each for its readers; a check for each."""
    both = (LEAD, MANAGER)
    metrics = metrics_frame(made.evidence)
    texts: tuple[tuple[str, str, str, tuple[str, ...], Callable[[], str], tuple[str, ...]], ...] = (
        ("FIN-DOC-001", "database-performance-report", "Database performance report", both,
         lambda: performance_report(made, settings),
         ("Database statistics", "Data quality metrics", "Performance metrics")),
        ("FIN-DOC-002", "data-quality-findings", "Data quality findings", (RESEARCHER, MANAGER),
         lambda: findings(made, settings), ("Data quality metrics", "Data quality issues", "Recommendations")),
        ("FIN-DOC-003", "recommendations", "Recommendations", both, lambda: recommendations_document(made),
         ("High priority", "evidence", "impact")),
        ("FIN-DOC-004", "final-database-statistics", "Final database statistics", (MANAGER,),
         lambda: statistics_document(made, settings), ("unique leads", "leads from", "e-mail", "company data")),
        ("FIN-DOC-005", "database-configuration", "Database configuration", both,
         lambda: configuration_document(found, made.evidence), ("MongoDB", "Redis", "Connection pools", "Backup")),
        ("FIN-DOC-006", "database-maintenance-guide", "Database maintenance guide", both,
         lambda: maintenance_guide(settings, made.evidence, metrics), SECTIONS),
        ("FIN-DOC-007", "performance-metrics", "Performance metrics", both, lambda: metrics_document(made, settings),
         ("Insert rates", "Duplicate checks", "Connection pool", "Trends", "Achievements")),
    )  # fmt: skip
    return [
        document_check(check, document(slug, title, write(), audience=audience), wanted)
        for check, slug, title, audience, write, wanted in texts
    ]
