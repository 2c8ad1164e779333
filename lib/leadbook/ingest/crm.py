"""CRM: qualified leads to HubSpot, 100 a call, each lead marked when HubSpot has taken it.

The leads themselves remember what was sent (`crm_synced`, `crm_sync_date`), so that a run that broke off goes on
where it was; an upsert by a unique property makes sending twice harmless. A lead that was filled or changed since it
was sent is sent again; a person who asked for erasure is not. One bad contact never keeps back the others of its batch:
it is refused on its own, with the reason in `additional_data.crm_error`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pymongo import UpdateOne
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.enrich import hubspot
from leadbook.enrich.client import VendorClient
from leadbook.enrich.limits import LocalLimit
from leadbook.enrich.response import Meaning, VendorResponse
from leadbook.enrich.services import Service
from leadbook.lead.clock import now_ms
from leadbook.lead.suppression import SuppressionList
from leadbook.schema import guard

MAX_ATTEMPTS = 3
"""Runs that try a lead which HubSpot refuses; take `additional_data.crm_attempts` away to have it tried again."""

IN_A_ROW = 25
"""So many leads refused one after the other, and none taken: the fault lies not with the leads."""

Document = dict[str, Any]
QUALIFIED: Document = {"is_qualified": True, "email": {"$gt": ""}}
"""Filter of the leads that the CRM gets."""


@dataclass(kw_only=True)
class Synced:
    """What a synchronisation did, in leads. created and updated: as HubSpot says.  changed: taken, but changed here
    meanwhile, so that the next run sends them again.  failed: refused, by reason; tried by later runs, three times in
    all.  erased: left out, because their persons asked for erasure.  calls: to HubSpot.  stopped: why it ended early,
    with leads still waiting."""

    sent: int = 0
    created: int = 0
    updated: int = 0
    changed: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    erased: int = 0
    calls: int = 0
    stopped: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return vars(self) | {"failed": dict(self.failed)}


class Crm:
    """Sends qualified leads of one collection to HubSpot. batch: contacts a call.  id_property: `email` or
    `linkedin_url`.  pause_s: first wait between attempts; twice that while HubSpot has contacts locked.  erasures:
    persons who are left out. Raises ParameterError for a collection whose writes are not acknowledged: a lead would be
    sent and never marked."""

    def __init__(
        self, leads: Collection[Document], service: Service, erasures: SuppressionList, *, batch: int = hubspot.BATCH,
        id_property: str = "email", pause_s: float = 1.0,
    ) -> None:  # fmt: skip
        guard.refuse_unacknowledged(leads)
        self.leads, self.batch, self.id_property = leads, batch, id_property
        self._hubspot = VendorClient(service, hubspot.MEANINGS, limit=LocalLimit(), pause_s=pause_s, timeout_s=30.0)
        self._erasures = erasures
        self._refused_in_a_row = 0

    def waiting(self) -> int:
        """Leads to be sent."""
        return self.leads.count_documents(self._wanted)

    @property
    def _wanted(self) -> Document:
        changed = {"crm_sync_date": {"$type": "date"}, "$expr": {"$gt": ["$updated_at", "$crm_sync_date"]}}
        return {
            "$or": [{"crm_synced": False}, changed], **QUALIFIED,
            "additional_data.crm_attempts": {"$not": {"$gte": MAX_ATTEMPTS}},
        }  # fmt: skip

    def sync(self, limit: int | None = None) -> Synced:
        """Send what is waiting, `limit` leads at most. HubSpot's errors end up in `failed` and `stopped`, MongoDB's in
        `stopped`: a mark that no majority acknowledged is not counted as sent."""
        result = Synced()
        try:
            for batch in self._batches(limit):
                if kept := self._without_erased(batch, result):
                    self._send(kept, result)
                if result.stopped:
                    break
        except PyMongoError as error:  # what was not marked is sent again, which an upsert bears
            result.stopped = f"MongoDB: {faults.described(error)}"
        finally:
            result.calls = self._hubspot.calls
            self._hubspot.close()
        return result

    def _batches(self, limit: int | None) -> Iterator[list[Document]]:
        """Batches of waiting leads, in the order of `_id`; a failed lead does not come again in this run."""
        fields = dict.fromkeys(("full_name", "linkedin_url", "updated_at", *hubspot.FIELDS), 1)
        with self.leads.find(self._wanted, fields, sort=[("_id", 1)], limit=limit or 0, batch_size=self.batch) as found:
            while batch := list(islice(found, self.batch)):
                yield batch

    def _without_erased(self, batch: Sequence[Document], result: Synced) -> list[Document]:
        asked = self._erasures.among(lead["linkedin_url"] for lead in batch)
        kept = [lead for lead in batch if lead["linkedin_url"] not in asked]
        result.erased += len(batch) - len(kept)
        return kept

    def _send(self, batch: Sequence[Document], result: Synced) -> None:
        answer = hubspot.upsert(self._hubspot, batch, self.id_property)
        missing = hubspot.missing_property(answer)
        if answer.meaning is Meaning.FOUND:
            self._taken(batch, answer, result)
        elif missing:
            result.stopped = f"HubSpot has no contact property {missing!r}: create it there"
        elif answer.meaning is not Meaning.INVALID:
            why = "the day's calls are used up" if hubspot.is_daily_limit(answer) else f"{answer.meaning}"
            result.stopped = f"HubSpot: {why}" + (f" ({answer.status})" if answer.status else "")
        elif len(batch) > 1:
            middle = len(batch) // 2  # the answer names one offender at most: halve to find them all
            for half in (batch[:middle], batch[middle:]):
                if not result.stopped:
                    self._send(half, result)
        else:
            self._refused({batch[0]["_id"]: hubspot.refusal(answer)}, result)

    def _taken(self, batch: Sequence[Document], answer: VendorResponse, result: Synced) -> None:
        """Mark what HubSpot says it took, unless it was changed here meanwhile; the rest has failed."""
        said = hubspot.taken(batch, answer, self.id_property)
        now, read = now_ms(), {lead["_id"]: lead.get("updated_at") for lead in batch}
        change = {
            "$set": {"crm_synced": True, "crm_sync_date": now, "updated_at": now},
            "$unset": {"additional_data.crm_error": "", "additional_data.crm_attempts": ""},
        }
        marks = [UpdateOne({"_id": lead, "updated_at": read[lead]}, change) for lead in said.done]
        marked = self.leads.bulk_write(marks, ordered=False).matched_count if marks else 0
        result.sent += marked
        result.changed += len(said.done) - marked
        result.created += said.new
        result.updated += len(said.done) - said.new
        if said.done:
            self._refused_in_a_row = 0
        self._refused(said.errors, result)

    def _refused(self, reasons: dict[Any, str], result: Synced) -> None:
        """Note each lead's reason beside it."""
        now = now_ms()
        for lead, reason in reasons.items():
            result.failed[reason] += 1
            note = {"additional_data.crm_error": reason, "updated_at": now}
            wanted = {"_id": lead, "additional_data": {"$not": {"$type": "null"}}}
            self.leads.update_one(wanted, {"$inc": {"additional_data.crm_attempts": 1}, "$set": note})
        self._refused_in_a_row += len(reasons)
        if self._refused_in_a_row >= IN_A_ROW and not result.sent:
            reason = result.failed.most_common(1)[0][0]
            result.stopped = f"HubSpot refused {self._refused_in_a_row} leads in a row and took none: {reason}"
