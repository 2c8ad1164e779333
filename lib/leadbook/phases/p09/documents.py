"""The seven documents of phase 09. Numbers come from the analysis and from earlier phases; none is typed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from leadbook.analysis.anomalies import Anomaly
from leadbook.analysis.configuration import Configuration
from leadbook.analysis.statistics import Statistics, cost_basis, cost_per_qualified
from leadbook.analysis.totals import Totals
from leadbook.core.checks import Check, Verdict, tally
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.page.prose import number
from leadbook.page.tables import target_text
from leadbook.phases import deeds
from leadbook.phases.documents import render
from leadbook.phases.p06.checks import RECOVERY
from leadbook.phases.p09 import tables
from leadbook.phases.p09.evidence import AREAS, RunEvidence, metrics, slow_end, trends
from leadbook.phases.p09.recommendations import PRIORITIES, Recommendation
from leadbook.phases.section import Document

LEAD, MANAGER, RESEARCHER = "Technical Lead", "Project Manager", "Data Researcher"
DOCUMENTS = (
    ("database-performance-report", "Database performance report", (LEAD, MANAGER)),
    ("data-quality-findings", "Data quality findings", (RESEARCHER, MANAGER)),
    ("recommendations", "Recommendations", (LEAD, MANAGER)),
    ("final-database-statistics", "Final database statistics", (MANAGER,)),
    ("final-database-configuration", "Final database configuration", (LEAD, MANAGER)),
    ("database-maintenance-guide", "Database maintenance guide", (LEAD, MANAGER)),
    ("performance-metrics", "Performance metrics", (LEAD, MANAGER)),
)
TIMES = ("duplicate_check_redis", "duplicate_check_mongodb", "checkout")
"""Times of phases 03 and 08 whose slow end stands beside a target."""


class Findings:
    """What the analysis found so far; each section adds its part. totals: what was brought in.  checks: by id.
    done: what was done to the running sprint."""

    settings: Settings
    evidence: RunEvidence
    statistics: Statistics
    totals: Totals
    fields: pd.DataFrame
    outliers: pd.DataFrame
    anomalies: Sequence[Anomaly]
    advice: Sequence[Recommendation]
    configuration: Configuration
    checks: dict[str, Check]
    done: deeds.Told


def documents(made: Findings) -> tuple[Document, ...]:
    """All of them, each for its readers."""
    values = {"made": made, "evidence": made.evidence, "settings": made.settings}
    values |= _numbers(made) | _quality(made) | _upkeep(made)
    return tuple(Document(slug, title, render(__file__, slug, **values), readers) for slug, title, readers in DOCUMENTS)


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


def _numbers(made: Findings) -> dict[str, Any]:
    """Performance: 5.2.1.1 to 5.2.1.4 and 5.2.1.8."""
    found, settings = metrics(made.evidence), made.settings
    by_size: dict[str, float | None] = made.evidence.fact("08", "insert_rate_by_batch_size") or {}
    rates = [*found[found["unit"] == "documents/s"]["measured"], *by_size.values()]
    areas = [(title, found[found["area"] == area].drop(columns="area")) for area, title in AREAS.items()]
    return {
        "metrics": found, "areas": areas if len(found) else [], "trend": trends(made.evidence),
        "tails": {name: _tail(made.evidence, name) for name in TIMES},
        "peak": max((float(rate) for rate in rates if rate is not None), default=None),
        "done": deeds.in_words(made.done),
        "acted": [(title, deeds.frame(made.done, kind)) for kind, title in deeds.TITLES.items()],
        "met": int((found["verdict"] == Verdict.PASS.value).sum()),
        "insert_target": f"≥ {settings.target_insert_rate:,.0f}",
        "check_target": f"< {settings.target_duplicate_check_ms:g} ms",
        "wait_target": f"< {settings.target_mongodb_checkout_ms:g} ms",
    }  # fmt: skip


def _tail(evidence: RunEvidence, name: str) -> str | None:
    found = slow_end(evidence, name)
    return None if found is None else f"{number(found[0], 'ms')} ({found[1]})"


def _quality(made: Findings) -> dict[str, Any]:
    """The leads: 5.1.1.1 to 5.1.1.9, 5.2.1.5 and 5.2.1.6."""
    found, bad = made.statistics, (Verdict.FAIL, Verdict.ERROR, Verdict.WARN, Verdict.NOT_MEASURED)
    everything = made.fields[made.fields["source"] == "all"]
    advice = {name: [one for one in made.advice if one.priority == name] for name in PRIORITIES}

    def spread(counts: Any) -> list[tuple[str, int, float | None]]:
        return [("none" if value is None else str(value), n, found.percent(n)) for value, n in counts.items()]

    return {
        "final": tables.statistics(found, made.totals, made.settings).frame,
        "by_vendor": made.totals.table("vendor"), "by_collector": made.totals.table("collector"),
        "basis": cost_basis(made.settings),
        "score": score_sentence(found).replace("**", ""), "price": cost_per_qualified(found, made.settings),
        "fields": everything[["field", "present", "percent", "required"]],
        "scores": spread(found.by_score), "points": spread(found.by_points),
        "verdicts": [(one.id, one.title, one.measured, target_text(one), one.verdict.value)
                     for one in made.checks.values()
                     if one.id.startswith(("FIN-COUNT", "FIN-QUAL", "FIN-COST", "FIN-COMP"))],
        "issues": [(one.verdict.value, one.title, one.evidence, one.remedy) for one in made.checks.values()
                   if one.verdict in bad and one.id.startswith(("FIN-ANOM", "FIN-COMP", "FIN-QUAL", "FIN-INT"))],
        "anomalies": tables.anomalies(made.anomalies).frame,
        "about_data": tables.recommendations(one for one in made.advice if one.about == "data").frame,
        "priorities": [(name, tables.recommendations(mine).frame.drop(columns="priority"))
                       for name, mine in advice.items()],
    }  # fmt: skip


def _upkeep(made: Findings) -> dict[str, Any]:
    """Configuration, thresholds, gates and backups: 5.2.1.7 and 5.2.1.9."""
    backups = made.evidence.checks.get("06", ())
    limits = [one for one in catalogue().values() if one.phase == "08" and isinstance(one.target, int | float)]
    return {
        "configuration": made.configuration.items(),
        "backups": [(one.title, one.verdict.value) for one in backups], "proven": proven(backups),
        "thresholds": [(one.title, target_text(one.told(one.target)), one.source, one.remedy)
                       for one in limits if one.compare != "true"],
        "targets": [(field.description, getattr(made.settings, name)) for name, field in Settings.model_fields.items()
                    if name.startswith("target_")],
        "today": f"{datetime.now(UTC):%Y-%m-%d}",
    }  # fmt: skip


def proven(backups: Sequence[Check]) -> str:
    """How the checks of phase 06 ended, and how long a recovery would take."""
    if not backups:
        return "Not measured: phase 06 left nothing that counts here."
    counted = ", ".join(f"{count} {verdict}" for verdict, count in tally(backups).items())
    recovery = next((check for check in backups if check.id == RECOVERY), None)
    took = ""
    if recovery and recovery.measured is not None:
        took = f" {recovery.title}: {number(recovery.measured, recovery.unit)}, extrapolated from {recovery.evidence}."
    return f"Last time the checks of phase 06 ended: {counted}.{took}"
