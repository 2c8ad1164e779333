"""A runaway operation on the leads' database, ended: shown by its shape first, and only if it is still the same."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pymongo.errors import OperationFailure

from leadbook.actions import rights
from leadbook.actions.records import Action, ActPlan, ActScene, Given, number
from leadbook.core import connect
from leadbook.core.errors import ParameterError, RefusedError

OLDER_S = 10.0
"""An operation under way for longer is called runaway: a hundred times what a duplicate check may take."""
OURS = connect.APP_NAME
"""What leadbook's own clients are called; the ingester's among them."""
ENDED_S = 5.0
"""An operation is told as ended once it is gone; it ends at its next interrupt point."""
_SAME = ("opid", "connection", "collection", "operation", "fields", "app")
"""By these it is told that an operation is the one that was planned for."""
NEEDS = ("clusterMonitor", "hostManager")


def _plan(scene: ActScene, given: Given) -> ActPlan:
    older = number(given, "older", 0.0, 86_400.0, OLDER_S)
    found = running(scene, older)
    if "opid" not in given:
        return ActPlan(
            action="kill_operation", target=scene.target, rows=found, is_choice=True,
            why=f"choose one: {scene.command('act kill_operation opid=OPID')}", needs=_needs(scene, found),
        )  # fmt: skip
    one = _chosen(scene, given["opid"], found, older)
    if one["ours"] and given.get("forced") != "true":
        raise RefusedError(
            f"operation {one['opid']} is leadbook's own ({one['app']}): end its process in order instead, or add "
            "forced=true"
        )
    return ActPlan(
        action="kill_operation", target=scene.target, now={"is_running": True}, would={"is_running": False},
        about={**{name: one[name] for name in _SAME}, "forced": given.get("forced") == "true"},
        evidence={"seconds": one["seconds"], "plan": one["plan"], "user": one["user"]},
        why="an operation that scans or holds locks for long slows every other one",
        back="none: its client gets an error (code 11601) and may send it again",
        warns=["a write that is ended in the middle leaves what it has done so far"] if one["writes"] else (),
        needs=_needs(scene, [one]),
    )  # fmt: skip


def _chosen(scene: ActScene, opid: str, found: Sequence[Mapping[str, Any]], older: float) -> Mapping[str, Any]:
    one = next((one for one in found if str(one["opid"]) == opid), None)
    if one is None:
        listed = ", ".join(str(one["opid"]) for one in found) or "there is none"
        raise ParameterError(
            "opid", f"no operation {opid} runs on {scene.settings.database} for {older:g} s or longer",
            f"those that do: {listed}",
        )  # fmt: skip
    return one


def running(scene: ActScene, older_s: float) -> list[dict[str, Any]]:
    """Operations of clients on the leads' database for so long, the longest first: opid, connection, collection,
    operation, fields (names only), app, user, seconds, plan, writes, ours. Raises PyMongoError.

    All users' where the DBA's user may see them, else the application's own.
    """
    try:
        found = list(_current(scene.admin, everybody=True))
    except OperationFailure:
        found = list(_current(scene.client, everybody=False))
    rows = [_row(one) for one in found if _is_ours_to_judge(one, scene.settings.database)]
    return sorted((one for one in rows if one["seconds"] >= older_s), key=lambda one: -one["seconds"])


def _current(client: connect.Client, *, everybody: bool) -> Iterator[Mapping[str, Any]]:
    yield from client.admin.aggregate([
        {"$currentOp": {"allUsers": everybody, "idleConnections": False, "idleCursors": False}},
        {"$match": {"active": True}},
    ])  # fmt: skip


def _is_ours_to_judge(one: Mapping[str, Any], database: str) -> bool:
    """Whether a client sent it, to the leads' database; not a wait for news (a change stream), which costs nothing."""
    by_client = str(one.get("desc", "")).startswith("conn") and one.get("op") not in ("none", None)
    waits = bool(one.get("command", {}).get("maxTimeMS")) and one.get("op") == "getmore"
    return by_client and not waits and str(one.get("ns", "")).startswith(f"{database}.")


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    command, app = one.get("command") or {}, str(one.get("appName", ""))
    users = one.get("effectiveUsers") or ()
    name = next(iter(command), str(one.get("op", "")))
    return {
        "opid": one["opid"], "connection": one.get("connectionId"), "collection": str(one["ns"]).partition(".")[2],
        "operation": name if name != "q" else str(one["op"]), "fields": list(_fields(command)), "app": app,
        "user": ", ".join(f"{user['user']} of {user['db']}" for user in users),
        "seconds": round(float(one.get("microsecs_running", 0)) / 1e6, 1), "plan": str(one.get("planSummary", "")),
        "writes": one.get("op") in ("insert", "update", "remove"), "ours": app.split("-")[0] == OURS,
    }  # fmt: skip


def _fields(command: Mapping[str, Any]) -> Iterator[str]:
    """Names of the fields that its filter uses, in order; of an aggregation the stages too. Never a value."""
    shape = command.get("filter") or command.get("query") or command.get("q")
    if isinstance(shape, Mapping):
        yield from sorted(map(str, shape))
    for stage in command.get("pipeline") or ():
        for name, body in stage.items() if isinstance(stage, Mapping) else ():
            yield str(name)
            yield from sorted(map(str, body)) if name == "$match" and isinstance(body, Mapping) else ()


def _needs(scene: ActScene, found: Sequence[Mapping[str, Any]]) -> str:
    """What right is missing to end these; empty where the DBA's user has it, or all are the application's own."""
    told = rights.how_to_grant(scene, NEEDS)
    is_lacking = "hostManager" in told
    others = [one for one in found if one["user"] != _user(scene.client)]
    return told if is_lacking and (others or not found) else ""


def _user(client: connect.Client) -> str:
    told = client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]
    return ", ".join(f"{user['user']} of {user['db']}" for user in told)


def _do(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    def still() -> bool:
        wanted = {name: plan.about[name] for name in _SAME}
        return any({name: one[name] for name in _SAME} == wanted for one in running(scene, 0.0))

    if not still():
        raise RefusedError(f"operation {plan.about['opid']} has ended by itself, or is another one now: nothing done")
    _kill(scene, plan)
    until = time.monotonic() + ENDED_S
    while (runs := still()) and time.monotonic() < until:
        time.sleep(0.1)
    return {"is_running": runs}


def _kill(scene: ActScene, plan: ActPlan) -> None:
    """As the DBA; where that user may not, as the application, which may end what is its own."""
    opid = plan.about["opid"]
    try:
        scene.admin.admin.command("killOp", op=opid)
    except OperationFailure:
        if plan.evidence["user"] != _user(scene.client):
            rights.refuse_lacking(scene, NEEDS)
            raise
        scene.client.admin.command("killOp", op=opid)


ACTIONS = (
    Action(
        name="kill_operation", does="end an operation on the leads' database that runs for too long", plan=_plan,
        do=_do, kind="resolution", needs=NEEDS,
        takes={"opid": "of the list that is shown without it", "older": f"s, {OLDER_S:g} by default",
               "forced": "true ends an operation of leadbook's own too"},
        moves=("mongodb.longest_running_s", "mongodb.read_ms", "mongodb.write_ms", "mongodb.slow_scans"),
    ),
)  # fmt: skip
