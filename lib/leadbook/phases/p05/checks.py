"""What the load test tells for each of its checks: ids with the function that answers them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from leadbook.core import write_errors
from leadbook.core.checks import Doubtful, Unmeasured
from leadbook.core.settings import Settings
from leadbook.load.load import SIZES, InsertLoad, Mixed, Sources
from leadbook.load.openloop import RateStep, knee
from leadbook.load.tuning import SettingTrial
from leadbook.measure.trials import Problems
from leadbook.measure.workers import TaskOutcome
from leadbook.phases.judging import Answered, Tell

NO_TRIAL = "no trial: the server is not a rehearsal server"
LARGE = 10_000
"""Records of the largest load at least, task book 3.1.1.6."""

# ----------------------------------------------------------------------------------------------------- ten collectors


def _away(run: Sources) -> str:
    return "" if run.redis else "; Redis was away"


def _once(run: Sources) -> Answered:
    told = f"{run.stored:,} stored of {run.expected:,} different leads; {run.duplicates} repeats found"
    return Answered(run.stored - run.expected, f"{told}{_away(run)}")


SOURCES: Mapping[str, Tell[Sources]] = {
    "LOAD-SRC-001": lambda run: Answered(
        len(run.per_source),
        f"leads of {len(run.per_source)} sources stored, {run.outcome.sent:,} sent; failures {run.failures or 'none'}"
        f"{_away(run)}",
    ),
    "LOAD-SRC-002": _once,
    "LOAD-SRC-004": lambda run: Answered(
        run.outcome.sent / run.outcome.seconds * 3_600,
        f"{run.outcome.sent:,} leads checked, inserted and marked in {run.outcome.seconds:.2f} s, as fast as "
        f"the store takes them: says nothing of a vendor{_away(run)}",
    ),
}
"""Steps 3.1.1.1, 3.1.1.2 and 3.1.1.4: ten collectors at once."""
WITHOUT_REDIS: Mapping[str, Tell[Sources]] = {"LOAD-SRC-003": _once}
"""Step 3.1.1.2: the same with Redis away."""

# -------------------------------------------------------------------------------------------------------- closed loops


def _slowest(loads: Sequence[InsertLoad]) -> InsertLoad:
    return min(loads, key=lambda load: load.outcome.rate)


def _sent(loads: Sequence[InsertLoad]) -> str:
    return ", ".join(f"{load.records:,}" for load in loads)


def _rate(loads: Sequence[InsertLoad]) -> Answered:
    slowest, largest = _slowest(loads), max(load.records for load in loads)
    if largest < LARGE:
        why = f"the largest load was {largest:,} documents, and the task book asks for {LARGE:,} and more"
        return Answered(Unmeasured(why, f"set load_records to '{LARGE}, 20000'"))
    told = f"slowest of {len(loads)} loads of {_sent(loads)} documents"
    return Answered(slowest.outcome.rate, f"{told}: {slowest.records:,} by {slowest.writers} writers")


def _missing(loads: Sequence[InsertLoad]) -> Answered:
    return Answered(sum(load.missing for load in loads), f"{_sent(loads)} documents sent, counted after each load")


def _concurrent(writers: int, loads: Sequence[InsertLoad]) -> Answered:
    found = [load for load in loads if load.writers >= writers]
    if not found:
        why = f"load_writers asks for no load with {writers} or more"
        return Answered(Unmeasured(why, "set load_writers to '10, 50'"))
    errors, worst = sum(sum(load.outcome.errors.values()) for load in found), _slowest(found)
    told = f"{worst.writers} writers, {worst.records:,} documents; {errors} errors in {len(found)} loads"
    return Answered(worst.outcome.rate, told)


def _each_size(loads: Sequence[InsertLoad]) -> Answered:
    sent, slowest = {load.records for load in loads}, _slowest(loads)
    if short := [f"{size:,}" for size in SIZES if size not in sent]:
        return Answered(Unmeasured(f"{', '.join(short)} records were not sent, only {_sent(loads)}"))
    return Answered(slowest.outcome.rate, f"slowest of {_sent(loads)} records: {slowest.records:,}")


def _bound(control: TaskOutcome | None, loads: Sequence[InsertLoad]) -> Answered:
    share, processes = max(load.outcome.cores / load.outcome.processes for load in loads), loads[0].outcome.processes
    most = f"; they could encode {control.rate:,.0f} documents/s and send nothing" if control is not None else ""
    return Answered(round(share, 2), f"{processes} load processes; busiest run {share:.2f} of a core each{most}")


def bound(control: TaskOutcome | None) -> Mapping[str, Tell[tuple[InsertLoad, ...]]]:
    """Step 3.1.1.6: whether the load processes were the limit, beside what they could do at most (`control`)."""
    return {"LOAD-ENV-001": partial(_bound, control)}


def _checkouts(load: InsertLoad) -> Answered:
    ms = load.outcome.checkouts.summary()
    told = (
        f"{ms.judged[0]} of {ms.count:,} check-outs by {load.writers} threads inserting in bulk; slowest {ms.worst_ms}"
    )
    return Answered(ms.judged[1], f"{told} ms; {load.outcome.opened} connections opened meanwhile")


MATRIX: Mapping[str, Tell[tuple[InsertLoad, ...]]] = {
    "LOAD-INS-001": _rate, "LOAD-INS-002": _missing,
    "LOAD-CON-001": partial(_concurrent, 10), "LOAD-CON-002": partial(_concurrent, 50),
}  # fmt: skip
"""Steps 3.1.1.6 and 3.1.1.7: rates of 10,000 records and more, by 10 and by 50 writers, and nothing missing."""
SIZED: Mapping[str, Tell[tuple[InsertLoad, ...]]] = {"LOAD-BAT-001": _each_size, "LOAD-BAT-002": _missing}
"""Step 3.1.1.3: 1,000, 5,000 and 10,000 records in batches, all stored, fast enough; each of them measured."""
POOL: Mapping[str, Tell[InsertLoad]] = {
    "LOAD-POOL-001": _checkouts,
    "LOAD-POOL-002": lambda load: Answered(
        load.missing + sum(load.outcome.errors.values()),
        f"{load.records:,} sent, {load.stored:,} stored, errors {load.outcome.errors or 'none'}",
    ),
}
"""Step 3.1.1.9: waiting for a connection while 50 threads insert through one pool."""

# -------------------------------------------------------------------------------------------------- everything at once


def everything(settings: Settings) -> Mapping[str, Tell[Mixed]]:
    """Steps 3.1.1.2, 3.1.1.6 and 3.1.1.8: duplicate checks while everything else runs too."""
    limit = settings.target_duplicate_check_ms
    return {
        "LOAD-DUP-001": partial(_latency, "duplicate check by Redis", limit),
        "LOAD-DUP-002": partial(_latency, "duplicate check by MongoDB", limit),
        "LOAD-DUP-003": _right,
        "LOAD-DUP-004": _asked,
        "LOAD-MIX-001": partial(_latency, "find", settings.target_find_ms),
        "LOAD-MIX-002": lambda mixed: Answered(
            mixed.outcomes["insert"].sent - mixed.stored,
            f"{mixed.outcomes['insert'].sent:,} documents sent beside the checks, {mixed.stored:,} stored",
        ),
    }


def _latency(work: str, target_ms: float, mixed: Mixed) -> Answered:
    """With everything at once p95 is judged, and a p99 beyond the target warns.

    The task book names no percentile. Here servers, cache and load share the host, and the rates are thousands of times
    the sprint's: the slowest in a hundred tells of the host's scheduler, and is shown, not hidden.
    """
    outcome = mixed.outcomes.get(work)
    if outcome is None:
        return Answered(Unmeasured("Redis does not answer", "make Redis reachable"))
    ms = outcome.latencies.summary()
    name, value = ("p95", ms.p95_ms) if ms.p95_ms is not None else ms.judged
    tail = f", p99 {ms.p99_ms} ms" if ms.p99_ms is not None else ""
    evidence = (
        f"{name} of {ms.count:,} calls at {outcome.rate:,.0f}/s beside all other work, from the intended start; "
        f"median {ms.p50_ms} ms{tail}"
    )
    if value is not None and ms.p99_ms is not None and value < target_ms <= ms.p99_ms:
        return Answered(Doubtful(value), f"{evidence}: beyond the target")
    return Answered(value, evidence)


def _checking(mixed: Mixed) -> list[TaskOutcome]:
    return [outcome for name, outcome in mixed.outcomes.items() if name.startswith("duplicate check")]


def _right(mixed: Mixed) -> Answered:
    checked = _checking(mixed)
    asked, wrong = sum(one.sent for one in checked), sum(one.wrong for one in checked)
    evidence = f"{wrong} wrong answers among {asked:,}; half of the keys were known"
    return Answered(100 * (asked - wrong) / asked if asked else None, evidence)


def _asked(mixed: Mixed) -> Answered:
    checked = _checking(mixed)
    evidence = ", ".join(f"{one.name}: {one.sent:,}" for one in checked)
    return Answered(min(one.sent for one in checked) if len(checked) == 2 else None, evidence)


# ----------------------------------------------------------------------------------------------------------- open loop


def _hourly(target: float, steps: Sequence[RateStep]) -> Answered:
    """The sprint's rate is so low that hardly anything arrives in a step: the target of inserts is named beside it."""
    hourly, inserts = steps[0], _at(target, steps)
    kept = "kept up with" if inserts.kept_up else "not kept up with"
    beside = f"{inserts.rate / max(hourly.rate, 1 / 3_600):,.0f} times this rate, {inserts.name}: {kept}"
    return Answered(hourly.kept_up, f"{_arrivals(hourly)}; {beside}")


