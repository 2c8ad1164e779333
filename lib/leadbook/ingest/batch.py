"""One batch from raw records to known outcomes: clean, judge, group, ask the cache, insert, fill, remember, keep
rejects.

This is the unit of work of every executor: independent of other batches, safe to repeat, with MongoDB as the arbiter.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.enrich.enrich import ERASED, enrich_batch
from leadbook.ingest.batches import Batch, BatchReport
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.store import fill
from leadbook.ingest.store.cache import CacheTruth, Sighting
from leadbook.ingest.store.dedupe import Candidate, group
from leadbook.ingest.store.rejects import Reject
from leadbook.ingest.store.store import EMAIL_TAKEN, ID_TAKEN, IN_DOUBT, KNOWN, REFUSED
from leadbook.ingest.store.store import STORED as ACKNOWLEDGED
from leadbook.ingest.store.tools import Tools
from leadbook.lead.ledger import FAILED, FILLED, STORED, Ledger, duplicate, rejected
from leadbook.lead.score import now_ms, stamp
from leadbook.lead.vendors import load_vendor, vendor_names

__all__ = ["Batch", "BatchReport", "process"]

ASK_FIRST = 0.1
"""With more than this share of known leads in the last batches, one `$in` find before the insert is cheaper than
their write errors (measured: a duplicate costs an insert about 60 us, a find about 10 us per lead)."""


@dataclass
class _Work:
    """A batch on its way."""

    batch: Batch
    tools: Tools
    at: datetime = field(default_factory=now_ms)
    outcomes: list[str | None] = field(default_factory=list)
    rejects: dict[int, Reject] = field(default_factory=dict)
    stages: dict[str, float] = field(default_factory=dict)
    flags: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    valid: int = 0
    enriched: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    questions: Counter[str] = field(default_factory=Counter)
    spent_usd: float = 0.0
    in_doubt: set[int] = field(default_factory=set)
    id_taken: set[int] = field(default_factory=set)
    problem: str = ""

    def __post_init__(self) -> None:
        self.outcomes = [None] * len(self.batch.records)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to a stage."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + time.perf_counter() - started

    # ------------------------------------------------------------------------------------- clean and judge

    def leads(self) -> list[tuple[int, dict[str, Any]]]:
        """Valid leads with the position of their record; the others are rejected."""
        valid: list[tuple[int, dict[str, Any]]] = []
        vendor = load_vendor(self.batch.vendor) if self.batch.vendor in vendor_names() else None
        for position, record in enumerate(self.batch.records):
            if record.problem or vendor is None:
                self.reject(position, (record.problem or "unknown_vendor",))
                continue
            cleaned = clean(record.payload, vendor)
            reasons = reject_reasons(cleaned.lead, cleaned)
            if reasons:
                self.reject(position, reasons)
                continue
            lead = cleaned.lead
            if cleaned.flags:
                lead.setdefault("additional_data", {})["flags"] = sorted(cleaned.flags)
                self.flags.update(cleaned.flags)
            self.after.update(lead.keys())
            valid.append((position, lead))
        self.valid = len(valid)
        return valid

    def reject(self, position: int, reasons: tuple[str, ...], detail: str = "", *, erase: bool = False) -> None:
        """The record is no lead. erase: its person asked for erasure, so the payload is not kept either."""
        record = self.batch.records[position]
        self.outcomes[position] = rejected(reasons[0])
        self.rejects[position] = Reject(
            source=self.batch.source, vendor=self.batch.vendor or self.batch.called, number=record.number,
            payload={"erased": True} if erase else record.payload,
            reasons=reasons, detail=detail, staged_id=None if self.batch.ids is None else self.batch.ids[position],
        )  # fmt: skip

    # ----------------------------------------------------------------------------------------------- place

    def place(self, candidates: list[Candidate]) -> None:
        """Give every candidate (and its followers) an outcome."""
        cache, filling = self.tools.cache, self.tools.filling
        with self.stage("look-up"):
            sightings = self.confirmed(cache.look_up([candidate.lead for candidate in candidates]))
        fresh: list[Candidate] = []
        known: list[tuple[Candidate, str]] = []
        mailed: list[Candidate] = []
        own = self.own([(one, seen.lead.id) for one, seen in zip(candidates, sightings, strict=True) if seen.lead])
        for candidate, sighting in zip(candidates, sightings, strict=True):
            if sighting.lead is None:
                fresh.append(candidate)
                if sighting.email is not None:
                    mailed.append(candidate)
            elif candidate.position in own:
                self.settle(candidate, STORED)
            elif not filling or not fill.mask(candidate.lead) & ~sighting.lead.fields:
                self.settle(candidate, duplicate("redis"), added=())
            else:
                known.append((candidate, "redis"))
        if mailed:
            self.keep_aside(mailed)
        if fresh and (self.tools.enricher is not None or self.tools.known_share > ASK_FIRST):
            fresh, more = self.ask(fresh)
            known += [(candidate, "mongodb") for candidate in more]
        fresh = self.enrich(fresh)
        known += [(candidate, "mongodb") for candidate in self.insert(fresh)]
        self.revisit(known)

    def confirmed(self, sightings: Sequence[Sighting]) -> list[Sighting]:
        """The sightings whose lead MongoDB still has: one deleted behind the cache's back must not pass for stored.

        One find over `_id` for a batch's hits, answered by the index alone: measured, about 5 us a hit.
        """
        ids = [sighting.lead.id for sighting in sightings if sighting.lead is not None]
        there = self.tools.store.again(lambda: self.tools.store.present(ids)) if ids else set()
        gone = len(ids) - sum(1 for known in ids if known in there)
        self.tools.cache.judged(stale=gone)
        return [
            one if one.lead is None or one.lead.id in there else Sighting(email=one.email) for one in sightings
        ] if gone else list(sightings)  # fmt: skip

    def settle(self, candidate: Candidate, first: str, added: Sequence[str] | None = None) -> None:
        """Outcome of a candidate and its followers."""
        for position, outcome in candidate.outcomes(first, added).items():
            self.outcomes[position] = outcome

    def keep_aside(self, candidates: Sequence[Candidate]) -> None:
        """E-mails that the cache knows: those that MongoDB confirms to be another person's leave their lead."""
        holders = self.tools.store.holders([candidate.lead["email"] for candidate in candidates])
        for candidate in candidates:
            holder = holders.get(candidate.lead["email"])
            if holder is not None and holder != candidate.lead["linkedin_url"]:
                self.set_aside(candidate)

    def set_aside(self, candidate: Candidate) -> None:
        """Another person holds this e-mail: never merged, never lost."""
        extra = candidate.lead.setdefault("additional_data", {})
        extra["email_conflict"] = candidate.lead.pop("email")
        candidate.lead["email_verified"] = False
        extra["flags"] = sorted({*extra.get("flags", ()), "email_conflict"})
        self.flags["email_conflict"] += 1

    def ask(self, fresh: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """(unknown, known) by one find: cheaper than an insert full of duplicates."""
        with self.stage("find"):
            found = self.tools.filler.find([candidate.lead for candidate in fresh])
        unknown = [candidate for candidate in fresh if candidate.lead["linkedin_url"] not in found]
        self.learn(len(fresh) - len(unknown), len(fresh))
        return unknown, [candidate for candidate in fresh if candidate.lead["linkedin_url"] in found]

    def enrich(self, fresh: list[Candidate]) -> list[Candidate]:
        """Fill what new leads lack, where enrichment is on; those whose persons asked for erasure are dropped."""
        urls = [candidate.lead["linkedin_url"] for candidate in fresh]
        erasures = self.tools.erasures
        gone = self.tools.store.again(lambda: erasures.among(urls))
        fresh = self.leave_out(fresh, gone)
        if self.tools.enricher is None or not fresh:
            return fresh
        with self.stage("enrich"):
            said = enrich_batch([candidate.lead for candidate in fresh], self.tools.enricher)
        self.enriched += said.enriched
        self.spent_usd += said.spent_usd
        self.answers.update(said.answers)
        self.questions.update(said.questions)
        gone = {fresh[index].lead["linkedin_url"] for index in said.erased}
        if gone:
            self.tools.store.again(lambda: erasures.add(gone))
        return self.leave_out(fresh, gone)

    def leave_out(self, fresh: list[Candidate], gone: set[str]) -> list[Candidate]:
        """The candidates without those whose URL is in `gone`: their persons asked for erasure."""
        if not gone:
            return fresh
        for candidate in [one for one in fresh if one.lead["linkedin_url"] in gone]:
            for position in (candidate.position, *(one.position for one in candidate.followers)):
                self.reject(position, (ERASED,), erase=True)
        return [one for one in fresh if one.lead["linkedin_url"] not in gone]

    def learn(self, known: int, asked: int) -> None:
        """Keep the share of leads that MongoDB knew, over about the last three batches."""
        if asked:
            self.tools.known_share += 0.4 * (known / asked - self.tools.known_share)

    def insert(self, fresh: Sequence[Candidate]) -> list[Candidate]:
        """Insert; returns the candidates that MongoDB knows already."""
        known: list[Candidate] = []
        stored: list[tuple[ObjectId, dict[str, Any]]] = []
        todo = list(fresh)
        while todo:
            ids = [self.new_id(candidate) for candidate in todo]
            documents = [
                {"_id": lead_id, **stamp(candidate.lead, self.tools.rules, self.at)}
                for lead_id, candidate in zip(ids, todo, strict=True)
            ]
            with self.stage("insert"):
                outcomes = self.tools.store.insert(documents)
            again: list[Candidate] = []
            for candidate, document, outcome in zip(todo, documents, outcomes, strict=True):
                if outcome.kind == ACKNOWLEDGED:
                    self.settle(candidate, STORED)
                    stored.append((document["_id"], document))
                elif outcome.kind == KNOWN:
                    known.append(candidate)
                elif outcome.kind == EMAIL_TAKEN:
                    self.set_aside(candidate)
                    again.append(candidate)
                elif outcome.kind == ID_TAKEN:
                    self.id_taken.add(candidate.position)
                    again.append(candidate)
                elif outcome.kind == REFUSED:
                    again += self.refuse(candidate, outcome.reason, outcome.detail)
                else:
                    self.problem = self.problem or self.tools.store.problem or outcome.detail
                    self.fail(candidate, in_doubt=outcome.detail == IN_DOUBT)
            todo = again
        if fresh and self.tools.known_share <= ASK_FIRST:
            self.learn(len(known), len(fresh))
        with self.stage("cache write"):
            self.tools.cache.remember(stored)
        return known

    def own(self, known: Sequence[tuple[Candidate, Any]]) -> set[int]:
        """Positions whose known lead (by its `_id`) is this very staged record, from a worker that died before it
        could end it. A lead that is older than the record's first claim came from another record of that `_id`.
        """
        ids, since = self.batch.ids, self.batch.since
        if ids is None or not since:
            return set()
        alike = [(one.position, lead_id) for one, lead_id in known if lead_id in self.ids_of(one)]
        if not alike:
            return set()
        made = self.tools.store.again(lambda: self.tools.store.made_at([lead_id for _, lead_id in alike]))
        return {
            position for position, lead_id in alike
            if lead_id in made and since[position] is not None and made[lead_id] >= since[position]
        }  # fmt: skip

    def ids_of(self, candidate: Candidate) -> tuple[ObjectId, ...]:
        """The `_id`s that a staged record's lead may have: the record's own, or where that is no ObjectId or belongs
        to another lead, one that follows from it, so that storing it twice is seen to be the same record."""
        own = (self.batch.ids or ())[candidate.position]
        made = hashlib.sha256(bson.encode({"_id": own}) + candidate.lead["linkedin_url"].encode()).digest()[:12]
        return (own, ObjectId(made)) if isinstance(own, ObjectId) else (ObjectId(made),)

    def new_id(self, candidate: Candidate) -> ObjectId:
        """`_id` of the lead to store: of a staged record one of its own, else a new one."""
        if self.batch.ids is None:
            return ObjectId()
        return self.ids_of(candidate)[-1 if candidate.position in self.id_taken else 0]

    def refuse(self, candidate: Candidate, reason: str, detail: str) -> list[Candidate]:
        """MongoDB does not take this lead. Its followers are leads of their own right then."""
        self.reject(candidate.position, (reason,), detail)
        return group([(one.position, one.lead) for one in candidate.followers], filling=self.tools.filling)

    def fail(self, candidate: Candidate, *, in_doubt: bool = False) -> None:
        """It is not known to be stored: run the source again. in_doubt: it was sent, and may be stored."""
        for position in (candidate.position, *(one.position for one in candidate.followers)):
            self.outcomes[position] = FAILED
            if in_doubt:
                self.in_doubt.add(position)

    def revisit(self, known: Sequence[tuple[Candidate, str]]) -> None:
        """Leads known already: fill them, or count them; and let the cache know what MongoDB knows."""
        missed = sum(1 for _, by in known if by == "mongodb")
        self.tools.cache.judged(false_new=missed if self.tools.cache.present else 0)
        if not known:
            return
        leads = [candidate.lead for candidate, _ in known]
        with self.stage("fill"):
            found = self.tools.filler.fill(
                leads if self.tools.filling else [_url_only(lead) for lead in leads], self.at
            )
        gone: list[Candidate] = []
        seen: list[tuple[ObjectId, dict[str, Any]]] = []
        leads_found = [(one, done.lead["_id"]) for (one, _), done in zip(known, found, strict=True) if done.lead]
        own = self.own(leads_found)
        for (candidate, by), filled in zip(known, found, strict=True):
            if filled.problem:
                self.problem = self.problem or filled.problem
                self.fail(candidate)
                continue
            if filled.lead is None:
                gone.append(candidate)
                continue
            if filled.lead and candidate.position in own:
                self.settle(candidate, STORED)
                seen.append((filled.lead["_id"], filled.lead))
                continue
            gained = set(filled.added) & (candidate.own or set(candidate.lead))
            self.settle(candidate, FILLED if gained else duplicate(by), filled.added)
            if filled.lead and (by == "mongodb" or filled.added):
                seen.append((filled.lead["_id"], filled.lead))
        with self.stage("cache write"):
            self.tools.cache.remember(seen)
        if gone:
            self.tools.cache.judged(stale=len(gone))
            urls = [candidate.lead["linkedin_url"] for candidate in gone]
            erased = self.tools.store.again(lambda: self.tools.erasures.among(urls))
            for candidate in self.insert(self.leave_out(gone, erased)):
                self.fail(candidate)

    # ------------------------------------------------------------------------------------------------- end

    def keep_rejects(self) -> None:
        """Keep the rejected records; where that fails they have failed, and are read again by the next run."""
        if not self.rejects:
            return
        try:
            with self.stage("keep rejects"):
                self.tools.store.again(lambda: self.tools.rejects.keep(list(self.rejects.values())))
        except PyMongoError as error:
            self.problem = self.problem or faults.described(error)
            for position in self.rejects:
                self.outcomes[position] = FAILED

    def report(self, truth: CacheTruth) -> BatchReport:
        """What was done."""
        reasons = Counter(reason for reject in self.rejects.values() for reason in reject.reasons)
        return BatchReport(
            index=self.batch.index, source=self.batch.source,
            ledger=Ledger.of(self.outcomes, read=len(self.batch.records)), stages=dict(self.stages), cache=truth,
            valid=self.valid, after=dict(self.after), reasons=dict(reasons), flags=dict(self.flags),
            enriched=self.enriched, answers=dict(self.answers), questions=dict(self.questions),
            spent_usd=self.spent_usd, in_doubt=tuple(sorted(self.in_doubt)),
            outcomes=tuple(map(str, self.outcomes)) if self.batch.keep_outcomes or self.batch.ids is not None else (),
            problem=self.problem,
        )  # fmt: skip


def _url_only(lead: Mapping[str, Any]) -> dict[str, Any]:
    return {"linkedin_url": lead["linkedin_url"]}


def process(batch: Batch, tools: Tools) -> BatchReport:
    """Bring one batch to its outcomes. Never raises for a record or for a server that is away: see `problem`."""
    work = _Work(batch, tools)
    tools.cache.truth = CacheTruth()
    with work.stage("clean"):
        candidates = group(work.leads(), filling=tools.filling)
    try:
        work.place(candidates)
    except PyMongoError as error:
        work.problem = work.problem or faults.described(error)
        work.outcomes = [outcome or FAILED for outcome in work.outcomes]
    work.keep_rejects()
    return work.report(tools.cache.truth)
