"""One batch from raw records to known outcomes: clean, judge, group, ask the cache, insert, fill, remember, keep
rejects.

This is the unit of work of every executor: independent of other batches, safe to repeat, with MongoDB as the arbiter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import bson
from bson import ObjectId
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.batches import BatchReport, RecordBatch
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.store.cache import CacheTruth, Sighting
from leadbook.ingest.store.dedupe import Candidate, group
from leadbook.ingest.store.merge import mask
from leadbook.ingest.store.rejects import Reject
from leadbook.ingest.store.store import EMAIL_TAKEN, ID_TAKEN, IN_DOUBT, KNOWN, REFUSED
from leadbook.ingest.store.store import STORED as ACKNOWLEDGED
from leadbook.ingest.store.tools import Tools
from leadbook.lead.clock import now_ms
from leadbook.lead.ledger import FAILED, FILLED, STORED, duplicate, rejected
from leadbook.lead.score import stamp
from leadbook.lead.suppression import keys_of
from leadbook.lead.vendors import load_vendor, vendor_names

ASK_FIRST = 0.1
"""With more than this share of known leads in the last batches, one `$in` find before the insert is cheaper than
their write errors (measured: a duplicate costs an insert about 60 us, a find about 10 us per lead)."""


class _Work:
    """A batch on its way."""

    def __init__(self, batch: RecordBatch, tools: Tools) -> None:
        self.batch, self.tools, self.at = batch, tools, now_ms()
        self.report = BatchReport(source=batch.source)
        self.stage = self.report.stage
        self.outcomes: dict[int, str] = {}
        self.rejects: dict[int, Reject] = {}
        self.sent: set[int] = set()
        self.id_taken: set[int] = set()
        self.cleaned: dict[int, dict[str, Any]] = {}

    # ------------------------------------------------------------------------------------- clean and judge

    def leads(self) -> list[tuple[int, dict[str, Any]]]:
        """Valid leads with the position of their record; the others are rejected."""
        valid: list[tuple[int, dict[str, Any]]] = []
        vendor = load_vendor(self.batch.vendor) if self.batch.vendor in vendor_names() else None
        for position, record in enumerate(self.batch.records):
            if record.problem or vendor is None:
                self.reject(position, (record.problem or "unknown_vendor",))
                continue
            cleaned = clean(record.payload, vendor, record.collected_at)
            reasons = reject_reasons(cleaned.lead, cleaned)
            self.cleaned[position] = cleaned.lead
            if reasons:
                self.reject(position, reasons)
                continue
            if cleaned.flags:
                cleaned.lead["additional_data"]["flags"] = sorted(cleaned.flags)
                self.report.flags.update(cleaned.flags)
            valid.append((position, cleaned.lead))
        return valid

    def reject(self, position: int, reasons: tuple[str, ...], detail: str = "") -> None:
        """The record is no lead. Of a person who asked for erasure the payload is not kept either."""
        reject = self.batch.reject(position, reasons, detail)
        self.outcomes[position] = rejected(reasons[0])
        self.rejects[position] = replace(reject, payload={"erased": True}) if reasons == (ERASED,) else reject

    # ----------------------------------------------------------------------------------------------- place

    def place(self, candidates: list[Candidate]) -> None:
        """Give every candidate (and its followers) an outcome."""
        with self.stage("look-up"):
            sightings = self.confirmed(self.tools.cache.look_up([candidate.lead for candidate in candidates]))
        fresh: list[Candidate] = []
        known: list[tuple[Candidate, str]] = []
        seen = list(zip(candidates, sightings, strict=True))
        own = self.own([(one, sighting.lead.id) for one, sighting in seen if sighting.lead])
        for candidate, sighting in seen:
            if sighting.lead is None:
                fresh.append(candidate)
            elif candidate.position in own:
                self.settle(candidate, STORED)
            elif self.tools.filling and mask(candidate.lead) & ~sighting.lead.fields:
                known.append((candidate, "redis"))
            else:
                self.settle(candidate, duplicate("redis"), added=())
        self.keep_aside([one for one, sighting in seen if sighting.lead is None and sighting.email is not None])
        if fresh and (self.tools.enricher is not None or self.tools.known_share > ASK_FIRST):
            fresh, more = self.ask(fresh)
            known += [(candidate, "mongodb") for candidate in more]
        fresh = self.enrich(fresh)
        known += [(candidate, "mongodb") for candidate in self.insert(fresh)]
        self.revisit(known)

    def confirmed(self, sightings: list[Sighting]) -> list[Sighting]:
        """The sightings whose lead MongoDB still has: one deleted behind the cache's back must not pass for stored.

        One find over `_id` for a batch's hits, answered by the index alone: measured, about 5 us a hit.
        """
        ids = [sighting.lead.id for sighting in sightings if sighting.lead is not None]
        there = self.tools.store.by("_id", ids) if ids else {}
        gone = sum(1 for known in ids if known not in there)
        self.tools.cache.judged(stale=gone)
        if not gone:
            return sightings
        return [one if one.lead is None or one.lead.id in there else one._replace(lead=None) for one in sightings]

    def settle(self, candidate: Candidate, first: str, added: Sequence[str] | None = None) -> None:
        """Outcome of a candidate and its followers."""
        self.outcomes |= candidate.outcomes(first, added)

    def keep_aside(self, candidates: Sequence[Candidate]) -> None:
        """E-mails that the cache knows: those that MongoDB confirms to be another person's leave their lead."""
        emails = [candidate.lead["email"] for candidate in candidates]
        holders = self.tools.store.by("email", emails, "linkedin_url") if emails else {}
        for candidate, email in zip(candidates, emails, strict=True):
            if email in holders and holders[email]["linkedin_url"] != candidate.lead["linkedin_url"]:
                self.set_aside(candidate)

    def set_aside(self, candidate: Candidate) -> None:
        """Another person holds this e-mail: never merged, never lost."""
        email_aside(candidate.lead)
        self.report.flags["email_conflict"] += 1

    def ask(self, fresh: Sequence[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """(unknown, known) by one find: cheaper than an insert full of duplicates."""
        with self.stage("find"):
            found = self.tools.merger.find([candidate.lead for candidate in fresh])
        unknown = [candidate for candidate in fresh if candidate.lead["linkedin_url"] not in found]
        self.learn(len(fresh) - len(unknown), len(fresh))
        return unknown, [candidate for candidate in fresh if candidate.lead["linkedin_url"] in found]

    def learn(self, known: int, asked: int) -> None:
        """Keep the share of leads that MongoDB knew, over about the last three batches."""
        self.tools.known_share += 0.4 * (known / asked - self.tools.known_share)

    def enrich(self, fresh: list[Candidate]) -> list[Candidate]:
        """Fill what new leads lack, where enrichment is on; those whose persons asked for erasure are dropped."""
        if self.tools.enricher is None or not fresh:
            return fresh
        with self.stage("enrich"):
            said = self.tools.enricher.enrich([candidate.lead for candidate in fresh])
        self.report.enriched += said.enriched
        self.report.spent_usd += said.spent_usd
        self.report.questions += said.questions
        gone = {fresh[index].lead["linkedin_url"] for index in said.erased}
        if gone:
            self.tools.store.retry(lambda: self.tools.erasures.add(gone))
        return self.leave_out(fresh, gone)

    def leave_out(self, candidates: list[Candidate], gone: set[str]) -> list[Candidate]:
        """The candidates without those whose URL is in `gone`: their persons asked for erasure."""
        for candidate in candidates:
            if candidate.lead["linkedin_url"] in gone:
                for position in candidate.positions:
                    self.reject(position, (ERASED,))
        return [one for one in candidates if one.lead["linkedin_url"] not in gone] if gone else candidates

    def insert(self, fresh: Sequence[Candidate]) -> list[Candidate]:
        """Insert; returns the candidates that MongoDB knows already."""
        known: list[Candidate] = []
        stored: list[tuple[ObjectId, dict[str, Any]]] = []
        todo = list(fresh)
        while todo:
            documents = [
                {"_id": self.new_id(candidate), **stamp(candidate.lead, self.tools.rules, self.at)}
                for candidate in todo
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
                    self.fail(candidate, self.tools.store.problem or outcome.detail, sent=outcome.detail == IN_DOUBT)
            todo = again
        if fresh and self.tools.known_share <= ASK_FIRST:
            self.learn(len(known), len(fresh))
        self.remember(stored)
        return known

    def remember(self, leads: Sequence[tuple[ObjectId, dict[str, Any]]]) -> None:
        """Tell the cache of leads that MongoDB holds."""
        with self.stage("cache write"):
            self.tools.cache.remember(leads)

    def own(self, known: Sequence[tuple[Candidate, Any]]) -> set[int]:
        """Positions whose known lead (by its `_id`) is this very staged record, from a worker that died before it
        could end it. A lead that is older than the record's first claim came from another record of that `_id`.
        """
        if self.batch.ids is None or not self.batch.since:
            return set()
        alike = {one.position: lead_id for one, lead_id in known if lead_id in self.ids_of(one)}
        since = {lead_id: self.batch.since[position] for position, lead_id in alike.items()}
        made = self.tools.store.made_since(since)
        return {position for position, lead_id in alike.items() if lead_id in made}

    def ids_of(self, candidate: Candidate) -> tuple[ObjectId, ...]:
        """The `_id`s that a staged record's lead may have: the record's own, or where that is no ObjectId or belongs
        to another lead, one that follows from it, so that storing it twice is seen to be the same record."""
        own = (self.batch.ids or ())[candidate.position]
        made = made_id(own, candidate.lead["linkedin_url"])
        return (own, made) if isinstance(own, ObjectId) else (made,)

    def new_id(self, candidate: Candidate) -> ObjectId:
        """`_id` of the lead to store: of a staged record one of its own, else a new one."""
        if self.batch.ids is None:
            return ObjectId()
        return self.ids_of(candidate)[-1 if candidate.position in self.id_taken else 0]

    def refuse(self, candidate: Candidate, reason: str, detail: str) -> list[Candidate]:
        """MongoDB does not take this lead. Its followers are leads of their own right then."""
        self.reject(candidate.position, (reason,), detail)
        return group([(one.position, one.lead) for one in candidate.followers], filling=self.tools.filling)

    def fail(self, candidate: Candidate, why: str = "", *, sent: bool = False) -> None:
        """It is not known to be stored: run the source again. sent: it may be stored."""
        self.report.problem = self.report.problem or why
        self.outcomes |= dict.fromkeys(candidate.positions, FAILED)
        if sent:
            self.sent.update(candidate.positions)

    def revisit(self, known: Sequence[tuple[Candidate, str]]) -> None:
        """Leads known already: fill them, or count them; and let the cache know what MongoDB knows."""
        if not known:
            return
        cache, filling = self.tools.cache, self.tools.filling
        cache.judged(false_new=sum(by == "mongodb" for _, by in known) if cache.present else 0)
        leads = [one.lead if filling else {"linkedin_url": one.lead["linkedin_url"]} for one, _ in known]
        with self.stage("fill"):
            found = self.tools.merger.merge(leads, self.at)
        gone: list[Candidate] = []
        seen: list[tuple[ObjectId, dict[str, Any]]] = []
        own = self.own([(one, done.lead["_id"]) for (one, _), done in zip(known, found, strict=True) if done.lead])
        for (candidate, by), filled in zip(known, found, strict=True):
            if filled.problem:
                self.fail(candidate, filled.problem)
            elif filled.lead is None:
                gone.append(candidate)
            elif candidate.position in own:
                self.settle(candidate, STORED)
                seen.append((filled.lead["_id"], filled.lead))
            else:
                gained = set(filled.added) & (candidate.own or set(candidate.lead))
                self.settle(candidate, FILLED if gained else duplicate(by), filled.added)
                if by == "mongodb" or filled.added:
                    seen.append((filled.lead["_id"], filled.lead))
        self.remember(seen)
        if gone:
            cache.judged(stale=len(gone))
            for candidate in self.insert(gone):
                self.fail(candidate)

    # ------------------------------------------------------------------------------------------------ erasures

    def erased(self) -> list[int]:
        """Positions of records whose persons are on the list of requests now."""
        keys = {position: keys_of(lead) for position, lead in self.cleaned.items()}
        gone = self.tools.store.retry(lambda: self.tools.erasures.among(set().union(*keys.values())))
        return [position for position, mine in keys.items() if mine & gone]

    def unsuppressed(self, leads: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
        """The leads without those whose persons asked for erasure some time."""
        gone = self.erased()
        for position in gone:
            self.reject(position, (ERASED,))
        return [(position, lead) for position, lead in leads if position not in gone]

    def forget(self) -> None:
        """Who asked for erasure while this batch was at work: what was written of them meanwhile goes again. So a
        request that is on the list before its person's data are looked for finds everything, or nothing is left."""
        try:
            late = [position for position in self.erased() if self.outcomes.get(position) != rejected(ERASED)]
            if not late:
                return
            mine = [self.cleaned[at] for at in late if self.outcomes.get(at) in (STORED, FAILED)]
            urls = [lead["linkedin_url"] for lead in mine if "linkedin_url" in lead]
            kept = [self.rejects[at].document(self.at)["_id"] for at in late if at in self.rejects]
            store, rejects = self.tools.store, self.tools.rejects
            store.retry(lambda: store.collection.delete_many({"linkedin_url": {"$in": urls}}))
            store.retry(lambda: rejects.forget([] if self.batch.kept else kept))
            self.tools.cache.forget([self.cleaned[at] for at in late])
        except PyMongoError as error:
            self.report.problem = self.report.problem or faults.described(error)
            return
        for position in late:
            if self.outcomes.get(position) != FAILED:
                self.reject(position, (ERASED,))
        self.keep_rejects()

    # ------------------------------------------------------------------------------------------------- end

    def keep_rejects(self) -> None:
        """Keep the rejected records; where that fails they have failed, and are read again by the next run."""
        if not self.rejects or self.batch.kept:
            return
        try:
            with self.stage("keep rejects"):
                self.tools.store.retry(lambda: self.tools.rejects.keep(list(self.rejects.values())))
        except PyMongoError as error:
            self.report.problem = self.report.problem or faults.described(error)
            self.outcomes |= dict.fromkeys(self.rejects, FAILED)

    def ended(self) -> BatchReport:
        """What was done. Raises UnbalancedError where a record has no outcome."""
        report = self.report
        report.settle([self.outcomes.get(position) for position in range(len(self.batch.records))], sorted(self.sent))
        report.reasons.update(reason for reject in self.rejects.values() for reason in reject.reasons)
        report.cache, report.pool = self.tools.cache.truth, self.tools.pool_counts()
        return report


def email_aside(lead: dict[str, Any]) -> None:
    """Keep a lead's e-mail, which another person holds, beside it; the one that was first stays."""
    extra = lead.setdefault("additional_data", {})
    extra.setdefault("email_conflict", lead.pop("email"))
    extra["flags"] = sorted({*extra.get("flags", ()), "email_conflict"})
    lead["email_verified"] = False


def made_id(own: Any, url: str) -> ObjectId:
    """`_id` of a staged record's lead where `own`, the record's, cannot be it; always the same one."""
    return ObjectId(hashlib.sha256(bson.encode({"_id": own}) + url.encode()).digest()[:12])


def process(batch: RecordBatch, tools: Tools) -> BatchReport:
    """Bring one batch to its outcomes. Never raises for a record or for a server that is away: see `problem`."""
    work = _Work(batch, tools)
    tools.cache.truth = CacheTruth()
    with work.stage("clean"):
        leads = work.leads()
    try:
        leads = work.unsuppressed(leads)
        with work.stage("clean"):
            candidates = group(leads, filling=tools.filling)
        work.place(candidates)
    except PyMongoError as error:
        work.report.problem = work.report.problem or faults.described(error)
        work.outcomes = dict.fromkeys(range(len(batch.records)), FAILED) | work.outcomes
    work.keep_rejects()
    work.forget()
    return work.ended()