def _at(rate: float, steps: Sequence[RateStep]) -> RateStep:
    return next(one for one in steps[1:] if one.rate == rate)


def _inserts(target: float, steps: Sequence[RateStep]) -> Answered:
    return Answered(_at(target, steps).kept_up, _arrivals(_at(target, steps)))


def _knee(steps: Sequence[RateStep]) -> Answered:
    bend, ordered = knee(steps), sorted(steps, key=lambda one: one.rate)
    if bend is not None:
        missed = ordered[ordered.index(bend) + 1]
        done = f"{bend.achieved:,.0f}/s done until the last answer"
        if (worst := bend.outcome.latencies.worst_ms) is not None:
            done += f", the slowest batch in {worst:,.0f} ms"
        return Answered(bend.rate, f"{bend.name} offered and kept up with, {done}; {missed.name} not")
    if ordered[0].kept_up:
        return Answered(ordered[-1].rate, f"every rate up to {ordered[-1].name} was kept up with")
    return Answered(Doubtful(None), "not even the lowest rate was kept up with")


def _arrivals(one: RateStep) -> str:
    name, value = one.outcome.latencies.summary().judged
    count = f"{one.outcome.planned} arrivals" if one.outcome.planned != 1 else "1 arrival"
    return (
        f"{count} in {one.seconds:g} s, {one.outcome.skipped} skipped; {name} from the "
        f"intended start {value} ms; latest start {one.outcome.lag.worst_ms} ms late, "
        f"backlog {one.backlog * 1_000:.0f} ms"
    )


