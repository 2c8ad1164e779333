"""Write concerns: what each costs, what was really sent on the wire, and what each hides of a batch's duplicates."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
from pymongo import WriteConcern
from pymongo.errors import BulkWriteError

from leadbook.core.checks import Check, judge, not_measured, warned
from leadbook.core.connect import CommandTrace
from leadbook.core.settings import Settings
from leadbook.measure.intervals import Interval, difference, interval
from leadbook.measure.rounds import interleaved
from leadbook.measure.session import BenchmarkSession, Leads

__all__ = ["CONCERNS", "Concern", "Concerns", "Loss", "Price", "checks", "loss", "losses", "measure", "prices"]

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


def measure(place: BenchmarkSession, *, seed: int = 2) -> Concerns:
    """Price of every concern in interleaved rounds, then what each shows of ten duplicates in a batch of 100."""
    configured = Concern(name="as configured", document=place.mongodb.write_concern.document, ordered=False, risk="")
    with place.scratch("concerns") as collection:
        found = tuple(loss(place, collection, concern) for concern in CONCERNS)
        own = loss(place, collection, configured)
        rounds = interleaved(
            {concern.name: partial(_trial, place, collection, concern) for concern in CONCERNS},
            rounds=round(MORE_ROUNDS * place.settings.bench_rounds),
            warm_up=0,  # the losses before it have warmed everything up
            seed=seed,
            before=place.settle,
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


def _trial(place: BenchmarkSession, collection: Leads, concern: Concern) -> tuple[float, float, int]:
    """Documents/s until returned and until readable, and how many did not arrive."""
    size = place.settings.batch_size
    documents = place.documents(max(place.settings.bench_documents // 2, size))
    target, before = concern.of(collection), collection.count_documents({})
    started = time.perf_counter()
    for at in range(0, len(documents), size):
        target.insert_many(documents[at : at + size], ordered=concern.ordered)
    returned = time.perf_counter() - started
    stored = _settled(collection, before + len(documents)) - before
    readable = time.perf_counter() - started
    return len(documents) / returned, len(documents) / readable, len(documents) - stored


def _settled(collection: Leads, expected: int, patience: float = SETTLE_SECONDS) -> int:
    """The count once it reaches `expected`, or the last one after `patience` seconds."""
    until = time.perf_counter() + patience
    while True:
        count = collection.count_documents({})
        if count >= expected or time.perf_counter() > until:
            return count
        time.sleep(0.002)


def loss(place: BenchmarkSession, scratch: Leads, concern: Concern) -> Loss:
    """Send a batch of 100 of which ten repeat stored leads, with a trace on the wire, and count what is there then."""
    trace = CommandTrace()
    stored = place.documents(DUPLICATES)
    scratch.with_options(write_concern=WriteConcern(w=1)).insert_many(stored)
    batch = _with_duplicates(place.documents(BATCH - DUPLICATES), stored)
    before = scratch.count_documents({})
    reported = 0
    with place.client(trace) as client:
        collection = concern.of(client[scratch.database.name][scratch.name])
        with trace:
            try:
                claimed = len(collection.insert_many(batch, ordered=concern.ordered).inserted_ids)
            except BulkWriteError as error:
                reported, claimed = len(error.details["writeErrors"]), int(error.details["nInserted"])
        sent = trace.named("insert")
        wire = sent[0].write_concern if sent else None
        patience = 2.0 if wire is not None and wire.get("w") == 0 else 0.0
        stored_now = _settled(scratch, before + BATCH - DUPLICATES, patience) - before
    return Loss(concern=concern, wire=wire, sent=len(batch), claimed=claimed, reported=reported, stored=stored_now)


def _with_duplicates(fresh: Sequence[Document], stored: Sequence[Document]) -> list[Document]:
    """Nine new ones, then a repeated one, ten times over."""
    batch, share = [], len(fresh) // len(stored)
    for number, old in enumerate(stored):
        batch += list(fresh[number * share : (number + 1) * share])
        batch.append({key: value for key, value in old.items() if key != "_id"})
    return batch


def prices(concerns: Concerns | None) -> pd.DataFrame:
    """One row a concern: what it costs and what it may lose."""
    if concerns is None:
        return pd.DataFrame(columns=["write concern", *PRICE_COLUMNS])
    dearest = next(price for price in concerns.prices if price.concern.name == "majority")
    return pd.DataFrame(
        {
            "write concern": price.concern.name,
            "documents_per_s": price.rate.text(),
            "returned_per_s": round(interval(price.returned).middle),
            "against_majority": "" if price is dearest else difference(dearest.readable, price.readable).text(),
            "may lose": price.concern.risk,
        }
        for price in concerns.prices
    )


PRICE_COLUMNS = {
    "documents_per_s": "documents/s until a count found them all, mean over rounds with 95 % bootstrap interval",
    "returned_per_s": "documents/s until the driver returned; w: 0 returns before anything is stored",
    "against_majority": "against majority, by the time until readable; overlapping intervals show no difference",
    "may lose": "what can be gone although no error was seen",
}


def losses(concerns: Concerns | None) -> pd.DataFrame:
    """One row a concern: ten duplicates in a batch of 100."""
    return pd.DataFrame(
        {
            "asked for": f"{one.concern.name}",
            "sent on the wire": "no writeConcern field" if one.wire is None else str(dict(one.wire)),
            "reply awaited": "yes" if one.acknowledged else "no",
            "sent": one.sent,
            "listed as inserted": one.claimed,
            "stored": one.stored,
            "errors seen": one.reported,
            "lost unseen": one.unreported,
        }
        for one in ((*concerns.losses, concerns.configured) if concerns else ())
    )


LOSS_COLUMNS = {
    "asked for": "write concern and order given to the driver",
    "sent on the wire": "the writeConcern field of the insert command, from command monitoring",
    "reply awaited": "whether the driver waited for the server's answer",
    "listed as inserted": "documents that the driver's result calls inserted",
    "stored": "documents found afterwards (90 is right: ten were duplicates)",
    "errors seen": "errors the caller got",
    "lost unseen": "sent, not stored, not reported",
}


def bars(concerns: Concerns | None) -> pd.DataFrame:
    """For the plot: name, mean, low, high (documents/s until readable), acknowledged."""
    waited = {loss.concern.name: loss.acknowledged for loss in concerns.losses} if concerns else {}
    return pd.DataFrame(
        {
            "name": price.concern.name,
            "mean": price.rate.middle,
            "low": price.rate.low,
            "high": price.rate.high,
            "acknowledged": waited[price.concern.name],
        }
        for price in (concerns.prices if concerns else ())
    ).reindex(columns=["name", "mean", "low", "high", "acknowledged"])


def checks(concerns: Concerns, settings: Settings) -> list[Check]:
    """Steps 1.4.1.1 to 1.4.1.3: the concern sent, its errors seen, every price measured."""
    own = concerns.configured
    asked, wire = dict(own.concern.document), None if own.wire is None else dict(own.wire)
    missing = sum(price.missing for price in concerns.prices)
    fire = next(one for one in concerns.losses if one.wire is not None and one.wire.get("w") == 0)
    return [
        judge("BCH-WC-001", (wire or {}) == asked, evidence=f"asked for {asked}, sent {wire}"),
        judge(
            "BCH-WC-002",
            own.unreported,
            evidence=f"{own.sent} sent, {own.stored} stored, {own.reported} reported, ten of them duplicates",
        ),
        judge(
            "BCH-WC-003",
            len(concerns.prices) if not missing else None,
            target=len(CONCERNS),
            evidence=f"every count read back; {missing} documents never became readable",
        ),
        judge(
            "BCH-WC-004",
            fire.unreported > 0,
            evidence=f"w: 0 unordered: {fire.claimed} listed as inserted, {fire.stored} stored, {fire.unreported} lost "
            "unseen; never use it for leads",
        ),
        _durable(concerns, settings),
    ]


def _durable(concerns: Concerns, settings: Settings) -> Check:
    price = next((one for one in concerns.prices if one.concern.name == "majority"), None)
    if price is None:
        return not_measured("BCH-WC-005", "majority was not measured")
    loose = next(one for one in concerns.prices if one.concern.name == "w: 1, j: false")
    cost = difference(price.readable, loose.readable).text()
    evidence = (
        f"majority {price.rate.text('documents/s')}; w: 1, j: false {loose.rate.text('documents/s')}: {cost}; "
        f"configured: {dict(concerns.configured.concern.document)}"
    )
    if settings.write_concern != "majority":
        return warned("BCH-WC-005", False, evidence=evidence)
    return judge("BCH-WC-005", True, evidence=evidence)
