"""A rehearsal starts from nothing: empty what leadbook itself filled, and nothing else.

Emptying needs a rehearsal profile, and servers of leadbook's own or a database that was adopted while it was empty.
Redis may be shared: a key is removed only where its value names a collection that leadbook filled here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import cast

from redis import Redis
from redis.exceptions import RedisError

from leadbook.core import connect
from leadbook.core.journal import COLLECTION, Journal
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.enrich.limits import SPENDING
from leadbook.ingest.control import COLLECTION as CONTROL
from leadbook.ingest.drain import drain
from leadbook.ingest.logbook import Logbook
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.lead.keys import PATTERNS, decode
from leadbook.lead.suppression import SUPPRESSED
from leadbook.rehearsal import adoption, collectors
from leadbook.schema.state import apply


def _own(settings: Settings) -> tuple[str, ...]:
    mine = settings.collection, settings.staging_collection, settings.rejected_collection
    return *mine, SPENDING, SUPPRESSED, COLLECTION, CONTROL


def reset(site: Site) -> str:
    """Empty the rehearsal's leads, staging and rejected records, its journal and the leads' keys; a sentence saying
    what was done.

    The collections stay, and with them their UUIDs. Raises RefusedError for a production profile, UnreachableError,
    and both where `adoption.require` does.
    """
    settings, endpoints = site.settings, site.endpoints
    settings.refuse_in_production("empty the leads")
    mongodb, redis = site.clients()
    with mongodb:
        connect.ping_mongodb(mongodb)
        adoption.require(mongodb, settings, endpoints)
        database = site.database(mongodb)
        keys = forget_keys(redis, collection_uuid(database[settings.collection]))
        removed = sum(database[name].delete_many({}).deleted_count for name in _own(settings))
        for spool in Journal(database, endpoints.mongodb_uri).spools:
            spool.unlink(missing_ok=True)
    if redis is not None:
        redis.close()
    return f"The rehearsal starts from nothing: {removed:,} documents and {keys:,} keys of earlier runs were removed."


def forget_keys(redis: Redis | None, *collections: str) -> int:
    """Delete the leads' keys that were written for `collections` (from `provenance.collection_uuid`), and no others,
    by SCAN and never by FLUSHALL; how many there were. 0 when Redis is away."""
    removed = 0
    if redis is not None:
        with suppress(RedisError):
            for keys in keys_written_for(redis, *collections):
                removed += redis.unlink(*keys)  # type: ignore[operator]
    return removed


def keys_written_for(redis: Redis, *collections: str) -> Iterator[list[bytes]]:
    """The leads' keys that were written for `collections`, part by part. Raises RedisError."""
    wanted = [one for one in collections if one]
    for pattern in PATTERNS if wanted else ():
        keys = redis.scan_iter(pattern, count=2_000)
        while part := list(islice(keys, 2_000)):
            values = cast("list[bytes | None]", redis.mget(part))
            ours = [key for key, value in zip(part, values, strict=True) if any(decode(value, one) for one in wanted)]
            if ours:
                yield ours


def ensure_leads(site: Site, mongodb: connect.Client, admin: connect.Client, *, records: int = 1_500) -> int:
    """Leads stored; on rehearsal, a small sprint is lived through first where there are none: staged by simulated
    collectors, and drained.

    For a notebook that needs leads and is run alone. Never brings made leads into production.
    """
    settings, database = site.settings, site.database(mongodb)
    leads = database[settings.collection]
    stored = leads.estimated_document_count()
    if stored or settings.is_production:
        return stored
    apply(leads, admin, settings)
    collectors.stage(database[settings.staging_collection], collectors.plan(records, settings.sample_seed), seconds=0.0)
    staging = Staging(database[settings.staging_collection])
    try:
        with Logbook(Journal(database, site.endpoints.mongodb_uri), staging) as book:
            result = drain(site, workers=1, session=book.session)
            book.take(result)
        return result.ledger.stored
    finally:
        Site.close()
