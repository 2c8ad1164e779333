"""Is anything lost, or there without a reason: what is stored, held against all that bears witness of it. Read-only.

No witness is believed alone: staged records say what became of each of them, keys in Redis were written after MongoDB
had acknowledged their lead, the journal says what came from files, and phase 06 how many leads its backup held. A lead
that one of them says was stored and that is absent, by `_id` and by URL, is lost, unless its person asked for erasure.
A lead that none of them knows was brought in by nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import bson
from pymongo.collection import Collection
from redis import Redis
from redis.exceptions import RedisError

from leadbook.analysis.sessions import FILES, NEVER, STAGING, ErasedCount, IngestSession
from leadbook.analysis.totals import Totals
from leadbook.core.connect import LENIENT
from leadbook.core.provenance import collection_uuid
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.isolate import POISON
from leadbook.ingest.store.whose import profile_url
from leadbook.lead.keys import LINKEDIN_PREFIX, decode
from leadbook.lead.ledger import FAILED, STORED, rejected
from leadbook.lead.suppression import SUPPRESSED, SuppressionList

Document = dict[str, Any]
BATCH = 1_000
SHOWN = 5
"""Records that are named, of many."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where leads and their witnesses are. redis: None where it is away."""

    leads: Collection[Document]
    staging: Collection[Document]
    rejects: Collection[Document]
    redis: Redis | None


@dataclass(frozen=True, kw_only=True)
class BackupCount:
    """Phase 06's backup. leads: how many it held, None where it took none of the leads.  began: what was acknowledged
    before then is in it.  unproven: checks without which a backup is none, and that did not pass.
    restored: as a trial, too, and compared."""

    leads: int | None = None
    began: datetime | None = None
    unproven: Sequence[str] = ()
    restored: bool = False


@dataclass(kw_only=True)
class Lost:
    """Records that a witness says were kept. said: how many, by witness.  gone: `_id` by URL, or by itself where the
    URL is not known.  erased: absent on the wish of their persons.  there: `_id`s, as BSON, of leads that are told."""

    said: dict[str, int] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    there: set[bytes] = field(default_factory=set)


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How many fewer leads there are than a witness counted. erased: leads that erasures deleted since, by the journal;
    so many at most are gone for good reason."""

    witness: str
    said: int
    fewer: int
    erased: int

    @property
    def lost(self) -> int:
        """Leads that no erasure explains; negative where there are more than the witness counted."""
        return self.fewer - self.erased


@dataclass(frozen=True, kw_only=True)
class Named:
    """Records of one kind: how many, and the first `_id`s of them."""

    count: int = 0
    first: tuple[str, ...] = ()


def named(collection: Collection[Document], wanted: Document) -> Named:
    """The records that are `wanted`. Raises pymongo's errors."""
    count = collection.count_documents(wanted)
    first = collection.find(wanted, {"_id": 1}).limit(SHOWN) if count else ()
    return Named(count=count, first=tuple(str(one["_id"]) for one in first))


def without_outcome(places: Places) -> Named:
    """Staged records without an acknowledged outcome. Raises pymongo's errors."""
    return named(places.staging, {"$or": [
        {"pipeline.state": {"$ne": "done"}}, {"pipeline.outcome": {"$in": [None, FAILED]}}
    ]})  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- stored


def lost_leads(places: Places) -> Lost:
    """Leads that staging or Redis says were stored, one by one. Raises pymongo's errors."""
    found = Lost()
    wanted = {"pipeline.state": "done", "pipeline.outcome": STORED}
    found.said["staged records"] = _held(wanted, places.leads, "_id", places, found)
    staged = set(found.there)
    _cached(places, found)
    found.there = staged
    return found


@dataclass(frozen=True, kw_only=True)
class Unstaged:
    """Leads that no staged record tells of. leads: how many.  said: that files, and staged records that are gone,
    brought in by the journal.  nobody: those that nobody brought in."""

    leads: int
    said: int
    nobody: Named


def unstaged(places: Places, told: Lost, totals: Totals, sessions: Sequence[IngestSession]) -> Unstaged:
    """Leads that no staged record tells of, held against the journal. Raises pymongo's errors.

    Nobody brought in a lead that was made while no other session was at work, nor more leads than sessions told; a
    session that died may have stored more than it told.
    """
    others = [one for one in sessions if one.source != STAGING]
    if totals.gone:
        others = list(sessions)
    replayed = sum(one.told[STORED] for one in others if one.source not in (FILES, STAGING))
    said = totals.files_stored + replayed + totals.gone[STORED]
    found = [one for one in places.leads.find({}, {"created_at": 1}) if _exact(one["_id"]) not in told.there]
    known = _replayed(places) if found else set()
    found = [one for one in found if _exact(one["_id"]) not in known]
    strangers = [str(one["_id"]) for one in found if not any(each.covers(one.get("created_at")) for each in others)]
    doubtful = any(one.end != "ended" or one.told[FAILED] for one in others if one.source != STAGING)
    beyond = 0 if doubtful else max(0, len(found) - len(strangers) - said)
    named = strangers or ([str(one["_id"]) for one in found] if beyond else [])
    nobody = Named(count=len(strangers) + beyond, first=tuple(named[:SHOWN]))
    return Unstaged(leads=len(found), said=said, nobody=nobody)


