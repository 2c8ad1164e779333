"""The guard before every write of leads: without the unique index on linkedin_url nothing decides what is a
duplicate, and without acknowledgements nobody knows what was stored."""

from __future__ import annotations

from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.core.errors import LeadbookError, ParameterError


def has_unique_index(leads: Collection[dict[str, Any]]) -> bool:
    """Whether a unique index on linkedin_url alone judges every lead; a partial one lets some pass. Read-only.

    Raises LeadbookError where the server does not tell its indexes (a missing right, a lost connection).
    """
    try:
        indexes = list(leads.list_indexes())
    except PyMongoError as error:
        raise LeadbookError(
            f"the indexes of {leads.full_name} cannot be read ({faults.described(error)}), so nobody knows whether "
            "duplicates are kept out; grant the user readWrite on it, or try again"
        ) from None
    return any(
        index.get("unique") and list(index["key"]) == ["linkedin_url"] and "partialFilterExpression" not in index
        for index in indexes
    )


def unjudged(leads: Collection[dict[str, Any]]) -> str:
    """Why no lead may be written to `leads`; empty where the unique index judges them. Raises as `has_unique_index`."""
    if has_unique_index(leads):
        return ""
    return f"collection {leads.full_name} has no unique index on linkedin_url, which decides what is a duplicate"


def refuse_without_unique_index(leads: Collection[dict[str, Any]]) -> None:
    """Raise LeadbookError unless the unique index on linkedin_url is there. Call it before the first write."""
    if why := unjudged(leads):
        raise LeadbookError(f"{why}; apply the schema first: run phase 02 of this profile, in production approved")


def refuse_unacknowledged(leads: Collection[dict[str, Any]]) -> None:
    """Raise ParameterError where writes to `leads` are sent with w: 0, whoever asked for that: every duplicate would
    pass for stored. Call it before the first write."""
    if not leads.write_concern.acknowledged:
        raise ParameterError(
            "write_concern", f"writes to {leads.full_name} are sent with w: 0, so that no outcome is ever known",
            "set write_concern to majority, and take w=0 out of the address",
        )  # fmt: skip
