"""Expert rules over the series: which troubles go on, which are over, what could not be judged, and the verdict.

What is judged depends on snapshots, settings and baselines only: a series replayed through a new judge gives the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.page.prose import with_profile
from leadbook.phases.live.baselines import Baselines
from leadbook.phases.live.evidence import amount, told
from leadbook.phases.live.hysteresis import Hysteresis
from leadbook.phases.live.measures import LiveMoment, UnreadableError, subject_of
from leadbook.phases.live.records import Finding
from leadbook.phases.live.rules import PARTS, Baseline, Bounds, LiveRule, Need, rulebook
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot

HEALTHY, ATTENTION, CRITICAL = "HEALTHY", "ATTENTION", "CRITICAL"
GRAVEST = 4
"""The level of what is beyond its critical limit, whatever the rule's own: everybody, at once."""
MOST_OVER = 500
"""Ended findings that are kept: the latest."""
FIRST = "not measurable here so far"
REHEARSAL = "not judged in a rehearsal: servers and load share one machine, and its backups are trials"


@dataclass(kw_only=True)
class _Trouble:
    """One rule and one subject: whether it is on, whether beyond the critical limit, and how it is told."""

    limit: Hysteresis
    critical: Hysteresis
    finding: Finding | None = None
    worst: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Limit:
    """A limit in force at one moment. usual: what it was compared with, a clause."""

    value: float
    usual: str = ""


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What a rule measured at one moment. excused: rules that were not told, since the host is busy."""

    moment: LiveMoment
    values: Mapping[str, float]
    limit: _Limit
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    excused: Sequence[str] = ()


class Judge:
    """Takes each snapshot of a sprint in turn.

    findings: that go on, the gravest first.  over: that ended, the latest last.  unknown: rules that could not be
    judged at the latest snapshot, and why. Raises LeadbookError for a rule whose limits contradict the settings.
    """

    def __init__(self, settings: Settings, baselines: Baselines | None = None,
                 rules: Mapping[str, LiveRule] | None = None) -> None:  # fmt: skip
        self._settings, self._baselines = settings, baselines or Baselines()
        chosen = (rulebook() if rules is None else rules).values()
        self._rules = sorted(chosen, key=lambda rule: rule.excuses)  # the excusing rule sees what was excused
        self._bounds: dict[str, Bounds] = {rule.id: _agreeing(rule, settings) for rule in chosen}
        self._troubles: dict[str, dict[str, _Trouble]] = {rule.id: {} for rule in chosen}
        self._known: set[str] = set()
        self._away: set[str] = set()
        self._excused: list[str] = []
        self._last: datetime | None = None
        self.over: list[Finding] = []
        self.unknown: dict[str, str] = {}

    def take(self, snapshot: LiveSnapshot, history: History) -> list[Finding]:
        """Judge the next snapshot; the findings that go on. One that is not later than the last changes nothing.

        history: the series up to this snapshot, with or without it; what it holds beyond is not looked at.
        """
        if self._last is not None and snapshot.at <= self._last:
            return self.findings
        self._last = snapshot.at
        self._note_away(snapshot)
        moment = LiveMoment(snapshot, history, frozenset(self._away))
        self._excused, self.unknown = [], {}
        for rule in self._rules:
            self._judge(rule, moment)
        return self.findings

    @property
    def rules(self) -> int:
        """How many there are."""
        return len(self._rules)

    @property
    def lacks(self) -> bool:
        """Whether a phase that gives baselines left none that counts, or could not be read."""
        return bool(self._baselines.missing)

    def learn(self, baselines: Baselines) -> None:
        """Judge by these from the next snapshot on."""
        self._baselines = baselines

    @property
    def findings(self) -> list[Finding]:
        """Those that go on, the gravest and oldest first."""
        found = [one.finding for troubles in self._troubles.values() for one in troubles.values() if one.finding]
        return sorted(found, key=lambda one: (-one.level, one.since, one.key))

    @property
    def verdict(self) -> str:
        """CRITICAL where something of level 4, or beyond a critical limit, goes on; ATTENTION where anything does."""
        levels = [finding.level for finding in self.findings]
        return CRITICAL if GRAVEST in levels else ATTENTION if levels else HEALTHY

    def _note_away(self, snapshot: LiveSnapshot) -> None:
        """A source is away from the event that says so until the first reading of it."""
        for source in ("mongodb", "redis"):
            events = [one.kind for one in snapshot.events if one.source == source and one.kind in ("away", "back")]
            if any(name.startswith(f"{source}.") for name in snapshot.readings):
                self._away.discard(source)
            elif events[-1:] == ["away"]:
                self._away.add(source)

    # ------------------------------------------------------------------------------------------------ one rule

    def _judge(self, rule: LiveRule, moment: LiveMoment) -> None:
        name = f"{rule.id} {rule.title}"
        if rule.production_only and self._settings.is_rehearsal:
            self.unknown[name] = REHEARSAL
            return
        try:
            judged = self._measured(rule, moment)
        except UnreadableError as error:
            self.unknown[name] = str(error) if rule.id in self._known else f"{FIRST}: {error}"
            return
        self._known.add(rule.id)
        troubles = self._troubles[rule.id]
        for subject in {**dict.fromkeys(troubles), **judged.values}:
            self._advance(rule, subject, judged)
        for subject in [subject for subject, one in troubles.items() if one.finding is None and not one.limit.stirs]:
            del troubles[subject]

    def _measured(self, rule: LiveRule, moment: LiveMoment) -> _Judged:
        """Raises UnreadableError."""
        quiet = _Judged(moment=moment, values={}, limit=_Limit(value=self._bounds[rule.id].limit or 0.0))
        if (rule.excuses and not self._excused) or moment.age_s < rule.settle_s:
            return quiet
        if rule.during_sprint and not self._is_sprint(moment.snapshot.at):
            return quiet
        values = moment.values(rule)
        if not values or not all(self._holds(need, moment) for need in rule.needs):
            return quiet
        rows = {} if not rule.rows else {subject_of(row, rule.subject): row for row in moment.rows(rule.rows, {})}
        return _Judged(moment=moment, values=values, limit=self._limit(rule, moment), rows=rows,
                       excused=list(self._excused))  # fmt: skip

    def _is_sprint(self, at: datetime) -> bool:
        start, deadline = self._settings.sprint_start, self._settings.sprint_deadline
        return not (start and at < datetime.fromisoformat(start)) and not (
            deadline and at > datetime.fromisoformat(deadline)
        )

    def _holds(self, need: Need, moment: LiveMoment) -> bool:
        wanted = need.limit if need.limit is not None else moment.now(need.than)
        limit = float(getattr(self._settings, wanted) if isinstance(wanted, str) else wanted) * need.times
        limit = max(limit, need.least_real_s * self._settings.clock)
        values = moment.values(need).values()
        return bool(values) and all(Bounds(trouble=need.compare, limit=limit).beyond(value, limit) for value in values)

    def _limit(self, rule: LiveRule, moment: LiveMoment) -> _Limit:
        """The rule's limit, or what is usual here times a factor where that is farther away."""
        bounds, usual = self._bounds[rule.id], list[_Limit]()
        for one in rule.baseline:
            try:
                usual.append(self._usual(rule, one, moment))
            except UnreadableError:
                if one.is_required:
                    raise
        limits = [one.value for one in usual] + ([] if bounds.limit is None else [bounds.limit])
        return _Limit(
            value=max(limits) if bounds.is_over else min(limits), usual=", ".join(one.usual for one in usual)
        )  # fmt: skip

    def _usual(self, rule: LiveRule, one: Baseline, moment: LiveMoment) -> _Limit:
        """A baseline as a limit. Raises UnreadableError."""
        if one.series:
            value, where = moment.part(rule, one.series) * rule.scale, PARTS[one.series]
        elif one.fact in self._baselines.facts:
            value, where = self._baselines.facts[one.fact], self._baselines.told(one.fact)
        else:
            phase = one.fact.partition(".")[0]
            raise UnreadableError(f"no baseline: phase {phase}: {self._baselines.missing.get(phase, 'left none')}")
        return _Limit(value=value * one.factor, usual=f"{one.factor:g} x {amount(value, rule.told_unit)}, {where}")

    # --------------------------------------------------------------------------------------------- one subject

    def _advance(self, rule: LiveRule, subject: str, judged: _Judged) -> None:
        bounds, value, at = self._bounds[rule.id], judged.values.get(subject), judged.moment.snapshot.at
        trouble = value is not None and bounds.beyond(value, judged.limit.value)
        if trouble and rule.unless_busy and self._is_busy(judged.moment):
            self._excused.append(rule.title)
            return
        troubles = self._troubles[rule.id]
        one = troubles[subject] if subject in troubles else troubles.setdefault(subject, _fresh(rule))
        one.limit.take(at, trouble=trouble, quiet=value is None or bounds.is_quiet(value, judged.limit.value))
        self._take_critical(one, bounds, value, judged)
        if one.limit.is_on:
            if value is not None and (trouble or one.finding is None):
                one.worst = value if one.worst is None else (max if bounds.is_over else min)(one.worst, value)
            one.finding = self._found(rule, subject, judged, one, value if trouble else None)
        elif one.finding is not None:
            ended = replace(one.finding, until=one.limit.ended or at)
            self.over = [*self.over, ended][-MOST_OVER:]
            one.finding, one.worst = None, None

    def _take_critical(self, one: _Trouble, bounds: Bounds, value: float | None, judged: _Judged) -> None:
        if bounds.critical is None:
            return
        farthest = max if bounds.is_over else min
        limit = farthest(bounds.critical, judged.limit.value)
        beyond = value is not None and bounds.beyond(value, limit)
        calm = value is None or Bounds(trouble=bounds.trouble, limit=limit).is_quiet(value, limit)
        one.critical.take(judged.moment.snapshot.at, trouble=beyond, quiet=calm)

    def _is_busy(self, moment: LiveMoment) -> bool:
        """Whether the rule that is told instead would hold: constant work on this host waits for a processor."""
        for rule in self._rules[-1:]:
            value = moment.values(rule).get("") if rule.excuses and rule.reading in moment.snapshot.readings else None
            bounds = self._bounds[rule.id]
            return value is not None and bounds.limit is not None and bounds.beyond(value, bounds.limit)
        return False

    def _found(self, rule: LiveRule, subject: str, judged: _Judged, one: _Trouble, value: float | None) -> Finding:
        """The finding as it stands now. value: None where this interval is no trouble: what was told then, stays."""
        level = max([rule.level, *(step.level for step in rule.then if one.limit.held >= step.after)])
        level = GRAVEST if one.critical.is_on else level
        if one.finding is not None and value is None:
            return replace(one.finding, level=level)
        at, since = judged.moment.snapshot.at, one.limit.since
        lasted = judged.moment.lasted(rule.event, subject)
        evidence = told(
            rule, judged.moment, rows=judged.rows.get(subject, {}),
            words={"value": value, "limit": judged.limit.value, "worst": one.worst, "subject": subject,
                   "intervals": str(one.limit.held), "excused": ", ".join(dict.fromkeys(judged.excused)).lower(),
                   "baseline": judged.limit.usual or "no baseline yet", "seconds": lasted},
        )  # fmt: skip
        return Finding(
            rule=rule.id, title=rule.title, subject=subject, level=level, since=since or at, seen=at,
            value=value, limit=judged.limit.value, unit=rule.told_unit, evidence=evidence, cause=rule.cause,
            remedy=with_profile(rule.remedy_in(self._settings), self._settings.profile), notebook=rule.notebook,
            owner=rule.owner, reading=rule.reading,
        )  # fmt: skip


def _agreeing(rule: LiveRule, settings: Settings) -> Bounds:
    bounds = rule.bounds(settings)
    if problem := bounds.problem():
        raise LeadbookError(f"rule {rule.id}: {problem}; the settings that its limits come from contradict it")
    return bounds


def _fresh(rule: LiveRule) -> _Trouble:
    made = (Hysteresis(rule.intervals, rule.clear_for) for _ in range(2))
    return _Trouble(limit=next(made), critical=next(made))
