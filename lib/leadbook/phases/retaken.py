"""Times that are missed are measured once more, between two songs of the canary, before they fail.

Missed again on a quiet host it fails; while the host is busy it is `not measured`, since nobody can tell then who was
slow. A value within its target passes whatever the host does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import definition
from leadbook.measure.canary import SONGS, Canary

T = TypeVar("T")
TIMED_UNITS = frozenset({"ms", "us", "documents/s", "leads/hour"})


def missed(checks: Iterable[Check]) -> list[Check]:
    """Checks of times and rates that failed: those that a slow moment of the host may have cost."""
    return [
        check
        for check in checks
        if check.verdict is Verdict.FAIL and (check.unit in TIMED_UNITS or definition(check.id).timed)
    ]


def retaken(measure: Callable[[], T], canary: Canary | None = None) -> tuple[T, Canary]:
    """`measure` once more, between two songs of the canary."""
    canary = canary or Canary()
    canary.sing(SONGS)
    found = measure()
    canary.sing(SONGS)
    return found, canary


def settled(first: Sequence[Check], second: Iterable[Check], canary: Canary) -> list[Check]:
    """The checks of a first measurement, its missed times replaced by what the `second` measurement says of them.

    Missed again, they fail on a quiet host and are not measured on a busy one. No other check is touched: what was lost
    or wrong in the first measurement stays so.
    """
    again = {check.id: check for check in second}
    late = {check.id for check in missed(first)}
    return [_settle(check, again[check.id], canary) if check.id in late and check.id in again else check
            for check in first]  # fmt: skip


def _settle(first: Check, second: Check, canary: Canary) -> Check:
    told = f"{second.evidence}; measured once more, at first {_value(first)}"
    if second.verdict is Verdict.FAIL and canary.busy:
        return replace(
            second, verdict=Verdict.NOT_MEASURED, measured=None,
            evidence=f"host busy: {canary.busy}; {_value(second)} says nothing then; {told}",
            remedy="run this phase again when the host is quiet",
        )  # fmt: skip
    return replace(second, evidence=told)


def _value(check: Check) -> str:
    if isinstance(check.measured, float):
        return f"{check.measured:,.4g} {check.unit}".strip()
    return f"{check.measured} {check.unit}".strip()
