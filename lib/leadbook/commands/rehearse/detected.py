"""How soon each fault was told, by which rule, and whether it was told to be over: the series judged again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
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
    """A finding from its begin to its end. first, last: numbers of the snapshots in which it was first and last told;
    over: of the first without it, None where it went on."""

    finding: Finding
    first: int
    last: int
    over: int | None = None


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A fault and who told it. rule: the first that was expected; empty where none told it.  intervals: between the
    fault and its being told.  over: intervals from its end until that was told; None where it was not.  also: other
    rules that spoke meanwhile."""

    fault: str
    told: str
    rule: str = ""
    title: str = ""
    level: int = 0
    intervals: int | None = None
    over: int | None = None
    remedy: str = ""
    also: Sequence[str] = ()
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


@cache
def expected() -> dict[str, tuple[str, ...]]:
    """Rules that shall tell each fault."""
    found: dict[str, Any] = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    return {name: tuple(map(str, rules)) for name, rules in found.items()}


def judged(judge: Judge, snapshots: Iterable[LiveSnapshot], injected: Sequence[Injected]) -> JudgedSeries:
    """Judge a whole series anew, and hold what was told against the faults."""
    history, open_ones, episodes = History(), dict[tuple[str, Any], Episode](), list[Episode]()
    count, gaps, verdicts = 0, 0, dict[str, int]()
    for snapshot in snapshots:
        count += 1
        history.add(snapshot)
        gaps += sum(event.kind == "gap" for event in snapshot.events)
        told = {(one.key, one.since): one for one in judge.take(snapshot, history)}
        for key, one in told.items():
            if key not in open_ones:
                open_ones[key] = Episode(finding=one, first=snapshot.number, last=snapshot.number)
                episodes.append(open_ones[key])
            open_ones[key].last = snapshot.number
        for key in [key for key in open_ones if key not in told]:
            open_ones.pop(key).over = snapshot.number
        verdicts[judge.verdict] = verdicts.get(judge.verdict, 0) + 1
    return JudgedSeries(
        snapshots=count, detections=[_detection(one, episodes) for one in injected],
        alarms=[one for one in episodes if not any(_within(one, fault) for fault in injected)],
        verdicts=verdicts, unknown=dict(judge.unknown), gaps=gaps,
    )  # fmt: skip


def _within(episode: Episode, injected: Injected) -> bool:
    """Whether a fault may explain an episode: it began while the fault lasted, or soon after."""
    if injected.began is None:
        return False
    return episode.first > injected.began and (injected.ended is None or episode.first <= injected.ended + AFTER)


def _detection(injected: Injected, episodes: Sequence[Episode]) -> Detection:
    mine = [one for one in episodes if _within(one, injected)]
    right = [one for one in mine if one.finding.rule in expected().get(injected.name, ())]
    others = dict.fromkeys(one.finding.key for one in mine if one not in right)
    if not right or injected.began is None:
        return Detection(fault=injected.name, told=injected.told, also=tuple(others), problem=injected.problem)
    first = min(right, key=lambda one: one.first)
    over = None
    if first.over is not None and injected.ended is not None:
        over = max(0, first.over - injected.ended)
    return Detection(
        fault=injected.name, told=injected.told, rule=first.finding.key, title=first.finding.title,
        level=first.finding.level, intervals=first.first - injected.began, over=over, remedy=first.finding.remedy,
        also=tuple(others), problem=injected.problem,
    )  # fmt: skip
