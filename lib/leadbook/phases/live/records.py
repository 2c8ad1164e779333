"""What a live sprint is shown as: the troubles found, and the whole view that terminal, page, Lab and report draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadbook.forecast.records import Forecast
from leadbook.watch.records import Event, LiveSnapshot


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A rule that fired. rule: its id.  subject: of what, such as a collector; empty where the rule has only one.

    since, seen: first and last snapshot in which it held.  until: when it had ended; None while it goes on.  value,
    limit: in `unit`.  evidence: a clause with the numbers.  cause, remedy, notebook, owner: of the rule.  reading: of
    `watch.names`, the one that the rule looks at, where there is one.
    """

    rule: str
    title: str
    level: int
    since: datetime
    seen: datetime
    cause: str
    remedy: str
    evidence: str
    subject: str = ""
    value: float | None = None
    limit: float | None = None
    unit: str = ""
    until: datetime | None = None
    notebook: str = "08"
    owner: str = "DBA"
    reading: str = ""

    @property
    def key(self) -> str:
        """The same for the same trouble."""
        return f"{self.rule}/{self.subject}" if self.subject else self.rule


@dataclass(frozen=True, kw_only=True)
class LiveView:
    """Everything that is drawn of a live sprint at one moment.

    verdict: HEALTHY, ATTENTION or CRITICAL.  whose: MADE-UP DATA or REAL DATA.  target: of MongoDB, for people.
    history: readings by name over the whole series, thinned to 500 points at most: `at` as ISO 8601 and the numbers,
    None where nothing was read.  findings: those that go on, the gravest first.  over: the latest that ended.
    unknown: names of rules that could not be judged, and why.  actions: the latest of the journal, JSON-ready.
    wanted: leads wanted.  stale_after_s: by the real clock; a reader who gets no newer view for so long must not
    believe that all is well.  gaps: spans of more than two intervals in which nothing was read.  snapshots: how many
    the whole series holds.  atlas: whether Atlas' API is asked, so that the cluster's size can be changed from here.
    """

    at: datetime
    verdict: str
    whose: str
    profile: str
    target: str
    wanted: int
    snapshot: LiveSnapshot
    forecast: Forecast
    findings: Sequence[Finding] = ()
    over: Sequence[Finding] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)
    history: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    events: Sequence[Event] = ()
    actions: Sequence[Mapping[str, Any]] = ()
    alerts: Sequence[Mapping[str, Any]] = ()
    stale_after_s: float = 90.0
    gaps: Sequence[tuple[datetime, datetime]] = ()
    snapshots: int = 0
    atlas: bool = False
