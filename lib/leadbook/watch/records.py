"""What a watch keeps of one moment, and what happened since the moment before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

EVENTS = ("begun", "gap", "restarted", "elected", "away", "back", "acted", "report")
"""What may happen between two snapshots: a watch began; nothing was read for longer than an interval; a server
restarted, a member was elected, a source stopped or began to answer again; somebody acted (`actions`); an hourly report
was made."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. kind: one of EVENTS.  source: of what, such as `mongodb`, `redis`, `watch`.

    seconds: how long it lasted, where that is known.  told: plain facts, JSON-ready, without personal data.
    """

    at: datetime
    kind: str
    source: str
    seconds: float | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LiveSnapshot:
    """One reading of everything. Numbers by name in `readings` (see `watch.names`); what is absent there was not read.

    at: UTC, by the sprint's clock.  number: of the series, going on when a watch is started again.  watch: which
    watching process.  interval_s: until the next one, by the sprint's clock.  unmeasured: a source, or a reading, and
    why it could not be read.  details: JSON-ready tables by name: `collectors`, `vendors`, `rejects`, `clients`,
    `slow`, `members`, `redis_slow`, `latency`; see `watch.sources`.  events: since the snapshot before.  cost_ms: time
    that each source took to read.
    """

    at: datetime
    number: int
    watch: str
    interval_s: float
    readings: Mapping[str, float] = field(default_factory=dict)
    unmeasured: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[Event] = ()
    cost_ms: Mapping[str, float] = field(default_factory=dict)

    def why(self, name: str) -> str:
        """Why a reading, a table or a source was not read: its own reason, or its source's; empty where nobody said."""
        return self.unmeasured.get(name) or self.unmeasured.get(name.partition(".")[0], "")

    def as_json(self) -> str:
        """One line of JSON; moments as ISO 8601."""
        return json.dumps(asdict(self), default=lambda at: at.isoformat(), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The snapshot of such a line. Raises ValueError, KeyError or TypeError where it is none."""
        told = json.loads(line)
        events = [Event(**{**one, "at": datetime.fromisoformat(one["at"])}) for one in told.pop("events")]
        found = cls(**{**told, "at": datetime.fromisoformat(told["at"]), "events": tuple(events)})
        if type(found.number) is not int or not _is_number(found.interval_s) or found.at.tzinfo is None:
            raise ValueError("no watch writes this")
        if any(one.at.tzinfo is None for one in events) or not all(map(_is_number, found.readings.values())):
            raise ValueError("no watch writes this")
        if not isinstance(found.unmeasured, Mapping) or not isinstance(found.details, Mapping):
            raise ValueError("no watch writes this")
        return found


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
