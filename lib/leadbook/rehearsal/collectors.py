"""Ten simulated collectors that stage made records as n8n's do, with the faults of real ones.

They arrive unevenly and with a burst, repeat each other's people, send broken payloads; one sends a batch again, one
sends its last batches late. What they send follows from the seed alone: `plan` knows what must come of it.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from leadbook.core import connect
from leadbook.rehearsal.feeds import MadeRecord, feeds

COLLECTORS = {"brightdata": 2, "apollo": 4, "apify": 2, "peopledatalabs": 2}
"""Collectors of each vendor; the first of Apollo's is called apollo-1."""
SIZES = (100, 200)
"""Least and most records of a batch; a collector's last batch may be smaller."""
BATCHES = 5
"""Batches of one execution."""
BURST_AT, BURST_SHARE = 0.4, 0.2
"""So far into the sprint so many of all batches arrive at once."""
RESENDER, LATE = "apollo-2", "peopledatalabs-2"
LATE_BATCHES = 2


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Records that a collector stages together. collected, due: when they were collected, and when they arrive, in
    shares of the sprint.  number, last: its place in its execution."""

    vendor: str
    workflow: str
    execution: str
    number: int
    last: bool
    sightings: Sequence[MadeRecord]
    collected: float
    due: float

    def documents(self, began: datetime, seconds: float) -> list[dict[str, Any]]:
        """The staged records, of a sprint that began then and lasts so long."""
        at = began + timedelta(seconds=self.collected * seconds)
        stamp = {"workflow": self.workflow, "execution": self.execution, "batch": self.number,
                 "size": len(self.sightings), "last": self.last}  # fmt: skip
        return [
            {"vendor": self.vendor, "payload": one.payload, "collected_at": at, "collector": dict(stamp)}
            for one in self.sightings
        ]


@dataclass(frozen=True, kw_only=True)
class SprintPlan:
    """What the collectors will send. unique: leads that it must come to."""

    batches: tuple[Batch, ...]
    unique: int

    @property
    def by_collector(self) -> dict[str, list[Batch]]:
        """Each collector's batches, in order."""
        found: dict[str, list[Batch]] = {}
        for batch in self.batches:
            found.setdefault(batch.workflow, []).append(batch)
        return found

    @property
    def resent(self) -> int:
        """Records that are sent a second time."""
        return len(self.by_collector[RESENDER][0].sightings)

    def facts(self) -> dict[str, Any]:
        """What must come of it: records, unique leads, rejects by reason, and records and rejects of each collector."""
        rejects = Counter(one.rejected for batch in self.batches for one in batch.sightings if one.rejected)
        collectors: dict[str, dict[str, Any]] = {
            workflow: {"vendor": mine[0].vendor, "records": sum(len(batch.sightings) for batch in mine),
                       "rejected": sum(1 for batch in mine for one in batch.sightings if one.rejected)}
            for workflow, mine in self.by_collector.items()
        }  # fmt: skip
        records = sum(one["records"] for one in collectors.values())
        return {"records": records, "unique": self.unique, "rejected": dict(rejects), "collectors": collectors}


Laid = Iterable[tuple[Sequence[MadeRecord], float]]
"""A collector's batches, each with its moment in shares of the sprint."""


def laid(records: int, seed: int, lay: Callable[[Sequence[MadeRecord], random.Random], Laid]) -> SprintPlan:
    """A sprint of `records` made records; a batch is sent twice, so that a few more are staged.

    lay: cuts a collector's records into batches, and says when each comes; it draws from the generator only.
    """
    found, unique = feeds(records, seed)
    generator = random.Random(seed)
    batches: list[Batch] = []
    for vendor, count in COLLECTORS.items():
        share = -(-len(found[vendor]) // count)
        for number in range(count):
            first = generator.randrange(1_000, 9_000)
            mine = list(lay(found[vendor][number * share : (number + 1) * share], generator))
            batches += _of_collector(vendor, f"{vendor}-{number + 1}", first, mine)
    return SprintPlan(batches=tuple(batches), unique=unique)


def _of_collector(
    vendor: str, workflow: str, first: int, parts: Sequence[tuple[Sequence[MadeRecord], float]]
) -> Iterator[Batch]:
    for index, (part, moment) in enumerate(parts):
        batch = Batch(
            vendor=vendor, workflow=workflow, execution=str(first + index // BATCHES), number=index % BATCHES + 1,
            last=index % BATCHES == BATCHES - 1 or index == len(parts) - 1, sightings=part, collected=moment,
            due=moment,
        )  # fmt: skip
        yield batch
        if workflow == RESENDER and index == 0:  # n8n runs a failed execution again under a number of its own
            yield replace(batch, execution=f"{first + len(parts)}", number=1, last=True)


def plan(records: int, seed: int) -> SprintPlan:
    """A sprint of seconds, with moments at random and a burst; one collector's last batches come late."""
    planned = laid(records, seed, _at_random)
    late = planned.by_collector[LATE][-LATE_BATCHES:]
    return replace(planned, batches=tuple(replace(one, due=1.0) if one in late else one for one in planned.batches))


def _at_random(sightings: Sequence[MadeRecord], generator: random.Random) -> Laid:
    at, parts = 0, []
    while at < len(sightings):
        size = generator.randint(*SIZES)
        parts.append(sightings[at : at + size])
        at += size
    moments = sorted(BURST_AT if generator.random() < BURST_SHARE else generator.random() for _ in parts)
    return zip(parts, moments, strict=True)


def stage(collection: connect.Collection, planned: SprintPlan, seconds: float) -> None:
    """Send everything over so many seconds, each collector by itself; 0: as fast as it goes. Raises PyMongoError."""
    began, start = datetime.now(UTC), time.monotonic()

    def send(mine: Sequence[Batch]) -> None:
        for batch in mine:
            time.sleep(max(0.0, start + batch.due * seconds - time.monotonic()))
            collection.insert_many(batch.documents(began, seconds))

    collectors = planned.by_collector.values()
    with ThreadPoolExecutor(len(collectors)) as pool:
        list(pool.map(send, collectors))
