"""Merges: a second sighting adds to a stored lead the fields that it lacks. Never overwrites, never stores a null,
never merges two people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError, PyMongoError

from leadbook.core import write_errors as faults
from leadbook.ingest.store.store import LeadStore
from leadbook.lead.fields import REQUIRED
from leadbook.lead.score import Rules

Document = dict[str, Any]

FIELDS = (
    "email", "phone", "location_city", "location_state", "location_country",
    "company_website", "company_industry", "company_size",
)  # fmt: skip
"""Fields a sighting may add. The four required ones are always there; the order is that of the bits in a Redis key,
so new fields go to the end."""

TICK = timedelta(milliseconds=1)
SEEN = (*FIELDS, *REQUIRED, "updated_at", "additional_data.email_conflict")
"""Fields of a stored lead that merging and scoring look at."""

_BITS = tuple((name, 1 << bit) for bit, name in enumerate(FIELDS))


def mask(lead: Mapping[str, Any]) -> int:
    """Bit mask of the FIELDS that `lead` has."""
    return sum(bit for name, bit in _BITS if name in lead)


def additions(stored: Mapping[str, Any], sighting: Mapping[str, Any]) -> dict[str, Any]:
    """The FIELDS of `sighting` that `stored` lacks (absent or null), and `email_verified` with a verified e-mail."""
    adds = {name: sighting[name] for name in FIELDS if sighting.get(name) is not None and stored.get(name) is None}
    if "email" in adds and sighting.get("email_verified"):
        adds["email_verified"] = True
    return adds


@dataclass(frozen=True, slots=True)
class Merged:
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
        adds = {} if self.refused else additions(lead, self.sighting)
        aside = (lead.get("additional_data") or {}).get("email_conflict")
        change: Document = {"$set": {}}
        if "email" in adds and (self.taken or aside == adds["email"]):
            email = adds.pop("email")
            adds.pop("email_verified", None)
            if self.taken and aside is None:
                change = {
                    "$set": {"additional_data.email_conflict": email},
                    "$addToSet": {"additional_data.flags": "email_conflict"},
                }
        if adds:  # what the CRM has of this lead is not all of it any more
            change |= {"$unset": {"additional_data.crm_attempts": ""}}
            change["$set"] |= {**adds, "crm_synced": False}
        if not change["$set"]:
            return None
        self.gave = adds
        change["$set"] |= {**rules.judged({**lead, **adds}), "updated_at": _after(lead, at)}
        return UpdateOne(
            {"_id": lead["_id"], "updated_at": lead.get("updated_at"), **dict.fromkeys(self.fields)}, change
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the last update."""
        return tuple(name for name in self.gave if name in FIELDS)

    def added(self, lead: Document) -> tuple[str, ...]:
        """Fields of the last update that the lead now has as they were sent."""
        return tuple(name for name in self.fields if lead.get(name) == self.gave[name])


def _after(lead: Document, at: datetime) -> datetime:
    """`at`, or just after the lead's latest change where another worker made that later than our batch began: a lead is
    never changed before it was there, and each change shows."""
    before = lead.get("updated_at")
    return max(at, before + TICK) if isinstance(before, datetime) else at


class Merger:
    """Merges sightings into stored leads of one store, scoring them anew by `rules`."""

    def __init__(self, store: LeadStore, rules: Rules, *, attempts: int = 8) -> None:
        self.store, self.rules, self.attempts = store, rules, attempts
        self.problem = ""

    def find(self, sightings: Iterable[Mapping[str, Any]]) -> dict[str, Document]:
        """The stored leads of `sightings` by URL, as far as merging needs them. Raises pymongo's errors."""
        return self.store.by("linkedin_url", [one["linkedin_url"] for one in sightings], *SEEN)

    def merge(self, sightings: Sequence[Mapping[str, Any]], at: datetime) -> list[Merged]:
        """Add what the stored leads lack; one sighting per URL.

        Guards on `updated_at` and on each added field let a concurrent change show; then the lead is read again. An
        update that was not acknowledged counts once a majority of the members holds the lead as it is read; see
        `Merged.problem`. An e-mail that another person holds goes to `additional_data.email_conflict`. Raises
        pymongo's errors.
        """
        done: dict[str, Merged] = {}
        todo = {sighting["linkedin_url"]: _Try(sighting) for sighting in sightings}
        for attempt in range(self.attempts):
            try:
                stored = self.find(one.sighting for one in todo.values())
            except PyMongoError:
                if not self.problem:
                    raise
                break  # what went wrong first is told: the primary steps down because of it
            held = self._held([url for url, one in todo.items() if one.doubt])
            updates: dict[str, UpdateOne] = {}
            for url, one in todo.items():
                lead = stored.get(url)
                update = None if lead is None else one.update(lead, self.rules, at)
                if update is not None:
                    updates[url] = update
                elif not one.doubt or lead is None or held.get(url) == lead:
                    done[url] = Merged(lead, one.added(lead) if lead else ())
            if self._send(updates, todo):
                done |= {url: Merged({**stored[url], **todo[url].gave}, todo[url].fields) for url in updates}
            todo = {url: one for url, one in todo.items() if url not in done}
            if not todo:
                break
            if self.problem or len(updates) < len(todo):  # somebody is away, or what we read is not held yet
                time.sleep(min(3.0, 0.1 * 2**attempt))
        vain = Merged({}, problem=self.problem or f"a lead could not be filled in {self.attempts} attempts")
        return [done.get(sighting["linkedin_url"], vain) for sighting in sightings]

    def _held(self, urls: Sequence[str]) -> dict[str, Document]:
        """Leads as a majority of the members holds them, so that no failover takes them back; none where nobody can
        say."""
        try:
            return self.store.held_by(urls, *SEEN) if urls else {}
        except PyMongoError as error:
            self.problem = faults.described(error)
            return {}

    def _send(self, updates: Mapping[str, UpdateOne], tries: Mapping[str, _Try]) -> bool:
        """Send the updates; whether each of them is known to have taken effect. Those that are not known are in
        doubt."""
        urls = list(updates)
        if not urls or self.store.in_transaction(list(updates.values())):
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
