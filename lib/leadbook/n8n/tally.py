"""A workflow's history, counted while its executions are read, the newest first."""

from __future__ import annotations

from datetime import datetime

from leadbook.n8n.records import N8nExecution, N8nHistory


class Tally:
    """What was read so far. success: the newest execution that ended well."""

    def __init__(self) -> None:
        self.success: N8nExecution | None = None
        self._last: N8nExecution | None = None
        self._failure: N8nExecution | None = None
        self._in_day = self._failures = 0

    def take(self, one: N8nExecution, since: datetime) -> bool:
        """Count the next older execution; True where it is older than `since`."""
        at = one.started or one.stopped
        old = at is not None and at < since
        self._in_day += not old
        self._failures += one.failed and not old
        self._last = self._last or one
        self.success = self.success or (one if one.succeeded else None)
        self._failure = self._failure or (one if one.failed else None)
        return old

    def history(self, *, whole: bool) -> N8nHistory:
        """All of it. whole: everything of the last 24 hours was read."""
        return N8nHistory(last=self._last, success=self.success, failure=self._failure, in_day=self._in_day,
                          failures=self._failures, whole=whole)  # fmt: skip
