"""Phase 09: statistics, integrity, anomalies, cost and recommendations; reads only."""

from leadbook.analysis.anomalies import anomalies_frame, anomaly_checks, find_anomalies
from leadbook.analysis.columns import COLUMNS
from leadbook.analysis.completeness import completeness, required_check, source_outliers
from leadbook.analysis.configuration import read_configuration
from leadbook.analysis.cost import cost_check, cost_per_qualified
from leadbook.analysis.documents import Analysis
from leadbook.analysis.evidence import Evidence, collect, metric_checks, metrics_frame, trends_frame
from leadbook.analysis.integrity import (
    constraint_check,
    index_check,
    index_counts,
    indexes_frame,
    newest_check,
    unique_check,
    validate_check,
)
from leadbook.analysis.losses import Places, loss_checks
from leadbook.analysis.publish import publish
from leadbook.analysis.queries import counterparts_frame
from leadbook.analysis.recommendations import recommend, recommendation_check, recommendations_frame
from leadbook.analysis.reporting import plans_frame, ready_checks, reporting_collection
from leadbook.analysis.statistics import (
    collected,
    count_checks,
    quality_checks,
    read_statistics,
    score_sentence,
    statistics_frame,
)

__all__ = [
    "COLUMNS",
    "Analysis",
    "Evidence",
    "Places",
    "anomalies_frame",
    "anomaly_checks",
    "collect",
    "collected",
    "completeness",
    "constraint_check",
    "cost_check",
    "cost_per_qualified",
    "count_checks",
    "counterparts_frame",
    "find_anomalies",
    "index_check",
    "index_counts",
    "indexes_frame",
    "loss_checks",
    "metric_checks",
    "metrics_frame",
    "newest_check",
    "plans_frame",
    "publish",
    "quality_checks",
    "read_configuration",
    "read_statistics",
    "ready_checks",
    "recommend",
    "recommendation_check",
    "recommendations_frame",
    "reporting_collection",
    "required_check",
    "score_sentence",
    "source_outliers",
    "statistics_frame",
    "trends_frame",
    "unique_check",
    "validate_check",
]
