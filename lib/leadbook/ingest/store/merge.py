"""Fills: a second sighting adds to a stored lead what it lacks. Never overwrites, never nulls, never merges two
people."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from leadbook.core import write_errors as faults
from leadbook.ingest.store import fill
from leadbook.ingest.store.store import LeadStore
from leadbook.lead.score import REQUIRED, Rules

__all__ = ["SEEN", "Filled", "Filler"]

Document = dict[str, Any]

SEEN = dict.fromkeys((*fill.FIELDS, *REQUIRED, "updated_at", "additional_data.email_conflict"), 1)
"""Projection of a stored lead: what filling and scoring look at."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a sighting did. lead: the stored lead now, None when it is not stored.  added: the fields it gained, held by
    a majority of the members.  problem: why nobody knows what became of it; nothing may be counted or cached then."""

    lead: Document | None
    added: tuple[str, ...] = ()
    problem: str = ""


@dataclass(slots=True)
class _Try:
    """A sighting on its way. gave: what the last update sent; taken: another person holds its e-mail; refused: the
    server does not take the addition (validator); doubt: an update was sent, and nobody said that it will last."""

    sighting: Mapping[str, Any]
    gave: Document = field(default_factory=dict)
    taken: bool = False
    refused: bool = False
    doubt: bool = False

    def update(self, lead: Document, rules: Rules, at: datetime) -> UpdateOne | None:
        """The update that adds what `lead` lacks; None when there is nothing to add."""
        adds = {} if self.refused else fill.additions(lead, self.sighting)
        aside = (lead.get("additional_data") or {}).get("email_conflict")
        if "email" in adds and (self.taken or aside == adds["email"]):
            email = adds.pop("email")
            adds.pop("email_verified", None)
            note = {"additional_data.email_conflict": email} if self.taken and aside is None else {}
        else:
            note = {}
        if not adds and not note:
            return None
        self.gave = adds
        guard = {"_id": lead["_id"], "updated_at": lead.get("updated_at"), **dict.fromkeys(self.fields)}
        resend = {"crm_synced": False} if adds else {}  # what the CRM has of this lead is not all of it any more
        change: Document = {"$set": {**adds, **note, **resend, **rules.judged({**lead, **adds}), "updated_at": at}}
        if adds:
            change["$unset"] = {"additional_data.crm_attempts": ""}
        return UpdateOne(guard, change | ({"$addToSet": {"additional_data.flags": "email_conflict"}} if note else {}))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the last update."""
        return tuple(name for name in self.gave if name in fill.FIELDS)

    def added(self, lead: Document) -> tuple[str, ...]:
        """Fields of the last update that the lead now has as they were sent."""
        return tuple(name for name in self.fields if lead.get(name) == self.gave[name])


class Filler:
    """Fills stored leads of one store, scoring them anew by `rules`."""

    def __init__(self, store: LeadStore, rules: Rules) -> None:
        self.store, self.rules = store, rules
        self.problem = ""

    def find(self, sightings: Sequence[Mapping[str, Any]]) -> dict[str, Document]:
        """The stored leads of `sightings` by URL, as far as filling needs them. Raises pymongo's errors."""
        return self.store.find([sighting["linkedin_url"] for sighting in sightings], SEEN)

    def fill(
        self, sightings: Sequence[Mapping[str, Any]], at: datetime, *, found: dict[str, Document] | None = None
    ) -> list[Filled]:
        """Add what the stored leads lack; one sighting per URL. found: what `find` said just now.

        Guards on `updated_at` and on each added field let a concurrent change show; then the lead is read again. An
        update that was not acknowledged counts once a majority of the members holds the lead as it is read; see
        `Filled.problem`. An e-mail that another person holds goes to `additional_data.email_conflict`. Raises
        pymongo's errors.
        """
        done: dict[str, Filled] = {}
        todo = {sighting["linkedin_url"]: _Try(sighting) for sighting in sightings}
        for attempt in range(self.store.attempts):
            try:
                stored = self.find([one.sighting for one in todo.values()]) if found is None else found
            except PyMongoError:
                if not self.problem:
                    raise
                break  # what went wrong first is told: the primary steps down because of it
            found = None
            held = self._held([url for url, one in todo.items() if one.doubt])
            updates: dict[str, UpdateOne] = {}
            for url, one in todo.items():
                lead = stored.get(url)
                update = None if lead is None else one.update(lead, self.rules, at)
                if update is not None:
                    updates[url] = update
                elif not one.doubt or lead is None or held.get(url) == lead:
                    done[url] = Filled(lead, one.added(lead) if lead else ())
            if self._send(updates, todo):
                done |= {url: Filled({**stored[url], **todo[url].gave}, todo[url].fields) for url in updates}
            todo = {url: one for url, one in todo.items() if url not in done}
            if not todo:
                break
            if self.problem or len(updates) < len(todo):  # somebody is away, or what we read is not held yet
                time.sleep(min(3.0, 0.1 * 2**attempt))
        vain = Filled({}, problem=self.problem or f"a lead could not be filled in {self.store.attempts} attempts")
        return [done.get(sighting["linkedin_url"], vain) for sighting in sightings]

    def _held(self, urls: Sequence[str]) -> dict[str, Document]:
        """Leads as a majority of the members holds them, so that no failover takes them back; none where nobody can
        say."""
        if not urls:
            return {}
        try:
            return self.store.find(urls, SEEN, committed=True)
        except PyMongoError as error:
            self.problem = faults.described(error)
            return {}

    def _send(self, updates: Mapping[str, UpdateOne], tries: Mapping[str, _Try]) -> bool:
        """Send the updates; whether each of them is known to have taken effect. Those that are not known are in
        doubt."""
        if not updates:
            return True
        urls = list(updates)
        if self.store.together(list(updates.values())):
            return True
        refused = set()
        try:
            result = self.store.collection.bulk_write(list(updates.values()), ordered=False)
            if result.matched_count == len(urls):
                return True
        except BulkWriteError as error:
            for item in error.details.get("writeErrors", ()):
                one, code = tries[urls[item["index"]]], item.get("code")
                if code not in faults.IN_DOUBT:
                    one.taken, one.refused = one.taken or code == faults.DUPLICATE, code != faults.DUPLICATE
                    refused.add(urls[item["index"]])
            if concern := error.details.get("writeConcernErrors"):
                self.problem = faults.concern_not_met(concern)
        except PyMongoError as error:
            if not faults.is_in_doubt(error):
                raise
            self.problem = faults.described(error)
        for url in urls:
            tries[url].doubt = tries[url].doubt or url not in refused
        return False
