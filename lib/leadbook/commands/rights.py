"""What a run cannot see for want of a right, told before it begins."""

from __future__ import annotations

from collections.abc import Collection

from leadbook.core import connect
from leadbook.core.definitions import Definition, catalogue
from leadbook.core.settings import Settings
from leadbook.phases.blocked import holder
from leadbook.rehearsal import servers

PATIENCE_MS = 5_000
"""A server that is away is told by the phases; the run does not wait for it here."""


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
    return f"{len(unseen)} checks will stay unknown, {verdict} (attestations file, `accepted`)"
