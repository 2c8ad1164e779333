"""Is anything lost: what is stored, held against everything that can bear witness of it. Read-only.

Totals are counted from the data, and no witness is believed alone: staged records say what became of each of them,
keys in Redis were written after MongoDB had acknowledged their lead, phase 04's ledger says what its run stored, and
phase 06 says how many leads there were when it took its backup. A lead that one of them says was stored and that is
absent, by `_id` and by URL, is lost, unless its person asked for erasure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import bson
from pymongo.collection import Collection
from redis import Redis
from redis.exceptions import RedisError

from leadbook.analysis.reporting import ANY_DATE
from leadbook.core.provenance import collection_uuid
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.store.whose import profile_url
from leadbook.lead.keys import LINKEDIN_PREFIX, decode
from leadbook.lead.ledger import FAILED, STORED, rejected
from leadbook.lead.suppression import SUPPRESSED, SuppressionList

Document = dict[str, Any]
BATCH = 1_000
OUTCOMES = ("stored", "filled", "duplicate", "rejected", "failed")


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where leads and their witnesses are. redis: None where it is away."""

    leads: Collection[Document]
    staging: Collection[Document]
    rejects: Collection[Document]
    redis: Redis | None


@dataclass(frozen=True, kw_only=True)
class EarlierPhases:
    """What earlier phases said. ledger: phase 04's (see `lead.ledger.Ledger`), empty without one.  began: before it
    brought its leads.  backup_leads: how many leads phase 06's backup held.  backup_began: before it counted them."""

    ledger: Mapping[str, Any] = field(default_factory=dict)
    began: datetime | None = None
    backup_leads: int | None = None
    backup_began: datetime | None = None

    @property
    def parts(self) -> dict[str, int]:
        """Records of the ledger by outcome; empty without one."""
        kinds = {name: self.ledger.get(name) or 0 for name in OUTCOMES} if self.ledger else {}
        return {name: sum(said.values()) if isinstance(said, Mapping) else int(said) for name, said in kinds.items()}


@dataclass(kw_only=True)
class Lost:
    """Records that a witness says were kept. said: how many, by witness.  gone: `_id` by URL, or by itself where the
    URL is not known.  erased: absent on the wish of their persons."""

    said: dict[str, int] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How many fewer leads there are than a witness counted. erased: requests for erasure since; so many leads at most
    may be gone for good reason."""

    witness: str
    said: int
    fewer: int
    erased: int

    @property
    def lost(self) -> int:
        """Leads that no request for erasure explains; negative where there are more than the witness counted."""
        return self.fewer - self.erased


def without_outcome(places: Places) -> tuple[int, int]:
    """How many records are staged, and how many of them have no acknowledged outcome. Raises pymongo's errors."""
    unfinished = {"$or": [{"pipeline.state": {"$ne": "done"}}, {"pipeline.outcome": {"$in": [None, FAILED]}}]}
    return places.staging.count_documents({}), places.staging.count_documents(unfinished)


# -------------------------------------------------------------------------------------------------------------- stored


def lost_leads(places: Places) -> Lost:
    """Leads that staging or Redis says were stored, one by one. Raises pymongo's errors."""
    found = Lost()
    wanted = {"pipeline.state": "done", "pipeline.outcome": STORED}
    found.said["staged records"] = _held(wanted, places.leads, "_id", places, found)
    _cached(places, found)
    return found


def gaps(earlier: EarlierPhases, places: Places) -> list[Gap]:
    """Witnesses that tell of stored leads by their number alone. Raises pymongo's errors."""
    found, parts, total = [], earlier.parts, places.leads.count_documents({})
    if parts and not _was_staged(earlier, places):
        now = places.leads.count_documents({"created_at": {"$gte": earlier.began}}) if earlier.began else total
        found.append(_gap("phase 04's ledger", parts["stored"], now, earlier.began, places))
    if earlier.backup_leads is not None:
        found.append(_gap("phase 06's backup", earlier.backup_leads, total, earlier.backup_began, places))
    return found


