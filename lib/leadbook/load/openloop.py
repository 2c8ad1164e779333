"""Open loop: arrivals at a target rate whether the server keeps up or not, latency from the intended start.

A closed loop waits for the server before it asks again, so a stall delays one call and hides the rest (coordinated
omission). Here every arrival has its moment; what starts late is late from that moment. In-flight calls are bounded;
an arrival that finds no free caller for `SKIP_AFTER` seconds is skipped and counted; nothing is caught up in bursts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from leadbook.load.load import InsertLoad, Loader, numbers
from leadbook.measure.operations import Task
from leadbook.measure.rounds import poisson
from leadbook.measure.workers import TaskOutcome

SKIP_AFTER = 1.0
BACKLOG = 0.05
"""A step is kept up with when its backlog stays below this share of it. A rate 7 % beyond capacity reaches that."""
BATCH = 50


@dataclass(frozen=True, kw_only=True)
class RateStep:
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


def step(loader: Loader, name: str, rate: float, *, batch: int, seconds: float) -> RateStep:
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
        return RateStep(
            name=name, rate=rate, batch=batch, seconds=seconds, outcome=outcome, stored=collection.count_documents({})
        )


def steps(loader: Loader, loads: Sequence[InsertLoad] | None) -> tuple[RateStep, ...]:
    """The target of leads an hour, first; then that of documents/s and shares of `capacity`, up to the knee.

    Ends with the first rate, from the target on, that is not kept up with: higher ones tell nothing more.
    """
    settings = loader.place.settings
    seconds, target, hourly = settings.open_loop_seconds, settings.target_insert_rate, settings.target_leads_per_hour
    best = capacity(loads, target)
    shares = numbers(settings.open_loop_percent)
    rates = sorted({target, *filter(None, (round(best * share / 100, -2) for share in shares))})
    found = [step(loader, f"{hourly:,.0f} leads/hour", hourly / 3_600, batch=1, seconds=seconds)]
    for rate in rates:
        found.append(step(loader, f"{rate:,.0f}/s", rate, batch=BATCH, seconds=seconds))
        if rate >= target and not found[-1].kept_up:
            break
    return tuple(found)


def capacity(loads: Sequence[InsertLoad] | None, target: float) -> float:
    """Documents/s of the best closed loop among the longest: short ones end before disk and secondaries catch up.

    Longest are those with more than half of the most records. Four times the target where none was measured.
    """
    most = max((load.records for load in loads or ()), default=0)
    return max((one.outcome.rate for one in loads or () if 2 * one.records > most), default=4 * target)


def knee(found: Sequence[RateStep]) -> RateStep | None:
    """The highest rate that was kept up with before the first that was not; None where none was, or all were."""
    ordered = sorted(found, key=lambda one: one.rate)
    for number, one in enumerate(ordered):
        if not one.kept_up:
            return ordered[number - 1] if number else None
    return None
