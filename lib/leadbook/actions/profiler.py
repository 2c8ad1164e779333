"""The profiler of the leads' database: on for a while, and back to what it was before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo.errors import OperationFailure

from leadbook.actions import rights
from leadbook.actions.records import Action, ActPlan, ActScene, Given, number, whole
from leadbook.bench.profiler import ProfilerLevel, current
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.schema import undo
from leadbook.schema.undo import Changes, Member, address_of, set_profiler

SLOW_MS = 100
"""Step 1.4.1.5 of the task book: queries of more than 100 ms."""
NEEDS = ("dbAdmin",)
COLLECTION = "system.profile"


def _plan(scene: ActScene, given: Given) -> ActPlan:
    to = given.get("to", "")
    if to not in ("on", "off"):
        raise ParameterError("to", f"must be on or off, got {to!r}")
    database = scene.admin[scene.settings.database]
    before, server = _current(scene), address_of(scene.admin)
    kept = undo.kept_of(scene.database, "profiler", server)
    if to == "on":
        would = {"level": 1, "slowms": whole(given, "slowms", 0, 60_000, SLOW_MS),
                 "sampleRate": number(given, "sample_rate", 0.0, 1.0, 1.0)}  # fmt: skip
        filtered = before.filter is not None and kept is None
        if before.level and filtered:
            raise RefusedError("the profiler is on with somebody's filter, which leadbook leaves alone")
    else:
        would = _off(before, kept, forced=given.get("forced") == "true")
    made = not database.list_collection_names(filter={"name": COLLECTION})
    return ActPlan(
        action="profiler", target=scene.target, now={**_shown(before), "recorded": kept is not None},
        would={**would, "recorded": to == "on"},
        about={"server": server, "to": to, "kept": str(kept["_id"]) if kept else ""}, evidence={"made": made},
        why="each operation slower than slowms is written down with its plan, so that the index it lacks is seen"
        if to == "on" else "slow operations are written down no more, which costs each of them a write",
        back=f"{scene.command('act profiler=off')} puts back what was before; so does {scene.command('cleanup')}"
        if to == "on" else scene.command(f"act profiler=on slowms={before.slow_ms} sample_rate={before.sample_rate:g}"),
        warns=["slowms holds for the whole server's slow-query log too; each slow operation costs one write more",
               "where the primary changes meanwhile, the profiler stays on at the former primary until it is put back"]
        if to == "on" else (),
    )  # fmt: skip


def _current(scene: ActScene) -> ProfilerLevel:
    try:
        return current(scene.admin[scene.settings.database])
    except OperationFailure:
        rights.refuse_lacking(scene, NEEDS)
        raise


def _shown(state: ProfilerLevel) -> dict[str, Any]:
    return {"level": state.level, "slowms": state.slow_ms, "sampleRate": state.sample_rate}


def _off(before: ProfilerLevel, kept: Mapping[str, Any] | None, *, forced: bool) -> dict[str, Any]:
    if kept is not None:
        return {name: kept["profiler"][name] for name in ("level", "slowms", "sampleRate")}
    if before.level and not forced:
        raise RefusedError(
            "the profiler is on and nothing says that leadbook switched it on: it may be somebody's; where it is "
            "nobody's, add forced=true"
        )
    return {**_shown(before), "level": 0}


def _do(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    database, server = scene.admin[scene.settings.database], plan.about["server"]
    before = current(database)
    kept = undo.kept_of(scene.database, "profiler", server)
    if plan.about["to"] == "on":
        if kept is None:
            state = {**_shown(before), "filter": before.filter, "made": plan.evidence["made"]}
            Changes(scene.database).keep("profiler", state, scene.admin)
        database.command("profile", 1, slowms=plan.would["slowms"], sampleRate=plan.would["sampleRate"],
                         read_preference=Member(server))  # fmt: skip
    elif kept is not None:
        undo.put_back(scene.database, scene.admin, kept)
    else:
        set_profiler(database, dict(plan.would), Member(server))
    recorded = undo.kept_of(scene.database, "profiler", server) is not None
    return {**_shown(current(database)), "recorded": recorded}


ACTIONS = (
    Action(
        name="profiler", does="write slow operations of the leads' database down, or stop doing so", plan=_plan, do=_do,
        takes={"to": "on or off", "slowms": f"ms, {SLOW_MS} by default", "sample_rate": "share, 0 to 1",
               "forced": "true switches off what leadbook did not switch on"},
        needs=NEEDS, moves=("mongodb.write_ms", "mongodb.read_ms", "mongodb.slow"),
    ),
)  # fmt: skip
