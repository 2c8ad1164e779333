"""Is anything lost: what is stored, held against everything that can bear witness of it. Read-only.

Totals are counted from the data, and no witness is believed alone: staged records say what became of each of them,
keys in Redis were written after MongoDB had acknowledged their lead, phase 04's ledger says what its run stored, and
phase 06 says how many leads there were when it took its backup. A lead that one of them says was stored and that is
absent, by `_id` and by URL, is lost, unless its person asked for erasure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from pymongo.collection import Collection
from redis import Redis
from redis.exceptions import RedisError

from leadbook.analysis.evidence import Evidence
from leadbook.analysis.reporting import ANY_DATE
from leadbook.core.checks import Check, judge, not_measured
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.store.whose import profile_url
from leadbook.lead.keys import LINKEDIN_PREFIX, collection_uuid, decode
from leadbook.lead.ledger import FAILED, STORED, rejected
from leadbook.lead.suppression import SUPPRESSED, SuppressionList

__all__ = ["Places", "loss_checks"]

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

    @property
    def erasures(self) -> SuppressionList:
        """Who asked for erasure."""
        return SuppressionList(self.leads.database[SUPPRESSED])


@dataclass(kw_only=True)
class _Lost:
    """Records that a witness says were kept. said: by witness, how many.  lost: `_id` by URL, or by itself where the
    URL is not known.  erased: absent on the wish of their persons."""

    said: dict[str, int] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)

    def named(self) -> str:
        """The first `_id`s of lost records, for the evidence; empty where none is lost."""
        first = list(self.lost.values())[:5]
        return f" (_id {', '.join(first)}{', …' if len(self.lost) > len(first) else ''})" if first else ""


def loss_checks(evidence: Evidence, places: Places) -> list[Check]:
    """Every record has an outcome; stored leads and rejected records are there. Raises pymongo's errors."""
    ledger = evidence.fact("04", "ledger")
    ledger = ledger if isinstance(ledger, Mapping) else None
    parts = {name: _sum(ledger.get(name)) for name in OUTCOMES} if ledger else {}
    return [_outcomes(ledger, parts, places), _stored(evidence, parts, places), _rejects(parts, places)]


def _sum(value: Any) -> int:
    return sum(value.values()) if isinstance(value, Mapping) else int(value or 0)


# ------------------------------------------------------------------------------------------------------------ outcomes


def _outcomes(ledger: Mapping[str, Any] | None, parts: Mapping[str, int], places: Places) -> Check:
    """Records without an acknowledged outcome: in the ledger, and among the staged ones."""
    staged = places.staging.count_documents({})
    if ledger is None and not staged:
        return not_measured("FIN-LOSS-001", "phase 04 of this run left no ledger, and nothing is staged")
    said, missing = [], 0
    if ledger is not None:
        missing = abs(int(ledger["read"]) - sum(parts.values())) + parts["failed"]
        said.append(f"{ledger['read']:,} read = " + " + ".join(f"{count:,} {name}" for name, count in parts.items()))
    if staged:
        failed = {"pipeline.outcome": {"$in": [None, FAILED]}}
        open_ = places.staging.count_documents({"$or": [{"pipeline.state": {"$ne": "done"}}, failed]})
        missing = max(missing, open_)
        said.append(f"{staged:,} staged, {open_:,} of them without an outcome")
    return judge("FIN-LOSS-001", missing, evidence="; ".join(said))


# -------------------------------------------------------------------------------------------------------------- stored


def _stored(evidence: Evidence, parts: Mapping[str, int], places: Places) -> Check:
    found = _Lost()
    _staged(places, found)
    _cached(places, found)
    total = places.leads.count_documents({})
    gaps = {f"staging and Redis{found.named()}": len(found.lost)}
    since = _began(evidence)
    if parts and not _was_staged(evidence, places, since):
        now = places.leads.count_documents({"created_at": {"$gte": since}}) if since else total
        found.said["phase 04's ledger"] = parts["stored"]
        gaps["phase 04's ledger"] = parts["stored"] - now - _asked(places, since)
    backup = evidence.fact("06", "backup_leads")
    if isinstance(backup, int) and not isinstance(backup, bool):
        found.said["phase 06's backup"] = backup
        gaps["phase 06's backup"] = backup - total - _asked(places, _began(evidence, "06"))
    if not any(found.said.values()):
        why = "nothing bears witness of a stored lead: no ledger, no staged record, no key in Redis, no backup"
        return not_measured("FIN-LOSS-002", why)
    said = ", ".join(f"{name} {count:,}" for name, count in found.said.items())
    absent = "; ".join(f"{gap:,} absent by {name}" for name, gap in gaps.items() if gap > 0) or "none absent"
    away = "" if places.redis is not None else "; Redis is away, so leads from files have one witness less"
    return judge(
        "FIN-LOSS-002", max(gaps.values()),
        evidence=f"{total:,} leads in the collection; stored as said by {said}; {absent}; {len(found.erased):,} erased "
                 f"on request{away}",
    )  # fmt: skip


