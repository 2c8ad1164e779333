"""Open loop: arrivals at a target rate whether the server keeps up or not, latency from the intended start.

A closed loop waits for the server before it asks again, so a stall delays one call and hides the rest (coordinated
omission). Here every arrival has its moment; what starts late is late from that moment. In-flight calls are bounded;
an arrival that finds no free caller for `SKIP_AFTER` seconds is skipped and counted; nothing is caught up in bursts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import pandas as pd

from leadbook.core.checks import Check, judge, warned
from leadbook.core.settings import Settings
from leadbook.load.load import InsertLoad, Loader, numbers
from leadbook.measure.arrivals import poisson
from leadbook.measure.operations import Task
from leadbook.measure.trials import Problems, problem
from leadbook.measure.workers import TaskOutcome

__all__ = ["COLUMNS", "Step", "bars", "capacity", "checks", "knee", "knee_rate", "step", "steps", "table"]

SKIP_AFTER = 1.0
BACKLOG = 0.05
"""A step is kept up with when its backlog stays below this share of it. A rate 7 % beyond capacity reaches that."""
LEADS_PER_HOUR, DOCUMENTS_PER_SECOND, BATCH = 833, 1_000, 50


@dataclass(frozen=True, kw_only=True)
class Step:
    """One target rate. rate: documents/s offered.  batch: documents an arrival.  stored: counted afterwards."""

    name: str
    rate: float
    batch: int
    seconds: float
    outcome: TaskOutcome
    stored: int

    @property
    def achieved(self) -> float:
        """Documents/s done over the step, or over as long as it really took."""
        return self.outcome.done / max(self.seconds, self.outcome.ended)

    @property
    def kept_up(self) -> bool:
        """No skipped arrivals, no errors, no backlog: what was offered was done about as fast as it was offered."""
        return self.outcome.done == self.outcome.planned * self.batch and self.backlog <= BACKLOG * self.seconds

    @property
    def backlog(self) -> float:
        """Seconds by which the median arrival of the second half was done later than one median call allows.

        Beyond capacity arrivals wait longer and longer, so most of the second half are late. One stall makes only those
        late that arrive during it, wherever it falls, and is told by p99 and the slowest.
        """
        times = [(end - latency, latency) for end, _, latency in self.outcome.ends]
        late = [latency for due, latency in times if due >= self.seconds / 2] or [latency for _, latency in times]
        call = (self.outcome.service.percentile(50) or self.outcome.service.worst_ms or 0) / 1_000
        return max(0.0, median(late) - call) if late else 0.0


def step(loader: Loader, name: str, rate: float, *, batch: int, seconds: float) -> Step:
    """Offer `rate` documents/s in arrivals of `batch` for `seconds` to an empty scratch collection."""
    settings = loader.place.settings
    task = Task(
        name=name,
        kind="insert",
        threads=settings.open_loop_in_flight,
        size=batch,
        skip_after=SKIP_AFTER,
        arrivals=poisson(rate / batch, seconds),
    )
    with loader.place.scratch("rate") as collection:
        outcome = loader.run(loader.target(collection), [task])[name]
        return Step(
            name=name, rate=rate, batch=batch, seconds=seconds, outcome=outcome, stored=collection.count_documents({})
        )


def steps(loader: Loader, loads: Sequence[InsertLoad] | None) -> tuple[Step, ...]:
    """The sprint's 833 leads an hour, the target of 1,000 documents/s, then shares of `capacity` up to the knee.

    Ends with the first rate, from the target on, that is not kept up with: higher ones tell nothing more.
    """
    settings = loader.place.settings
    seconds, best = settings.open_loop_seconds, capacity(loads)
    shares = numbers("open_loop_percent", settings.open_loop_percent)
    rates = sorted({float(DOCUMENTS_PER_SECOND), *(round(best * share / 100, -2) for share in shares)} - {0.0})
    found = [step(loader, "833 leads/hour", LEADS_PER_HOUR / 3_600, batch=1, seconds=seconds)]
    for rate in rates:
        found.append(step(loader, f"{rate:,.0f}/s", rate, batch=BATCH, seconds=seconds))
        if rate >= DOCUMENTS_PER_SECOND and not found[-1].kept_up:
            break
    return tuple(found)


def capacity(loads: Sequence[InsertLoad] | None) -> float:
    """Documents/s of the best closed loop among the longest: short ones end before disk and secondaries catch up.

    Longest are those with more than half of the most records. Four times the target where none was measured.
    """
    most = max((load.records for load in loads or ()), default=0)
    return max((one.outcome.rate for one in loads or () if 2 * one.records > most), default=4.0 * DOCUMENTS_PER_SECOND)


def knee(found: Sequence[Step]) -> Step | None:
    """The highest rate that was kept up with before the first that was not; None where none was, or all were."""
    ordered = sorted(found, key=lambda one: one.rate)
    for number, one in enumerate(ordered):
        if not one.kept_up:
            return ordered[number - 1] if number else None
    return None


COLUMNS = {
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


def table(found: Sequence[Step] | None) -> pd.DataFrame:
    """One row a rate; columns as in `COLUMNS`."""
    return pd.DataFrame([_row(one) for one in found or ()], columns=list(COLUMNS))


def _row(one: Step) -> dict[str, Any]:
    told = one.outcome.latencies.summary()
    return {
        "offered": one.name,
        "done_per_s": round(one.achieved, 1 if one.achieved < 10 else 0),
        "arrivals": one.outcome.planned,
        "skipped": one.outcome.skipped,
        "p50_ms": told.p50_ms,
        "tail_ms": f"{told.judged[0]} {told.judged[1]:.4g}" if told.p95_ms is not None else "",
        "worst_ms": told.worst_ms,
        "closed_ms": one.outcome.service.worst_ms,
        "lag_ms": one.outcome.lag.worst_ms,
        "backlog_ms": round(one.backlog * 1_000),
        "kept up": one.kept_up,
    }


def bars(found: Sequence[Step] | None) -> pd.DataFrame:
    """For the plot: rate (documents/s), median_ms, worst_ms, service_ms (slowest from the real start), kept_up."""
    return pd.DataFrame(
        {
            "rate": one.rate,
            "median_ms": one.outcome.latencies.percentile(50),
            "worst_ms": one.outcome.latencies.worst_ms,
            "service_ms": one.outcome.service.worst_ms,
            "kept_up": one.kept_up,
        }
        for one in found or ()
        if one.rate >= 1
    )


def knee_rate(found: Sequence[Step] | None) -> float | None:
    """Rate of the knee in documents/s; None where there is none."""
    bend = knee(found or ())
    return bend.rate if bend else None


def checks(found: Sequence[Step] | None, problems: Problems, settings: Settings) -> list[Check]:
    """Steps 3.1.1.6 and 3.2.1.1: the target rates kept up with, the knee named."""
    ids = ("LOAD-OPN-001", "LOAD-OPN-002", "LOAD-OPN-003", "LOAD-OPN-004")
    if not found:
        return [problem(check_id, problems, "open loop", settings) for check_id in ids]
    hourly = next(one for one in found if one.rate < 1)
    target = next(one for one in found if one.rate == DOCUMENTS_PER_SECOND)
    return [
        judge("LOAD-OPN-001", hourly.kept_up, evidence=_hourly(hourly, target)),
        judge("LOAD-OPN-002", target.kept_up, evidence=_evidence(target)),
        _knee_check(found, settings),
        judge(
            "LOAD-OPN-004",
            sum(one.outcome.done - one.stored for one in found),
            evidence=f"{sum(one.outcome.done for one in found):,} documents acknowledged, counted after each rate",
        ),
    ]


def _knee_check(found: Sequence[Step], settings: Settings) -> Check:
    check_id, bend, ordered = "LOAD-OPN-003", knee(found), sorted(found, key=lambda one: one.rate)
    if bend is not None:
        missed = ordered[ordered.index(bend) + 1]
        told = f"{bend.name} kept up with, {missed.name} not"
        return judge(check_id, bend.rate, settings=settings, evidence=told)
    if ordered[0].kept_up:
        told = f"every rate up to {ordered[-1].name} was kept up with"
        return judge(check_id, ordered[-1].rate, settings=settings, evidence=told)
    return warned(check_id, None, settings=settings, evidence="not even the lowest rate was kept up with")


def _hourly(hourly: Step, target: Step) -> str:
    """The sprint's rate is so low that hardly anything arrives in a step: the next rate is named beside it."""
    times, kept = target.rate / hourly.rate, "kept up with" if target.kept_up else "not kept up with"
    return f"{_evidence(hourly)}; {times:,.0f} times this rate, {target.name}: {kept}"


def _evidence(one: Step) -> str:
    told = one.outcome.latencies.summary()
    name, value = told.judged
    count = f"{one.outcome.planned} arrivals" if one.outcome.planned != 1 else "1 arrival"
    return (
        f"{count} in {one.seconds:g} s, {one.outcome.skipped} skipped; {name} from the "
        f"intended start {value} ms; latest start {one.outcome.lag.worst_ms} ms late, "
        f"backlog {one.backlog * 1_000:.0f} ms"
    )
