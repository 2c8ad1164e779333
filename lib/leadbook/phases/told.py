"""Answers become checks: what a section tells for each of its checks, how it is known, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured, Verdict, judge
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.phases.judging import Finding, attempt

T = TypeVar("T")


class Answered(NamedTuple):
    """answer: what `judge` takes: a value, Unmeasured, Inapplicable, Doubtful.  remedy: in place of the catalogue's."""

    answer: Any
    evidence: str = ""
    remedy: str = ""


Answers = Mapping[str, Answered | Finding]
"""By id of a check."""
Tell = Callable[[T], Answered]
"""What one check is told of what was found."""


def all_of(told: Answers, settings: Settings | None = None) -> tuple[Check, ...]:
    """A check for each id, of what was told for it."""
    return tuple(
        judge(check_id, one.answer, settings=settings, evidence=one.evidence, remedy=one.remedy)
        for check_id, one in ((check_id, Answered(*one)) for check_id, one in told.items())
    )


def of_found(
    ids: Iterable[str], found: T | Unmeasured | BaseException, tell: Callable[[T], Answers],
    settings: Settings | None = None,
) -> tuple[Check, ...]:  # fmt: skip
    """The checks that `tell` answers from what was found; where nothing was, all of `ids` say why."""
    if isinstance(found, Unmeasured | BaseException):
        return all_of(dict.fromkeys(ids, Answered(found)), settings)
    return all_of(tell(found), settings)


def judged(
    tells: Mapping[str, Tell[T]], found: T | Unmeasured | BaseException, settings: Settings
) -> tuple[Check, ...]:
    """A check for each id, of what its function tells of `found`; where nothing was found, with the reason."""
    return of_found(tells, found, lambda it: {check_id: tell(it) for check_id, tell in tells.items()}, settings)


def ask_all(
    questions: Mapping[str, Callable[[], Finding]], settings: Settings, *, this_machine: bool = True
) -> tuple[Check, ...]:
    """A check for each id, of what its question finds; what goes wrong there is that check's alone.

    A `production_only` value does not apply in rehearsal: it stands beside, as seen. What `warns: rehearsal` warns only
    where this machine alone can reach the servers (`this_machine`).
    """
    checks = []
    for check_id, ask in questions.items():
        entry, found = definition(check_id), attempt(ask)
        value, evidence = found if isinstance(found, tuple) else (found, "")
        taken = not isinstance(value, Unmeasured | Inapplicable | Doubtful | Exception)
        if taken and entry.production_only and settings.is_rehearsal:
            value = Inapplicable(f"asked for in production; seen here: {_shown(value, entry.unit)} ({evidence})")
        mild = entry.warns == "rehearsal"
        check = judge(check_id, value, settings=None if mild and not this_machine else settings, evidence=evidence)
        if mild and check.verdict is Verdict.WARN:
            said = f"{check.evidence}; a rehearsal on this machine alone: in production this fails"
            check = replace(check, evidence=said.removeprefix("; "))
        checks.append(check)
    return tuple(checks)


def _shown(value: Any, unit: str) -> str:
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "yes", False: "no"}[value]
    return f"{value:,.4g} {unit}".strip() if isinstance(value, float) else f"{value} {unit}".strip()
