"""A rehearsal starts from nothing: empty what leadbook itself filled, and nothing else.

Emptying needs a rehearsal profile, and servers of leadbook's own or a database that was adopted while it was empty.
Redis may be shared: a key is removed only where its value names a collection that leadbook filled here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Protocol, cast

from redis import Redis
from redis.exceptions import RedisError

from leadbook.core import connect
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.enrich.limits import SPENDING
from leadbook.ingest import pipeline
from leadbook.ingest.site import Site
from leadbook.lead.keys import PATTERNS, decode
from leadbook.lead.suppression import SUPPRESSED
from leadbook.rehearsal import adoption, sample
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.schema.state import apply


class OpenPhase(Protocol):
    """What a phase offers (`leadbook.phases.phase.Phase`)."""

    mongodb: connect.Client
    admin: connect.Client
    redis: Redis | None
    endpoints: connect.Endpoints
    settings: Settings


def _own(settings: Settings) -> tuple[str, ...]:
    return settings.collection, settings.staging_collection, settings.rejected_collection, SPENDING, SUPPRESSED


def reset(phase: OpenPhase) -> str:
    """Empty the rehearsal's leads, staging and rejected records, and the leads' keys; a sentence saying what was
    done.

    The collections stay, and with them their UUIDs: records of this run's earlier phases are of the same target.
    Raises RefusedError for a production profile and where `adoption.require` does.
    """
    settings, database = phase.settings, phase.mongodb[phase.settings.database]
    settings.refuse_in_production("empty the leads")
    adoption.require(phase.mongodb, settings, phase.endpoints)
    keys = forget_keys(phase.redis, collection_uuid(database[settings.collection]))
    removed = sum(database[name].delete_many({}).deleted_count for name in _own(settings))
    apply(database[settings.collection], phase.admin, settings)
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


def ensure_leads(phase: OpenPhase, *, records: int = 1_500) -> int:
    """Leads stored; on rehearsal, a small sample is brought in first where there are none.

    For a notebook that needs leads and is run alone. Never brings made leads into production.
    """
    settings = phase.settings
    leads = phase.mongodb[settings.database][settings.collection]
    stored = leads.estimated_document_count()
    if stored or settings.is_production:
        return stored
    apply(leads, phase.admin, settings)
    site = Site(endpoints=phase.endpoints, settings=settings)
    with tempfile.TemporaryDirectory(dir=passing_folder()) as folder:
        made = sample.write_sample(Path(folder), records=records, seed=settings.sample_seed)
        result = pipeline.run(_sources(made.files), site, workers=1)
    Site.close()
    return result.ledger.stored


def _sources(files: Iterable[sample.SampleFile]) -> list[pipeline.RecordSource]:
    return [pipeline.file_source(one.path, one.vendor) for one in files]
