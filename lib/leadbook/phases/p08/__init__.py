"""Phase 08: snapshot, thresholds, the loop that reads, and what to do about it."""

from leadbook.monitor.session import sample_documents
from leadbook.monitor.slow import slow_check, slow_frame
from leadbook.monitor.thresholds import levels_frame
from leadbook.monitor.validation import collection_rate, review_checks
from leadbook.phases.p08.decisions import bottleneck_check, bottlenecks, decide, decision_checks, decisions_frame
from leadbook.phases.p08.documents import (
    COLUMNS,
    document_check,
    leave_facts,
    monitoring_log,
    optimizations,
    readings_frame,
    snapshot_facts,
    summary,
)
from leadbook.phases.p08.performance import batch_sizes_frame, issues, watch_checks, workload_frame
from leadbook.phases.p08.servers import database_checks, look_around, reading_checks, redis_state_checks
from leadbook.phases.p08.snapshot import observe, performance_checks, pool_checks

__all__ = [
    "COLUMNS",
    "batch_sizes_frame",
    "bottleneck_check",
    "bottlenecks",
    "collection_rate",
    "database_checks",
    "decide",
    "decision_checks",
    "decisions_frame",
    "document_check",
    "issues",
    "leave_facts",
    "levels_frame",
    "look_around",
    "monitoring_log",
    "observe",
    "optimizations",
    "performance_checks",
    "pool_checks",
    "reading_checks",
    "readings_frame",
    "redis_state_checks",
    "review_checks",
    "sample_documents",
    "slow_check",
    "slow_frame",
    "snapshot_facts",
    "summary",
    "watch_checks",
    "workload_frame",
]
