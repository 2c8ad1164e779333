"""A collector's whole way, tried: simulated ones stage made records while a follower drains them, on a site apart."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

from leadbook.ingest.drain import drain
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.lead.ledger import STORED, Ledger
from leadbook.rehearsal.collectors import SprintPlan, stage

PATIENCE_S = 90.0
"""How long the follower may take for what was staged, s."""


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


def collect(planned: SprintPlan, site: Site, pool: Executor) -> CollectorsTrial:
    """Send what is planned at once, while a follower drains it with `pool`; and count what came of it. The site is one
    apart, and empty."""
    raw = site.tools().store.collection.database[site.settings.staging_collection]
    stop = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(_follow, site, pool, stop)
        try:
            stage(raw, planned, seconds=0.0)
            _wait(Staging(raw), following)
        finally:
            stop.set()
        follower = following.result()
    return _counted(site, planned, follower)


def _follow(site: Site, pool: Executor, stop: threading.Event) -> PipelineResult:
    try:
        return drain(site, follow=True, executor=pool, workers=site.settings.writers, stop=stop.is_set)
    finally:
        Site.close()


def _wait(staging: Staging, following: Future[PipelineResult]) -> None:
    """Until all is ended, the follower has ended, or patience has."""
    over = time.monotonic() + PATIENCE_S
    while staging.left() and not following.done() and time.monotonic() < over:
        time.sleep(0.1)


def _counted(site: Site, planned: SprintPlan, follower: PipelineResult) -> CollectorsTrial:
    tools = site.tools()
    database = tools.store.collection.database
    raw, rejected = database[site.settings.staging_collection], database[site.settings.rejected_collection]
    sent = {name: sum(len(one.sightings) for one in mine) for name, mine in planned.by_collector.items()}
    outcomes: dict[str, list[str]] = {name: [] for name in sent}
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
        sent=sent, resent=planned.resent, follower=follower,
        ledgers={name: Ledger.of(found, read=len(found)) for name, found in outcomes.items()},
        leads=len(leads), kept=rejected.count_documents({}), strangers=len(stored ^ {lead["_id"] for lead in leads}),
        keyless=keyless if tools.cache.present else None,
    )  # fmt: skip