def _was_staged(evidence: Evidence, places: Places, since: datetime | None) -> bool:
    """Whether phase 04 drained the staging collection: then each record bears witness itself, more exactly."""
    read = (evidence.fact("04", "ledger") or {}).get("read") or 0
    ended = {"pipeline.state": "done", **({"pipeline.ended_at": {"$gte": since}} if since else {})}
    return bool(read) and places.staging.count_documents(ended) >= read


def _began(evidence: Evidence, phase: str = "04") -> datetime | None:
    """A moment before the phase brought or counted its leads: when its first check was made."""
    times = [datetime.fromisoformat(check.taken_at) for check in evidence.checks.get(phase, ())]
    return min(times, default=None)


def _asked(places: Places, since: datetime | None) -> int:
    """Requests for erasure since then: so many leads at most may be gone for good reason."""
    wanted = {"asked_at": {"$gte": since}} if since else {}
    return places.leads.database[SUPPRESSED].count_documents(wanted)


def _staged(places: Places, found: _Lost) -> None:
    """Staged records that were stored: their lead has their own `_id`, or, stored again since, their URL."""
    wanted = {"pipeline.state": "done", "pipeline.outcome": STORED}
    ids = (record["_id"] for record in places.staging.find(wanted, {"_id": 1}, batch_size=BATCH))
    said = 0
    for part in _parts(ids):
        said += len(part)
        gone = set(part) - _there(places.leads, "_id", part)
        if gone:
            _absent(_urls(places, gone), places, found)
    found.said["staged records"] = said


def _cached(places: Places, found: _Lost) -> None:
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
            there = _there(places.leads, "_id", [entry.id for entry in own.values()])
            _absent({str(entry.id): url for url, entry in own.items() if entry.id not in there}, places, found)
    except RedisError:
        return
    found.said["keys in Redis"] = said


def _absent(urls: Mapping[str, str], places: Places, found: _Lost) -> None:
    """Records whose `_id` is absent, with the URL of each ("" unknown): lost, unless stored by URL, or erased."""
    known = [url for url in urls.values() if url]
    stored = _there(places.leads, "linkedin_url", known)
    erased = places.erasures.among(known)
    for record_id, url in urls.items():
        name = url or record_id
        if url in stored or name in found.lost:
            continue
        if url in erased:
            found.erased.add(url)
        else:
            found.lost[name] = record_id


def _urls(places: Places, ids: Iterable[Any]) -> dict[str, str]:
    """URL by `_id` of staged records, "" where a record holds none."""
    staging = places.staging.with_options(codec_options=ANY_DATE)
    return {str(record["_id"]): profile_url(record) for record in staging.find({"_id": {"$in": list(ids)}})}


def _there(collection: Collection[Document], name: str, values: Sequence[Any]) -> set[Any]:
    """Which `values` of the indexed field `name` are stored."""
    if not values:
        return set()
    return {found[name] for found in collection.find({name: {"$in": list(values)}}, {name: 1})}


# ------------------------------------------------------------------------------------------------------------- rejects


def _rejects(parts: Mapping[str, int], places: Places) -> Check:
    """Rejected records are kept, or have become leads since (`leadbook replay`)."""
    wanted = {"pipeline.state": "done", "pipeline.outcome": {"$regex": "^rejected:", "$ne": rejected(ERASED)}}
    ids = (record["_id"] for record in places.staging.find(wanted, {"_id": 1}, batch_size=BATCH))
    found, said = _Lost(), 0
    for part in _parts(ids):
        said += len(part)
        gone = set(part) - _there(places.rejects, "staged_id", part)
        if gone:
            _absent(_urls(places, gone), places, found)
    if not parts and not said:
        return not_measured("FIN-LOSS-003", "phase 04 of this run left no ledger, and no staged record was rejected")
    kept = places.rejects.count_documents({})
    unkept = parts.get("rejected", 0) - kept
    evidence = (
        f"{parts.get('rejected', 0):,} rejected by phase 04, {said:,} staged records rejected; {kept:,} kept with "
        f"their reasons, {len(found.lost):,} staged ones neither kept nor leads by now"
    )
    return judge("FIN-LOSS-003", max(unkept, len(found.lost)), evidence=evidence + found.named())


def _parts(values: Iterable[Any]) -> Iterator[list[Any]]:
    """`values` in lists of BATCH."""
    rest = iter(values)
    take: Callable[[], list[Any]] = lambda: list(islice(rest, BATCH))  # noqa: E731
    return iter(take, [])


def _text(key: Any) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)
