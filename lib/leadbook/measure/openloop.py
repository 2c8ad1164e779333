"""Open loop: arrivals at a target rate whether the server keeps up or not, latency from the intended start.

A closed loop waits for the server before it asks again, so a stall delays one call and hides the rest (coordinated
omission). Here every arrival has its moment; what starts late is late from that moment. In-flight calls are bounded;
an arrival that finds no free caller for `SKIP_AFTER` seconds is skipped and counted; nothing is caught up in bursts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leadbook.checks import Check, judge, warned
from leadbook.measure.arrivals import poisson
from leadbook.measure.load import InsertLoad, Loader
from leadbook.measure.load_checks import Problems, problem
from leadbook.measure.workers import Outcome, Task
from leadbook.settings import Settings

__all__ = ["COLUMNS", "Step", "bars", "checks", "knee", "knee_rate", "step", "steps", "table"]

SKIP_AFTER = 1.0
KEPT_UP = 0.95
"""A step is kept up with when at least this share of its arrivals was done within the step and its skip limit."""
FRACTIONS = (0.5, 0.9, 1.3)
"""Steps, as shares of the closed-loop capacity, up to and beyond the knee."""
LEADS_PER_HOUR, DOCUMENTS_PER_SECOND = 833, 1_000


@dataclass(frozen=True, kw_only=True)
class Step:
    """One target rate. rate: documents/s offered.  batch: documents an arrival.  stored: counted afterwards."""

    name: str
    rate: float
    batch: int
    seconds: float
    outcome: Outcome
    stored: int

    @property
    def achieved(self) -> float:
        """Documents/s done over the step, or over as long as it really took."""
        return self.outcome.done / max(self.seconds, self.outcome.ended)

    @property
    def kept_up(self) -> bool:
        """No skipped arrivals, no errors, no backlog: what was offered was done about as fast as it was offered."""
        offered = self.outcome.planned * self.batch
        return self.outcome.done == offered and self.achieved >= KEPT_UP * offered / (self.seconds + self.grace)

    @property
    def grace(self) -> float:
        """One median call: the last arrival may still be under way when the step ends."""
        return (self.outcome.service.percentile(50) or self.outcome.service.worst_ms or 0) / 1_000


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


def steps(
    loader: Loader, loads: Sequence[InsertLoad] | None, *, fractions: Sequence[float] = FRACTIONS
) -> tuple[Step, ...]:
    """The sprint's 833 leads an hour, the target of 1,000 documents/s, then shares of the best closed-loop rate."""
    capacity = max((load.outcome.rate for load in loads or ()), default=4.0 * DOCUMENTS_PER_SECOND)
    seconds = loader.place.settings.open_loop_seconds
    batch = 50
    rates = sorted({float(DOCUMENTS_PER_SECOND), *(round(capacity * part, -2) for part in fractions)} - {0.0})
    slow = step(loader, "833 leads/hour", LEADS_PER_HOUR / 3_600, batch=1, seconds=seconds)
    return (slow, *(step(loader, f"{rate:,.0f}/s", rate, batch=batch, seconds=seconds) for rate in rates))


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
    "p95_ms": "95th percentile from the intended start, ms; empty below 200",
    "p99_ms": "99th percentile from the intended start, ms; empty below 1,000",
    "worst_ms": "slowest from the intended start, ms",
    "service_worst_ms": "slowest from the real start, ms: what a closed loop would have told",
    "lag_worst_ms": "how late the latest arrival was started, ms",
    "kept up": "nothing skipped, no errors, no backlog",
    "missing": "documents done and not found afterwards",
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
        "p95_ms": told.p95_ms,
        "p99_ms": told.p99_ms,
        "worst_ms": told.worst_ms,
        "service_worst_ms": one.outcome.service.worst_ms,
        "lag_worst_ms": one.outcome.lag.worst_ms,
        "kept up": one.kept_up,
        "missing": one.outcome.done - one.stored,
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
    bend = knee(found)
    top = max(found, key=lambda one: one.rate)
    known = (
        judge("LOAD-OPN-003", bend.rate, settings=settings, evidence=f"{bend.name} kept up with, the next step not")
        if bend
        else _no_knee(found, top, settings)
    )
    return [
        judge("LOAD-OPN-001", hourly.kept_up, evidence=_hourly(hourly, target)),
        judge("LOAD-OPN-002", target.kept_up, evidence=_evidence(target)),
        known,
        judge(
            "LOAD-OPN-004",
            sum(one.outcome.done - one.stored for one in found),
            evidence=f"{sum(one.outcome.done for one in found):,} documents acknowledged, counted after each rate",
        ),
    ]


def _no_knee(found: Sequence[Step], top: Step, settings: Settings) -> Check:
    if all(one.kept_up for one in found):
        return judge(
            "LOAD-OPN-003", top.rate, settings=settings, evidence=f"every rate up to {top.name} was kept up with"
        )
    return warned("LOAD-OPN-003", None, settings=settings, evidence="not even the lowest rate was kept up with")


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
        f"intended start {value} ms; latest start {one.outcome.lag.worst_ms} ms late"
    )
