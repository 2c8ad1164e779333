"""The hour that a watch has kept, and the sprint's parts so far: read from the series, judged by the rules again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from leadbook.core import connect
from leadbook.core.checks import Unmeasured
from leadbook.core.settings import Settings
from leadbook.phases.live.judge import Judge
from leadbook.phases.live.records import Finding
from leadbook.watch.history import History
from leadbook.watch.periods import HOUR, Period, SprintStage, last_hour, stages
from leadbook.watch.place import series_of
from leadbook.watch.records import LiveSnapshot

FRESH = timedelta(minutes=10)
"""A series that ended longer ago says nothing of the sprint as it is now."""
NONE = (
    "No watch has kept a series of this sprint on this machine, so this page tells of the snapshot above only. "
    "`leadbook watch` keeps one: start it with the sprint, and run this phase on the same machine."
)


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What the series says. hour: the one that ends with its last snapshot.  stages: of the whole sprint so far.

    verdicts: snapshots of the hour by what they were judged to be.  findings: troubles of the hour, the latest last.
    torn: lines of the series that could not be read.
    """

    hour: Period
    stages: Sequence[SprintStage]
    verdicts: Mapping[str, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    torn: int = 0

    def is_fresh(self, now: datetime | None = None) -> bool:
        """Whether the hour ends about now."""
        return abs((now or datetime.now(UTC)) - self.hour.last.at) < FRESH


def read_hour(settings: Settings, endpoints: connect.Endpoints, judge: Judge) -> Watched | Unmeasured:
    """The series of this sprint on this machine; why there is nothing to read of it. judge: of the rules, a new one."""
    series = series_of(settings, endpoints)
    history, snapshots, verdicts = History(), list[LiveSnapshot](), list[str]()
    lean = 0
    for snapshot in series.read():
        history.add(snapshot)
        judge.take(snapshot, history)
        snapshots.append(snapshot)
        verdicts.append(judge.verdict)
        while snapshots[lean].at <= snapshot.at - HOUR:  # tables of earlier hours are not looked at again
            snapshots[lean] = replace(snapshots[lean], details={})
            lean += 1
    if not snapshots:
        return Unmeasured("no watch has kept a series of this sprint on this machine", "start `leadbook watch`")
    begin = snapshots[lean].at
    over = [one for one in judge.over if one.until is None or one.until >= begin]
    return Watched(
        hour=last_hour(snapshots), stages=stages(snapshots, settings.target_collected), torn=series.torn,
        verdicts=dict(Counter(verdicts[lean:])), findings=sorted([*over, *judge.findings], key=lambda one: one.since),
    )  # fmt: skip
