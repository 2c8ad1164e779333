"""CRM: qualified leads to HubSpot, 100 a batch, each lead marked when HubSpot has taken it.

The leads themselves remember what was sent (`crm_synced`, `crm_sync_date`), so that a run that broke off goes on
where it was; an upsert by e-mail makes sending twice harmless. One bad contact never keeps back the others of its
batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pymongo.collection import Collection

from leadbook.leads.calls import Answer, Budget, Caller, Meaning
from leadbook.leads.score import now_ms
from leadbook.leads.services import Service

__all__ = ["BATCH", "Crm", "Synced"]

BATCH = 100
"""HubSpot's limit for one batch."""

MAX_ATTEMPTS = 3

MEANINGS = {
    200: Meaning.FOUND, 201: Meaning.FOUND, 207: Meaning.FOUND, 400: Meaning.INVALID, 401: Meaning.DENIED,
    403: Meaning.DENIED, 409: Meaning.INVALID, 423: Meaning.AGAIN, 429: Meaning.AGAIN, 477: Meaning.AGAIN,
}  # fmt: skip
"""HubSpot's codes: 207 partly done, 409 conflict (names the first offender only), 423 locked, 477 being migrated."""

PROPERTIES = {
    "email": "email", "job_title": "jobtitle", "company_name": "company", "phone": "phone",
    "company_website": "website", "location_city": "city", "location_state": "state", "location_country": "country",
}  # fmt: skip

Document = dict[str, Any]


@dataclass(kw_only=True)
class Synced:
    """What a synchronisation did, in leads. created and updated: as HubSpot says.  failed: refused, by reason;
    tried again by later runs, three times in all.  stopped: why it ended early, with leads still waiting."""

    sent: int = 0
    created: int = 0
    updated: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    answers: Counter[str] = field(default_factory=Counter)


class Crm:
    """Sends qualified leads of one collection to HubSpot. pause_s: first wait between attempts."""

    def __init__(self, leads: Collection[Document], service: Service, *, pause_s: float = 2.0) -> None:
        self.leads = leads
        self._hubspot = Caller(service, MEANINGS, budget=Budget(1_000_000), pause_s=pause_s)

    def waiting(self) -> int:
        """Leads to be sent."""
        return self.leads.count_documents(self._wanted)

    @property
    def _wanted(self) -> Document:
        return {
            "crm_synced": False, "is_qualified": True, "email": {"$gt": ""},
            "additional_data.crm_attempts": {"$not": {"$gte": MAX_ATTEMPTS}},
        }  # fmt: skip

    def sync(self) -> Synced:
        """Send what is waiting. Raises pymongo's errors; HubSpot's end up in `failed` and `stopped`."""
        result = Synced()
        for batch in self._batches():
            self._send(batch, result)
            if result.stopped:
                break
        result.answers = Counter(self._hubspot.counts)
        self._hubspot.close()
        return result

    def _batches(self) -> Iterator[list[Document]]:
        """Batches of waiting leads, in the order of `_id`; a failed lead does not come again in this run."""
        fields = dict.fromkeys(("full_name", *PROPERTIES), 1)
        with self.leads.find(self._wanted, fields, sort=[("_id", 1)], batch_size=BATCH) as found:
            while batch := list(islice(found, BATCH)):
                yield batch

    def _send(self, batch: Sequence[Document], result: Synced) -> None:
        inputs = [{"id": lead["email"], "idProperty": "email", "properties": _properties(lead)} for lead in batch]
        answer = self._hubspot.post("/crm/v3/objects/contacts/batch/upsert", {"inputs": inputs})
        if answer.meaning is Meaning.FOUND:
            self._taken(batch, answer, result)
        elif answer.meaning is Meaning.INVALID and len(batch) > 1:
            middle = len(batch) // 2  # the answer names one offender at most: halve to find them all
            self._send(batch[:middle], result)
            if not result.stopped:
                self._send(batch[middle:], result)
        elif answer.meaning is Meaning.INVALID:
            self._failed(batch, f"status {answer.status}", result)
        else:
            result.stopped = f"HubSpot: {answer.meaning}" + (f" ({answer.status})" if answer.status else "")

    def _taken(self, batch: Sequence[Document], answer: Answer, result: Synced) -> None:
        """Mark what HubSpot says it took; of a partial answer the rest has failed."""
        said = [item for item in _list(answer.body, "results") if isinstance(item, Mapping)]
        emails = {str((item.get("properties") or {}).get("email", "")).lower() for item in said}
        whole = len(said) == len(batch)
        taken = list(batch) if whole else [lead for lead in batch if lead["email"].lower() in emails]
        now = now_ms()
        new = sum(1 for item in said if item.get("new"))
        result.created += new
        result.updated += len(taken) - new
        done = {"crm_synced": True, "crm_sync_date": now, "updated_at": now}
        self.leads.update_many({"_id": {"$in": [lead["_id"] for lead in taken]}}, {"$set": done})
        result.sent += len(taken)
        rest = [lead for lead in batch if lead not in taken]
        for lead in rest:
            self._failed([lead], _error_of(lead["email"], _list(answer.body, "errors")), result)

    def _failed(self, leads: Sequence[Document], reason: str, result: Synced) -> None:
        result.failed[reason] += len(leads)
        change = {"$inc": {"additional_data.crm_attempts": 1}, "$set": {"additional_data.crm_error": reason,
                                                                       "updated_at": now_ms()}}  # fmt: skip
        self.leads.update_many({"_id": {"$in": [lead["_id"] for lead in leads]}}, change)


def _properties(lead: Mapping[str, Any]) -> dict[str, str]:
    first, _, last = lead.get("full_name", "").partition(" ")
    named = {"firstname": first, "lastname": last}
    return {name: value for name, value in named.items() if value} | {
        theirs: str(lead[ours]) for ours, theirs in PROPERTIES.items() if lead.get(ours)
    }


def _list(body: Any, name: str) -> list[Any]:
    found = body.get(name) if isinstance(body, dict) else None
    return found if isinstance(found, list) else []


def _error_of(email: str, errors: Sequence[Any]) -> str:
    for error in errors:
        context = error.get("context") if isinstance(error, Mapping) else None
        if isinstance(context, Mapping) and email in _list(dict(context), "ids"):
            return str(error.get("category") or "refused")[:100]
    return "not confirmed"
