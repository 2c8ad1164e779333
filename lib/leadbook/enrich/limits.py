"""Rate limit and budget: when the next call to a vendor may be made, and who pays.

`LocalLimit` knows one process. `Budget` keeps both in MongoDB, one document a month, changed by one atomic update a
call: all workers, hosts and runs share one rate and one spending cap. Money is taken before a call and given back when
the vendor charges nothing for the answer, so that a worker killed in between spends too little, never too much.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from pymongo import ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import DuplicateKeyError, PyMongoError

from leadbook.enrich.response import Meaning
from leadbook.enrich.services import Service

SPENDING = "enrichment_spending"
"""Collection of the months' spending."""

MICRO = 1_000_000
"""Money is counted in whole millionths of a USD: sums are exact."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Permit:
    """Leave to make one call, after `wait_s` seconds. price: millionths of a USD taken from `month`."""

    wait_s: float = 0.0
    price: int = 0
    month: str = ""


class RateLimit(Protocol):
    """Whoever hands out permits. Never raises."""

    def acquire(self, service: Service, call: str) -> Permit | Meaning:
        """The next permit, or why there is none."""
        ...

    def refund(self, permit: Permit) -> None:
        """The vendor charged nothing for this call."""
        ...


class LocalLimit:
    """Permits at a service's rate within this process; free of charge. `clock` is in seconds and only for tests."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def acquire(self, service: Service, call: str) -> Permit | Meaning:
        """The next permit."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next.get((service.name, call), now))
            self._next[service.name, call] = at + service.gap_s
        return Permit(wait_s=at - now)

    def refund(self, permit: Permit) -> None:
        """Nothing was paid."""


class Budget:
    """Permits that all users of `collection` share. cap_usd: most that may be spent in a calendar month (UTC).

    prices: USD by call, such as `hunter/email-finder`; other calls are free.  spent_usd: by this object.
    """

    def __init__(self, collection: Collection[dict[str, Any]], *, cap_usd: float, prices: Mapping[str, float]) -> None:
        self.collection = collection
        self._cap = round(cap_usd * MICRO)
        self._prices = {call: round(price * MICRO) for call, price in prices.items()}
        self._spent = 0
        self._lock = threading.Lock()

    @property
    def spent_usd(self) -> float:
        """Spent through this object, USD."""
        return self._spent / MICRO

    def acquire(self, service: Service, call: str) -> Permit | Meaning:
        """The next permit; CAPPED when it would cost more than is left, UNSURE when MongoDB does not say."""
        rate = f"{service.name}/{call}"
        price, month = self._prices.get(rate, 0), f"{datetime.now(UTC):%Y-%m}"
        try:
            said = self._take(month, rate, price, service.gap_s * 1000)
        except PyMongoError:
            return Meaning.UNSURE
        if not said["granted"]:
            return Meaning.CAPPED
        self._count(price)
        return Permit(wait_s=max(0.0, float(said["wait_ms"])) / 1000, price=price, month=month)

    def _take(self, month: str, rate: str, price: int, gap_ms: float) -> dict[str, Any]:
        now, spent = {"$toLong": "$$NOW"}, {"$ifNull": ["$spent", 0]}
        change: list[dict[str, Any]] = [
            {"$set": {
                "granted": {"$lte": [{"$add": [spent, price]}, self._cap]},
                "start": {"$max": [{"$ifNull": [f"$next.{rate}", 0]}, now]},
            }},
            {"$set": {
                "spent": {"$add": [spent, {"$cond": ["$granted", price, 0]}]},
                f"next.{rate}": {"$add": ["$start", {"$cond": ["$granted", gap_ms, 0]}]},
                "wait_ms": {"$subtract": ["$start", now]},
            }},
        ]  # fmt: skip
        wanted, after = {"_id": month}, ReturnDocument.AFTER
        try:
            said = self.collection.find_one_and_update(wanted, change, upsert=True, return_document=after)
        except DuplicateKeyError:  # another worker began the month at the same moment
            said = self.collection.find_one_and_update(wanted, change, upsert=True, return_document=after)
        return said or {"granted": False}

    def refund(self, permit: Permit) -> None:
        """Take the price back. When MongoDB does not take it, it stays spent."""
        if permit.price:
            try:
                self.collection.update_one({"_id": permit.month}, {"$inc": {"spent": -permit.price}})
            except PyMongoError:
                return
            self._count(-permit.price)

    def _count(self, price: int) -> None:
        with self._lock:
            self._spent += price
