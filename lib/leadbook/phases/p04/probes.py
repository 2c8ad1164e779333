"""Probes: records and writes whose right outcome is known beforehand, shown and judged."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import pandas as pd
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.site import Site
from leadbook.ingest.store.cache import LeadCache
from leadbook.ingest.store.store import EMAIL_TAKEN, KNOWN, REFUSED, STORED, LeadStore
from leadbook.lead.keys import collection_uuid, decode, linkedin_key
from leadbook.lead.vendors import load_vendor, problem_of, vendor_names
from leadbook.rehearsal import sample
from leadbook.schema.scratch import scratch

__all__ = ["Lookups", "Probe", "lookups", "rules", "table", "vendors_lacking", "write_errors"]

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One probe. title: what was tried.  expected, got: outcomes in words."""

    title: str
    expected: str
    got: str

    @property
    def right(self) -> bool:
        """Whether it came out as stated."""
        return self.expected == self.got


def table(probes: list[Probe]) -> pd.DataFrame:
    """What was tried, what was expected, what came out."""
    rows = [(probe.title, probe.expected, probe.got, "yes" if probe.right else "NO") for probe in probes]
    return pd.DataFrame(rows, columns=["probe", "expected", "came out", "right"])


def vendors_lacking() -> dict[str, list[str]]:
    """Vendors whose columns cannot fill a required field, with those fields."""
    ways = {
        "linkedin_url": {"linkedin_url", "linkedin_slug"}, "full_name": {"full_name", "first_name"},
        "job_title": {"job_title", "headline"}, "company_name": {"company_name", "headline"},
    }  # fmt: skip
    lacking = {
        name: [need for need, targets in ways.items() if targets.isdisjoint(load_vendor(name).fields)]
        for name in vendor_names()
    }
    return {name: needs for name, needs in lacking.items() if needs}


# ---------------------------------------------------------------------------------------------------------- rules

SOUND: Document = {
    "Person Linkedin Url": "http://de.linkedin.com/in/Probe-Person/?locale=de", "Name": "Probe Person",
    "Title": "Growth Lead", "Company": "Example GmbH", "Email": "Probe.Person@Example.com",
    "Mobile Phone": "'+49 30 901820", "Country": "Germany",
}  # fmt: skip

RULES: tuple[tuple[str, Document, str], ...] = (
    ("a sound record", {}, "accepted"),
    ("no name", {"Name": ""}, "missing_full_name"),
    ("a placeholder as name", {"Name": "--"}, "missing_full_name"),
    ("no job title", {"Title": None}, "missing_job_title"),
    ("no company", {"Company": "none"}, "missing_company_name"),
    ("no LinkedIn URL", {"Person Linkedin Url": ""}, "missing_linkedin_url"),
    ("another site's URL", {"Person Linkedin Url": "https://example.com/in/probe"}, "invalid_linkedin_url"),
    ("a company's page", {"Person Linkedin Url": "https://www.linkedin.com/company/example"}, "not_a_person"),
    ("an e-mail that breaks RFC 5322", {"Email": "probe@@example..com"}, "accepted without email"),
    ("a phone that is no number", {"Mobile Phone": "call me"}, "accepted without phone"),
    ("an empty record", dict.fromkeys(SOUND, ""), "blank_record"),
)


def rules() -> list[Probe]:
    """Each validation rule on a record made for it (Apollo's columns). Touches no server."""
    vendor = load_vendor("apollo")
    return [
        Probe(title=title, expected=expected, got=_decided({**SOUND, **change}, vendor))
        for title, change, expected in RULES
    ]


def _decided(payload: Mapping[str, Any], vendor: Any) -> str:
    problem = problem_of(payload, vendor)
    if problem:
        return problem
    cleaned = clean(payload, vendor)
    reasons = reject_reasons(cleaned.lead, cleaned)
    if reasons:
        return reasons[0]
    missing = [name for name in ("email", "phone") if name not in cleaned.lead]
    return f"accepted without {' and '.join(missing)}" if missing else "accepted"


# ---------------------------------------------------------------------------------------------------- write errors


