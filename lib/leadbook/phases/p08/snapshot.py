"""A snapshot that missed a time is taken once more: one slow moment of the host is not the database's fault."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from leadbook.core import canary
from leadbook.core.checks import Check
from leadbook.core.settings import Settings
from leadbook.monitor import session
from leadbook.monitor.session import Observation
from leadbook.phases.p08 import performance

__all__ = ["observe", "performance_checks", "pool_checks"]


def observe(endpoints: Any, settings: Settings, **given: Any) -> Observation:
    """`session.observe`; where a time was missed with a second snapshot in `again`, between two songs of the canary."""
    seen = session.observe(endpoints, settings, **given)
    judged = [*performance.performance_checks(seen, settings, {}), *performance.pool_checks(seen, settings)]
    if not canary.missed(judged):
        return seen
    again, heard = canary.retaken(lambda: session.observe(endpoints, settings, **given))
    return replace(seen, again=again, canary=heard)


def performance_checks(seen: Observation, settings: Settings, benchmarks: Mapping[str, Any]) -> list[Check]:
    """As `performance.performance_checks`, times that were missed judged by the second snapshot and the canary."""
    return _settled(seen, lambda one: performance.performance_checks(one, settings, benchmarks))


def pool_checks(seen: Observation, settings: Settings) -> list[Check]:
    """As `performance.pool_checks`, in the same way."""
    return _settled(seen, lambda one: performance.pool_checks(one, settings))


def _settled(seen: Observation, judge: Any) -> list[Check]:
    first: list[Check] = judge(seen)
    if seen.again is None or seen.canary is None:
        return first
    return canary.settled(first, judge(seen.again), seen.canary)
