"""One way to turn what a server refuses, or what goes wrong while asking it, into what `judge` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from bson.errors import BSONError
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError, ServerSelectionTimeoutError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from leadbook.core import write_errors
from leadbook.core.checks import Unmeasured
from leadbook.core.errors import LeadbookError
from leadbook.provision.asked import FORBIDDEN_CODES, UNAUTHORIZED, acl

PRIVILEGE = "name a user who holds this right in MONGODB_ADMIN_URI"
CONSOLE = "look in the provider's console; what nobody can tell must be accepted in the attestations file"

Answer = TypeVar("Answer")
Finding = tuple[Any, str]
"""What was measured, or what stands in its place, with its evidence."""


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