def _replayed(places: Places) -> set[bytes]:
    """`_id`s of leads that were rejected when they were staged, and have been replayed since."""
    found = Lost()
    _held(_REJECTED, places.rejects, "staged_id", places, found)
    return found.there


def gaps(
    places: Places, other: Unstaged, backup: BackupCount, sessions: Sequence[IngestSession],
    erasures: Sequence[ErasedCount],
) -> list[Gap]:  # fmt: skip
    """Witnesses that tell of stored leads by their number alone. Raises pymongo's errors."""

    def gap(witness: str, said: int, now: int, since: datetime) -> Gap:
        erased = sum(one.leads for one in erasures if one.at >= since)
        return Gap(witness=witness, said=said, fewer=said - now, erased=erased)

    found = []
    if other.said:
        began = min((one.begun for one in sessions), default=NEVER)
        found.append(gap("the journal's sessions (leads not staged)", other.said, other.leads, began))
    if backup.leads:
        leads = places.leads.count_documents({})
        found.append(gap("phase 06's backup", backup.leads, leads, backup.began or NEVER))
    return found


def _held(wanted: Document, collection: Collection[Document], name: str, places: Places, found: Lost) -> int:
    """How many staged records are `wanted`; those whose `_id` no document of `collection` has as `name` are absent."""
    ids = (record["_id"] for record in places.staging.find(wanted, {"_id": 1}, batch_size=BATCH))
    said = 0
    for part in _parts(ids):
        said += len(part)
        there = _by(collection, name, part)
        if collection is places.leads:
            found.there |= set(there.values())
        if gone := [one for one in part if _exact(one) not in there]:
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
            there = _by(places.leads, "_id", [entry.id for entry in own.values()])
            gone = {str(entry.id): url for url, entry in own.items() if _exact(entry.id) not in there}
            _absent(gone, places, found)
    except RedisError:
        return
    found.said["keys in Redis"] = said


def _absent(urls: Mapping[str, str], places: Places, found: Lost) -> None:
    """Records whose `_id` is absent, with the URL of each ("" unknown): lost, unless stored by URL, or erased."""
    known = [url for url in urls.values() if url]
    stored_again = _by(places.leads, "linkedin_url", known)
    found.there |= set(stored_again.values())
    erased = SuppressionList(places.leads.database[SUPPRESSED]).among(known)
    for record_id, url in urls.items():
        name = url or record_id
        if _exact(url) in stored_again or name in found.gone:
            continue
        if url in erased:
            found.erased.add(url)
        else:
            found.gone[name] = record_id


def _urls(places: Places, ids: Iterable[Any]) -> dict[str, str]:
    """URL by `_id` of staged records, "" where a record holds none."""
    staging = places.staging.with_options(codec_options=LENIENT)
    return {str(record["_id"]): profile_url(record) for record in staging.find({"_id": {"$in": list(ids)}})}


def _by(collection: Collection[Document], name: str, values: Sequence[Any]) -> dict[bytes, bytes]:
    """`_id`s of documents by those of `values` that they have as the indexed field `name`, both as BSON: a value may be
    a document, as an `_id` may be."""
    found = collection.find({name: {"$in": list(values)}}, {name: 1}) if values else ()
    return {_exact(one[name]): _exact(one["_id"]) for one in found}


def _exact(value: Any) -> bytes:
    return bson.encode({"": value})


# ------------------------------------------------------------------------------------------------------------- rejects

_REJECTED: Document = {
    "pipeline.state": "done", "pipeline.outcome": {"$regex": "^rejected:", "$ne": rejected(ERASED)}
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rejects:
    """Rejected records. staged: as staged records tell.  files: as the journal tells of files.  kept_staged,
    kept_files: kept of both.  lost: of staged ones, neither kept nor leads by now.  unreasoned: without a reason.
    poison: set aside, since nobody can work on them."""

    staged: int
    files: int
    kept_staged: int
    kept_files: int
    lost: Lost
    unreasoned: Named
    poison: Named


def read_rejects(places: Places, totals: Totals, ttl_days: float) -> Rejects:
    """Hold rejected records against those that were kept. ttl_days: their life, 0 for ever. Raises pymongo's errors."""
    young = {"pipeline.ended_at": {"$gte": datetime.now(UTC) - timedelta(days=ttl_days)}} if ttl_days else {}
    lost, blank = Lost(), {"$in": [None, ""]}
    lost.said["staged records"] = _held({**_REJECTED, **young}, places.rejects, "staged_id", places, lost)
    bare = named(places.staging, {"pipeline.state": "done", "pipeline.outcome": {"$regex": r"^rejected:?\s*$"}})
    kept_bare = named(places.rejects, {"$or": [{"reason": blank}, {"reasons": blank}, {"reasons": {"$size": 0}}]})
    kept_staged = places.rejects.count_documents({"staged_id": {"$exists": True}})
    return Rejects(
        staged=totals.of_staged["rejected"], files=0 if ttl_days else totals.of_files["rejected"],
        kept_staged=kept_staged, kept_files=places.rejects.count_documents({}) - kept_staged, lost=lost,
        unreasoned=Named(count=bare.count + kept_bare.count, first=(*bare.first, *kept_bare.first)[:SHOWN]),
        poison=named(places.rejects, {"reason": POISON}),
    )  # fmt: skip


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    """`values` in lists of BATCH."""
    rest = iter(values)
    return iter(lambda: list(islice(rest, BATCH)), [])


def _text(key: Any) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)
