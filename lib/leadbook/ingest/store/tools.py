"""What a worker needs to bring batches to their outcomes."""

from __future__ import annotations

from dataclasses import dataclass

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
    """

    store: LeadStore
    cache: LeadCache
    rejects: RejectedLeads
    erasures: SuppressionList
    rules: Rules
    filling: bool
    enricher: Enricher | None = None
    known_share: float = 0.0

    @property
    def merger(self) -> Merger:
        """Merges by the same store and rules."""
        return Merger(self.store, self.rules)
