"""A collector's whole way, tried: several stage made records while a follower drains them, in scratch collections."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from leadbook.ingest.drain import drain
from leadbook.ingest.pipeline import PipelineResult, RecordSource
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.lead.clock import now_ms
from leadbook.lead.ledger import STORED, Ledger

BATCH = 100
"""Records that a collector stages at once: n8n does best with 100 to 200."""
BROKEN = 3
"""Payloads of each collector that are no JSON."""
PATIENCE_S = 90.0
"""How long the follower may take for what was staged, s."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CollectorsTrial:
    """What became of it. sent: records by collector.  ledgers: their outcomes by collector, as the staging collection
    tells them.  resent: of all records, those that were staged a second time.  follower: what the follower counted.

    leads, kept: documents in the leads' and in the rejected collection.  strangers: leads that no staged record is said
    to have stored, or the other way round.  keyless: leads that their Redis key does not name; None with Redis away.
    """

    sent: Mapping[str, int]
    ledgers: Mapping[str, Ledger]
    resent: int
    follower: PipelineResult
    leads: int
    kept: int
    strangers: int
    keyless: int | None

    @property
    def total(self) -> Ledger:
        """Outcomes of all collectors' records."""
        return sum(self.ledgers.values(), Ledger())

    @property
    def lost(self) -> int:
        """Records that were sent and have no outcome, or failed, or of which the follower tells another outcome."""
        open_ = sum(abs(count - self.ledgers[name].read) for name, count in self.sent.items())
        told, ended = Counter(self.follower.ledger.outcomes()), Counter(self.total.outcomes())
        return open_ + self.total.failed + max(((told - ended).total(), (ended - told).total()))


def collect(sources: Iterable[RecordSource], site: Site, pool: Executor) -> CollectorsTrial:
    """Stage the records of `sources` by two collectors a vendor, as n8n does it, while a follower drains them with
    `pool`; and count what came of them. The site is one apart, and empty."""
    batches = _batches(sources)
    raw = site.tools().store.collection.database[site.settings.staging_collection]
    stop = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(_follow, site, pool, stop)
        try:
            for batch in batches:
                raw.insert_many(batch, ordered=True)
            _wait(Staging(raw), following)
        finally:
            stop.set()
        follower = following.result()
    return _counted(site, list(chain(*batches)), follower)


def _batches(sources: Iterable[RecordSource]) -> list[list[Document]]:
    """What the collectors send, in turns. Each has payloads that are no JSON, and sends its first batch once more."""
    sent: list[list[list[Document]]] = []
    for source in sources:
        payloads = [record.payload for record in source.records]
        for number in (1, 2):
            mine = [*payloads[number - 1 :: 2], *["{broken"] * BROKEN]
            parts = [mine[at : at + BATCH] for at in range(0, len(mine), BATCH)]
            name = f"{source.vendor}-{number}"
            first = [_execution(source.vendor, name, "1", parts), _execution(source.vendor, name, "2", parts[:1])]
            sent.append(list(chain(*first)))
    return [batch for turn in zip_longest(*sent) for batch in turn if batch]


def _execution(vendor: str, workflow: str, execution: str, parts: Sequence[Sequence[Any]]) -> list[list[Document]]:
    """One execution's batches, each record with the stamp of its collector."""
    now = now_ms()
    return [
        [
            {"vendor": vendor, "payload": payload, "collected_at": now, "collector": {
                "workflow": workflow, "execution": execution, "batch": number, "size": len(part),
                "last": number == len(parts),
            }}
            for payload in part
        ]
        for number, part in enumerate(parts, start=1)
    ]  # fmt: skip


def _follow(site: Site, pool: Executor, stop: threading.Event) -> PipelineResult:
    try:
        return drain(site, follow=True, executor=pool, workers=site.settings.writers, stop=stop.is_set)
    finally:
        Site.close()


def _wait(staging: Staging, following: Future[PipelineResult]) -> None:
    """Until all is ended, the follower has ended, or patience has."""
    over = time.monotonic() + PATIENCE_S
    while staging.waiting() and not following.done() and time.monotonic() < over:
        time.sleep(0.1)


def _counted(site: Site, sent: Sequence[Document], follower: PipelineResult) -> CollectorsTrial:
    tools = site.tools()
    database = tools.store.collection.database
    raw, rejected = database[site.settings.staging_collection], database[site.settings.rejected_collection]
    outcomes: dict[str, list[str]] = {name: [] for name in _by_collector(sent)}
    stored = set()
    for record in raw.find({"pipeline.state": "done"}, {"collector": 1, "pipeline": 1}):
        outcome = record["pipeline"]["outcome"]
        outcomes[record["collector"]["workflow"]].append(outcome)
        if outcome == STORED:
            stored.add(record["_id"])
    leads = list(tools.store.collection.find({}, {"linkedin_url": 1, "email": 1}))
    said = tools.cache.look_up(leads)
    keyless = sum(key.lead is None or key.lead.id != lead["_id"] for key, lead in zip(said, leads, strict=True))
    return CollectorsTrial(
        sent=_by_collector(sent), resent=sum(one["collector"]["execution"] == "2" for one in sent), follower=follower,
        ledgers={name: Ledger.of(found, read=len(found)) for name, found in outcomes.items()},
        leads=len(leads), kept=rejected.count_documents({}), strangers=len(stored ^ {lead["_id"] for lead in leads}),
        keyless=keyless if tools.cache.present else None,
    )  # fmt: skip


def _by_collector(sent: Iterable[Document]) -> Counter[str]:
    return Counter(record["collector"]["workflow"] for record in sent)
