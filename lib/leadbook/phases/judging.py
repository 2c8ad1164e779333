"""One way to turn what a server refuses, or what goes wrong while asking it, into what `judge` takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pymongo.errors import OperationFailure, PyMongoError, ServerSelectionTimeoutError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from leadbook.core import write_errors
from leadbook.core.checks import Unmeasured
from leadbook.core.errors import LeadbookError

__all__ = ["FORBIDDEN_CODES", "attempt"]

FORBIDDEN_CODES = frozenset({13, 59, 115, 8000})
"""Unauthorized, CommandNotFound, CommandNotSupported, and Atlas' own refusal on small tiers."""
PRIVILEGE = "name the DBA's address in MONGODB_ADMIN_URI (roles clusterMonitor and read on local)"

Answer = TypeVar("Answer")


def attempt(ask: Callable[[], Answer]) -> Answer | Unmeasured | Exception:
    """The answer of `ask()`; Unmeasured where the server forbids the question, the error where it goes wrong.

    Raises ServerSelectionTimeoutError: MongoDB is away, and each further question would only wait as long again.
    """
    try:
        return ask()
    except ServerSelectionTimeoutError:
        raise
    except OperationFailure as error:
        return Unmeasured(write_errors.line(error), PRIVILEGE) if error.code in FORBIDDEN_CODES else error
    except NoPermissionError as error:
        return Unmeasured(write_errors.line(error), "allow the command in the user's ACL")
    except ResponseError as error:
        unknown = "unknown command" in str(error)
        return Unmeasured(write_errors.line(error), "look in the provider's console") if unknown else error
    except (PyMongoError, RedisError, LeadbookError, OSError, LookupError, TypeError, ValueError) as error:
        return error
