"""Where a pipeline works: addresses and settings, sent to workers as they are, and the tools a worker makes of
them."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Any

from pymongo import ReadPreference
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from redis import Redis

from leadbook.core import connect
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.core.traces import PoolUse
from leadbook.enrich.enrich import Enricher
from leadbook.enrich.limits import SPENDING
from leadbook.enrich.services import Services
from leadbook.ingest.store.cache import LeadCache
from leadbook.ingest.store.rejects import RejectedLeads
from leadbook.ingest.store.store import LeadStore
from leadbook.ingest.store.tools import Tools
from leadbook.lead.score import Rules
from leadbook.lead.suppression import SUPPRESSED, SuppressionList

REDIS_TIMEOUT_S = 0.5
"""The pipeline waits no longer for the cache: MongoDB answers the same question in a few ms."""

_LOCAL = threading.local()


@dataclass(frozen=True, kw_only=True)
class Site:
    """Addresses and settings of one pipeline. Holds passwords: the repr of `endpoints` masks them.

    own_ids: leads take the `_id` of their staged record over.  use_cache: False works without Redis.  keys: what stands
    before each Redis key; empty but for a trial.
    services: vendors that are asked about new leads.  spending: collection in which all workers share their budget.
    erasures: collection of those who asked for erasure.  patience_s: longest outage of MongoDB that is borne, seconds.
    """

    endpoints: connect.Endpoints
    settings: Settings
    own_ids: bool = False
    use_cache: bool = True
    keys: str = ""
    services: Services = Services()  # noqa: RUF009  (frozen)
    spending: str = SPENDING
    erasures: str = SUPPRESSED
    patience_s: float = 30.0

    def clients(self, *listeners: PoolUse) -> tuple[connect.Client, Redis | None]:
        """A new MongoClient and a new Redis client with few connections and short patience for the cache."""
        settings = self.settings.model_copy(update={
            "min_pool_size": 0,
            "redis_socket_timeout_s": min(self.settings.redis_socket_timeout_s, REDIS_TIMEOUT_S),
            "redis_connect_timeout_s": min(self.settings.redis_connect_timeout_s, REDIS_TIMEOUT_S),
        })  # fmt: skip
        mongodb = connect.mongodb(self.endpoints.mongodb_uri, settings, listeners=listeners)
        if not self.use_cache or not self.endpoints.redis_url:
            return mongodb, None
        return mongodb, connect.redis(self.endpoints.redis_url, settings)

    def database(self, client: connect.Client) -> connect.Database:
        """The leads' database as outcomes and counts must read it: from the primary and with everything it holds,
        whatever the address asks for. A member that lags would know leads that are gone, and not know new ones."""
        return client.get_database(
            self.settings.database, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("local")
        )

    def tools(self) -> Tools:
        """This thread's tools, made at first use; never shared with a forked child."""
        key = (os.getpid(), self)
        if getattr(_LOCAL, "key", None) != key:
            self.close()
            use = PoolUse()
            mongodb, redis = self.clients(use)
            _LOCAL.tools, _LOCAL.clients = self._made(self.database(mongodb), redis, use), (mongodb, redis)
            _LOCAL.key = key
        tools: Tools = _LOCAL.tools
        return tools

    def _made(self, database: Database[dict[str, Any]], redis: Redis | None, use: PoolUse) -> Tools:
        settings = self.settings
        leads = database[settings.collection]
        ttl_s = max(1, round(settings.key_ttl_days * 86_400))
        guest = settings.is_rehearsal and self.endpoints.redis_source == "environment"
        return Tools(
            store=LeadStore(leads, patience_s=self.patience_s, own_ids=self.own_ids),
            cache=LeadCache(
                redis, collection=collection_uuid(leads), ttl_s=ttl_s, spares=guest, prefix=self.keys
            ),
            rejects=RejectedLeads(database[settings.rejected_collection]),
            erasures=SuppressionList(database[self.erasures]),
            rules=Rules.of(settings),
            filling=settings.on_duplicate == "fill",
            enricher=self._enricher(database),
            pool=use,
        )  # fmt: skip

    def _enricher(self, database: Database[dict[str, Any]]) -> Enricher | None:
        if not self.services.enriches:
            return None
        pause_s = 0.02 if self.services.sandbox else 0.5
        return Enricher(self.services, self.settings, database[self.spending], pause_s=pause_s)

    @staticmethod
    def close() -> None:
        """Close this thread's clients, if this process made them."""
        key, clients = getattr(_LOCAL, "key", None), getattr(_LOCAL, "clients", ())
        _LOCAL.key, _LOCAL.clients = None, ()
        if key is not None and key[0] == os.getpid():
            for client in clients:
                if client is not None:
                    client.close()
