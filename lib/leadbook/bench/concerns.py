"""Write concerns: what each costs, what was really sent on the wire, and what each hides of a batch's duplicates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pymongo import WriteConcern

from leadbook.core.traces import CommandTrace
from leadbook.measure.inserts import insert, insert_batches
from leadbook.measure.intervals import Interval, interval
from leadbook.measure.rounds import interleaved
from leadbook.measure.session import BenchmarkSession, Leads, unwaited

Document = dict[str, Any]
DUPLICATES, BATCH = 10, 100
SETTLE_SECONDS = 10.0
MORE_ROUNDS = 1.5
"""Rounds are more by half and half as long: intervals shrink more by rounds than by documents."""


@dataclass(frozen=True, kw_only=True)
class Concern:
    """One way to write. document: as asked of the driver.  risk: what may be lost although no error was seen."""

    name: str
    document: Mapping[str, Any]
    ordered: bool
    risk: str

    def of(self, collection: Leads) -> Leads:
        """`collection` writing with this concern."""
        return collection.with_options(write_concern=WriteConcern(**self.document))


CONCERNS = (
    Concern(
        name="w: 0, unordered",
        document={"w": 0},
        ordered=False,
        risk="everything: errors, duplicates and broken connections go unseen",
    ),
    Concern(
        name="w: 0, ordered",
        document={"w": 0},
        ordered=True,
        risk="all that follows the first error of a batch, unseen",
    ),
    Concern(
        name="w: 1, j: false",
        document={"w": 1, "j": False},
        ordered=False,
        risk="acknowledged writes that a failing primary had not yet replicated, or not yet journalled",
    ),
    Concern(
        name="w: 1, j: true",
        document={"w": 1, "j": True},
        ordered=False,
        risk="acknowledged writes that a failing primary had not yet replicated",
    ),
    Concern(
        name="majority",
        document={"w": "majority"},
        ordered=False,
        risk="nothing that was acknowledged, while a majority of members survives",
    ),
)
"""The task book's (steps 1.4.1.1, 1.4.1.3) and `majority`; `w: 0` both ways, since drivers treat them differently."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """Cost of one concern. returned: documents/s until the driver returned.  readable: until a count found them."""

    concern: Concern
    returned: tuple[float, ...]
    readable: tuple[float, ...]
    missing: int

    @property
    def rate(self) -> Interval:
        """Documents/s until readable, the figure to compare: it cannot be earned by not waiting."""
        return interval(self.readable)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """One batch with duplicates in it.

    wire: the writeConcern field really sent, None where the command had none.  sent: documents.
    claimed: documents that the driver's result lists as inserted.  reported: errors that the caller got to see.
    stored: documents found afterwards.
    """

    concern: Concern
    wire: Mapping[str, Any] | None
    sent: int
    claimed: int
    reported: int
    stored: int

    @property
    def unreported(self) -> int:
        """Documents neither stored nor reported."""
        return self.sent - self.stored - self.reported

    @property
    def acknowledged(self) -> bool:
        """Whether the server's reply was awaited, by what went over the wire."""
        return self.wire is None or self.wire.get("w") != 0


@dataclass(frozen=True, kw_only=True)
class Concerns:
    """Result of `measure`. configured: the batch under the application's own concern."""

    prices: tuple[Price, ...]
    losses: tuple[Loss, ...]
    configured: Loss

    def price(self, name: str) -> Price:
        """The price of the concern of that name. Raises StopIteration."""
        return next(one for one in self.prices if one.concern.name == name)


def measure(session: BenchmarkSession, *, seed: int = 2) -> Concerns:
    """Price of every concern in interleaved rounds, then what each shows of ten duplicates in a batch of 100."""
    configured = Concern(name="as configured", document=session.mongodb.write_concern.document, ordered=False, risk="")
    with session.scratch("concerns") as collection:
        found = tuple(loss(session, collection, concern) for concern in CONCERNS)
        own = loss(session, collection, configured)
        rounds = interleaved(
            {concern.name: partial(_trial, session, collection, concern) for concern in CONCERNS},
            rounds=round(MORE_ROUNDS * session.settings.bench_rounds),
            warm_up=0,  # the losses before it have warmed everything up
            seed=seed,
            before=session.settle,
        )
    made = tuple(
        Price(
            concern=concern,
            returned=tuple(one[0] for one in rounds[concern.name]),
            readable=tuple(one[1] for one in rounds[concern.name]),
            missing=sum(one[2] for one in rounds[concern.name]),
        )
        for concern in CONCERNS
    )
    return Concerns(prices=made, losses=found, configured=own)


def _trial(session: BenchmarkSession, collection: Leads, concern: Concern) -> tuple[float, float, int]:
    """Documents/s until returned and until readable, and how many did not arrive."""
    size = session.settings.batch_size
    documents = session.documents(max(session.settings.bench_documents // 2, size))
    target, before = concern.of(collection), collection.count_documents({})
    started = time.perf_counter()
    timing = insert_batches(target, documents, size, ordered=concern.ordered)
    stored = _settled(collection, before + len(documents)) - before
    readable = time.perf_counter() - started
    return len(documents) / timing.seconds, len(documents) / readable, len(documents) - stored


def _settled(collection: Leads, expected: int, patience: float = SETTLE_SECONDS) -> int:
    """The count once it reaches `expected`, or the last one after `patience` seconds."""
    until = time.perf_counter() + patience
    while True:
        count = collection.count_documents({})
        if count >= expected or time.perf_counter() > until:
            return count
        time.sleep(0.002)


def loss(session: BenchmarkSession, scratch: Leads, concern: Concern) -> Loss:
    """Send a batch of 100 of which ten repeat stored leads, with a trace on the wire, and count what is there then."""
    trace = CommandTrace()
    stored = session.documents(DUPLICATES)
    unwaited(scratch).insert_many(stored)
    batch = _with_duplicates(session.documents(BATCH - DUPLICATES), stored)
    before = scratch.count_documents({})
    with session.client(trace) as client:
        collection = concern.of(client[scratch.database.name][scratch.name])
        with trace:
            done = insert(collection, batch, ordered=concern.ordered)
        sent = trace.named("insert")
        wire = sent[0].write_concern if sent else None
        patience = 2.0 if wire is not None and wire.get("w") == 0 else 0.0
        stored_now = _settled(scratch, before + BATCH - DUPLICATES, patience) - before
    return Loss(
        concern=concern, wire=wire, sent=done.sent, claimed=done.acknowledged, reported=sum(done.errors.values()),
        stored=stored_now,
    )  # fmt: skip


def _with_duplicates(fresh: Sequence[Document], stored: Sequence[Document]) -> list[Document]:
    """Nine new ones, then a repeated one, ten times over."""
    batch, share = [], len(fresh) // len(stored)
    for number, old in enumerate(stored):
        batch += list(fresh[number * share : (number + 1) * share])
        batch.append({key: value for key, value in old.items() if key != "_id"})
    return batch
