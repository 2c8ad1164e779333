"""How soon each fault was told, by which rule, and whether it was told to be over: the series judged again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from leadbook.commands.rehearse.timeline import Injected
from leadbook.phases.live.judge import Judge
from leadbook.phases.live.records import Finding
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot

EXPECTED = Path(__file__).with_name("expected.yaml")
"""Which rules shall tell each fault, by the fault's name."""
SOON = 2
"""Intervals within which a fault must be told."""
AFTER = 20
"""So many snapshots after its end what is told may be a fault's doing still."""


@dataclass(kw_only=True)
class Episode:
    """A finding from its begin to its end. first: number of the snapshot in which it was first told; over: of the first
    without it, None where it went on."""

    finding: Finding
    first: int
    over: int | None = None


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A fault and who told it. rule: the first that was expected; empty where none told it.  intervals: between the
    fault and its being told.  over: intervals from its end until that was told; None where it was not.  also: other
    rules that spoke then.  waited: intervals before `intervals` begins, in which there was nothing to tell, and why."""

    fault: str
    told: str
    rule: str = ""
    title: str = ""
    level: int = 0
    intervals: int | None = None
    over: int | None = None
    remedy: str = ""
    also: Sequence[str] = ()
    waited: int = 0
    why: str = ""
    problem: str = ""

    @property
    def in_time(self) -> bool:
        """Whether the right rule told it within SOON intervals."""
        return self.intervals is not None and self.intervals <= SOON and not self.problem


@dataclass(frozen=True, kw_only=True)
class JudgedSeries:
    """A series judged. alarms: episodes that no fault explains.  verdicts: how many snapshots had each.  unknown: rules
    that could not be judged at the end, and why."""

    snapshots: int
    detections: Sequence[Detection]
    alarms: Sequence[Episode]
    verdicts: Mapping[str, int] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    gaps: int = 0


@dataclass(frozen=True, kw_only=True)
class Expected:
    """How a fault shall be told. rules: any of them.  seen, still, waits_s, waits_real_s: when there is
    anything to tell, see `expected.yaml`; why: in words."""

    rules: Sequence[str]
    seen: str = ""
    still: str = ""
    waits_s: float = 0.0
    waits_real_s: float = 0.0
    why: str = ""


@cache
def expected() -> dict[str, Expected]:
    """How each fault shall be told."""
    found: dict[str, Any] = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    return {name: Expected(**told) for name, told in found.items()}


@dataclass(frozen=True, kw_only=True)
class _Row:
    """What is kept of a snapshot. seen: readings that some fault waits for, which were not 0.  values: of those that
    some fault keeps from changing."""

    number: int
    at: datetime
    seen: frozenset[str]
    values: Mapping[str, float]


def judged(
    judge: Judge, snapshots: Iterable[LiveSnapshot], injected: Sequence[Injected], clock: float = 1.0
) -> JudgedSeries:
    """Judge a whole series anew, and hold what was told against the faults. clock: of the sprint."""
    history, open_ones, episodes = History(), dict[tuple[str, Any], Episode](), list[Episode]()
    rows, gaps, verdicts = list[_Row](), 0, dict[str, int]()
    for snapshot in snapshots:
        history.add(snapshot)
        rows.append(_row(snapshot))
        gaps += sum(event.kind == "gap" for event in snapshot.events)
        told = {(one.key, one.since): one for one in judge.take(snapshot, history)}
        for key, one in told.items():
            if key not in open_ones:
                open_ones[key] = Episode(finding=one, first=snapshot.number)
                episodes.append(open_ones[key])
        for key in [key for key in open_ones if key not in told]:
            open_ones.pop(key).over = snapshot.number
        verdicts[judge.verdict] = verdicts.get(judge.verdict, 0) + 1
    return JudgedSeries(
        snapshots=len(rows), detections=[_detection(one, episodes, rows, clock) for one in injected],
        alarms=[one for one in episodes if not any(_within(one, fault) for fault in injected)],
        verdicts=verdicts, unknown=dict(judge.unknown), gaps=gaps,
    )  # fmt: skip


def _row(snapshot: LiveSnapshot) -> _Row:
    names = {one.seen for one in expected().values() if one.seen and snapshot.readings.get(one.seen)}
    values = {one.still: snapshot.readings[one.still] for one in expected().values() if one.still in snapshot.readings}
    return _Row(number=snapshot.number, at=snapshot.at, seen=frozenset(names), values=values)


def _within(episode: Episode, injected: Injected) -> bool:
    """Whether a fault may explain an episode: it began while the fault lasted, or soon after."""
    if injected.before is None:
        return False
    return episode.first > injected.before and (injected.ended is None or episode.first <= injected.ended + AFTER)


def _from(injected: Injected, how: Expected, rows: Sequence[_Row], clock: float) -> int:
    """The snapshot after which there is something to tell."""
    began = injected.began or 0
    if how.seen:
        return next((row.number - 1 for row in rows if row.number > began and how.seen in row.seen), began)
    waits_s = how.waits_s + how.waits_real_s * clock
    while_on = [row for row in rows if row.number >= began and row.number <= (injected.ended or row.number)]
    if not waits_s or not while_on:
        return began
    changed = [
        later.at for row, later in pairwise(while_on) if row.values.get(how.still) != later.values.get(how.still)
    ]
    at = changed[-1] if how.still and changed else while_on[0].at
    return next((row.number - 1 for row in rows if row.at >= at + timedelta(seconds=waits_s)), began)


def _detection(injected: Injected, episodes: Sequence[Episode], rows: Sequence[_Row], clock: float) -> Detection:
    how = expected().get(injected.name, Expected(rules=()))
    mine = [one for one in episodes if _within(one, injected)]
    right = [one for one in mine if one.finding.rule in how.rules]
    others = dict.fromkeys(one.finding.key for one in mine if one not in right)
    if not right or injected.began is None:
        return Detection(fault=injected.name, told=injected.told, also=tuple(others), problem=injected.problem)
    first = min(right, key=lambda one: one.first)
    over = None
    if first.over is not None and injected.ended is not None:
        over = max(0, first.over - injected.ended)
    waited = _from(injected, how, rows, clock)
    return Detection(
        fault=injected.name, told=injected.told, rule=first.finding.key, title=first.finding.title,
        level=first.finding.level, intervals=max(0, first.first - waited), waited=waited - injected.began, why=how.why,
        over=over, remedy=first.finding.remedy, also=tuple(others), problem=injected.problem,
    )  # fmt: skip
