"""What a section tells for each of its checks, judged once: the answer, how it is known, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from leadbook.core.checks import Check, Unmeasured, judge
from leadbook.core.settings import Settings

T = TypeVar("T")


class Answered(NamedTuple):
    """answer: what `judge` takes: a value, Unmeasured, Inapplicable, Doubtful.  remedy: in place of the catalogue's."""

    answer: Any
    evidence: str = ""
    remedy: str = ""


Tell = Callable[[T], Answered]


def all_of(told: Mapping[str, Answered], settings: Settings) -> tuple[Check, ...]:
    """A check for each id, of what was told for it."""
    return tuple(
        judge(check_id, one.answer, settings=settings, evidence=one.evidence, remedy=one.remedy)
        for check_id, one in told.items()
    )


def judged(
    tells: Mapping[str, Tell[T]], found: T | Unmeasured | BaseException, settings: Settings
) -> tuple[Check, ...]:
    """A check for each id, of what its function tells of `found`; where nothing was found, with the reason."""
    if isinstance(found, Unmeasured | BaseException):
        return all_of(dict.fromkeys(tells, Answered(found)), settings)
    return all_of({check_id: tell(found) for check_id, tell in tells.items()}, settings)
