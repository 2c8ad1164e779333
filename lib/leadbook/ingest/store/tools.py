"""What a worker needs to bring batches to their outcomes."""

from __future__ import annotations

from dataclasses import dataclass, field

from leadbook.core.traces import PoolCounts, PoolUse
from leadbook.enrich.enrich import Enricher
from leadbook.ingest.store.cache import LeadCache
from leadbook.ingest.store.merge import Merger
from leadbook.ingest.store.rejects import RejectedLeads
from leadbook.ingest.store.store import LeadStore
from leadbook.lead.score import Rules
from leadbook.lead.suppression import SuppressionList


@dataclass(kw_only=True)
class Tools:
    """One worker's tools; not shared between threads.

    filling: a second sighting may add fields.  known_share: recent share of leads that MongoDB knew already.
    pool: what listens to the pool of its MongoClient.
    """

    store: LeadStore
    cache: LeadCache
    rejects: RejectedLeads
    erasures: SuppressionList
    rules: Rules
    filling: bool
    enricher: Enricher | None = None
    known_share: float = 0.0
    pool: PoolUse = field(default_factory=PoolUse)

    def pool_counts(self) -> PoolCounts:
        """What this worker's pool did since this was asked before."""
        options = self.store.collection.database.client.options.pool_options
        return self.pool.taken(int(options.max_pool_size or 0))

    @property
    def merger(self) -> Merger:
        """Merges by the same store and rules."""
        return Merger(self.store, self.rules)
