"""How long a worker bears with MongoDB: an election passes unnoticed, a lost majority is told within a minute.

The patience is of the outage, not of the call: once one call has used it up, each further one is tried once and
briefly, until one succeeds. So a run that loses its servers ends soon, however many batches are under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar, cast

import pymongo
from tenacity import Retrying, retry_if_exception, wait_random_exponential

from leadbook.core import write_errors as faults

T = TypeVar("T")

BRIEF_S = 2.0
"""The one try of a call once the patience is used up, s."""


class InDoubt(Exception):  # noqa: N818
    """The outcome of a call is not known yet: try it again. Raised by callers of `retry`, and caught by them."""


class Patience:
    """Repeats calls of one worker while their outcome is in doubt. patience_s: longest outage that is borne, seconds;
    an election takes 3 to 12 s. Not shared between threads."""

    def __init__(self, patience_s: float = 30.0) -> None:
        self.patience_s = patience_s
        self._away_since: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether the outage that goes on now has lasted longer than the patience; without patience, always."""
        if not self.patience_s:
            return True
        return self._away_since is not None and time.monotonic() - self._away_since >= self.patience_s

    def retry(self, call: Callable[[], T]) -> T:
        """`call`, which must bear to be repeated, with growing waits. Raises what its last try raised."""
        retrying = Retrying(
            stop=lambda _: self.is_over, wait=wait_random_exponential(multiplier=0.1, max=3.0),
            retry=retry_if_exception(lambda error: isinstance(error, InDoubt) or faults.is_in_doubt(error)),
            reraise=True, sleep=time.sleep,
        )  # fmt: skip
        return cast(T, retrying(self._once, call))

    def _once(self, call: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            with pymongo.timeout(BRIEF_S) if self.is_over else nullcontext():
                answer = call()
        except Exception as error:
            if isinstance(error, InDoubt) or faults.is_in_doubt(error):
                self._away_since = self._away_since or started
            raise
        self._away_since = None
        return answer