def _gap(witness: str, said: int, now: int, since: datetime | None, places: Places) -> Gap:
    wanted = {"asked_at": {"$gte": since}} if since else {}
    erased = places.leads.database[SUPPRESSED].count_documents(wanted)
    return Gap(witness=witness, said=said, fewer=said - now, erased=erased)


def _was_staged(earlier: EarlierPhases, places: Places) -> bool:
    """Whether phase 04 drained the staging collection: then each record bears witness itself, more exactly."""
    read = earlier.ledger.get("read") or 0
    ended = {"pipeline.state": "done", **({"pipeline.ended_at": {"$gte": earlier.began}} if earlier.began else {})}
    return bool(read) and places.staging.count_documents(ended) >= read


def _held(wanted: Document, collection: Collection[Document], name: str, places: Places, found: Lost) -> int:
    """How many staged records are `wanted`; those whose `_id` no document of `collection` has as `name` are absent."""
    ids = (record["_id"] for record in places.staging.find(wanted, {"_id": 1}, batch_size=BATCH))
    said = 0
    for part in _parts(ids):
        said += len(part)
        if gone := _missing(collection, name, part):
            _absent(_urls(places, gone), places, found)
    return said


def _cached(places: Places, found: Lost) -> None:
    """Keys in Redis of this very collection: each was written when its lead had been acknowledged."""
    uuid = collection_uuid(places.leads)
    if places.redis is None or not uuid:
        return
    said = 0
    try:
        for keys in _parts(places.redis.scan_iter(f"{LINKEDIN_PREFIX}*", count=2 * BATCH)):
            values = zip(map(_text, keys), places.redis.mget(keys), strict=True)
            own = {key.removeprefix(LINKEDIN_PREFIX): entry for key, value in values if (entry := decode(value, uuid))}
            said += len(own)
            gone = set(_missing(places.leads, "_id", [entry.id for entry in own.values()]))
            _absent({str(entry.id): url for url, entry in own.items() if entry.id in gone}, places, found)
    except RedisError:
        return
    found.said["keys in Redis"] = said


def _absent(urls: Mapping[str, str], places: Places, found: Lost) -> None:
    """Records whose `_id` is absent, with the URL of each ("" unknown): lost, unless stored by URL, or erased."""
    known = [url for url in urls.values() if url]
    stored_again = set(known) - set(_missing(places.leads, "linkedin_url", known))
    erased = SuppressionList(places.leads.database[SUPPRESSED]).among(known)
    for record_id, url in urls.items():
        name = url or record_id
        if url in stored_again or name in found.gone:
            continue
        if url in erased:
            found.erased.add(url)
        else:
            found.gone[name] = record_id


def _urls(places: Places, ids: Iterable[Any]) -> dict[str, str]:
    """URL by `_id` of staged records, "" where a record holds none."""
    staging = places.staging.with_options(codec_options=ANY_DATE)
    return {str(record["_id"]): profile_url(record) for record in staging.find({"_id": {"$in": list(ids)}})}


def _missing(collection: Collection[Document], name: str, values: Sequence[Any]) -> list[Any]:
    """Which `values` of the indexed field `name` no document has. They may be documents, as an `_id` may be."""
    there = {_exact(one[name]) for one in collection.find({name: {"$in": list(values)}}, {name: 1})} if values else ()
    return [value for value in values if _exact(value) not in there]


def _exact(value: Any) -> bytes:
    return bson.encode({"": value})


# ------------------------------------------------------------------------------------------------------------- rejects


def lost_rejects(places: Places) -> Lost:
    """Staged records that were rejected and are neither kept nor leads by now (`leadbook replay`)."""
    found = Lost()
    wanted = {"pipeline.state": "done", "pipeline.outcome": {"$regex": "^rejected:", "$ne": rejected(ERASED)}}
    found.said["staged records"] = _held(wanted, places.rejects, "staged_id", places, found)
    return found


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    """`values` in lists of BATCH."""
    rest = iter(values)
    return iter(lambda: list(islice(rest, BATCH)), [])


def _text(key: Any) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)
