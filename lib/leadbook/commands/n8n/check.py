"""`leadbook n8n check`: what a running n8n says, what the servers see of it, and what that means for the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from leadbook.commands.place import addresses
from leadbook.core.errors import UnreachableError
from leadbook.core.settings import Settings
from leadbook.core.write_errors import described
from leadbook.n8n import names, seen
from leadbook.n8n.records import N8nHistory, N8nWorkflow
from leadbook.n8n.seen import N8nSeen, StagedBy
from leadbook.phases.console.collectors import judged, outcome


@dataclass(frozen=True, kw_only=True)
class CheckedN8n:
    """An n8n as asked. workflows, servers, checks: a row each, ready for JSON.  good: no check blocks.

    notes: what a person should know besides.
    """

    address: str
    release: str
    workflows: tuple[Mapping[str, Any], ...]
    servers: tuple[Mapping[str, Any], ...]
    checks: tuple[Mapping[str, Any], ...]
    notes: tuple[str, ...]
    good: bool


def check(settings: Settings) -> CheckedN8n:
    """Ask n8n, MongoDB and Redis; nothing is changed. Raises what `seen.look` raises, and ServerError."""
    from pymongo.errors import PyMongoError

    try:
        found = seen.look(settings, addresses(settings))
    except PyMongoError as error:
        raise UnreachableError("MongoDB", "the address of the profile", described(error)) from None
    checks = judged(found, settings)
    return CheckedN8n(
        address=found.address, release=found.release, workflows=_rows(found), servers=_servers(found),
        checks=tuple(outcome(one) for one in checks), notes=tuple(_notes(found)),
        good=not any(outcome(one)["blocks"] for one in checks),
    )  # fmt: skip


def _rows(found: N8nSeen) -> tuple[Mapping[str, Any], ...]:
    """A row for each collector, the look-up, and each stamp of nobody's."""
    rows = [_row(one.name, one.workflow, one.history, one.staged, one.stamp) for one in found.collectors]
    look_up = found.look_up
    rows += [_row("look-up", look_up.workflow, look_up.history, StagedBy(), "")] if look_up.workflow else []
    rows += [_row("(none of the ten)", None, N8nHistory(), staged, stamp or "no stamp")
             for stamp, staged in found.unknown.items()]  # fmt: skip
    return tuple(rows)


def _row(
    name: str, workflow: N8nWorkflow | None, history: N8nHistory, staged: StagedBy, stamp: str
) -> Mapping[str, Any]:
    last = history.last
    return {
        "workflow": name, "in_n8n": workflow is not None, "active": bool(workflow and workflow.active), "stamp": stamp,
        "last": _iso(last.started or last.stopped if last else None), "status": last.status if last else "",
        "executions_24h": history.in_day, "failures_24h": history.failures, "whole": history.whole,
        "staged": staged.records, "staged_24h": staged.in_day, "newest": _iso(staged.newest),
    }  # fmt: skip


def _servers(found: N8nSeen) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {"credential": one.credential.name, "type": one.credential.kind, "workflows": one.used_by, "works": one.works,
         "connections": len(one.server.ids), "machines": len(one.server.hosts),
         "limit": found.limits.get(one.credential.kind), "problem": one.server.problem}
        for one in found.tried
    )  # fmt: skip


def _notes(found: N8nSeen) -> list[str]:
    told = [found.warning] if found.warning else []
    if found.errors is None:
        told.append(f"n8n has no workflow '{names.ERRORS}': failed executions are reported to nobody")
    elif not found.errors.active and found.release.startswith("2."):
        told.append(f"'{names.ERRORS}' is not published: since release 2 n8n calls no other, and nobody is told")
    else:
        deaf = [one.name for one in found.collectors if one.workflow and not one.workflow.error_workflow]
        told += [f"{', '.join(deaf[:3])} name no error workflow: their failures are reported to nobody"] if deaf else []
    return told


def _iso(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
