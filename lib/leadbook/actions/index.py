"""An index of the leads, hidden from the planner for a while and shown again: it is kept up to date meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from leadbook.actions import rights
from leadbook.actions.records import Action, ActPlan, ActScene, Given
from leadbook.core.errors import ParameterError, RefusedError, did_you_mean
from leadbook.schema.index_advice import index_usage
from leadbook.schema.indexes import INDEXES, IndexSpec

NEEDS = ("dbAdmin",)


def _plan_of(*, hides: bool) -> Callable[[ActScene, Given], ActPlan]:
    name = "hide_index" if hides else "unhide_index"

    def plan(scene: ActScene, given: Given) -> ActPlan:
        found = _index(scene, given.get("index", ""))
        if hides:
            _refuse_needed(found)
        shown = IndexSpec.found(found).shown()
        serves = next((one.serves for one in INDEXES if not one.differences(shown)), "")
        used = _usage(scene, found["name"])
        warns = [f"it serves: {serves}; phase 02 tells that it is hidden until it is shown again"] if serves else []
        if hides and not used:
            warns.append("how often it is used cannot be told: $indexStats was refused, so look at plans first")
        return ActPlan(
            action=name, target=scene.target, now={"hidden": bool(found.get("hidden"))}, would={"hidden": hides},
            about={"index": found["name"], "collection": scene.settings.collection},
            evidence={"keys": dict(found["key"]), "usage": used},
            why="a hidden index plans no query: what breaks shows before it is dropped, and it comes back at once"
            if hides else "queries may use it again at once: it was kept up to date",
            back=scene.command(f"act {'unhide_index' if hides else 'hide_index'}={found['name']}"),
            warns=warns if hides else (),
            needs=rights.how_to_grant(scene, NEEDS),
        )  # fmt: skip

    return plan


def _index(scene: ActScene, wanted: str) -> dict[str, Any]:
    found = {str(one["name"]): dict(one) for one in scene.database[scene.settings.collection].list_indexes()}
    if wanted not in found:
        hint = did_you_mean(wanted, found) or f"there are {', '.join(found) or 'none'}"
        raise ParameterError("index", f"{scene.settings.collection} has no index {wanted!r}", hint)
    return found[wanted]


def _refuse_needed(index: Mapping[str, Any]) -> None:
    """Raise RefusedError where more than plans depends on an index."""
    why = ""
    if index["name"] == "_id_":
        why = "MongoDB needs it"
    elif index.get("unique"):
        why = "it is unique: it is the arbiter of duplicates, and each duplicate check uses it"
    elif "expireAfterSeconds" in index:
        why = "it ends personal data in time (TTL)"
    if why:
        raise RefusedError(f"index {index['name']} is never hidden: {why}")


def _usage(scene: ActScene, name: str) -> list[dict[str, Any]]:
    """How often the index was used, by member that answers; empty where nobody may tell."""
    try:
        return [{"host": one.host, "queries": one.ops, "in_hours": round(one.window_hours, 1)}
                for one in index_usage(scene.leads) if one.name == name]  # fmt: skip
    except PyMongoError:
        return []


def _do(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    wanted = {"name": plan.about["index"], "hidden": plan.would["hidden"]}
    try:
        scene.leads.database.command("collMod", plan.about["collection"], index=wanted)
    except OperationFailure:
        rights.refuse_lacking(scene, NEEDS)
        raise
    return {"hidden": bool(_index(scene, plan.about["index"]).get("hidden"))}


_MOVES = ("mongodb.write_ms", "mongodb.read_ms", "mongodb.targeting", "ingest.documents_per_s")
_TAKES = {"index": "its name"}
ACTIONS = (
    Action(
        name="hide_index", does="keep an index of the leads from the planner", plan=_plan_of(hides=True), do=_do,
        takes=_TAKES, needs=NEEDS, moves=_MOVES,
    ),
    Action(
        name="unhide_index", does="let queries use a hidden index again", plan=_plan_of(hides=False), do=_do,
        takes=_TAKES, needs=NEEDS, moves=_MOVES,
    ),
)  # fmt: skip
