"""Decisions that the task book leaves "if needed": what was measured, whether it is needed, and what to do then.

The catalogue says which checks a decision follows from (`follows`), and what to do (`remedy`); no limit stands here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from leadbook.core.checks import Check, Doubtful, Unmeasured, Verdict
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.measure.intervals import difference
from leadbook.monitor.session import Observation
from leadbook.page.prose import number
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.judging import Answered, Answers
from leadbook.phases.p05.advice import Advice, batch_size, max_pool
from leadbook.phases.p08.performance import unseen
from leadbook.phases.p08.readings import HOST_CPU, RULES

Checks = Mapping[str, Check]
BAD = frozenset({Verdict.FAIL, Verdict.ERROR})
BEYOND = frozenset({Verdict.FAIL, Verdict.WARN})
NEEDED = {Verdict.WARN: "yes", Verdict.PASS: "no"}
DECISION = "Decision: "
"""How the titles of decisions begin."""
FEWEST_BATCHES = 3
"""Batches of a size from which the snapshot compares it."""
CLEARING = "clearing turns hits in Redis into look-ups in MongoDB"
BOTTLENECK = "MON-BOTTLE-001"
SERVER = "CPU of the MongoDB server"
RELIEF = {
    SERVER: "a larger instance, or fewer indexes",
    "CPU of this client (one core)": "several writer processes: one Python process cannot use a second core",
    "CPU of Redis (one core)": "pipeline, or a second Redis",
}


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something that inserts and duplicate checks pass through, and how full it was.

    used: in `unit`; None = not measured.  full: whether it held the work up.  relief: what to do
    then.
    """

    name: str
    used: float | None
    limit: float
    unit: str
    full: bool
    relief: str


def _followed(check_id: str, checks: Checks) -> list[Check]:
    """The checks that this one follows from, by the catalogue."""
    return [checks[name] for name in definition(check_id).follows]


def issues(checks: Sequence[Check]) -> Answers:
    """No immediate issue: no reading beyond its critical limit, no error. Warnings are listed, they do not fail."""
    bad = [check for check in checks if check.verdict in BAD]
    warm = [check for check in checks if check.verdict is Verdict.WARN]
    dark = [check for check in checks if check.verdict is Verdict.NOT_MEASURED]
    named = "; ".join(f"{check.title} ({measured_text(check)})" for check in bad or warm)
    counts = f"critical, which alone count as issues: {len(bad)}; warnings: {len(warm)}; not measured: {len(dark)}"
    evidence = f"{counts}. {named}".rstrip(". ")
    count = len(bad) if checks else None
    return {"MON-ISSUE-001": (Doubtful(0) if warm and not bad else count, evidence)}


def resources(seen: Observation, checks: Checks) -> list[Resource]:
    """The processors by their median use in the snapshot, and what a check of its own judges."""
    statistic = seen.timeline.statistic
    server, redis = statistic("mongodb.cpu_cores", "median"), statistic("redis.cpu_cores", "median")
    used = {
        SERVER: 100 * server / seen.cores if server is not None and seen.cores else None,
        "CPU of this client (one core)": statistic("host.client_cpu_percent", "median"),
        "CPU of Redis (one core)": None if redis is None else 100 * redis,
    }
    limit = next(definition(rule.check).target for rule in RULES if rule.reading == HOST_CPU)
    processors = [
        Resource(name=name, used=share, limit=limit, unit="%", full=share is not None and share >= limit,
                 relief=RELIEF[name])
        for name, share in used.items()
    ]  # fmt: skip
    return [*processors, *map(_resource, _followed(BOTTLENECK, checks))]


def _resource(check: Check) -> Resource:
    """A resource whose fullness is a check: full beyond its critical limit, where it has none beyond its target."""
    entry = definition(check.id)
    full = check.verdict is Verdict.FAIL or (check.verdict is Verdict.WARN and entry.critical is None)
    limit = entry.target if entry.critical is None else entry.critical
    return Resource(
        name=check.title, used=check.measured, limit=limit, unit=check.unit, full=full, relief=check.remedy
    )  # fmt: skip


