"""Everything that can be done to a running sprint, planned and done in one way: planned again before it is done,
one at a time, and told to the journal with what was before and after."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from leadbook.actions import atlas, cache, index, ingester, operation, profiler, scaling
from leadbook.actions.records import Action, ActPlan, ActScene, Given
from leadbook.actions.turn import turn
from leadbook.core import write_errors
from leadbook.core.errors import LeadbookError, ParameterError, RefusedError, UnreachableError, did_you_mean

ACTIONS: Mapping[str, Action] = {
    one.name: one for part in (ingester, cache, profiler, index, operation, atlas, scaling) for one in part.ACTIONS
}
"""By name."""
INTERRUPTED = "interrupted: look at what is so now"
"""What the journal is told where somebody ends an action in the middle."""


@dataclass(frozen=True, kw_only=True)
class Acted:
    """What came of an action. after: what is so now; `left` of what was wanted tells whether it is so."""

    plan: ActPlan
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether everything that the plan would change is so now, as far as it can be seen, and every follower that
        lives has confirmed it."""
        return self.is_changed and self.after.get("confirmed", 0) >= self.after.get("followers", 0)

    @property
    def is_changed(self) -> bool:
        """Whether what the plan changes is changed, whoever obeys it yet."""
        return all(self.after.get(name, wanted) == wanted for name, wanted in self.plan.would.items())


def action_named(name: str) -> Action:
    """The action of that name. Raises ParameterError with "did you mean"."""
    if name not in ACTIONS:
        hint = did_you_mean(name, ACTIONS) or f"there are {', '.join(ACTIONS)}"
        raise ParameterError(name, "is no action", hint)
    return ACTIONS[name]


def planned(scene: ActScene, name: str, given: Given) -> ActPlan:
    """What the action would do now. Reads only. Raises ParameterError, RefusedError, UnreachableError, PyMongoError."""
    action = action_named(name)
    for key in given:
        if key not in action.takes:
            takes = ", ".join(action.takes) or "nothing"
            raise ParameterError(key, f"{name} does not take it", did_you_mean(key, action.takes) or f"takes: {takes}")
    try:
        return action.plan(scene, given)
    except RedisError as error:
        raise _redis(scene, error) from None


def done(scene: ActScene, name: str, given: Given, plan: ActPlan, *, approved: str, because: str = "") -> Acted:
    """Do what was planned, if the situation is still the one that was approved; the journal is told, also
    of a failure and of an interruption.

    approved: the plan's hash, or what was typed.  because: key of the alarm that it answers. Raises as `planned`.
    """
    told = {
        "action": name, "target": plan.target, "who": _who(scene), "approved": approved, "hash": plan.hash,
        "before": dict(plan.now), "plan": {"would": dict(plan.would), **_plain(plan)}, "because": because,
        "kind_of_action": action_named(name).kind,
    }  # fmt: skip
    with turn(scene, told):
        if (now := planned(scene, name, given)).hash != plan.hash:
            raise RefusedError(
                f"the situation has changed since the plan {plan.hash} was made (now {now.hash}): look at it again"
            )
        try:
            acted = Acted(plan=plan, after=action_named(name).do(scene, plan))
        except BaseException as error:
            with suppress(OSError):
                scene.journal.write("action", **told, done={"changed": 0}, problem=_line(error))
            if isinstance(error, RedisError):
                raise _redis(scene, error) from None
            raise
        is_begun = acted.is_changed or action_named(name).wait is not None
        entry = scene.journal.write("action", **told, after=dict(acted.after), done={"changed": int(is_begun)})
    return _ended(scene, acted, told, entry)


def _ended(scene: ActScene, acted: Acted, told: Mapping[str, Any], entry: ObjectId) -> Acted:
    """What came of it once it has ended, where that takes long: others may act meanwhile. The journal's second entry
    takes the place of the first (`of`), and says when it began."""
    wait = action_named(acted.plan.action).wait
    if wait is None or not acted.plan.about.get("wait_min"):
        return acted
    ended = Acted(plan=acted.plan, after=wait(scene, acted.plan, acted.after))
    scene.journal.write("action", **told, after=dict(ended.after), done={"changed": 0}, of=entry,
                        began=entry.generation_time)  # fmt: skip
    return ended


def _plain(plan: ActPlan) -> dict[str, Any]:
    return {"about": dict(plan.about), "evidence": dict(plan.evidence), "why": plan.why, "back": plan.back}


def _line(error: BaseException) -> str:
    """Why it did not end in order. Who interrupts it (Ctrl-C) does not undo what the server has taken already."""
    if not isinstance(error, Exception):
        return INTERRUPTED
    return str(error) if isinstance(error, LeadbookError) else write_errors.described(error)


def _redis(scene: ActScene, error: RedisError) -> UnreachableError:
    return UnreachableError(
        "Redis", scene.settings.redis_url_env, write_errors.line(error), "look at it, then try again"
    )


def _who(scene: ActScene) -> str:
    """The person at this machine, and the user of MongoDB: whom to ask."""
    user = ""
    with suppress(PyMongoError):
        told = scene.admin.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]
        user = ", ".join(f"{one['user']} of {one['db']}" for one in told)
    try:
        person = getpass.getuser()
    except (KeyError, OSError):
        person = "somebody"
    return f"{person} as {user}" if user else person
