"""The maintenance guide: a text with the measured numbers, thresholds and names of this database put in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import pandas as pd

from leadbook.analysis.evidence import Evidence
from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import Definition, catalogue
from leadbook.core.settings import Settings
from leadbook.page.prose import frame_table, pipe_table

__all__ = ["SECTIONS", "maintenance_guide", "targets_table"]

SECTIONS = (
    "Database maintenance procedures", "Regular maintenance tasks", "schedule", "Maintenance procedures",
    "Performance monitoring", "Monitoring procedures", "Performance metrics to track", "performance thresholds",
    "Backup and recovery", "Backup procedures", "Recovery procedures", "Backup verification",
    "Troubleshooting", "Common issues", "troubleshooting procedures", "Escalation procedures",
)  # fmt: skip
"""What the task book wants in the guide (5.2.1.9)."""

_TARGETS = (
    ("insert rate", "target_insert_rate", ">= {:,.0f} documents/s"),
    ("single insert", "target_single_insert_ms", "< {:g} ms"),
    ("batch of 100", "target_batch_100_ms", "< {:g} ms"),
    ("duplicate check, Redis or MongoDB", "target_duplicate_check_ms", "< {:g} ms"),
    ("indexed find", "target_find_ms", "< {:g} ms"),
    ("MongoDB check-out", "target_mongodb_checkout_ms", "< {:g} ms"),
    ("Redis check-out", "target_redis_checkout_ms", "< {:g} ms"),
    ("duplicate-check accuracy", "target_accuracy_percent", ">= {:g} %"),
    ("collection rate", "target_leads_per_hour", ">= {:,.0f} leads/hour"),
)

_TROUBLES = (
    ("E11000 duplicate key", "a lead is stored already; the unique index did its work",
     "nothing: the pipeline counts it as a duplicate. From n8n: write to the staging collection instead"),
    ("E11000 on email: null", "an absent e-mail was written as null; a sparse index holds explicit nulls",
     "leave the field out; the pipeline does"),
    ("n8n stops after the first duplicate", "its MongoDB node inserts ordered, without options",
     "let n8n write raw payloads to the staging collection, which has no unique index"),
    ("inserts slow, CPU of the server high", "too many indexes or too small an instance",
     "phases 03 and 08; remove redundant indexes, then scale"),
    ("inserts slow, CPU low", "waiting for the majority, the disk or the pool",
     "phase 08: replication lag, dirty cache, pool wait"),
    ("duplicate checks slow", "Redis away, or a query without its index",
     "Redis down means slower, never wrong; check phase 02's plans"),
    ("Redis evicts keys", "maxmemory reached", "raise maxmemory or shorten key_ttl_days; duplicates are still refused"),
    ("WaitQueueTimeoutError", "more threads than connections", "raise max_pool_size, or fewer writers"),
    ("NotWritablePrimary, election", "the primary changed", "the driver retries; look at the log for the reason"),
    ("outcome of a batch unknown", "the connection broke after sending",
     "run the source again: nothing is stored twice"),
    ("writes wait 5 s, writeConcernError", "a secondary lags, or members are missing",
     "such documents may be stored: do not insert blindly again; bring the members back"),
    ("disk above 85 %", "data, oplog, logs or old dumps", "remove old dumps and logs, enlarge the storage"),
    ("documents break the validator", "moderate / warn only logs", "phase 09 counts them; move to strict / error"),
)  # fmt: skip


def maintenance_guide(settings: Settings, evidence: Evidence, metrics: pd.DataFrame) -> str:
    """The guide as Markdown. Numbers that no phase of this run measured are called so."""
    text = (Path(__file__).parent / "maintenance_guide.md").read_text(encoding="utf-8")
    return Template(text).substitute(
        database=settings.database, collection=settings.collection, rejected=settings.rejected_collection,
        profile=settings.profile, ttl=f"{settings.key_ttl_days:g}", backup_days=settings.target_backup_days,
        today=f"{datetime.now(UTC):%Y-%m-%d}", thresholds=_thresholds(), targets=targets_table(settings),
        latest=_latest(metrics), backup=_backup(evidence.checks.get("06", ())),
        troubles=pipe_table(["what is seen", "what it usually is", "what to do"], _TROUBLES),
    )  # fmt: skip


def _thresholds() -> str:
    rows = [(each.title, _limit(each), each.source, each.remedy) for each in catalogue().values()
            if each.phase == "08" and each.compare != "true" and isinstance(each.target, int | float)]  # fmt: skip
    return pipe_table(["metric", "good", "source", "otherwise"], rows)


def _limit(each: Definition) -> str:
    return f"{each.compare} {each.target:,} {each.unit}".strip()


def targets_table(settings: Settings) -> str:
    """The sprint's performance gates, as far as the notebook knows them."""
    return pipe_table(["gate", "target"], [(name, form.format(getattr(settings, key))) for name, key, form in _TARGETS])


def _latest(metrics: pd.DataFrame) -> str:
    if metrics.empty:
        return "Not measured: phases 03, 05 and 08 left nothing in this run."
    return frame_table(metrics[["metric", "measured", "unit", "target", "verdict", "phase"]])


def _backup(checks: Sequence[Check]) -> str:
    if not checks:
        return "Not measured: phase 06 has not run in this run."
    passed = sum(1 for check in checks if check.verdict is Verdict.PASS)
    recovery = next((check for check in checks if "recovery time" in check.title.lower()), None)
    took = f" Recovery time measured: {recovery.measured} {recovery.unit}." if recovery and recovery.measured else ""
    return f"In this run {passed} of {len(checks)} checks of phase 06 passed.{took}"