def write_errors(site: Site, database: Any) -> tuple[list[Probe], str]:
    """One unordered batch with every kind of write error, in a scratch collection; and a sentence on what an ordered
    one, as n8n sends it, leaves of the same batch."""
    good = sample.documents(6, seed=11)
    known, other, *rest = good
    batch = [
        ("sound", STORED, rest[0]),
        ("a URL that is stored", KNOWN, {**rest[1], "linkedin_url": known["linkedin_url"], "email": "1@example.com"}),
        ("sound, after the duplicate", STORED, rest[1]),
        ("another person's e-mail", EMAIL_TAKEN, {**rest[2], "email": other["email"]}),
        ("a phone longer than the validator allows", REFUSED, {**rest[2], "email": "2@example.com", "phone": "0" * 60}),
        ("a number beyond 64 bits", REFUSED, {**rest[2], "email": "3@example.com", "additional_data": {"n": 2**70}}),
        ("sound, at the end", STORED, rest[3]),
    ]  # fmt: skip
    documents = [{**document, "_id": ObjectId()} for _, _, document in batch]
    with scratch(database, "errors", site.settings, documents=[known, other], level="strict", action="error") as leads:
        outcomes = LeadStore(leads).insert(documents)
        left = leads.count_documents({}) - 2
    with scratch(database, "errors", site.settings, documents=[known, other], level="strict", action="error") as leads:
        ordered = _ordered(leads, [document for document in documents if document is not documents[5]])
    probes = [
        Probe(title=title, expected=expected, got=outcome.kind)
        for (title, expected, _), outcome in zip(batch, outcomes, strict=True)
    ]
    return probes, (
        f"Unordered, {left} of the {len(batch)} documents are stored: all the sound ones. The same batch sent ordered, "
        f"as n8n's MongoDB node does, stores {ordered} and drops the rest without a word."
    )


def _ordered(leads: Collection[Document], documents: list[Document]) -> int:
    try:
        leads.insert_many(documents, ordered=True)
    except BulkWriteError as error:
        return int(error.details["nInserted"])
    return len(documents)


# -------------------------------------------------------------------------------------------------------- look-ups


@dataclass(frozen=True, kw_only=True)
class Lookups:
    """Duplicate look-ups of one batch, in ms: median of the rounds, and the slowest. None where not measured.

    leads: in the batch.  one_by_one_ms: the same keys by one GET each, as n8n asks; answered: leads whose value said
    then that they are stored here.  known: leads that had a key before.  memory_per_key: bytes.  round_trips: to ask
    and to tell about the batch.  away: why Redis was not measured.
    """

    leads: int
    mongodb_ms: float | None
    mongodb_slowest_ms: float | None
    redis_ms: float | None = None
    redis_slowest_ms: float | None = None
    one_by_one_ms: float | None = None
    memory_per_key: int | None = None
    known: int = 0
    answered: int = 0
    round_trips: int | None = None
    away: str = ""

    def table(self) -> pd.DataFrame:
        """Way, ms for the batch, ms a lead."""
        rows = [
            ("Redis, one MGET for the batch", self.redis_ms), ("Redis, one GET a lead", self.one_by_one_ms),
            ("MongoDB, one $in find for the batch", self.mongodb_ms),
        ]  # fmt: skip
        nan = float("nan")
        return pd.DataFrame(
            [(way, ms if ms is not None else nan, (ms or nan) / max(self.leads, 1)) for way, ms in rows],
            columns=["way", "ms a batch", "ms a lead"],
        )


def lookups(
    site: Site, redis: Redis | None, leads: Collection[Document], *, away: str = "Redis is away", rounds: int = 15
) -> Lookups:
    """Time look-ups of one batch of stored leads. Writes nothing but that batch's keys again. away: why there is no
    `redis`; one that dies meanwhile is away too."""
    batch = list(leads.find().limit(site.settings.batch_size))
    tools = site.tools()
    tools.merger.find(batch)  # opens the connection
    mongodb = [_ms(lambda: tools.merger.find(batch)) for _ in range(rounds)] if batch else []
    found = Lookups(
        leads=len(batch), mongodb_ms=median(mongodb) if mongodb else None, mongodb_slowest_ms=max(mongodb, default=None)
    )
    if redis is None:
        return replace(found, away=away)
    try:
        return (
            replace(found, **_in_redis(tools.cache, redis, batch, collection_uuid(leads), rounds)) if batch else found
        )
    except RedisError as error:
        return replace(found, away=f"Redis stopped answering ({type(error).__name__})")


def _in_redis(cache: LeadCache, redis: Redis, batch: list[Document], collection: str, rounds: int) -> dict[str, Any]:
    """Redis's part of `Lookups`. Raises RedisError unless every look-up was answered."""
    redis.ping()
    before = cache.truth.asked
    known = sum(1 for sighting in cache.look_up(batch) if sighting.lead)
    times = [_ms(lambda: cache.look_up(batch)) for _ in range(rounds)]
    if cache.truth.asked - before < (rounds + 1) * len(batch):  # the cache gives up at once, which would look fast
        raise RedisTimeoutError("look-ups were not answered in time")
    trips = cache.round_trips(batch)
    keys = [linkedin_key(lead["linkedin_url"]) for lead in batch]
    values: list[Any] = []
    one_by_one = _ms(lambda: values.extend(redis.get(key) for key in keys))
    memory = None
    with suppress(ResponseError):  # a user may lack the right
        memory = redis.memory_usage(keys[0])
    return {
        "redis_ms": median(times), "redis_slowest_ms": max(times), "one_by_one_ms": one_by_one, "known": known,
        "memory_per_key": memory, "round_trips": trips,
        "answered": sum(1 for value in values if decode(value, collection) is not None),
    }  # fmt: skip


def _ms(call: Any) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1000
