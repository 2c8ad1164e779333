"""What stands on a check that blocks: the right that is missing, the command that grants it, who accepts its risk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core.checks import BLOCKING, MEND, Check, Verdict
from leadbook.core.definitions import Definition, catalogue, definition
from leadbook.core.errors import UnreachableError
from leadbook.core.settings import Settings
from leadbook.page.prose import with_profile
from leadbook.phases import attestations
from leadbook.phases.judging import PRIVILEGE
from leadbook.provision.rights import Holder
from leadbook.rehearsal import servers

PATIENCE_MS = 5_000
"""A server that is away is told by the phases; the run does not wait for it here."""


def holder(admin: connect.Client, database: str, *, own: bool) -> Holder:
    """The user of the DBA's address and what that user lacks; nobody where the server does not tell."""
    try:
        connect.ping_mongodb(admin)
        return Holder.of(admin, database, own=own)
    except (PyMongoError, UnreachableError):
        return Holder(name="", own=own, database=database)


def completed(checks: Sequence[Check], settings: Settings, dba: Callable[[], Holder]) -> list[Check]:
    """The same checks; those that block say which right of the DBA's user is missing, and who accepts their risk."""
    checks = [replace(check, remedy=with_profile(check.remedy, settings.profile)) for check in checks]
    if not any(check.verdict in BLOCKING for check in checks):
        return checks
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
        remedy=f"run `{user.grant(missing)}` (Atlas: the same roles under Database Access){named}{then}",
    )  # fmt: skip


def unknown(settings: Settings, phases: Collection[str]) -> str:
    """One line: which checks of `phases` will stay unknown, which rights they need, and which verdict can be had.

    Empty where the DBA's user has all rights that these phases need, or where MongoDB does not tell (the phases do).
    """
    endpoints = servers.resolve(settings)
    if endpoints.source == "rehearsal":
        return ""
    patience = min(PATIENCE_MS, settings.server_selection_timeout_ms)
    soon = settings.model_copy(update={"server_selection_timeout_ms": patience, "min_pool_size": 0})
    with connect.mongodb(endpoints.admin_uri, soon) as admin:
        dba = holder(admin, settings.database, own=endpoints.has_own_admin)
    unseen = [entry for entry in catalogue().values() if entry.phase in phases and dba.missing(entry.needs)]
    if not unseen:
        return ""
    rights = dba.told(dba.missing(right for entry in unseen for right in entry.needs))
    who = f"{dba.name} ({settings.mongodb_admin_uri_env}) lacks" if dba.own else f"no {settings.mongodb_admin_uri_env}:"
    return f"{who} {rights}; {_consequence(unseen)}"


def _consequence(unseen: Collection[Definition]) -> str:
    never = [entry.id for entry in unseen if not entry.acceptable]
    verdict = f"NO-GO, since nobody can accept {', '.join(never)}" if never else "NO-GO unless they are accepted"
    count = f"{len(unseen)} check{'s' if len(unseen) > 1 else ''}"
    return f"{count} will stay unknown, {verdict} (attestations file, `accepted`)"
