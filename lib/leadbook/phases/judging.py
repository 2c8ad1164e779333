"""One way from questions to checks: what was found, or what stands in its place, judged by the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from bson.errors import BSONError
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from leadbook.core import write_errors
from leadbook.core.checks import Check, Doubtful, Inapplicable, Unmeasured, Verdict, judge
from leadbook.core.definitions import definition
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.page.tables import measured_text
from leadbook.provision.asked import FORBIDDEN_CODES, UNAUTHORIZED, acl

PRIVILEGE = "name a user who holds this right in MONGODB_ADMIN_URI"
CONSOLE = "look in the provider's console; what nobody can tell must be accepted in the attestations file"

Answer = TypeVar("Answer")
Finding = tuple[Any, str]
"""What was measured, or what stands in its place, with its evidence."""


class Answered(NamedTuple):
    """What one check is told. answer: what `judge` takes: a value, Unmeasured, Inapplicable, Doubtful, an exception.
    remedy, target: in place of the catalogue's."""

    answer: Any
    evidence: str = ""
    remedy: str = ""
    target: Any = None


Answers = Mapping[str, Answered | Finding]
"""By id of a check."""
Questions = Mapping[str, Callable[[], Finding]]
"""By id of a check: what finds its answer."""
INSTEAD = (Unmeasured, Inapplicable, Doubtful, Exception)
"""What may stand in place of a value."""
Tell = Callable[[Answer], Answered]
"""What one check is told of what was found."""


class Missing(LeadbookError):  # noqa: N818
    """What a check needs is not there; `instead` stands in its place."""

    def __init__(self, instead: Unmeasured) -> None:
        super().__init__(instead.why)
        self.instead = instead


def attempt(ask: Callable[[], Answer]) -> Answer | Unmeasured | Exception:
    """The answer of `ask()`; Unmeasured where the server forbids the question, the error where it goes wrong.

    Raises ServerSelectionTimeoutError (MongoDB is away, and each further question would only wait as long again) and
    InvalidOperation (the phase is closed).
    """
    try:
        return ask()
    except (ServerSelectionTimeoutError, InvalidOperation):
        raise
    except Missing as error:
        return error.instead
    except (PyMongoError, BSONError, RedisError, LeadbookError, OSError, LookupError, TypeError, ValueError) as error:
        return reason_of(error)


def reason_of(error: Exception) -> Unmeasured | Exception:
    """What stands in place of an answer after `error`: Unmeasured where the server forbids the question."""
    line = write_errors.line(error)
    if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
        return Unmeasured(line, PRIVILEGE)
    if isinstance(error, OperationFailure) and error.code in FORBIDDEN_CODES:
        return Unmeasured(f"this tier does not offer it: {line}", CONSOLE)
    if isinstance(error, NoPermissionError):
        return Unmeasured(line, f"allow it: `{acl(str(error))}`")
    if isinstance(error, ResponseError) and "unknown command" in str(error):
        return Unmeasured(line, CONSOLE)
    return error


def got(answer: Answer | Unmeasured | Exception) -> Answer:
    """`answer` where it is one. Raises what stands in its place, so that each check that needs it tells it."""
    if isinstance(answer, Unmeasured):
        raise Missing(answer)
    if isinstance(answer, Exception):
        raise answer
    return answer


def checks_of(
    answers: Answers | Questions, settings: Settings | None = None, *, this_machine: bool = True
) -> tuple[Check, ...]:
    """A check for each id, of its answer; what goes wrong with a question is that check's alone.

    A `production_only` value does not apply in rehearsal: it stands beside, as seen. What `warns: rehearsal` warns only
    where this machine alone can reach the servers (`this_machine`). settings: None where no target is a parameter.
    """
    return tuple(_check(check_id, one, settings, this_machine) for check_id, one in answers.items())


def _check(
    check_id: str, one: Answered | Finding | Callable[[], Finding], settings: Settings | None, here: bool
) -> Check:
    entry, found = definition(check_id), attempt(one) if callable(one) else one
    answer, evidence, remedy, target = Answered(*found) if isinstance(found, tuple) else Answered(found)
    mild = entry.warns == "rehearsal"
    known = None if mild and not here else settings
    check = judge(check_id, answer, settings=known, target=target, evidence=evidence, remedy=remedy)
    if entry.production_only and settings and settings.is_rehearsal and not isinstance(answer, INSTEAD):
        why = f"asked for in production; seen here: {measured_text(check)} ({evidence})"
        return judge(check_id, Inapplicable(why), settings=settings)
    if mild and check.verdict is Verdict.WARN:
        said = f"{check.evidence}; a rehearsal only warns: in production this fails"
        return replace(check, evidence=said.removeprefix("; "))
    return check


def of_found(
    ids: Iterable[str], found: Answer | Unmeasured | BaseException, tell: Callable[[Answer], Answers]
) -> Answers:
    """What `tell` answers of what was found; where nothing was, all of `ids` say why."""
    return dict.fromkeys(ids, Answered(found)) if isinstance(found, Unmeasured | BaseException) else tell(found)


def of_each(tells: Mapping[str, Tell[Answer]], found: Answer | Unmeasured | BaseException) -> Answers:
    """What each function tells of what was found; where nothing was, why."""
    return of_found(tells, found, lambda it: {check_id: tell(it) for check_id, tell in tells.items()})