def rates(settings: Settings) -> Mapping[str, Tell[tuple[RateStep, ...]]]:
    """Steps 3.1.1.6 and 3.2.1.1: the target rates kept up with, the knee named."""
    return {
        "LOAD-OPN-001": partial(_hourly, settings.target_insert_rate),
        "LOAD-OPN-002": partial(_inserts, settings.target_insert_rate),
        "LOAD-OPN-003": _knee,
        "LOAD-OPN-004": lambda steps: Answered(
            sum(one.outcome.done - one.stored for one in steps),
            f"{sum(one.outcome.done for one in steps):,} documents acknowledged, counted after each rate",
        ),
    }


# ---------------------------------------------------------------------------------------------------- before and after


def _effect(trial: SettingTrial) -> str:
    return f"{trial.parameter}: {trial.before} to {trial.after}: {trial.told} ({trial.unit})"


def _another(things: str, trial: SettingTrial) -> Answered:
    """Whether another value is needed: only where it is shown to be the faster one."""
    beside = f"{trial.after} {things} against the {trial.before} in force"
    if not trial.effect.shown:
        return Answered("not needed", f"{beside}: {trial.told} ({trial.unit})")
    word, answer = ("faster", "needed") if trial.improved else ("slower", "not needed")
    return Answered(
        answer, f"{beside}: {word}, {trial.told} ({trial.unit})",
        f"set {trial.parameter} to {trial.after}: leadbook tune",
    )  # fmt: skip


