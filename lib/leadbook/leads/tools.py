"""What a worker needs to bring batches to their outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from leadbook.leads.cache import LeadCache
from leadbook.leads.enrich import Enricher
from leadbook.leads.erasures import Erasures
from leadbook.leads.filler import Filler
from leadbook.leads.rejects import RejectedLeads
from leadbook.leads.score import Rules
from leadbook.leads.store import LeadStore

__all__ = ["Tools"]


@dataclass(kw_only=True)
class Tools:
    """One worker's tools; not shared between threads.

    filling: a second sighting may add fields.  known_share: recent share of leads that MongoDB knew already.
    """

    store: LeadStore
    cache: LeadCache
    rejects: RejectedLeads
    erasures: Erasures
    rules: Rules
    filling: bool
    enricher: Enricher | None = None
    known_share: float = 0.0

    @property
    def filler(self) -> Filler:
        """Fills by the same store and rules."""
        return Filler(self.store, self.rules)
