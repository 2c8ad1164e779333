"""Rings when something is staged."""

from __future__ import annotations

import time
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

PAUSE_S = 1.0


class Bell:
    """A change stream, or where the server allows none (any more), the clock."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self._stream: Any = None
        try:
            self._stream = collection.watch([{"$match": {"operationType": "insert"}}], max_await_time_ms=1_000)
        except PyMongoError:
            self._stream = None

    def wait(self) -> bool:
        """Wait about a second for something to be staged; True at once when something was since the last call."""
        if self._stream is None:
            time.sleep(PAUSE_S)
            return True
        try:
            rang = self._stream.try_next() is not None
            while rang and self._stream.try_next() is not None:
                pass
        except PyMongoError:
            self._stream = None
            return True
        return rang

    def close(self) -> None:
        """End the change stream."""
        if self._stream is not None:
            self._stream.close()
