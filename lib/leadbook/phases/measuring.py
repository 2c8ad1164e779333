"""Measurements judged: a missed time is measured once more, and what could not be measured says why in every check.

The second time is between two readings of the canary: missed again on a quiet host it fails; while the host is busy it
is `not measured`, since nobody can tell then who was slow. A value within its target passes whatever the host does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from leadbook.core.checks import Check, Unmeasured, Verdict
from leadbook.core.definitions import definition
from leadbook.measure.canary import SONGS, Canary
from leadbook.measure.session import BenchmarkSession
from leadbook.measure.trials import Problems, attempt
from leadbook.page.tables import measured_text
from leadbook.phases.judging import reason_of

T = TypeVar("T")
TIMED_UNITS = frozenset({"ms", "us", "documents/s", "leads/hour"})


@dataclass(frozen=True, kw_only=True)
class Judged(Generic[T]):
    """What came of one measurement. found: None where it could not be made; then every check says why."""

    found: T | None
    checks: tuple[Check, ...]


def take(
    session: BenchmarkSession,
    problems: Problems,
    name: str,
    measure: Callable[[], T],
    judged: Callable[[T | None], Iterable[Check]],
) -> Judged[T]:
    """Measure and judge; where a time is missed, once more. `judged(None)` says why there is nothing.

    Raises UnreachableError where MongoDB is away.
    """
    found = attempt(session, problems, name, measure)
    checks = list(judged(found))
    if found is None or not missed(checks):
        return Judged(found=found, checks=tuple(checks))
    session.settle()
    again, heard = retaken(lambda: attempt(session, problems, name, measure))
    return Judged(found=again or found, checks=tuple(settled(checks, judged(again), heard)))


def why_not(session: BenchmarkSession, problems: Problems, name: str) -> Unmeasured | Exception:
    """Why `name` could not be measured: an error, a missing right, or no approval."""
    why = problems.get(name, "it was not run")
    if isinstance(why, Exception):
        return reason_of(why)
    approved = session.settings.approves(session.action)
    return Unmeasured(str(why), "" if approved else session.settings.how_to_approve(session.action))


def missed(checks: Iterable[Check]) -> list[Check]:
    """Checks of times and rates that failed: those that a slow moment of the host may have cost."""
    return [
        check
        for check in checks
        if check.verdict is Verdict.FAIL and (check.unit in TIMED_UNITS or definition(check.id).timed)
    ]


def retaken(measure: Callable[[], T], canary: Canary | None = None) -> tuple[T, Canary]:
    """`measure` once more, between two readings of the canary."""
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
    told = f"{second.evidence}; measured once more, at first {measured_text(first)}"
    if second.verdict is Verdict.FAIL and canary.busy:
        return replace(
            second, verdict=Verdict.NOT_MEASURED, measured=None,
            evidence=f"host busy: {canary.busy}; {measured_text(second)} says nothing then; {told}",
            remedy="run this phase again when the host is quiet",
        )  # fmt: skip
    return replace(second, evidence=told)
