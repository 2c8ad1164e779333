"""The documents of phase 09 as Markdown. Numbers come from the analysis and from earlier phases; none is typed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leadbook.analysis.anomalies import Anomaly, anomalies_frame
from leadbook.analysis.configuration import Configuration
from leadbook.analysis.cost import cost_per_qualified
from leadbook.analysis.evidence import AREAS, Evidence, metrics_frame, trends_frame
from leadbook.analysis.recommendations import Recommendation, recommendations_frame
from leadbook.analysis.statistics import Collected, Statistics, score_sentence, statistics_frame
from leadbook.core.checks import Check, Verdict, judge
from leadbook.core.settings import Settings
from leadbook.page.prose import frame_table, number, pipe_table

__all__ = [
    "Analysis", "configuration_document", "document_check", "findings", "metrics_document", "performance_report",
    "recommendations_document", "statistics_document",
]  # fmt: skip

NOTHING = "Not measured: phases 03, 05 and 08 left nothing in this run."


@dataclass(frozen=True, kw_only=True)
class Analysis:
    """What the documents are written from."""

    statistics: Statistics
    collected: Collected
    completeness: pd.DataFrame
    outliers: pd.DataFrame
    anomalies: Sequence[Anomaly]
    recommendations: Sequence[Recommendation]
    evidence: Evidence
    checks: Sequence[Check]


def _join(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _fields(completeness: pd.DataFrame) -> str:
    everything = completeness[completeness["source"] == "all"]
    return frame_table(everything[["field", "present", "percent", "required"]])


def performance_report(made: Analysis, settings: Settings) -> str:
    """Database statistics, data quality, performance: the three sections of 5.1.1.5."""
    found = made.statistics
    return _join(
        "# Database performance report",
        "## 1. Database statistics",
        frame_table(statistics_frame(found, made.collected, settings), missing="–"),
        f"Collected is counted from: {made.collected.source}. A unique index keeps two documents of one lead out, so "
        "collected counts raw records and unique counts documents.",
        "## 2. Data quality metrics",
        score_sentence(found).replace("**", ""),
        _fields(made.completeness),
        "## 3. Performance metrics",
        _areas(made.evidence),
        "## Trend within the monitoring snapshot",
        _trends(made.evidence),
    )


def _areas(evidence: Evidence) -> str:
    metrics = metrics_frame(evidence)
    if metrics.empty:
        return NOTHING
    parts = []
    for area, title in AREAS.items():
        mine = metrics[metrics["area"] == area]
        parts += [f"### {title}", frame_table(mine.drop(columns="area")) if len(mine) else "Not measured in this run."]
    return "\n\n".join(parts)


def _trends(evidence: Evidence) -> str:
    frame = trends_frame(evidence)
    return "Not measured: phase 08 left no timeline in this run." if frame.empty else frame_table(frame)


def metrics_document(made: Analysis, settings: Settings) -> str:
    """Insert rates, duplicate checks, pool, trends and achievements: 5.2.1.1 to 5.2.1.4 and 5.2.1.8."""
    evidence, metrics = made.evidence, metrics_frame(made.evidence)
    check_limit = f"< {settings.target_duplicate_check_ms:g} ms"
    wait_limit = f"< {settings.target_mongodb_checkout_ms:g} ms"
    rates = [float(value) for value in metrics[metrics["unit"] == "documents/s"]["measured"]]
    by_size = evidence.fact("08", "insert_rate_by_batch_size") or {}
    rates += [float(rate) for rate in by_size.values() if rate is not None]
    met = metrics[metrics["verdict"] == Verdict.PASS.value]
    return _join(
        "# Performance metrics",
        f"Phases of this run that left numbers: {', '.join(evidence.finished()) or 'none'}.",
        "## Insert rates",
        pipe_table(["number", "measured", "target"], [
            ("average, under monitoring", evidence.fact("08", "insert_rate"), f">= {settings.target_insert_rate:,.0f}"),
            ("peak of all phases", max(rates, default=None), f">= {settings.target_insert_rate:,.0f}"),
            ("arriving in the snapshot, mean", evidence.fact("08", "inserts_per_s_mean"), "none: the writer was paced"),
        ]),
        "## Duplicate checks",
        pipe_table(["store", "median, ms", "p99, ms", "target"], [
            (store, evidence.fact("08", f"duplicate_check_{store.lower()}_p50_ms"),
             evidence.fact("08", f"duplicate_check_{store.lower()}_p99_ms"), check_limit)
            for store in ("Redis", "MongoDB")
        ]),
        "## Connection pool",
        pipe_table(["number", "measured", "target"], [
            ("most connections in use, % of maxPoolSize", evidence.fact("08", "pool_used_percent"), "< 80 %"),
            ("acquisition, median, ms", evidence.fact("08", "checkout_p50_ms"), "none"),
            ("acquisition, p99, ms", evidence.fact("08", "checkout_p99_ms"), wait_limit),
            ("check-outs in the snapshot", evidence.fact("08", "checkouts"), "none"),
        ]),
        "## Trends", _trends(evidence),
        "## Achievements",
        f"{len(met)} of {len(metrics)} performance numbers meet their targets." if len(metrics) else NOTHING,
        "## All metrics", _areas(evidence),
    )  # fmt: skip


def statistics_document(made: Analysis, settings: Settings) -> str:
    """The final database statistics: 5.2.1.6."""
    found = made.statistics
    cost = cost_per_qualified(found, settings)
    assumed = " (the cost of the sprint is an assumption of the rehearsal)" if settings.is_rehearsal else ""
    return _join(
        "# Final database statistics",
        frame_table(statistics_frame(found, made.collected, settings), missing="–"),
        f"Cost per qualified lead: {number(cost, 'USD')}{assumed}; target below {settings.target_cost_usd:.2f} USD.",
        "## Quality score", score_sentence(found).replace("**", ""),
        pipe_table(["quality score", "leads", "%"], _distribution(found, dict(found.by_score))),
        pipe_table([f"quality points of {found.max_points}", "leads", "%"],
                   _distribution(found, dict(found.by_points))),
        "## Verdicts",
        pipe_table(["check", "what", "measured", "target", "verdict"], [
            (check.id, check.title, check.measured, check.target, check.verdict.value)
            for check in made.checks if check.id.startswith(("FIN-COUNT", "FIN-QUAL", "FIN-COST", "FIN-COMP"))
        ]),
    )  # fmt: skip


def _distribution(found: Statistics, counts: dict[int | None, int]) -> list[tuple[str, int, float | None]]:
    return [("none" if value is None else str(value), count, found.percent(count)) for value, count in counts.items()]


def findings(made: Analysis, settings: Settings) -> str:
    """Data quality findings: metrics, issues with their impact, recommendations (5.1.1.9)."""
    bad = (Verdict.FAIL, Verdict.ERROR, Verdict.WARN, Verdict.NOT_MEASURED)
    issues = [(check.verdict.value, check.title, check.evidence, check.remedy) for check in made.checks
              if check.verdict in bad and check.id.startswith(_ISSUES)]  # fmt: skip
    quality = [each for each in made.recommendations if each.about == "data"]
    return _join(
        "# Data quality findings",
        "Examples are masked. None of the anomalies is proof: they are questions for the Data Researcher.",
        "## 1. Data quality metrics",
        score_sentence(made.statistics).replace("**", ""),
        frame_table(statistics_frame(made.statistics, made.collected, settings).iloc[3:7], missing="–"),
        _fields(made.completeness),
        "## 2. Data quality issues and their impact",
        pipe_table(["verdict", "issue", "evidence", "what to do"], issues) if issues else "None.",
        "### Anomalies, rule by rule",
        frame_table(anomalies_frame(made.anomalies)),
        "### Sources that differ",
        frame_table(made.outliers) if len(made.outliers) else "None.",
        "## 3. Recommendations",
        frame_table(recommendations_frame(quality)) if quality else "None.",
    )


_ISSUES = ("FIN-ANOM", "FIN-COMP", "FIN-QUAL", "FIN-INT")


def recommendations_document(made: Analysis) -> str:
    """Opportunities, recommendations by priority, estimates: 5.2.1.5."""
    parts = ["# Recommendations for optimisation",
             "Each rests on a measurement of this run; impacts are estimates from these measurements."]  # fmt: skip
    for priority in ("high", "medium", "low"):
        mine = [each for each in made.recommendations if each.priority == priority]
        frame = recommendations_frame(mine).drop(columns="priority")
        parts += [f"## {priority.capitalize()} priority", frame_table(frame) if mine else "None."]
    return _join(*parts)


def configuration_document(found: Configuration, evidence: Evidence) -> str:
    """MongoDB, Redis, pool and backup configuration as the servers and the driver tell it: 5.2.1.7."""
    sections = {
        "MongoDB": found.mongodb, "Collection": found.collection, "Indexes": found.indexes, "Redis": found.redis,
        "Connection pools": found.pool, "Backup": found.backup,
    }  # fmt: skip
    parts = ["# Database configuration", "Read from the servers and the driver, not from a profile."]
    for title, rows in sections.items():
        parts += [f"## {title}", pipe_table(["setting", "value"], rows)]
    backup = evidence.checks.get("06", ())
    if backup:
        parts.append(
            pipe_table(["check of phase 06", "verdict"], [(each.title, each.verdict.value) for each in backup])
        )
    else:
        parts.append("Backups: not measured, phase 06 has not run in this run.")
    return _join(*parts)


def document_check(check_id: str, path: Path, wanted: Sequence[str] = ()) -> Check:
    """The document was written and holds every section in `wanted`."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    missing = [section for section in wanted if section.lower() not in text.lower()]
    evidence = f"documents/{path.name}, {len(text):,} characters"
    return judge(check_id, bool(text) and not missing, evidence=evidence + (f"; lacks {missing}" if missing else ""))
