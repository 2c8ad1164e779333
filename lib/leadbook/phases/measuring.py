"""Measurements judged: a missed time is measured once more, and what could not be measured says why in every check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from leadbook.core.checks import Check, Unmeasured
from leadbook.measure.session import BenchmarkSession
from leadbook.measure.trials import Problems, attempt
from leadbook.phases import retaken
from leadbook.phases.judging import reason_of

T = TypeVar("T")


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
    """Measure and judge; where a time is missed, once more (see `canary`). `judged(None)` says why there is nothing.

    Raises UnreachableError where MongoDB is away.
    """
    found = attempt(session, problems, name, measure)
    checks = list(judged(found))
    if found is None or not retaken.missed(checks):
        return Judged(found=found, checks=tuple(checks))
    session.settle()
    again, heard = retaken.retaken(lambda: attempt(session, problems, name, measure))
    settled = retaken.settled(checks, judged(again), heard)
    return Judged(found=again or found, checks=tuple(settled))


def why_not(session: BenchmarkSession, problems: Problems, name: str) -> Unmeasured | Exception:
    """Why `name` could not be measured: an error, a missing right, or no approval."""
    why = problems.get(name, "it was not run")
    if isinstance(why, Exception):
        return reason_of(why)
    approved = session.settings.approves(session.action)
    return Unmeasured(str(why), "" if approved else session.settings.how_to_approve(session.action))
