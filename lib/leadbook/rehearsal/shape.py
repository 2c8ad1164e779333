"""The shape of a long sprint: collectors that work steadily with noise, by the time of day, with bursts, and to an end.

`collectors.plan` is a sprint of seconds, with moments at random. Over hours each collector keeps a cadence of its own,
as a scheduled workflow does: it begins slowly, dips once, scales up and ends with a push.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate, pairwise

from leadbook.rehearsal.collectors import Laid, SprintPlan, laid
from leadbook.rehearsal.feeds import MadeRecord

DAY = ((0.0, 0.6), (0.08, 1.0), (0.40, 1.0), (0.45, 0.75), (0.52, 0.75), (0.58, 1.0), (0.65, 1.3), (0.85, 1.3),
       (0.9, 1.1), (1.0, 0.9))  # fmt: skip
"""Pace of the collectors over the sprint: (share of it, pace); launch, sustained with a dip, scaling, final push."""
AN_HOUR = 10
"""Batches that each collector sends an hour."""
FEWEST = 6
BURSTS = (0.35, 0.7)
"""So far into the sprint several collectors' batches fall together."""
NEAR = 0.004
LIVE_HOURS = 4.0
SILENT_ONE, SILENT = "apify-2", (0.45, 0.75)
NOISE = 0.3
"""A batch comes so much earlier or later than its turn, in turns."""
_STEPS = 2_000


def long_plan(records: int, seed: int, hours: float) -> SprintPlan:
    """A sprint of `hours` and `records` made records; one batch is sent twice. The same seed is the same sprint."""
    turns = max(FEWEST, round(AN_HOUR * hours))
    return laid(records, seed, partial(_steady, turns))


def live_plan(records: int, seed: int) -> SprintPlan:
    """The sprint inside a whole rehearsal: the shape of LIVE_HOURS, in which one collector falls silent for a while and
    then sends what it held back."""
    planned = long_plan(records, seed, LIVE_HOURS)
    silent = [
        replace(batch, due=SILENT[1]) if batch.workflow == SILENT_ONE and SILENT[0] <= batch.due < SILENT[1] else batch
        for batch in planned.batches
    ]
    return replace(planned, batches=tuple(silent))


def _steady(turns: int, sightings: Sequence[MadeRecord], generator: random.Random) -> Laid:
    """Batches of one size at the collector's cadence."""
    count, phase = min(turns, len(sightings)), generator.uniform(NOISE, 1 - NOISE)
    for number in range(count):
        due = _moment((number + phase + generator.uniform(-NOISE, NOISE)) / count)
        part = sightings[len(sightings) * number // count : len(sightings) * (number + 1) // count]
        yield part, next((burst for burst in BURSTS if abs(due - burst) < NEAR), due)


def _pace(at: float) -> float:
    """The pace at a share of the sprint, between the points of DAY."""
    for (begin, low), (end, high) in pairwise(DAY):
        if at <= end:
            return low + (high - low) * (at - begin) / (end - begin)
    return DAY[-1][1]


_DONE = tuple(accumulate(_pace((step + 0.5) / _STEPS) for step in range(_STEPS)))


def _moment(done: float) -> float:
    """When so much of the sprint's work is done, both as shares."""
    return min(1.0, (bisect_left(_DONE, done * _DONE[-1]) + 0.5) / _STEPS)
