"""A rehearsal starts from nothing: empty what leadbook itself filled, and nothing else.

Emptying needs three things at once: a rehearsal profile, a database whose name ends with `_rehearsal`, and the
marker that leadbook left there while the collections were still empty. Redis may be shared: a key is removed only where
its value names a collection that leadbook filled here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, cast

from pymongo.collection import Collection
from pymongo.database import Database
from redis import Redis
from redis.exceptions import RedisError

from leadbook import connect, schema
from leadbook.errors import RefusedError
from leadbook.leads import pipeline, sample
from leadbook.leads.erasures import ERASURES
from leadbook.leads.keys import PATTERNS, collection_uuid, decode
from leadbook.leads.score import now_ms
from leadbook.leads.site import Site
from leadbook.leads.turns import SPENDING
from leadbook.settings import Settings

__all__ = ["MARKER", "Opened", "ensure_leads", "forget_keys", "mark", "reset"]

MARKER = "leadbook_rehearsal_marker"
SUFFIX = "_rehearsal"
FEW = 2_000
"""Up to so many documents are deleted one by one; more are dropped with their collection, which is made again."""

Document = dict[str, Any]


class Opened(Protocol):
    """What a phase offers (`leadbook.phase.Phase`)."""

    mongodb: connect.Client
    admin: connect.Client
    redis: Redis | None
    endpoints: connect.Endpoints
    settings: Settings


def _own(settings: Settings) -> tuple[str, ...]:
    return settings.collection, settings.staging_collection, settings.rejected_collection, SPENDING, ERASURES


def mark(database: Database[Document], settings: Settings) -> bool:
    """Leave the marker, if this is a rehearsal's database and holds no record yet; whether the marker is there now."""
    if not settings.is_rehearsal or not database.name.endswith(SUFFIX):
        return False
    if database[MARKER].find_one({"_id": "rehearsal"}):
        return True
    if any(database[name].find_one({}, {"_id": 1}) for name in _own(settings)):
        return False
    database[MARKER].insert_one({"_id": "rehearsal", "made_at": now_ms(), "made_by": "leadbook"})
    return True


def reset(phase: Opened) -> str:
    """Empty the rehearsal's leads, staging and rejected records, and the leads' keys; a sentence saying what was
    done.

    Raises RefusedError for a production profile, another database name, or one that holds records but no marker.
    """
    settings, database = phase.settings, phase.mongodb[phase.settings.database]
    settings.refuse_in_production("empty the leads")
    if not database.name.endswith(SUFFIX):
        raise RefusedError(f"database {database.name!r} is not emptied: its name does not end with {SUFFIX}")
    if not mark(database, settings):
        raise RefusedError(
            f"database {database.name!r} holds records that leadbook's rehearsal did not make: it is not emptied; "
            "use another database, or empty it by hand"
        )
    keys = forget_keys(phase.redis, collection_uuid(database[settings.collection]))  # emptying may give it another UUID
    removed = sum(_empty(database[name]) for name in _own(settings))
    schema.apply(database[settings.collection], phase.admin, settings)
    return f"The rehearsal starts from nothing: {removed:,} documents and {keys:,} keys of earlier runs were removed."


def _empty(collection: Collection[Document]) -> int:
    """Remove all documents, keeping validator and indexes; how many there were."""
    count = collection.estimated_document_count()
    if count <= FEW:
        return collection.delete_many({}).deleted_count
    database, name = collection.database, collection.name
    options = next(iter(database.list_collections(filter={"name": name})))["options"]
    indexes = [dict(index) for index in collection.list_indexes() if index["name"] != "_id_"]
    collection.drop()
    database.command({"create": name, **options})
    if indexes:
        database.command({"createIndexes": name, "indexes": indexes})
    return count


def forget_keys(redis: Redis | None, *collections: str) -> int:
    """Delete the leads' keys that were written for `collections` (from `keys.collection_uuid`), and no others, by SCAN
    and never by FLUSHALL; how many there were. 0 when Redis is away."""
    removed = 0
    wanted = [one for one in collections if one]
    if redis is None or not wanted:
        return removed
    with suppress(RedisError):
        for pattern in PATTERNS:
            keys = redis.scan_iter(pattern, count=2_000)
            while part := list(islice(keys, 2_000)):
                values = cast("list[bytes | None]", redis.mget(part))
                ours = [
                    key for key, value in zip(part, values, strict=True) if any(decode(value, one) for one in wanted)
                ]
                removed += redis.unlink(*ours) if ours else 0
    return removed


def ensure_leads(phase: Opened, *, records: int = 1_500) -> int:
    """Leads stored; on rehearsal, a small sample is brought in first where there are none.

    For a notebook that needs leads and is run alone. Never brings made leads into production.
    """
    settings = phase.settings
    leads = phase.mongodb[settings.database][settings.collection]
    stored = leads.estimated_document_count()
    if stored or settings.is_production:
        return stored
    mark(phase.mongodb[settings.database], settings)
    schema.apply(leads, phase.admin, settings)
    site = Site(endpoints=phase.endpoints, settings=settings)
    with tempfile.TemporaryDirectory() as folder:
        made = sample.write_sample(Path(folder), records=records, seed=settings.sample_seed)
        result = pipeline.run(_sources(made.files), site, workers=1)
    Site.close()
    return result.ledger.stored


def _sources(files: Iterable[sample.SampleFile]) -> list[pipeline.Source]:
    return [pipeline.file_source(one.path, one.vendor) for one in files]
