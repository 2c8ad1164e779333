"""Tables of the load test: one row a load, a run, a kind of work, a rate, a change, a parameter."""

from __future__ import annotations

from collections.abc import Iterable

from leadbook.load.load import InsertLoad, Mixed, Sources
from leadbook.load.openloop import RateStep
from leadbook.load.tuning import SettingTrial
from leadbook.phases.p05.advice import Advice
from leadbook.phases.section import Table, rows_table

INSERTS = {
    "documents": "documents sent",
    "writers": "writers at once",
    "batch": "documents a call",
    "seconds": "from the first call to the last answer",
    "documents_per_s": "documents stored a second, all writers together",
    "p50_ms": "median of whole calls, ms",
    "p95_ms": "95th percentile of calls, ms; – below 200 calls",
    "worst_ms": "slowest call, ms",
    "cores": "CPU of all load processes, in cores",
    "missing": "documents sent and not found afterwards",
    "errors": "errors seen by the writers",
}
SOURCES = {
    "Redis": "whether Redis answered",
    "sent": "leads that the ten collectors sent",
    "different": "different leads among them",
    "stored": "leads found afterwards",
    "found by Redis": "repeats that Redis knew",
    "refused by MongoDB": "repeats that the unique index refused",
    "leads_per_s": "leads through check, insert and marking a second",
    "p50_ms": "median of a batch of 50 through all steps, ms",
    "worst_ms": "slowest batch, ms",
}
MIXED = {
    "work": "what was done, all of it at the same time",
    "calls": "calls timed",
    "per_s": "documents or keys a second",
    "p50_ms": "median, ms",
    "p95_ms": "95th percentile, ms",
    "p99_ms": "99th percentile, ms; – below 1,000 calls",
    "p999_ms": "99.9th percentile, ms; – below 10,000 calls",
    "worst_ms": "slowest call, ms",
    "wrong": "answers that differ from the truth",
    "errors": "errors seen",
}
RATES = {
    "offered": "documents/s that arrive, whether the server keeps up or not",
    "done_per_s": "documents/s done",
    "arrivals": "arrivals (a batch each)",
    "skipped": "arrivals that found no free caller within a second",
    "p50_ms": "median from the intended start, ms",
    "tail_ms": "p99 from the intended start, ms; p95 below 1,000 arrivals, nothing below 200",
    "worst_ms": "slowest from the intended start, ms",
    "closed_ms": "slowest from the real start, ms: what a closed loop would have told",
    "lag_ms": "how late the latest arrival was started, ms",
    "backlog_ms": "how much later than one call the median arrival of the second half was done, ms",
    "kept up": "nothing skipped, no errors, and a backlog below 5 % of the step",
}
TRIALS = {
    "change": "what was changed, and nothing else",
    "before": "value before",
    "after": "value after",
    "unit": "what is measured",
    "before_measured": "mean over interleaved rounds with 95 % interval",
    "after_measured": "the same after the change",
    "effect": "after against before; overlapping intervals show no difference",
}
ADVICE = {
    "parameter": "key of the profile, or a setting of the server",
    "now": "its value",
    "advice": "value to set, or leave it",
    "effect": "measured effect; advice to change needs a difference that was shown",
    "evidence": "what was measured",
}


def inserts(loads: Iterable[InsertLoad]) -> Table:
    """Closed loops, each once where it is given twice."""
    different = {id(load): load for load in loads}.values()
    told = [(load, load.outcome, load.outcome.latencies.summary()) for load in different]
    rows = [
        (load.records, load.writers, load.batch, round(made.seconds, 2), round(made.rate), ms.p50_ms, ms.p95_ms,
         ms.worst_ms, round(made.cores, 2), load.missing, sum(made.errors.values()))
        for load, made, ms in told
    ]  # fmt: skip
    return rows_table("Closed loop", INSERTS, rows)


def sources(runs: Iterable[Sources]) -> Table:
    """Runs of ten collectors."""
    told = [(run, run.outcome, run.outcome.latencies.summary()) for run in runs]
    rows = [
        ("up" if run.redis else "away", made.sent, run.expected, run.stored, made.errors.get("duplicate (redis)", 0),
         made.errors.get("duplicate", 0), round(made.sent / made.seconds), ms.p50_ms, ms.worst_ms)
        for run, made, ms in told
    ]  # fmt: skip
    return rows_table("Ten collectors at once", SOURCES, rows)


def mixed(found: Mixed | None) -> Table:
    """Kinds of work that ran at the same time."""
    told = [(made, made.latencies.summary()) for made in (found.outcomes if found else {}).values()]
    rows = [
        (made.name, ms.count, round(made.rate), ms.p50_ms, ms.p95_ms, ms.p99_ms, ms.p999_ms, ms.worst_ms, made.wrong,
         sum(made.errors.values()))
        for made, ms in told
    ]  # fmt: skip
    return rows_table("Everything at once", MIXED, rows)


def rates(steps: Iterable[RateStep]) -> Table:
    """Rates of the open loop."""
    told = [(step, step.outcome, step.outcome.latencies.summary()) for step in steps]
    rows = [
        (step.name, round(step.achieved, 1 if step.achieved < 10 else 0), made.planned, made.skipped, ms.p50_ms,
         f"{ms.judged[0]} {ms.judged[1]:.4g}" if ms.p95_ms is not None else "", ms.worst_ms, made.service.worst_ms,
         made.lag.worst_ms, round(step.backlog * 1_000), step.kept_up)
        for step, made, ms in told
    ]  # fmt: skip
    return rows_table("Open loop", RATES, rows)


def trials(found: Iterable[SettingTrial]) -> Table:
    """Changes of one setting each."""
    rows = [
        (one.name, str(one.before), str(one.after), one.unit, *one.measured, one.told) for one in found
    ]  # fmt: skip
    return rows_table("Before and after", TRIALS, rows)


def advice(found: Iterable[Advice]) -> Table:
    """Parameters, with what to set."""
    rows = [
        (one.parameter, "" if one.current is None else str(one.current),
         str(one.proposed) if one.changes else "leave it", one.effect, one.evidence)
        for one in found
    ]  # fmt: skip
    return rows_table("Advice", ADVICE, rows)
