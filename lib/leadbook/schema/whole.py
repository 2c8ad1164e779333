"""The server's own `validate` of a collection, until it has looked at all parts of it. Read-only."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from time import sleep
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import OperationFailure

WAITS_S = (0.0, 1.0, 20.0, 45.0)
"""Pauses before each try, s: together longer than the minute in which the server writes a checkpoint by itself."""


def validate(collection: Collection[dict[str, Any]], option: str) -> dict[str, Any]:
    """The answer of `validate` with `option`, `full` or `background`. Raises OperationFailure; it needs dbAdmin.

    Tables with changes that no checkpoint has written are passed over. A checkpoint is asked for (fsync changes no
    data), and waited for where the user may not ask.
    """
    answer: dict[str, Any] = {}
    for wait_s in WAITS_S:
        sleep(wait_s)
        answer = collection.database.command({"validate": collection.name, option: True})
        if not passed_over(answer):
            break
        with suppress(OperationFailure):
            collection.database.client.admin.command("fsync")
    return answer


def passed_over(answer: Mapping[str, Any]) -> int:
    """Parts (tables of documents and of indexes) that `validate` did not look into, by its warnings."""
    return sum("transient" in str(warning) for warning in answer.get("warnings") or ())
