"""The duplicate cache in Redis: it may save work and never decides.

A key is written only after MongoDB acknowledged the lead, and a hit names the lead's `_id`, so that a batch's hits are
confirmed by one find; a miss means "unknown". One round trip a batch asks, one tells. Redis away, slow or empty costs
time, never a lead: after a failure nobody asks for a while.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from bson import ObjectId
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from leadbook.enrich.breaker import CircuitBreaker
from leadbook.ingest.store.merge import mask
from leadbook.lead.keys import Entry, decode, email_key, encode, keys_for, linkedin_key

SLOW_S = 0.5
"""A round trip longer than this counts as a failure: a batch of 500 needs about 3 ms on a healthy server."""

REMEMBER = """
-- KEYS: one or more keys.  ARGV: as many values, the life in seconds and, where keys of others are to stay, what a
-- value must hold to be written over.
-- One command instead of one SET per key: a sixth of the client's work, and still one round trip.
local life, mine = ARGV[#KEYS + 1], ARGV[#KEYS + 2]
for i = 1, #KEYS do
  local there = mine and redis.call('GET', KEYS[i])
  if not there or string.find(there, mine, 1, true) then redis.call('SET', KEYS[i], ARGV[i], 'EX', life) end
end
return #KEYS
"""


class Sighting(NamedTuple):
    """What the cache says of one lead: by its URL and by its e-mail. None means unknown."""

    lead: Entry | None = None
    email: Entry | None = None


@dataclass(frozen=True, kw_only=True)
class CacheTruth:
    """What the cache was asked, and how far it was right. Counts of leads, but for `failures`.

    asked: look-ups made.  away: leads not looked up, because Redis was away.  hits: known, and believed.
    foreign: a key was there but not of this collection.  false_new: not known here, though MongoDB had the lead.
    stale: said to be stored, though MongoDB did not have it.  written: leads whose keys were written.
    failures: round trips that failed.
    """

    asked: int = 0
    away: int = 0
    hits: int = 0
    foreign: int = 0
    false_new: int = 0
    stale: int = 0
    written: int = 0
    failures: int = 0

    def __add__(self, other: CacheTruth) -> CacheTruth:
        return CacheTruth(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    @property
    def false_new_percent(self) -> float:
        """Of the leads that MongoDB knew, how many the cache called new, in %; NaN when it was asked about none."""
        known = self.hits + self.false_new
        return 100 * self.false_new / known if known else float("nan")


class LeadCache:
    """Asks and tells Redis about leads of one collection. `client` None is a Redis that is always away."""

    def __init__(
        self, client: Redis | None, *, collection: str, ttl_s: int, spares: bool = False, prefix: str = ""
    ) -> None:
        """collection: from `provenance.collection_uuid`; empty switches the cache off. ttl_s: life of a key, seconds.
        spares: no key of another collection is written over, as becomes a guest in somebody's Redis. prefix: what
        stands before each key, so that a trial's keys are no lead's."""
        self._client = client if collection else None
        self._collection, self._ttl_s, self._prefix = collection, ttl_s, prefix
        self._mine = [f'"{collection}"'] if spares else []
        self._circuit = CircuitBreaker()
        self._remember = client.register_script(REMEMBER) if client is not None else None
        self._scripts = True
        self.truth = CacheTruth()

    @property
    def present(self) -> bool:
        """Whether the cache can be asked now."""
        return self._client is not None and self._circuit.allows

    def look_up(self, leads: Sequence[Mapping[str, Any]]) -> list[Sighting]:
        """What is known of each lead, by one MGET for all URLs and e-mails. Never raises: away means unknown."""
        client = self._client
        if client is None or not leads or not self._circuit.allows:
            self._count(away=len(leads))
            return [Sighting()] * len(leads)
        mailed = [index for index, lead in enumerate(leads) if "email" in lead]
        wanted = [self._prefix + linkedin_key(lead["linkedin_url"]) for lead in leads]
        wanted += [self._prefix + email_key(leads[index]["email"]) for index in mailed]
        started = time.monotonic()
        try:
            values = client.mget(wanted)
        except RedisError:
            self._failed()
            self._count(away=len(leads))
            return [Sighting()] * len(leads)
        self._answered(time.monotonic() - started)
        found = [decode(value, self._collection) for value in values]
        emails = dict(zip(mailed, found[len(leads) :], strict=True))
        sightings = [Sighting(found[index], emails.get(index)) for index in range(len(leads))]
        hits = sum(1 for sighting in sightings if sighting.lead)
        foreign = sum(1 for index in range(len(leads)) if values[index] is not None and found[index] is None)
        self._count(asked=len(leads), hits=hits, foreign=foreign)
        return sightings

    def remember(self, stored: Iterable[tuple[ObjectId, Mapping[str, Any]]]) -> None:
        """Write both keys of each lead, given with its `_id`: leads that MongoDB acknowledged. Never raises."""
        client = self._client
        pairs: dict[str, str] = {}
        leads = 0
        for lead_id, lead in stored:
            leads += 1
            value = encode(self._collection, lead_id, mask(lead))
            pairs |= {self._prefix + key: value for key in keys_for(lead)}
        if client is None or not pairs or not self._circuit.allows:
            return
        started = time.monotonic()
        try:
            self._write(client, pairs)
        except ResponseError:  # it answers, but does not take keys (full, read only): asking goes on
            self._count(failures=1)
            return
        except RedisError:
            self._failed()
            return
        self._answered(time.monotonic() - started)
        self._count(written=leads)

    def forget(self, leads: Iterable[Mapping[str, Any]]) -> None:
        """Delete both keys of each lead, where they are this collection's. Never raises: a key that stays expires."""
        client, keys = self._client, [self._prefix + key for lead in leads for key in keys_for(lead)]
        if client is None or not keys:
            return
        try:
            values = client.mget(keys)
            if ours := [key for key, value in zip(keys, values, strict=True) if decode(value, self._collection)]:
                client.unlink(*ours)
        except RedisError:
            self._failed()

    def _write(self, client: Redis, pairs: Mapping[str, str]) -> None:
        if self._scripts and self._remember is not None:
            try:
                self._remember(keys=list(pairs), args=[*pairs.values(), self._ttl_s, *self._mine])
                return
            except ResponseError as error:
                if "OOM" in str(error):
                    raise
                self._scripts = False  # scripts are forbidden here (an access list, a proxy): plain SETs do as well
        with client.pipeline(transaction=False) as pipeline:
            for key, value in pairs.items():
                pipeline.set(key, value, ex=self._ttl_s, nx=bool(self._mine))
            pipeline.execute()

    def round_trips(self, stored: Sequence[Mapping[str, Any]]) -> int | None:
        """Round trips that asking and telling about stored leads take, counted at the client; None when away."""
        client, count = self._client, 0
        if client is None or not self.present:
            return None
        send = client.execute_command

        def counted(*words: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            return send(*words, **options)  # type: ignore[no-untyped-call]

        client.execute_command = counted  # type: ignore[method-assign]
        try:
            self.look_up(stored)
            self.remember([(lead["_id"], lead) for lead in stored])
        finally:
            client.execute_command = send  # type: ignore[method-assign]
        return count

    def judged(self, *, false_new: int = 0, stale: int = 0) -> None:
        """MongoDB's answer to what the cache said, in leads."""
        self._count(false_new=false_new, stale=stale)

    def _failed(self) -> None:
        self._circuit.failed()
        self._count(failures=1)

    def _answered(self, seconds: float) -> None:
        if seconds > SLOW_S:
            self._failed()
        else:
            self._circuit.succeeded()

    def _count(self, **counts: int) -> None:
        self.truth += CacheTruth(**counts)
