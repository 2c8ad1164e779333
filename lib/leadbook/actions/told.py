"""What was done to a sprint, as the journal tells it: plain records of optimisations, scaling and resolutions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from leadbook.actions.acts import ACTIONS
from leadbook.actions.effect import Effect, effect
from leadbook.alerts.incidents import Incident, incidents
from leadbook.core.connect import Endpoints
from leadbook.core.journal import Entry, Journal
from leadbook.core.settings import Settings
from leadbook.watch import place
from leadbook.watch.history import History

DRILL = "drill"
"""Journal action of a fault that a rehearsal puts in on purpose."""
KEYS = "keys_removed"
"""Of a drill: how many keys it took from Redis."""
UNANSWERED = "nobody answered"
RESOLVES = {"recover": "missing leads", "cleanup": "leftovers of trials and killed sessions"}
"""Older actions that end a trouble, and which."""


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One action. kind: `optimisation`, `scaling` or `resolution`.  what: its name.  why: what it is good for.

    because: the alarm that it answers.  before, after: what was and is so, by name.  evidence: what was known when it
    was approved.  problem: why it failed.  nature: an action, an alarm, or a drill, a fault that the rehearsal put in
    on purpose.  goes_on: an alarm that was not over when the watch last told.
    """

    at: datetime
    what: str
    kind: str
    who: str
    target: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""
    back: str = ""
    because: str = ""
    approved: str = ""
    problem: str = ""
    effect: Effect = field(default_factory=lambda: Effect(state="not measurable"))
    nature: Literal["action", "alarm", "drill"] = "action"
    goes_on: bool = False

    @property
    def is_resolution(self) -> bool:
        """Whether it ended a trouble: by its kind, or because it answers an alarm."""
        return self.kind == "resolution" or bool(self.because)


def deeds(journal: Journal, history: History | None = None) -> list[Deed]:
    """Everything that was done, in order, with its effect where a series is at hand. Raises PyMongoError."""
    entries = journal.entries("action")
    replaced = {entry.get("of") for entry in entries} - {None}
    acted = [entry for entry in entries if entry.get("hash") and entry["_id"] not in replaced]
    found = [_deed(entry, acted, history or History()) for entry in acted]
    found += _alarms(incidents(journal.entries("alert")), [one for one in entries if one.get("action") == DRILL])
    found += [_older(entry) for entry in entries if entry.get("action") in RESOLVES and not entry.get("hash")]
    return sorted(found, key=lambda one: one.at)


def _alarms(found: Sequence[Incident], drills: Sequence[Entry]) -> Iterator[Deed]:
    """A drill takes the first alarm of its key that came after it began; the others stand for themselves."""
    left = list(found)
    for entry in drills:
        began = entry["began"]
        told = next((one for one in left if one.key == entry["alarm"] and one.noted and one.noted >= began), None)
        if told is not None:
            left.remove(told)
        yield _drill(entry, told)
    yield from map(_alarm, left)


def _drill(entry: Entry, told: Incident | None) -> Deed:
    after = "not told by the watch"
    if told is not None and told.noted is not None:
        after = f"the watch told it after {(told.noted - entry['began']).total_seconds():.1f} s"
    return Deed(
        at=entry["began"], what=f"planned drill: {entry['what']}", kind="resolution", who="the rehearsal",
        because=str(entry["alarm"]), after={"alarm": after}, evidence=_counts(entry.get("done")), nature="drill",
        effect=Effect(state="not measurable", why="a drill, not an action"),
    )  # fmt: skip


def _alarm(one: Incident) -> Deed:
    """An alarm, from its beginning to its end, and who answered it."""
    lasted = {"state": "goes on"} if one.minutes is None else {"lasted_min": round(one.minutes, 1)}
    return Deed(
        at=one.begun, what=one.title, kind="resolution", who=one.person or UNANSWERED, because=one.key,
        before={"level": one.level}, after=lasted,
        evidence={"levels told": one.told or "none", "told again for want of an answer": one.escalated,
                  "message sent": "no, alerts are off" if one.dry else "yes"},
        effect=Effect(state="not measurable", why="an alarm, not an action"), nature="alarm",
        goes_on=one.minutes is None,
    )  # fmt: skip


def series_of(settings: Settings, endpoints: Endpoints) -> History:
    """The watch's series of this sprint; empty where nobody watched, or it cannot be read."""
    history = History()
    with suppress(OSError):
        for snapshot in place.series_of(settings, endpoints).read():
            history.add(snapshot)
    return history


def _deed(entry: Entry, acted: Sequence[Entry], history: History) -> Deed:
    name, plan = str(entry.get("action", "")), _mapping(entry.get("plan"))
    others = [one for one in acted if one["_id"] != entry["_id"] and not one.get("problem")]
    moves = ACTIONS[name].moves if name in ACTIONS else ()
    found = Effect(state="not measurable", why="it did not end in order")
    if not entry.get("problem"):
        found = effect(entry, others, history, moves)
    return Deed(
        at=entry["at"], what=name, kind=str(entry.get("kind_of_action", "optimisation")), who=str(entry.get("who", "")),
        target=str(entry.get("target", "")), before=_mapping(entry.get("before")), after=_mapping(entry.get("after")),
        evidence={**_mapping(plan.get("about")), **_mapping(plan.get("evidence"))}, why=str(plan.get("why", "")),
        back=str(plan.get("back", "")), because=str(entry.get("because", "")), approved=str(entry.get("approved", "")),
        problem=str(entry.get("problem", "")), effect=found,
    )  # fmt: skip


def _older(entry: Entry) -> Deed:
    name = str(entry["action"])
    return Deed(
        at=entry["at"], what=name, kind="resolution", who=str(entry.get("by", "")), why=RESOLVES[name],
        after=_counts(entry.get("done")), approved=str(entry.get("approved", "")),
        effect=Effect(state="not measurable", why="it changes no reading"),
    )  # fmt: skip


def _counts(done: Any) -> dict[str, int]:
    return {name: value for name, value in _mapping(done).items() if type(value) is int}


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
