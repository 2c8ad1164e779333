"""What stands on a check that blocks: the right that is missing, the command that grants it, who accepts its risk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.checks import BLOCKING, MEND, Check, Verdict
from leadbook.core.definitions import definition
from leadbook.core.errors import UnreachableError
from leadbook.core.rights import Holder
from leadbook.core.settings import Settings
from leadbook.phases import attestations
from leadbook.phases.judging import PRIVILEGE


def holder(admin: connect.Client, database: str, *, own: bool) -> Holder:
    """The user of the DBA's address and what that user lacks; nobody where the server does not tell."""
    try:
        connect.ping_mongodb(admin)
        return Holder.of(admin, database, own=own)
    except (PyMongoError, UnreachableError):
        return Holder(name="", own=own, database=database)


def completed(checks: Sequence[Check], settings: Settings, dba: Callable[[], Holder]) -> list[Check]:
    """The same checks; those that block say which right of the DBA's user is missing, and who accepts their risk."""
    if not any(check.verdict in BLOCKING for check in checks):
        return list(checks)
    file, target = attestations.in_force(settings)
    return [attestations.accept(_with_right(check, dba), file, target, settings) for check in checks]


def _with_right(check: Check, dba: Callable[[], Holder]) -> Check:
    needs = definition(check.id).needs
    if check.verdict is not Verdict.NOT_MEASURED or not needs:
        return check
    user = dba()
    if not (missing := user.missing(needs)):
        return check
    lacks = f"{user.name} lacks {user.told(missing)}"
    named = "" if user.own else ", and name that user's address in MONGODB_ADMIN_URI"
    then = "" if check.remedy in (PRIVILEGE, MEND) else f"; then {check.remedy}"
    return replace(
        check, evidence=f"{check.evidence.rstrip('. ')}; {lacks}",
        remedy=f"run `{user.grant(missing)}`{named}{then}",
    )  # fmt: skip
