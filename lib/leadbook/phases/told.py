"""What a section tells for each of its checks, judged once: the answer, how it is known, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from leadbook.core.checks import Check, Unmeasured, judge
from leadbook.core.settings import Settings

__all__ = ["Tell", "Told", "judged"]

T = TypeVar("T")


class Told(NamedTuple):
    """answer: what `judge` takes: a value, Unmeasured, Inapplicable, Doubtful.  remedy: in place of the catalogue's."""

    answer: Any
    evidence: str = ""
    remedy: str = ""


Tell = Callable[[T], Told]


def judged(tells: Mapping[str, Tell[T]], found: T | Unmeasured | BaseException, settings: Settings) -> list[Check]:
    """A check for each id: what its function tells of `found`; where nothing was found, the reason."""
    checks = []
    for check_id, tell in tells.items():
        told = Told(found) if isinstance(found, Unmeasured | BaseException) else tell(found)
        checks.append(judge(check_id, told.answer, settings=settings, evidence=told.evidence, remedy=told.remedy))
    return checks