TRIALS: Mapping[str, tuple[str, Tell[SettingTrial]]] = {
    "LOAD-TUN-001": ("writers", partial(_another, "writers")),
    "LOAD-TUN-002": ("redis", lambda trial: Answered(trial.improved, _effect(trial))),
    "LOAD-TUN-003": ("pool settings", partial(_another, "open connections")),
}
"""Steps 3.2.1.1 to 3.2.1.3, with the name of the trial."""


def memory(trial: SettingTrial | Unmeasured | None) -> Mapping[str, Tell[Mixed]]:
    """Step 3.2.1.4: whether the cache sufficed under load, beside the trial of a larger one; None where none may be."""
    return {"LOAD-TUN-004": partial(_memory, trial)}


def _memory(trial: SettingTrial | Unmeasured | None, mixed: Mixed) -> Answered:
    used = mixed.readings.statistic("mongodb.cache_used_percent", "max")
    pages = mixed.readings.growth("mongodb.application_evictions")
    if used is None or pages is None:
        return Answered(Unmeasured("serverStatus does not tell the cache"))
    evidence = f"cache {used:.0f} % used under load, {pages:.0f} pages evicted by application threads"
    if isinstance(trial, Unmeasured):
        return Answered(Unmeasured(f"{evidence}; the trial with a larger cache failed: {trial.why}"))
    return Answered(pages, f"{evidence}; {_effect(trial) if trial else NO_TRIAL}")


# -------------------------------------------------------------------------------------------------------------- issues


def issues(problems: Problems) -> Mapping[str, Tell[Sequence[TaskOutcome]]]:
    """Step 3.1.1.5: errors of any load that nobody planned, each named."""
    return {"LOAD-ISS-001": partial(_issues, problems)}


def _issues(problems: Problems, outcomes: Sequence[TaskOutcome]) -> Answered:
    seen = Counter({f"{name}: {write_errors.line(why)[:120]}": 1 for name, why in problems.items()})
    for outcome in outcomes:
        seen.update({why: count for why, count in outcome.errors.items() if not why.startswith("duplicate")})
    late = sum(count for reason, count in seen.items() if reason.startswith("write concern"))
    shown = "; ".join(f"{reason}: {count}" for reason, count in seen.items()) or "no unplanned error"
    evidence = f"{sum(one.planned for one in outcomes):,} calls of {len(outcomes)} loads; {shown}"
    if late and late == seen.total():
        return Answered(
            Doubtful(late),
            f"{evidence}; the documents were stored, a majority confirmed them later than wtimeout",
            "use fewer writers, or raise wtimeout_ms; a batch that times out is repeated, not lost",
        )
    return Answered(seen.total() - late, evidence)