def bottleneck(found: Sequence[Resource]) -> Answers:
    """No resource was at its limit. A bottleneck warns: something is always the first to fill; targets judge."""
    measured = [each for each in found if each.used is not None]
    full = [each for each in measured if each.full]
    ranked = sorted(measured, key=lambda each: -(each.used or 0) / (each.limit or 1))
    shown = "; ".join(f"{each.name} {each.used:.3g} {each.unit}".strip() for each in (full or ranked[:3]))
    dark = [each.name for each in found if each.used is None]
    unseen = f". Not measured: {', '.join(dark)}" if dark else ""
    seen = full or (measured and SERVER not in dark)
    return {BOTTLENECK: Answered(
        len(full) if seen else Unmeasured(f"not all could be seen{unseen}"),
        f"{'full' if full else 'nothing was full; nearest'}: {shown}{unseen}",
        "; ".join(f"{each.name}: {each.relief}" for each in full),
    )}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a decision is drawn from. causes: the checks that it follows from, by the catalogue, in its order.

    benchmarks: facts of phase 03 (see Snapshot).
    """

    seen: Observation
    settings: Settings
    resources: Sequence[Resource]
    causes: Sequence[Check]
    benchmarks: Mapping[str, Any] = field(default_factory=dict)

    @property
    def because(self) -> list[str]:
        """What the causes measured."""
        return [f"{check.title}: {number(check.measured, check.unit)}" for check in self.causes]

    @property
    def source(self) -> str:
        """Which phase 03 measured the benchmarks."""
        return str(self.benchmarks.get("source", "phase 03"))

    @property
    def full(self) -> list[Resource]:
        """Resources that held the work up."""
        return [each for each in self.resources if each.full]


def _word(needed: bool) -> str:
    return "needed" if needed else "not needed"


def _queries(case: Case) -> Answered:
    queries = [entry for entry in case.seen.slow or () if entry.is_query]
    scans = [entry for entry in queries if "COLLSCAN" in entry.plan]
    because = f"slow queries during the snapshot: {len(queries)}; of them without an index: {len(scans)}"
    return Answered((not scans and unseen(case.seen, case.settings)) or _word(bool(scans)), because)


def _by_causes(case: Case) -> Answered:
    """Needed where a cause is beyond its limit."""
    beyond = any(check.verdict in BEYOND for check in case.causes)
    dark = [check.title for check in case.causes if check.measured is None]
    answer = (
        Unmeasured(f"not measured: {', '.join(dark)}", "see what these checks ask for")
        if dark and not beyond
        else _word(beyond)
    )
    return Answered(answer, "; ".join(case.because))


def _dated(advice: Advice, case: Case) -> str:
    """Its evidence, with the time of the phase that measured it."""
    return advice.evidence.replace("(phase 03)", f"({case.source})")


def _pool(case: Case) -> Answered:
    """Needed where the pool was too small in the snapshot, or phase 03 showed that it is for as many threads."""
    told, advice = _by_causes(case), max_pool(case.settings, case.benchmarks)
    if advice is None:
        return told
    because = f"{told.evidence}; {_dated(advice, case)}"
    if advice.changes:
        return Answered(_word(True), because, f"set max_pool_size to {advice.proposed}")
    return told._replace(evidence=because)


def _clearing(case: Case) -> Answered:
    """What it would cost stands beside, needed or not."""
    told = _by_causes(case)
    return told._replace(evidence=f"{told.evidence}; {CLEARING}")


def _batch_size(case: Case) -> Answered:
    """Phase 03's decision where it made one for the size in use, else by the batches of this snapshot."""
    mine = case.settings.batch_size
    if advice := batch_size(case.settings, case.benchmarks):
        return Answered(_word(advice.changes), _dated(advice, case), f"set batch_size to {advice.proposed}")
    rates: dict[int, list[float]] = {}
    for batch in (each for each in case.seen.batches if each.acknowledged):
        rates.setdefault(batch.sent, []).append(batch.acknowledged / batch.seconds)
    compared = {size: of for size, of in rates.items() if len(of) >= FEWEST_BATCHES}
    if mine not in compared or len(compared) == 1:
        why = f"batches of {mine} were not compared with others here"
        return Answered(Unmeasured(why, "phase 03 compares them: leadbook run --stage ready"))
    best = max(compared, key=lambda size: fmean(compared[size]))
    both = min(len(compared[mine]), len(compared[best]))
    effect = difference(compared[mine][:both], compared[best][:both])
    shown = ", ".join(f"{size}: {fmean(of):,.0f}" for size, of in compared.items())
    because = f"documents/s by documents a call, {shown}; {best} against the {mine} in use: {effect.text()}"
    return Answered(_word(best != mine and effect.shown), because, f"set batch_size to {best}")


def _scale(case: Case) -> Answered:
    """Needed where the disk is full, or where inserts are too slow while the server has no more to give."""
    disk, rate, cache = case.causes
    server = [*(each for each in case.resources if each.name == SERVER), _resource(cache)]
    known = [f"{each.name}: {number(each.used, each.unit)}" for each in server if each.used is not None]
    full_disk = disk.verdict in BEYOND
    needed = full_disk or (rate.verdict is Verdict.FAIL and any(each.full for each in server))
    answer = _word(needed) if known else Unmeasured("neither CPU nor cache was measured")
    beside = [f"{each.name}: {number(each.used, each.unit)}, full" for each in case.full if each not in server]
    if beside and not needed and rate.verdict is Verdict.PASS:
        beside[-1] += ", yet inserts reach their target"
    because = "; ".join(dict.fromkeys([*known, *case.because, *beside]))
    return Answered(answer, because, "enlarge the storage" if full_disk else "")


def _batch_processing(case: Case) -> Answered:
    (rate,) = case.causes
    names = ", ".join(each.name for each in case.full)
    because = (
        f"{case.because[0]}, target {target_text(rate)}; {f'held up by {names}' if names else 'no resource was full'}"
    )
    if rate.measured is None:
        return Answered(Unmeasured(rate.evidence, rate.remedy), because)
    return Answered(_word(rate.verdict is Verdict.FAIL), because, "; ".join(each.relief for each in case.full))


DECISIONS: Mapping[str, Callable[[Case], Answered]] = {
    "MON-ADV-001": _queries, "MON-ADV-002": _pool, "MON-ADV-003": _batch_size, "MON-ADV-004": _scale,
    "MON-ADV-005": _clearing, "MON-ADV-006": _batch_processing,
}  # fmt: skip


def decided(
    seen: Observation, settings: Settings, checks: Checks, found: Sequence[Resource], benchmarks: Mapping[str, Any]
) -> Answers:
    """The six "if needed" steps of Tasks 4.2.1 and 4.3.1: `not needed` passes, `needed` warns with what to do.

    benchmarks: facts of phase 03 (see Snapshot).
    """
    case = Case(seen=seen, settings=settings, resources=found, causes=(), benchmarks=benchmarks)
    return {
        check_id: decide(replace(case, causes=_followed(check_id, checks))) for check_id, decide in DECISIONS.items()
    }


def topic(check: Check) -> str:
    """What a decision is about."""
    return check.title.removeprefix(DECISION)
