"""Measurements that may not be approved or may break: each is tried, missed times are measured once more, reasons kept.

Redis only saves work: where it goes away, the measurement is made again without it. MongoDB is the subject: where it
goes away everything ends at once, in one line.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import redis as redis_py
from pymongo.errors import PyMongoError

from leadbook.core.errors import RefusedError
from leadbook.measure.session import BenchmarkSession
from leadbook.schema import undo

T = TypeVar("T")
Problems = dict[str, BaseException | str]
ERRORS = (PyMongoError, redis_py.RedisError, BrokenProcessPool, OSError, RuntimeError)
WITH_REDIS = frozenset({"look-ups", "connections", "references", "sources", "everything", "redis"})
"""Measurements that ask Redis: made again without it where it went away meanwhile, even if no call raised."""


def attempt(session: BenchmarkSession, problems: Problems, name: str, call: Callable[[], T]) -> T | None:
    """`call()`, or None with the reason kept in `problems`; made once more where Redis went away meanwhile.

    Raises UnreachableError where MongoDB is away.
    """
    while True:
        found = None
        problems.pop(name, None)
        try:
            found = call()
        except RefusedError as error:
            approved = session.settings.approves(session.action)
            problems[name] = str(error) if approved else f"not approved for database {session.settings.database}"
            return None
        except ERRORS as error:
            undo.insist_on_mongodb(session.mongodb)
            problems[name] = error
        may_have_asked_redis = name in problems or name in WITH_REDIS
        if not (may_have_asked_redis and session.lost_redis()):
            return found
