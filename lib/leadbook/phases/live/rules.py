"""Expert rules of the live sprint, as data: `rulebook/*.yaml` holds what is looked at, from which limit on it is
trouble, what it means and what to do. Everything is checked when it is loaded.

A limit that is a check's stands in the catalogue of checks only: the rule names the check (`limit_of`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leadbook.actions.acts import ACTIONS
from leadbook.core.definitions import OWNERS, Definition, definition
from leadbook.core.errors import LeadbookError, did_you_mean
from leadbook.core.settings import Settings
from leadbook.phases.live.baselines import FACTS
from leadbook.watch.names import READINGS
from leadbook.watch.records import EVENTS

RULEBOOK = Path(__file__).parent / "rulebook"
WAY = 0.8
"""A trouble is over at 80 % of the way to its limit where the rule says nothing else: a usual width of hysteresis."""
TABLES = ("collectors", "vendors", "rejects", "clients", "slow", "members", "redis_slow")
"""Tables of a snapshot's details."""
SOURCES = ("snapshot", *dict.fromkeys(name.partition(".")[0] for name in READINGS))
"""What may be unread as a whole: a source, or the whole snapshot."""
COMMAND = re.compile(r"`leadbook ([a-z-]+)(?: ([\w=,.-]+))?[^`]*`")
"""A command in a remedy, and its first argument."""
PLACE = re.compile(r"\{([a-z0-9_.]+)\}")
"""A place in a template of evidence."""
_WORDS = frozenset({"value", "limit", "worst", "subject", "baseline", "intervals", "excused", "slow", "seconds"})
_TROUBLE: dict[str, Literal["<", "<=", ">", ">="]] = {"<": ">=", "<=": ">", ">=": "<", ">": "<=", "==": ">"}
"""What is trouble where a check demands the key; `== 0` is demanded of counts."""
Part = Literal["first_third", "last_hour", "peak_hour", "usual"]
PARTS: dict[Part, str] = {
    "first_third": "the median of the series' first third", "last_hour": "the median of the last hour",
    "peak_hour": "the highest of the last hour", "usual": "the median of the series",
}  # fmt: skip
"""Parts of the series that a value is compared with; hours by the sprint's clock, the usual without the window."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RuleSource(_Data):
    """What a number is made of; one of reading, event, away, unread, rows.

    reading: a name of READINGS.  minus: another, taken from it.  per: another, by which it is divided.  scale: factor
    afterwards.  window: mean of so many intervals (with `per`: ratio of sums).  pooled: with `per`, both growth per
    second: the window is widened until `per` counts so many.  above: less the median of that part of the series.
    still: seconds since it last changed, in place of its value.
    event: how often it happened since the snapshot before, or with `lasted` for how many seconds; its source is the
    subject.
    away: 1 while that source does not answer at all.
    unread: 1 for each of these sources of which nothing was read though MongoDB answers; `snapshot`: of none at all.
    rows: a table of the details; `field` holds the number, `subject` names the row, `where` chooses rows.
    """

    reading: str = ""
    minus: str = ""
    per: str = ""
    scale: float = 1.0
    window: int = Field(1, ge=1)
    window_s: float = Field(0.0, ge=0)
    pooled: int = Field(0, ge=0)
    above: Part | None = None
    still: bool = False
    event: str = ""
    lasted: bool = False
    away: str = ""
    unread: list[str] = []
    rows: str = ""
    field: str = ""
    subject: str = ""
    where: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """Readings that it is made of."""
        return [name for name in (self.reading, self.minus, self.per) if name]

    @property
    def is_plain(self) -> bool:
        """Whether it is a reading as it was read."""
        return not (self.minus or self.per or self.above or self.still or self.window > 1 or self.window_s)

    def problem(self) -> str:
        """Why it cannot be measured as it is written; empty where it can."""
        if sum(map(bool, (self.reading, self.event, self.away, self.unread, self.rows))) != 1:
            return "names not exactly one of reading, event, away, unread, rows"
        if unknown := next((name for name in self.names if name not in READINGS), ""):
            return f"no reading {unknown!r}; {did_you_mean(unknown, READINGS)}"
        if self.event and self.event not in EVENTS:
            return f"no event {self.event!r}; {did_you_mean(self.event, EVENTS)}"
        if self.rows and (self.rows not in TABLES or not self.field):
            return f"rows {self.rows!r} are no table of the details, or no field is named"
        if self.away and self.away not in ("mongodb", "redis"):
            return f"away is told of mongodb and redis, not of {self.away!r}"
        if unknown := next((name for name in self.unread if name not in SOURCES), ""):
            return f"no source {unknown!r}; {did_you_mean(unknown, SOURCES)}"
        if self.pooled and not (self.per.endswith("_per_s") and self.reading.endswith("_per_s")):
            return "pooled needs growth per second in reading and per"
        return ""


class Need(RuleSource):
    """What must be so besides. compare, limit (a number or a settings key) or than (a reading), times a factor.

    least_real_s: the limit, seconds, is at least so many of the real clock: processes do not go as fast as the sprint's
    clock in a rehearsal.
    """

    compare: Literal["<", "<=", ">", ">="]
    limit: float | str | None = None
    than: str = ""
    times: float = 1.0
    least_real_s: float = 0.0


class Baseline(_Data):
    """What is usual here: a fact of phase 03 or 05 (`03.insert_rate`), or a part of the series, times a factor (or the
    target of the check `times_of`). required: without it nothing is judged; by itself so of a part of the series."""

    fact: str = ""
    series: Part | None = None
    times: float = 1.0
    times_of: str = ""
    required: bool | None = None

    @property
    def factor(self) -> float:
        """The factor in force."""
        return float(definition(self.times_of).target) if self.times_of else self.times

    @property
    def is_required(self) -> bool:
        """Whether the rule waits for it."""
        return bool(self.series) if self.required is None else self.required


class Escalation(_Data):
    """An escalation: this level after so many intervals."""

    level: int = Field(ge=1, le=4)
    after: int = Field(ge=1)


class LiveRule(RuleSource):
    """One expert rule. compare: what is trouble.  limit: a number or a settings key; with limit_of, compare, limit,
    critical, unit and source are those of a check.  times: factor of the limit.  critical: beyond it level 4.
    clear: where it counts as over.  intervals (`for`): so many intervals it must hold, at least every other one.
    clear_for: quiet intervals until it is over.  settle_s: nothing is told before the series is so old.
    unless_busy: not told while this host is busy.  excuses: the rule that is told instead.  needs: what else must be
    so.  during_sprint: only between sprint_start and sprint_deadline.  production_only: a rehearsal cannot show it.
    level: whom it concerns, 1 to 4.  then: escalation.
    atlas: of the remedy, what can be done where Atlas' API is asked (atlas_project).
    evidence: a clause; `{value}`, `{limit}`, `{baseline}`, `{subject}`, names of readings and numbers of the row.
    """

    id: str = Field(pattern=r"^LIVE-[A-Z0-9]{2,5}-\d{3}$")
    title: str = Field(min_length=3)
    symptom: str = Field(min_length=3)
    cause: str = Field(min_length=3)
    evidence: str = Field(min_length=3)
    remedy: str = Field(min_length=3)
    atlas: str = ""
    owner: str = "DBA"
    notebook: str = "08"
    source: str = ""
    unit: str = ""
    limit_of: str = ""
    compare: Literal["<", "<=", ">", ">="] | None = None
    limit: float | str | None = None
    times: float = Field(1.0, gt=0)
    critical: float | None = None
    clear: float | None = None
    intervals: int = Field(2, ge=1, alias="for")
    clear_for: int = Field(4, ge=1)
    baseline: list[Baseline] = []
    needs: list[Need] = []
    settle_s: float = Field(0.0, ge=0)
    unless_busy: bool = False
    excuses: bool = False
    during_sprint: bool = False
    production_only: bool = False
    level: int = Field(1, ge=1, le=4)
    then: list[Escalation] = []

    def remedy_in(self, settings: Settings) -> str:
        """What to do, with what can be done at Atlas where its API is asked."""
        remedy = self.remedy.replace("{database}", settings.database)
        return f"{remedy}; at Atlas: {self.atlas}" if self.atlas and settings.atlas_project else remedy

    @property
    def check(self) -> Definition | None:
        """The check whose limit it is."""
        return definition(self.limit_of) if self.limit_of else None

    @property
    def told_unit(self) -> str:
        """Unit of value and limit."""
        return self.unit or (self.check.unit if self.check else READINGS[self.reading][0] if self.reading else "")

    @property
    def told_source(self) -> str:
        """Where its limit comes from."""
        return self.source or (self.check.source if self.check else "")

    @property
    def trouble(self) -> Literal["<", "<=", ">", ">="]:
        """How a value compares with the limit where it is trouble."""
        if self.check is not None:
            return _TROUBLE[self.check.compare]
        assert self.compare is not None  # noqa: S101  refused at load
        return self.compare

    def bounds(self, settings: Settings) -> Bounds:
        """Its limits in force; `Bounds.problem` says whether they agree."""
        limit: Any = self.check.limit(settings) if self.check else self.limit
        if self.check is not None and self.check.computed.startswith("the parameter "):
            limit = getattr(settings, self.check.computed.removeprefix("the parameter "))
        limit = getattr(settings, limit) if isinstance(limit, str) else limit
        critical = self.critical if self.critical is not None else self.check.critical if self.check else None
        return Bounds(
            trouble=self.trouble, limit=None if limit is None else float(limit) * self.times, critical=critical,
            clear=self.clear,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """Limits of a rule. trouble: how a value beyond the limit compares with it. clear: None: 80 % of the way."""

    trouble: Literal["<", "<=", ">", ">="]
    limit: float | None
    critical: float | None = None
    clear: float | None = None

    @property
    def is_over(self) -> bool:
        """Whether large values are trouble."""
        return self.trouble in (">", ">=")

    def beyond(self, value: float, limit: float) -> bool:
        """Whether a value is trouble at that limit."""
        return {">": value > limit, ">=": value >= limit, "<": value < limit, "<=": value <= limit}[self.trouble]

    def clear_at(self, limit: float) -> float:
        """Where trouble is over if `limit` is in force; as far from it as the rule says of its own limit."""
        if self.clear is not None and (self.limit == limit or not self.limit):
            return self.clear
        share = self.clear / self.limit if self.clear is not None and self.limit else WAY if self.is_over else 1 / WAY
        return limit * share

    def is_quiet(self, value: float, limit: float) -> bool:
        """Whether a value counts as over."""
        return value <= self.clear_at(limit) if self.is_over else value >= self.clear_at(limit)

    def problem(self) -> str:
        """What is wrong with the limits; empty where they agree."""
        if self.limit is None:
            return ""
        if self.critical is not None and self.critical != self.limit and self.beyond(self.limit, self.critical):
            return f"its critical limit {self.critical:g} comes before its limit {self.limit:g}"
        quiet = self.clear_at(self.limit)
        if self.beyond(quiet, self.limit):
            return f"it would be over at {quiet:g}, which is still trouble (limit {self.trouble} {self.limit:g})"
        return ""


def load(folder: Path = RULEBOOK) -> dict[str, LiveRule]:
    """The rules of a folder by id, in the order of its files. Raises LeadbookError naming rule and problem."""
    found: dict[str, LiveRule] = {}
    for path in sorted(folder.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []:
            made = _made(entry, path.name)
            if made.id in found:
                raise LeadbookError(f"{path.name}: rule {made.id} is there twice")
            found[made.id] = made
    if sum(rule.excuses for rule in found.values()) > 1:
        raise LeadbookError("more than one rule excuses others while the host is busy")
    return found


@cache
def rulebook() -> dict[str, LiveRule]:
    """The rules in force, by id. Raises LeadbookError."""
    return load()


def _made(entry: Any, name: str) -> LiveRule:
    told = entry.get("id", "without an id") if isinstance(entry, dict) else repr(entry)[:40]
    try:
        made = LiveRule(**entry)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise LeadbookError(f"{name}: rule {told}: {where}: {first['msg'].lower()}") from None
    except TypeError:
        raise LeadbookError(f"{name}: rule {told}: must hold `key: value` lines") from None
    try:
        problem = next(filter(None, (check(made) for check in CHECKS)), "")
    except LeadbookError as error:  # a check that is not in the catalogue
        problem = str(error)
    if problem:
        raise LeadbookError(f"{name}: rule {told}: {problem}")
    return made


def _sources(rule: LiveRule) -> str:
    for part in (rule, *rule.needs):
        if problem := part.problem():
            return problem
    for need in rule.needs:
        if (need.limit is None) == (not need.than):
            return "a need has not exactly one of limit and than"
        if need.than and need.than not in READINGS:
            return f"no reading {need.than!r}; {did_you_mean(need.than, READINGS)}"
        if isinstance(need.limit, str) and need.limit not in Settings.model_fields:
            return f"no parameter {need.limit!r}; {did_you_mean(need.limit, Settings.model_fields)}"
    return ""


def _limits(rule: LiveRule) -> str:
    if bool(rule.limit_of) == (rule.compare is not None):
        return "names not exactly one of limit_of and compare"
    if rule.limit_of and rule.limit is not None:
        return "has a limit besides that of the check"
    if not rule.limit_of and rule.limit is None and not any(one.is_required for one in rule.baseline):
        return "has no limit"
    if isinstance(rule.limit, str) and rule.limit not in Settings.model_fields:
        return f"no parameter {rule.limit!r}; {did_you_mean(rule.limit, Settings.model_fields)}"
    for one in rule.baseline:
        if bool(one.fact) == bool(one.series):
            return "a baseline has not exactly one of fact and series"
        if one.fact and one.fact not in FACTS:
            return f"no fact {one.fact!r}; {did_you_mean(one.fact, FACTS)}"
        _ = one.factor  # an unknown check is told by its own name
    return rule.bounds(Settings()).problem()


def _people(rule: LiveRule) -> str:
    if rule.owner not in OWNERS:
        return f"no owner {rule.owner!r}; there are {', '.join(OWNERS)}"
    if not re.fullmatch(r"0[1-9]", rule.notebook):
        return f"no notebook {rule.notebook!r}"
    if not rule.told_source:
        return "does not say where its limit comes from"
    levels = [rule.level, *(step.level for step in rule.then)]
    if levels != sorted(set(levels)) or [step.after for step in rule.then] != sorted({s.after for s in rule.then}):
        return "its escalation does not rise"
    return ""


def _texts(rule: LiveRule) -> str:
    for place in PLACE.findall(rule.evidence):
        if place not in _WORDS and place not in READINGS and not (rule.rows and place.startswith("row.")):
            return f"evidence knows no {{{place}}}; {did_you_mean(place, [*_WORDS, *READINGS])}"
    for command, argument in COMMAND.findall(f"{rule.remedy} {rule.atlas}"):
        name = argument.partition("=")[0]
        if command == "act" and name not in ACTIONS:
            return f"leadbook act knows no {name!r}; {did_you_mean(name, ACTIONS)}"
    return ""


CHECKS = (_sources, _limits, _people, _texts)
