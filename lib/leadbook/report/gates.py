"""The gates of the task book: each target with the check that decides it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.page.tables import measured_text, number, target_text
from leadbook.report.records import RunRecord

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


@cache
def sources() -> dict[str, str | list[str]]:
    """Title of each gate -> the parameter that holds its target, or the ids of its checks (see `gates.yaml`)."""
    found: dict[str, str | list[str]] = yaml.safe_load((Path(__file__).parent / "gates.yaml").read_text("utf-8"))
    return found


def gates(run: RunRecord) -> list[Gate]:
    """All gates in order. A gate that no check answered is `not measured`."""
    return [_gate(title, source, run) for title, source in sources().items()]


def _gate(title: str, source: str | list[str], run: RunRecord) -> Gate:
    ids = source if isinstance(source, list) else [e.id for e in catalogue().values() if e.target == source]
    found = _worst_first(check for check in run.checks if check.id in ids)
    if not found:
        missing = Verdict.NOT_MEASURED.value
        return Gate(title=title, target=_asked(source, run), measured="–", verdict=missing, check=None, others=())
    first = found[0]
    return Gate(title=title, target=target_text(first), measured=measured_text(first), verdict=first.verdict.value,
                check=first, others=tuple(found[1:]))  # fmt: skip


def _asked(source: str | list[str], run: RunRecord) -> str:
    """The target of a gate that no check answered, from the parameters."""
    if isinstance(source, list):
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
