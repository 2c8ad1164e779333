"""Acting on a running sprint: the plan first, done once that very plan, or the target, is approved; effects later."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from leadbook.actions import rights
from leadbook.actions.acts import ACTIONS, action_named, done, planned
from leadbook.actions.records import Action, ActPlan, ActScene, at_atlas
from leadbook.actions.told import Deed, deeds, series_of
from leadbook.commands.place import Place, approved, opened
from leadbook.core.errors import ParameterError, RefusedError, UsageError
from leadbook.core.provenance import Target
from leadbook.core.settings import Settings

if TYPE_CHECKING:
    from leadbook.atlas.project import AtlasProject

ACTION = "act"
PATIENCE_MS = 3_000
"""A server that is frozen costs so long, once."""
ALARM = re.compile(r"[A-Z]{3,5}(-[A-Z0-9]{2,8}){1,3}(/[\w .,#&()+-]{1,60})?")
"""The key of an alarm, such as LIVE-COL-001/apollo-2, whose end is a workflow's name as n8n has it. No other text of
the command line gets into the journal, and nothing in which an address of a person or of a page can stand."""


@dataclass(frozen=True, kw_only=True)
class ActReport:
    """The plan and what came of it. done: whether anything was changed now.  so: whether what was wanted is so.

    after: what is so now, as far as it was changed.  next: how to approve.
    """

    plan: ActPlan
    done: bool = False
    so: bool = True
    after: dict[str, Any] = field(default_factory=dict)
    next: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"plan": self.plan.as_dict(), "done": self.done, "so": self.so, "after": self.after,
                "next": list(self.next)}  # fmt: skip


def parse(words: Sequence[str]) -> tuple[str, dict[str, str]]:
    """`batch_size=250`, `batch_size 250` or `batch_size to=250` as (name, given). Raises UsageError and
    ParameterError."""
    name, equals, value = words[0].partition("=")
    action = action_named(name)
    first = next(iter(action.takes), "")
    given: dict[str, str] = {}
    for word in [*([value] if equals else []), *words[1:]]:
        key, has_key, text = word.partition("=")
        key, text = (key, text) if has_key else (first, word)
        if not key:
            raise UsageError(f"{name} takes nothing; leave out {word!r}")
        if key in given:
            raise ParameterError(key, "is given twice")
        given[key] = text.strip()
    return name, given


def act(
    settings: Settings, words: Sequence[str], *, approve: str = "", because: str = "",
    progress: Callable[[int], None] = lambda _: None, tell: Callable[[str], None] = lambda _: None,
) -> ActReport:  # fmt: skip
    """Plan an action and, where that is approved, do it. approve: the plan's hash.  because: the key of an alarm.
    progress takes a count, tell a line, while something lasts.

    Raises UsageError, ParameterError, RefusedError, and what `place.opened` and pymongo raise.
    """
    name, given = parse(words)
    if because and not ALARM.fullmatch(because):
        raise ParameterError("for", "must be the key of an alarm, such as LIVE-COL-001/apollo-2")
    with _scene(settings, progress, tell) as scene:
        plan = planned(scene, name, given)
        if plan.is_choice:
            return ActReport(plan=plan)
        if plan.is_so_already:
            return ActReport(plan=plan, so=not plan.lacks, after=dict(plan.now))
        typed = approved(settings, ACTION)
        if not approve and not typed:
            return ActReport(plan=plan, next=_next(settings, words, plan))
        if approve and approve != plan.hash:
            raise RefusedError(
                f"{approve} approves another plan: the hash of this one is {plan.hash}; the situation has changed, or "
                "the command has. Look at the plan again (leave out --approve)"
            )
        word = approve or f"{ACTION} on {settings.database}"
        acted = done(scene, name, given, plan, approved=word, because=because)
        return ActReport(plan=plan, done=True, so=acted.is_done, after=dict(acted.after))


def _next(settings: Settings, words: Sequence[str], plan: ActPlan) -> tuple[str, ...]:
    place = f"--profile {settings.profile}{at_atlas(settings, plan.action)} -p database={settings.database}"
    command = f"leadbook act {shlex.join(words)} {place}"
    return (
        f"nothing is changed; to do it: {command} --approve {plan.hash}",
        f"or, whatever the situation is then: {command} -p approve='{ACTION} on {settings.database}'",
    )


@contextmanager
def _scene(settings: Settings, progress: Callable[[int], None], tell: Callable[[str], None]) -> Iterator[ActScene]:
    what = "" if "LEADBOOK_RUN_ID" in os.environ else f"leadbook {ACTION}"  # a run has the servers for itself already
    with opened(settings, what, patience_ms=PATIENCE_MS) as place, ExitStack() as stack:
        project: list[AtlasProject] = []

        def atlas() -> AtlasProject:
            from leadbook.atlas.project import open_project  # loads httpx, which other actions do not need

            if not project:
                _refuse_rehearsal(settings)
                project.append(stack.enter_context(open_project(settings, place.endpoints.mongodb_uri)))
            project[0].forget()
            return project[0]

        yield replace(_of(place), progress=progress, tell=tell, atlas=atlas)


def _refuse_rehearsal(settings: Settings) -> None:
    """Raise RefusedError where a rehearsal would ask the real Atlas; one on loopback is a stand-in."""
    from leadbook.atlas.login import from_environment

    if settings.is_rehearsal and not from_environment().local:
        raise RefusedError(f"profile {settings.profile} changes nothing at Atlas: use --profile production")


def _of(place: Place) -> ActScene:
    guest = place.settings.is_rehearsal and place.endpoints.redis_source == "environment"
    return ActScene(
        settings=place.settings, database=place.database, client=place.client, admin=place.admin,
        journal=place.journal, redis=place.redis, redis_problem=place.redis_problem, redis_is_ours=not guest,
        has_own_admin=place.endpoints.has_own_admin,
        target=Target.read(place.client, place.settings, place.endpoints).name,
    )  # fmt: skip


def effects(settings: Settings) -> list[Deed]:
    """Everything that was done here, with its effect as far as the watch's series tells. Raises as `place.opened`."""
    with opened(settings, patience_ms=PATIENCE_MS) as place:
        return deeds(place.journal, series_of(place.settings, place.endpoints))


def listed(settings: Settings) -> list[dict[str, Any]]:
    """All actions: name, does, takes, needs (rights)."""
    return [
        {"name": one.name, "does": one.does, "takes": dict(one.takes), "needs": _rights(one, settings.database)}
        for one in ACTIONS.values()
    ]  # fmt: skip


def _rights(action: Action, database: str) -> list[str]:
    found = (rights.RIGHTS[name] for name in action.needs)
    told = [f"{right.role} on {right.place(database)} of the DBA's user" for right in found]
    return [*told, *([action.also] if action.also else [])]
