"""Measurements that may not be approved or may break: each is tried, missed times are measured once more, reasons kept.

Redis only saves work: where it goes away, the measurement is made again without it. MongoDB is the subject: where it
goes away everything ends at once, in one line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import redis as redis_py
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core import canary
from leadbook.core.checks import Check, catalogue, errored, not_measured
from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings
from leadbook.measure.disclosure import Disclosure, disclose
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.schema import undo

__all__ = ["Bench", "Measured", "Problems", "attempt", "problem", "take"]

T = TypeVar("T")
Problems = dict[str, BaseException | str]
ERRORS = (PyMongoError, redis_py.RedisError, BrokenProcessPool, OSError, RuntimeError)
WITH_REDIS = frozenset({"look-ups", "connections", "references", "sources", "everything", "redis"})
"""Measurements that ask Redis: made again without it where it went away meanwhile, even if no call raised."""
UNAUTHORISED = (13, 8000)
AREAS = {
    "inserts": ("BCH-INS", "BCH-ENV"), "write concerns": ("BCH-WC",), "look-ups": ("BCH-RDS", "BCH-DUP"),
    "finds": ("BCH-FND", "BCH-CNT"), "connections": ("BCH-POOL",), "index prices": ("BCH-IDX",),
    "slow query": ("BCH-LOG",), "references": ("BCH-REF",),
}  # fmt: skip
"""Measurements of phase 03 and the areas of the catalogue that they answer."""


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


@dataclass(kw_only=True)
class Bench:
    """The benchmarks of phase 03 at one place. filled: what look-ups and finds run on; the stored leads where nothing
    may be written, None where there are none."""

    place: BenchmarkSession
    filled: Leads | None = None
    problems: Problems = field(default_factory=dict)

    @classmethod
    def of(cls, place: BenchmarkSession) -> Bench:
        """Fill a scratch collection where that is approved."""
        made = cls(place=place)
        if made.approved:
            made.filled = attempt(
                place, made.problems, "filling", lambda: place.keep("leads", place.settings.bench_leads)
            )
        else:
            leads = place.database[place.settings.collection]
            readable = {"email": {"$exists": True}, "location_state": {"$exists": True}}
            made.filled = leads if leads.find_one(readable, {"_id": 1}) else None
        return made

    @property
    def approved(self) -> bool:
        """Whether anything may be written here."""
        return self.place.settings.approves(self.place.action)

    def disclose(self) -> Disclosure:
        """What is measured on. Raises what kept it from being read."""
        collection = self.filled
        if collection is None:
            collection = self.place.database[self.place.settings.collection]
        found = attempt(self.place, self.problems, "disclosure", lambda: disclose(self.place, collection))
        if found is None:
            why = self.problems["disclosure"]
            raise why if isinstance(why, BaseException) else RefusedError(why)
        return found

    @property
    def sentence(self) -> str:
        """On what is measured."""
        settings = self.place.settings
        if self.approved:
            return f"Look-ups and finds run on {settings.bench_leads:,} sample leads in a scratch collection."
        what = (
            "Look-ups, finds and connections read the stored leads" if self.filled is not None else "No lead is stored"
        )
        return (
            f"**Benchmarks are not approved for `{settings.database}`: nothing is written.** {what}; everything else "
            f"is not measured. {settings.how_to_approve('benchmarks').capitalize()}."
        )

    def take(
        self, name: str, measure: Callable[..., T], judge: Callable[[T, Settings], list[Check]], *given: Leads | None
    ) -> Measured[T]:
        """`measure(place, *given)`, judged; a reason for each of its checks where it could not be made."""
        settings = self.place.settings

        def judged(found: T | None) -> list[Check]:
            if found is not None:
                return judge(found, settings)
            return [problem(one, self.problems, name, settings, self.place.action) for one in _answered(name)]

        if self.filled is None and self.filled in given:
            self.problems[name] = self.problems.get("filling") or "benchmarks are not approved, and no lead is stored"
            return Measured(found=None, checks=judged(None))
        return take(self.place, self.problems, name, lambda: measure(self.place, *given), judged)


def _answered(name: str) -> Sequence[str]:
    """Checks of the catalogue that a measurement answers, those that a person attests left out."""
    return [one.id for one in catalogue().values() if one.id.startswith(AREAS[name]) and one.kind == "measured"]


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
