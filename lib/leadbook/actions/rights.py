"""Rights that actions need, beyond those of any check, and what of them the DBA's user lacks."""

from __future__ import annotations

from collections.abc import Iterable

from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.errors import RefusedError
from leadbook.provision import rights
from leadbook.provision.rights import Holder, Right, Rights

RIGHTS: Rights = {
    **rights.RIGHTS,
    "hostManager": Right.of("hostManager", "admin", "end an operation of another user"),
}
"""The DBA's rights, and one that a runaway operation of another user needs."""


def holder(admin: connect.Client, database: str, *, own: bool) -> Holder:
    """Who the DBA's client is and what that user lacks of RIGHTS. Raises PyMongoError."""
    return Holder.of(admin, database, own=own, wanted=RIGHTS)


def how_to_grant(admin: connect.Client, database: str, needs: Iterable[str], *, own: bool) -> str:
    """Which of the rights in `needs` are missing and how to grant them; empty where none is, or nobody tells."""
    try:
        who = holder(admin, database, own=own)
    except PyMongoError:
        return ""
    missing = who.missing(needs)
    if not missing:
        return ""
    return f"{who.name or 'the user'} lacks {who.told(missing)}; to grant it: {who.grant(missing)}"


def refuse_lacking(admin: connect.Client, database: str, needs: Iterable[str], *, own: bool) -> None:
    """Raise RefusedError, telling how to grant it, where a right is missing."""
    if told := how_to_grant(admin, database, needs, own=own):
        raise RefusedError(told)
