"""The gates of the task book: each target with the check that decides it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.page.tables import measured_text, number, target_text
from leadbook.report.records import RunRecord

__all__ = ["GATES", "Gate", "gates"]

GATES: tuple[tuple[str, str | tuple[str, ...]], ...] = (
    ("Batch insert rate", "target_insert_rate"),
    ("Single insert", "target_single_insert_ms"),
    ("Batch of 100", "target_batch_100_ms"),
    ("Duplicate check", "target_duplicate_check_ms"),
    ("Duplicate-check accuracy", "target_accuracy_percent"),
    ("Indexed finds", "target_find_ms"),
    ("MongoDB connection check-out", "target_mongodb_checkout_ms"),
    ("Redis connection check-out", "target_redis_checkout_ms"),
    ("Connection pool", "target_pool_size"),
    ("Collection rate", "target_leads_per_hour"),
    ("Leads collected", "target_collected"),
    ("Unique leads stored", "target_unique"),
    ("Mean quality score", "target_quality_score"),
    ("Leads with an e-mail", "target_email_percent"),
    ("Leads with company data", "target_company_percent"),
    ("Cost per qualified lead", "target_cost_usd"),
    ("Cluster: CPU", ("MDB-HST-001",)),
    ("Cluster: memory", ("MDB-HST-002",)),
    ("Cluster: storage", ("MDB-HST-003",)),
    ("Cluster: TLS", ("MDB-SEC-001", "MDB-SEC-002")),
    ("Backups kept", ("ATL-BCK-001", "BKP-ATL-001")),
    ("Redis: release", ("RDS-VER-001",)),
    ("Redis: memory", ("RDS-MEM-001", "RDS-MEM-002")),
    ("Redis: maxmemory", ("RDS-MEM-003",)),
    ("Redis: eviction", ("RDS-MEM-004",)),
)
"""Title, and the parameter that holds the target (every check with that target answers it) or the checks' ids."""

_ORDER = [Verdict.FAIL, Verdict.ERROR, Verdict.NOT_MEASURED, Verdict.MANUAL, Verdict.WARN, Verdict.PASS,
          Verdict.NOT_APPLICABLE]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One row: `check` decides (the worst), `others` share the target; None and empty when nothing measures it."""

    title: str
    target: str
    measured: str
    verdict: str
    check: Check | None
    others: tuple[Check, ...]


def gates(run: RunRecord) -> list[Gate]:
    """All gates in order. A gate that no check answered is `not measured`."""
    return [_gate(title, source, run) for title, source in GATES]


def _gate(title: str, source: str | tuple[str, ...], run: RunRecord) -> Gate:
    ids = source if isinstance(source, tuple) else [e.id for e in catalogue().values() if e.target == source]
    found = _worst_first(check for check in run.checks if check.id in ids)
    if not found:
        missing = Verdict.NOT_MEASURED.value
        return Gate(title=title, target=_asked(source, run), measured="–", verdict=missing, check=None, others=())
    first = found[0]
    return Gate(title=title, target=target_text(first), measured=measured_text(first), verdict=first.verdict.value,
                check=first, others=tuple(found[1:]))  # fmt: skip


def _asked(source: str | tuple[str, ...], run: RunRecord) -> str:
    """The target of a gate that no check answered, from the parameters."""
    if isinstance(source, tuple):
        return "–"
    value = run.parameters.get(source, Settings.model_fields[source].default)
    return f"{number(float(value))} ({Settings.model_fields[source].description})"


def _worst_first(checks: Iterable[Check]) -> list[Check]:
    """By verdict; among equals the one nearest to its target first, so that the tightest measurement speaks."""
    return sorted(checks, key=lambda check: (_ORDER.index(check.verdict), -_tightness(check)))


def _tightness(check: Check) -> float:
    """How near the measured value is to its target: 1 is on it, less is easily met."""
    found = re.search(r"-?\d+(\.\d+)?", check.target)
    value = check.measured
    if found is None or isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    target = float(found[0])
    over, under = (target, float(value)) if check.target.startswith(">") else (float(value), target)
    return over / under if under else 0.0
