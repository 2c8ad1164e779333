"""What of Redis must be backed up: shown by comparing its keys with MongoDB, not by opinion."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from pymongo.collection import Collection
from redis import Redis

from leadbook.lead.keys import EMAIL_PREFIX, LINKEDIN_PREFIX
from leadbook.schema.undo import SCRATCH_KEYS

FIELDS = {LINKEDIN_PREFIX: "linkedin_url", EMAIL_PREFIX: "email"}
"""Prefix of a duplicate key -> the lead's field that follows it (the task book's format, step 1.2.1.5)."""
SAMPLE = 2_000


@dataclass(frozen=True, kw_only=True)
class CacheFacts:
    """Keys looked at, by kind. known: the lead is stored.  stale: it is not (a hit would lose a lead).

    other: keys that are no duplicate keys, so that MongoDB cannot rebuild them.  total: keys in the database.
    """

    total: int
    known: int
    stale: int
    other: int

    @property
    def looked_at(self) -> int:
        """Keys looked at; at most SAMPLE of `total`."""
        return self.known + self.stale + self.other


def cache_facts(redis: Redis, leads: Collection[dict[str, Any]]) -> CacheFacts:
    """Look at up to 2,000 keys and ask MongoDB for each lead. Read-only; raises redis.RedisError."""
    values: dict[str, list[str]] = {field: [] for field in FIELDS.values()}
    other = 0
    for raw in islice(redis.scan_iter(count=1_000), SAMPLE):
        key = raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)
        if key.startswith(SCRATCH_KEYS):
            continue
        prefix = next((one for one in FIELDS if key.startswith(one)), None)
        if prefix is None:
            other += 1
        else:
            values[FIELDS[prefix]].append(key.removeprefix(prefix))
    known = sum(leads.count_documents({field: {"$in": found}}) for field, found in values.items() if found)
    looked_up = sum(map(len, values.values()))
    return CacheFacts(total=int(redis.dbsize()), known=known, stale=looked_up - known, other=other)
