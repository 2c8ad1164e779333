"""Rights that actions need, beyond those of any check, and what of them the DBA's user lacks."""

from __future__ import annotations

from collections.abc import Iterable

from pymongo.errors import PyMongoError

from leadbook.actions.records import ActScene
from leadbook.core.errors import RefusedError
from leadbook.provision import rights
from leadbook.provision.rights import Holder, Right, Rights

RIGHTS: Rights = {
    **rights.RIGHTS,
    "hostManager": Right.of("hostManager", "admin", "end an operation of another user"),
}
"""The DBA's rights, and one that a runaway operation of another user needs."""


def how_to_grant(scene: ActScene, needs: Iterable[str]) -> str:
    """Which of the rights in `needs` the DBA's user lacks and how to grant them; empty where none is missing, or nobody
    tells."""
    try:
        who = Holder.of(scene.admin, scene.settings.database, own=scene.has_own_admin, wanted=RIGHTS)
    except PyMongoError:
        return ""
    missing = who.missing(needs)
    if not missing:
        return ""
    return f"{who.name or 'the user'} lacks {who.told(missing)}; to grant it: {who.grant(missing)}"


def refuse_lacking(scene: ActScene, needs: Iterable[str]) -> None:
    """Raise RefusedError, telling how to grant it, where a right is missing."""
    if told := how_to_grant(scene, needs):
        raise RefusedError(told)
