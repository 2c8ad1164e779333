"""The running ingester: batch size, workers and pool size of all followers, by the control document."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from leadbook.actions.records import Action, ActPlan, ActScene, Given, whole
from leadbook.core.errors import RefusedError
from leadbook.ingest import control
from leadbook.ingest.control import BOUNDS, Orders
from leadbook.ingest.logbook import DEAD_S, unended

DEFAULT = "default"
"""Given in place of a number: the followers' own setting again."""
CONFIRM_S = 15.0
"""A follower at work obeys within a turn of five seconds and a look of two; one that waits, within ten."""
_SETTING = {"batch_size": "batch_size", "writers": "writers", "pool_size": "max_pool_size"}


def followers(scene: ActScene) -> list[dict[str, Any]]:
    """Followers that are alive: session, sign, work (see `session.beat`; empty before the first beat)."""
    found = []
    for one in unended(scene.journal):
        begun = scene.journal.newest("session.begun", session=one["_id"])
        if one["gone"] or one["silent_s"] > DEAD_S or not begun or begun.get("source") != "staging":
            continue
        beat = scene.journal.newest("session.beat", session=one["_id"]) or {}
        found.append({"session": str(one["_id"])[-6:], "sign": one["sign"], "work": dict(beat.get("work") or {})})
    return found


def _plan_of(name: str) -> Callable[[ActScene, Given], ActPlan]:
    def plan(scene: ActScene, given: Given) -> ActPlan:
        wanted: int | None = None
        if given.get("to") != DEFAULT:
            wanted = whole(given, "to", *BOUNDS[name])
        seen = control.read(scene.database)
        alive = followers(scene)
        before = seen.values()[name]
        own = scene.settings.model_dump()[_SETTING[name]]
        warns = [] if alive else ["no follower is alive: the next one that is started obeys"]
        deaf = sum(not _obeys(one, seen) for one in alive)
        return ActPlan(
            action=name, target=scene.target, now={name: before}, would={name: wanted},
            about={"version": seen.version},
            evidence={
                "followers": [{key: one[key] for key in ("session", "work")} for one in alive],
                "own_setting": f"{own} in profile {scene.settings.profile}; null stands for a follower's own",
            },
            why=_WHY[name], back=scene.command(f"act {name}={DEFAULT if before is None else before}"), warns=warns,
            lacks=f"{deaf} of {len(alive)} followers do not obey orders {seen.version} yet" if deaf else "",
        )  # fmt: skip

    return plan


def _do(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    seen = control.read(scene.database)
    if seen.version != plan.about["version"]:
        raise RefusedError("somebody else changed the orders meanwhile; look at the plan again")
    given = control.give(scene.database, seen, plan.would, by=scene.journal.by)
    alive, confirmed = _confirmed(scene, given)
    return {**plan.would, "version": given.version, "followers": alive, "confirmed": confirmed}


def _confirmed(scene: ActScene, given: Orders) -> tuple[int, int]:
    """Followers that live, and those of them that said they obey, within CONFIRM_S."""
    until = datetime.now(UTC) + timedelta(seconds=CONFIRM_S)
    while True:
        alive = followers(scene)
        obeys = sum(_obeys(one, given) for one in alive)
        if obeys == len(alive) or datetime.now(UTC) > until:
            return len(alive), obeys
        scene.progress(obeys)
        time.sleep(0.5)


def _obeys(follower: Mapping[str, Any], orders: Orders) -> bool:
    return bool(follower["work"].get("orders", 0) >= orders.version)


_WHY = {
    "batch_size": "larger batches store more a second; smaller ones hold a lock, and a claim, for less long",
    "writers": "more workers drain a backlog faster, as long as the server has room; fewer relieve it",
    "pool_size": "a larger pool ends waits for a connection; a smaller one leaves connections to others",
}
_KIND = {"batch_size": "optimisation", "writers": "scaling", "pool_size": "scaling"}
_DOES = {
    "batch_size": "documents a batch of the running followers, from their next claim on",
    "writers": "workers of each running follower, between two turns",
    "pool_size": "maxPoolSize of each worker's client; workers connect anew",
}
ACTIONS = tuple(
    Action(
        name=name, does=_DOES[name], plan=_plan_of(name), do=_do, kind=_KIND[name],
        takes={"to": f"a number from {BOUNDS[name][0]} to {BOUNDS[name][1]:,}, or `{DEFAULT}`"},
        also="readWrite of the application's user",
        moves=("ingest.documents_per_s", "sprint.ended_per_s", "mongodb.write_ms", "ingest.pool_wait_ms"),
    )
    for name in BOUNDS
)  # fmt: skip
