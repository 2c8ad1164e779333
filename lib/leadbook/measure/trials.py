"""Measurements that may not be approved or may break: each is tried, missed times are measured once more, reasons kept.

Redis only saves work: where it goes away, the measurement is made again without it. MongoDB is the subject: where it
goes away everything ends at once, in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

import redis as redis_py
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core import canary
from leadbook.core.checks import Check, errored, not_measured
from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings
from leadbook.measure.session import BenchmarkSession
from leadbook.schema import undo

__all__ = ["Measured", "Problems", "attempt", "problem", "take"]

T = TypeVar("T")
Problems = dict[str, BaseException | str]
ERRORS = (PyMongoError, redis_py.RedisError, BrokenProcessPool, OSError, RuntimeError)
WITH_REDIS = frozenset({"look-ups", "connections", "references", "sources", "everything", "redis"})
"""Measurements that ask Redis: made again without it where it went away meanwhile, even if no call raised."""
UNAUTHORISED = (13, 8000)


@dataclass(frozen=True, kw_only=True)
class Measured(Generic[T]):
    """What came of one measurement. found: None where it could not be made; then every check says why."""

    found: T | None
    checks: list[Check]


def attempt(place: BenchmarkSession, problems: Problems, name: str, call: Callable[[], T]) -> T | None:
    """`call()`, or None with the reason kept in `problems`. Raises UnreachableError where MongoDB is away."""
    problems.pop(name, None)
    try:
        found = call()
    except RefusedError as error:
        approved = place.settings.approves(place.action)
        problems[name] = str(error) if approved else f"not approved for database {place.settings.database}"
        return None
    except ERRORS as error:
        undo.insist_on_mongodb(place.mongodb)
        problems[name] = error
        return _without_redis(place, problems, name, call, None)
    return _without_redis(place, problems, name, call, found) if name in WITH_REDIS else found


def _without_redis(
    place: BenchmarkSession, problems: Problems, name: str, call: Callable[[], T], found: T | None
) -> T | None:
    """`found`, or where Redis went away meanwhile what `call` gives without it."""
    if not place.lost_redis():
        return found
    problems.pop(name, None)
    try:
        return call()
    except ERRORS as error:
        undo.insist_on_mongodb(place.mongodb)
        problems[name] = error
        return None


def problem(
    check_id: str, problems: Mapping[str, BaseException | str], name: str, settings: Settings, action: str = "load_test"
) -> Check:
    """The check of something that could not be measured: an error, a missing right, or no approval."""
    why = problems.get(name, "it was not run")
    if isinstance(why, OperationFailure) and why.code in UNAUTHORISED:
        return not_measured(check_id, f"the user may not do this: {_line(why)}", settings=settings)
    if isinstance(why, BaseException):
        return errored(check_id, why, settings=settings)
    remedy = "" if settings.approves(action) else settings.how_to_approve(action)
    return not_measured(check_id, why, settings=settings, remedy=remedy)


def take(
    place: BenchmarkSession,
    problems: Problems,
    name: str,
    measure: Callable[[], T],
    judge: Callable[[T | None], list[Check]],
) -> Measured[T]:
    """Measure and judge; where a time is missed, once more (see `canary`). `judge(None)` says why there is nothing."""
    found = attempt(place, problems, name, measure)
    checks = judge(found)
    if found is None or not canary.missed(checks):
        return Measured(found=found, checks=checks)
    place.settle()
    again, heard = canary.retaken(lambda: attempt(place, problems, name, measure))
    return Measured(found=again or found, checks=canary.settled(checks, judge(again), heard))


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
