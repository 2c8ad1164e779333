"""Duplicate checks as the pipeline makes them, a handful a snapshot, and constant work beside them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from statistics import median

from leadbook.lead.keys import linkedin_key
from leadbook.measure.canary import Canary
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading

CHECKS = 5
"""Duplicate checks a snapshot and server; of known leads and of unknown ones in turn."""
KNOWN = 50
RENEW = 20
"""Snapshots after which other leads are asked for."""


class _Probe(SourcePart):
    """Checks for known and unknown leads in turn; their URLs stay in this process."""

    def __init__(self, access: Access) -> None:
        super().__init__(access)
        self._known: list[str] = []
        self._turn = 0

    def _urls(self) -> list[str]:
        """The URLs to ask for now."""
        urls = []
        for _ in range(CHECKS):
            self._turn += 1
            unknown = f"https://www.linkedin.com/in/leadbook-nobody-{secrets.token_hex(8)}"
            known = self._known[self._turn % len(self._known)] if self._known and self._turn % 2 else ""
            urls.append(known or unknown)
        return urls

    def _median_ms(self, check: Callable[[str], object]) -> tuple[float, int]:
        """Median time of CHECKS look-ups, and how many found something."""
        times, hits = [], 0
        for url in self._urls():
            started = time.perf_counter()
            hits += bool(check(url))
            times.append(1000 * (time.perf_counter() - started))
        return median(times), hits


class MongoProbe(_Probe):
    """A find by the unique index on `linkedin_url`."""

    name, covers = "probe", ("probe.mongodb_ms",)

    def read(self, moment: Moment) -> SourceReading:
        """The median of CHECKS look-ups."""
        leads = self._access.collection(self._access.settings.collection)
        if moment.number % RENEW == 0 or not self._known:
            newest = leads.find({"linkedin_url": {"$type": "string"}}, {"linkedin_url": 1}).sort("_id", -1).limit(KNOWN)
            self._known = [str(lead["linkedin_url"]) for lead in newest]
            self._access.own.scanned += len(self._known)
            self._access.own.returned += len(self._known)
        ms, hits = self._median_ms(lambda url: leads.find_one({"linkedin_url": url}, {"_id": 1}))
        self._access.own.scanned += hits
        self._access.own.returned += hits
        return SourceReading(readings={"probe.mongodb_ms": ms})


class RedisProbe(_Probe):
    """EXISTS of a lead's key."""

    name, server, covers = "probe", "redis", ("probe.redis_ms",)

    def __init__(self, access: Access, mongodb: MongoProbe) -> None:
        super().__init__(access)
        self._leads = mongodb

    def read(self, moment: Moment) -> SourceReading:
        """The median of CHECKS look-ups, of the leads that the other probe knows."""
        del moment
        self._known = self._leads._known
        ms, hits = self._median_ms(lambda url: self._access.redis.exists(linkedin_key(url)))
        self._access.own.hits, self._access.own.misses = hits, CHECKS - hits
        return SourceReading(readings={"probe.redis_ms": ms})


class CanaryProbe(SourcePart):
    """Constant work on this machine: where it slows down too, no server is to blame."""

    name, server = "canary", ""
    covers = ("probe.canary_ms", "probe.canary_waited")

    def read(self, moment: Moment) -> SourceReading:
        """Two songs, about 20 ms."""
        del moment
        canary = Canary()
        canary.sing(2)
        return SourceReading(readings={
            "probe.canary_ms": 1000 * min(canary.seconds), "probe.canary_waited": canary.waited
        })  # fmt: skip
