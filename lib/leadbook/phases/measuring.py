"""Measurements judged: a missed time is measured once more, and what could not be measured says why in every check."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pymongo.errors import OperationFailure

from leadbook.core import canary, write_errors
from leadbook.core.checks import Check, Unmeasured, judge
from leadbook.measure.session import BenchmarkSession
from leadbook.measure.trials import Problems, attempt
from leadbook.phases.judging import FORBIDDEN_CODES, PRIVILEGE

__all__ = ["Judged", "take", "unanswered"]

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
    if found is None or not canary.missed(checks):
        return Judged(found=found, checks=tuple(checks))
    session.settle()
    again, heard = canary.retaken(lambda: attempt(session, problems, name, measure))
    settled = canary.settled(checks, judged(again), heard)
    return Judged(found=again or found, checks=tuple(settled))


def unanswered(session: BenchmarkSession, problems: Problems, name: str, ids: Iterable[str]) -> list[Check]:
    """These checks where `name` could not be measured: an error, a missing right, or no approval."""
    why, settings = problems.get(name, "it was not run"), session.settings
    answer: Unmeasured | BaseException
    if isinstance(why, OperationFailure) and why.code in FORBIDDEN_CODES:
        answer = Unmeasured(f"the user may not do this: {write_errors.line(why)}", PRIVILEGE)
    elif isinstance(why, BaseException):
        answer = why
    else:
        approved = settings.approves(session.action)
        answer = Unmeasured(why, "" if approved else settings.how_to_approve(session.action))
    return [judge(one, answer, settings=settings) for one in ids]
