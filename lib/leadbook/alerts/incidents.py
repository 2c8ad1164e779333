"""What went wrong in a sprint, how long it lasted and who answered, from the sprint's journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Incident:
    """One alert from its beginning to its end. begun, over: by the sprint's clock; over is None while it goes on.

    level: the highest it had.  told: levels that were told.  person, answered: who answered first, and when.
    escalated: how often nobody had answered in time.  dry: nothing was sent.  noted: when the journal had it, by the
    machine's clock.
    """

    key: str
    title: str
    level: int
    begun: datetime
    over: datetime | None = None
    told: tuple[int, ...] = ()
    person: str = ""
    answered: datetime | None = None
    escalated: int = 0
    dry: bool = False
    noted: datetime | None = None

    @property
    def minutes(self) -> float | None:
        """How long it lasted, min; None while it goes on."""
        return None if self.over is None else (self.over - self.begun).total_seconds() / 60


def incidents(entries: Iterable[Mapping[str, Any]]) -> list[Incident]:
    """The incidents in the journal's `alert` entries (`journal.entries("alert")`), in the order in which they began."""
    going: dict[str, Incident] = {}
    ended: list[Incident] = []
    for entry in sorted(entries, key=lambda one: (one["moment"], str(one["_id"]))):
        key, event = str(entry["key"]), entry["event"]
        if event == "begun":
            ended += [going.pop(key)] if key in going else []
            going[key] = Incident(key=key, title=str(entry["title"]), level=int(entry["level"]),
                                  begun=entry.get("since", entry["moment"]), dry=bool(entry.get("dry")),
                                  noted=entry.get("at"))  # fmt: skip
        elif key in going:
            going[key] = _after(going[key], event, entry)
            if event == "over":
                ended.append(going.pop(key))
    return sorted([*ended, *going.values()], key=lambda one: one.begun)


def _after(one: Incident, event: str, entry: Mapping[str, Any]) -> Incident:
    if event == "graver":
        return replace(one, level=max(one.level, int(entry["level"])), title=str(entry["title"]))
    if event == "told":
        return replace(one, told=tuple(sorted({*one.told, *entry.get("levels", ())})))
    if event == "unanswered":
        return replace(one, escalated=one.escalated + 1)
    if event == "answered" and one.answered is None:
        return replace(one, person=str(entry["person"]), answered=entry["moment"])
    return replace(one, over=entry.get("ended", entry["moment"])) if event == "over" else one
