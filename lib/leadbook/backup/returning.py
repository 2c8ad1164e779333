"""Missing leads come back: each is made whole in memory and inserted in one write, so that it is back or it is not.

Nothing that is stored is overwritten: what is there already stays as it is. A recovery that was broken off is run
again, and one that has done all does nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from leadbook.backup.archive import DATA, documents_in
from leadbook.backup.missing import (
    BACKUP,
    STAGING,
    Document,
    RecoveryPlan,
    are_erased,
    name_of,
    parts,
    sighting_in,
    stored_urls,
    url_of,
)
from leadbook.core import write_errors as faults
from leadbook.core.connect import LENIENT
from leadbook.ingest.batch import email_aside, made_id
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging, key_of
from leadbook.ingest.store import members
from leadbook.ingest.store import store as outcomes
from leadbook.ingest.store.merge import additions
from leadbook.lead.clock import now_ms
from leadbook.lead.score import stamp
from leadbook.lead.suppression import SUPPRESSED

ANOTHER = "another person"
"""Who holds an e-mail that the server refuses."""


@dataclass(kw_only=True)
class Returned:
    """What a recovery did. restored: by where from.  there: leads that somebody had stored meanwhile.  left: those that
    are missing still, by reason.  requests: for erasure that came back to the list.  problem: why it ended early."""

    restored: Counter[str] = field(default_factory=Counter)
    there: int = 0
    left: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    problem: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "restored": dict(+self.restored), "already_there": self.there, "still_missing": dict(+self.left),
            "requests": self.requests, "problem": self.problem,
        }  # fmt: skip


def bring_back(plan: RecoveryPlan, site: Site) -> Returned:
    """Do what `plan` says. A server that is away ends it early: see `problem`, and run it again."""
    work = _Return(plan, site)
    try:
        work.go()
    except PyMongoError as error:
        work.done.problem = faults.described(error)
    work.count()
    return work.done


class _Return:
    def __init__(self, plan: RecoveryPlan, site: Site) -> None:
        self.plan, self.tools, self.at = plan, site.tools(), now_ms()
        self.size, self.collection = site.settings.batch_size, self.tools.store.collection
        self.retry = self.tools.store.retry
        self.staging = Staging(self.collection.database[site.settings.staging_collection]).collection
        self.done = Returned(left=plan.stay())
        self.ids: set[Any] = set()
        self.back: list[str] = []

    def go(self) -> None:
        """The list of requests first, so that no lead is ever back without it; then the leads, as many as a batch."""
        if self.plan.backup is not None and self.plan.source != STAGING:
            self._requests()
            for part in parts(self._saved(), self.size):
                self._put(BACKUP, part)
        for names in parts(self._of(STAGING), self.size):
            self._put(STAGING, [(name, None) for name in names])
        if self.ids:
            members.flag(self.collection, among=self.ids)

    def _of(self, way: str) -> Iterator[str]:
        return (name for name, lead in self.plan.leads.items() if self.plan.way(lead) == way)

    def _documents(self, collection: str) -> Iterator[Document]:
        path = self.plan.backup and self.plan.backup / f"{collection}{DATA}"
        if path and path.exists():
            yield from (bson.decode(document.raw, LENIENT) for document in documents_in(path))

    def _saved(self) -> Iterator[tuple[str, Document | None]]:
        """Leads of the backup that are to come back."""
        wanted = set(self._of(BACKUP))
        for lead in self._documents(self.collection.name):
            if (name := name_of(lead.get("_id"), url_of(lead))) in wanted:
                yield name, lead

    def _requests(self) -> None:
        """What the backup's list of requests has beyond the live one."""
        requests = self.tools.erasures.collection
        for request in self._documents(SUPPRESSED):
            try:
                self.retry(lambda request=request: requests.insert_one(request))  # type: ignore[misc]
                self.done.requests += 1
            except DuplicateKeyError:
                continue

    # ------------------------------------------------------------------------------------------------ one lead's way

    def _put(self, way: str, part: Sequence[tuple[str, Document | None]]) -> None:
        """Make leads whole, and insert those whose persons are not erased."""
        sightings = self._sightings([one for name, _ in part for one in self.plan.leads[name].staged])
        saved = [lead for _, lead in part if lead]
        held = self._holders([*saved, *(sighting for sighting, _ in sightings.values())])
        leads = []
        for name, lead in part:
            seen = [sightings[key] for one in self.plan.leads[name].staged if (key := key_of(one)) in sightings]
            if lead is None and not seen:
                self.done.left["its staged record is gone"] += 1
                continue
            leads.append(self._whole(lead, seen, held))
        wanted, out = self._parted(leads)
        stored = self._insert(wanted, held)
        kept, late = self._parted(stored)  # who asked for erasure while they were brought back
        if late:
            self.retry(lambda: self.collection.delete_many({"_id": {"$in": [lead["_id"] for lead in late]}}))
        self.tools.cache.remember([(lead["_id"], lead) for lead in kept if url_of(lead)])
        self.done.restored[way] += len(kept)
        self.done.left["their persons asked for erasure"] += len(out) + len(late)
        self.ids.update(lead["_id"] for lead in kept if isinstance(lead["_id"], ObjectId))
        self.back += filter(None, map(url_of, kept))

    def _parted(self, leads: Sequence[Document]) -> tuple[list[Document], list[Document]]:
        """Leads that may be stored, and those whose persons asked for erasure."""
        erased = self.retry(lambda: are_erased(self.tools.erasures, leads))
        return ([lead for lead, out in zip(leads, erased, strict=True) if not out],
                [lead for lead, out in zip(leads, erased, strict=True) if out])  # fmt: skip

    def _sightings(self, ids: Sequence[Any]) -> dict[Any, tuple[Document, Document]]:
        """Staged records as the pipeline cleans them, beside the records; by the key of their `_id`."""
        found = self.retry(lambda: list(self.staging.find({"_id": {"$in": list(ids)}}))) if ids else []
        return {key_of(record["_id"]): (sighting_in(record, self.plan.vendor)[0], record) for record in found}

    def _holders(self, leads: Sequence[Document]) -> dict[str, str]:
        """Who holds the e-mails of these leads, by URL."""
        emails = list({lead["email"] for lead in leads if lead.get("email")})
        found = self.tools.store.by("email", emails, "linkedin_url") if emails else {}
        return {email: url_of(lead) for email, lead in found.items()}

    def _whole(
        self, saved: Document | None, seen: Sequence[tuple[Document, Document]], held: dict[str, str]
    ) -> Document:
        """A lead as the backup has it, or as its first sighting made it, and what later sightings added to it."""
        if saved is None:
            (lead, first), *seen = seen
            own, at = first["_id"], first["pipeline"].get("ended_at")
            lead = {"_id": own if isinstance(own, ObjectId) else made_id(own, lead["linkedin_url"]), **lead}
        else:
            lead, at = saved, saved.get("created_at")
        changed = _email_settled(lead, held) or saved is None
        for sighting, _ in seen if self.tools.filling else ():
            if added := additions(lead, sighting):
                lead.update(added)
                _email_settled(lead, held)
                changed = True
        if changed:
            stamp(lead, self.tools.rules, at if isinstance(at, datetime) else self.at)
            lead["updated_at"] = self.at
        return lead

    def _insert(self, leads: Sequence[Document], held: dict[str, str]) -> list[Document]:
        """Insert leads; those that are stored now."""
        stored, todo = [], list(leads)
        while todo:
            again = []
            for lead, outcome in zip(todo, self.tools.store.insert(todo), strict=True):
                if outcome.kind == outcomes.STORED:
                    stored.append(lead)
                elif outcome.kind == outcomes.KNOWN:
                    self.done.there += 1
                elif outcome.kind == outcomes.EMAIL_TAKEN:
                    held[lead["email"]] = ANOTHER
                    _email_settled(lead, held)
                    again.append(lead)
                elif outcome.kind == outcomes.ID_TAKEN:
                    again.append({**lead, "_id": made_id(lead["_id"], url_of(lead))})
                elif outcome.kind == outcomes.REFUSED:
                    self.done.left[f"the server refuses it: {outcome.reason} {outcome.detail}".strip()] += 1
                else:
                    self.done.problem = self.done.problem or self.tools.store.problem or outcome.detail
            todo = again
        return stored

    # --------------------------------------------------------------------------------------------------------- count

    def count(self) -> None:
        """Hold what was done against what is stored now, since no ledger is believed alone; the rest is missing."""
        rest = len(self.plan.leads) - self.done.restored.total() - self.done.there - self.done.left.total()
        self.done.left["not acknowledged"] += rest
        try:
            gone = sum(len(set(part) - stored_urls(self.collection, part)) for part in parts(self.back, self.size))
        except PyMongoError as error:
            self.done.problem = self.done.problem or faults.described(error)
            return
        if gone:
            self.done.problem = self.done.problem or f"{gone} leads were acknowledged and are not there"


def _email_settled(lead: Document, held: dict[str, str]) -> bool:
    """Keep an e-mail aside that another person holds, as the pipeline does; whether it had to be."""
    email = lead.get("email")
    if not email or held.setdefault(email, url_of(lead)) == url_of(lead):
        return False
    email_aside(lead)
    return True
