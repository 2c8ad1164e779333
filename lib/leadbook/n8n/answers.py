"""n8n's answers become records. Nothing is believed of their form: what is missing is empty."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from leadbook.n8n.records import N8nCredential, N8nExecution, N8nNode, N8nWorkflow


def workflow(row: Mapping[str, Any]) -> N8nWorkflow:
    """A workflow of the list: of an active one the nodes that n8n runs, not a draft that was saved since."""
    active = row.get("active") is True
    nodes = (_inside(row, "activeVersion", "nodes") if active else None) or row.get("nodes")
    return N8nWorkflow(
        id=str(row.get("id", "")), name=_plain(row.get("name", "")), active=active,
        archived=row.get("isArchived") is True, error_workflow=str(_inside(row, "settings", "errorWorkflow") or ""),
        keeps=_inside(row, "settings", "saveDataSuccessExecution") != "none",
        nodes=tuple(_node(node) for node in nodes if isinstance(node, Mapping)) if isinstance(nodes, list) else (),
    )  # fmt: skip


def _node(row: Mapping[str, Any]) -> N8nNode:
    held, parameters, version = row.get("credentials"), row.get("parameters"), row.get("typeVersion", 1)
    return N8nNode(
        name=str(row.get("name", "")), kind=str(row.get("type", "")).rpartition(".")[2],
        version=float(version) if isinstance(version, int | float) else 0.0, disabled=row.get("disabled") is True,
        credentials={str(of): credential({**one, "type": of}) for of, one in held.items() if isinstance(one, Mapping)}
        if isinstance(held, Mapping) else {},
        parameters=parameters if isinstance(parameters, Mapping) else {},
    )  # fmt: skip


def credential(row: Mapping[str, Any]) -> N8nCredential:
    """A credential of the list."""
    return N8nCredential(id=str(row.get("id", "")), name=_plain(row.get("name", "")), kind=str(row.get("type", "")))


def execution(row: Mapping[str, Any]) -> N8nExecution:
    """An execution of the list."""
    status = row.get("status")
    if not isinstance(status, str):  # releases before 1.0 tell only whether it is finished
        status = "success" if row.get("finished") is True else "error" if row.get("stoppedAt") else "running"
    return N8nExecution(
        id=str(row.get("id", "")), workflow=str(row.get("workflowId", "")), status=status,
        started=_time(row.get("startedAt")), stopped=_time(row.get("stoppedAt")),
    )  # fmt: skip


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def ended_well(row: Mapping[str, Any]) -> dict[str, bool]:
    """Whether each node of an execution ended well at its last try, by the node's name; empty where n8n kept no data.

    A node whose error leads on to another one ended badly too, though the execution succeeds.
    """
    runs = _inside(row, "data", "resultData", "runData")
    found: dict[str, bool] = {}
    for name, tries in runs.items() if isinstance(runs, Mapping) else ():
        last = tries[-1] if isinstance(tries, list) and tries else None
        if isinstance(last, Mapping):
            found[str(name)] = last.get("executionStatus", "success") == "success" and not last.get("error")
    return found


def _plain(value: object) -> str:
    """As text of printable characters, others as spaces: it goes on to terminals and pages."""
    return "".join(one if one.isprintable() else " " for one in str(value))


def _inside(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
