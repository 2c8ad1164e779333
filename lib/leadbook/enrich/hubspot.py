"""HubSpot's batch upsert of contacts: what is sent, and what the answers mean.

`POST /crm/v3/objects/contacts/batch/upsert`, 100 contacts a call; each input names its unique property (`idProperty`)
and carries a trace (`objectWriteTraceId`) that results and errors repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from leadbook.enrich.client import VendorClient
from leadbook.enrich.response import Meaning, VendorResponse, inside

BATCH = 100
"""HubSpot's limit for one call."""

MEANINGS = {
    200: Meaning.FOUND, 201: Meaning.FOUND, 207: Meaning.FOUND, 400: Meaning.INVALID, 401: Meaning.DENIED,
    403: Meaning.DENIED, 409: Meaning.INVALID, 414: Meaning.INVALID, 423: Meaning.AGAIN, 429: Meaning.AGAIN,
    477: Meaning.AGAIN,
}  # fmt: skip
"""Of its error handling page: 207 partly done, 409 conflict (names the first offender only), 423 locked (wait 2 s),
429 limit and 477 migration (Retry-After)."""

FIELDS = {
    "email": "email", "job_title": "jobtitle", "company_name": "company", "phone": "phone",
    "company_website": "website", "location_city": "city", "location_state": "state", "location_country": "country",
}  # fmt: skip
"""Our field -> HubSpot's default contact property."""

Document = Mapping[str, Any]


@dataclass(kw_only=True)
class Upserted:
    """What an answer says about each lead sent, by `_id`. new: of those taken, how many contacts are new."""

    done: list[Any] = field(default_factory=list)
    new: int = 0
    errors: dict[Any, str] = field(default_factory=dict)


def upsert(caller: VendorClient, leads: Sequence[Document], id_property: str = "email") -> VendorResponse:
    """Send leads, told apart by `email` or `linkedin_url` (a unique property that HubSpot must have been given)."""
    inputs = [
        {"id": lead[id_property], "idProperty": id_property, "objectWriteTraceId": str(lead["_id"]),
         "properties": _properties(lead, id_property)}
        for lead in leads
    ]  # fmt: skip
    return caller.post("/crm/v3/objects/contacts/batch/upsert", {"inputs": inputs})


def _properties(lead: Document, id_property: str) -> dict[str, str]:
    first, _, last = lead.get("full_name", "").partition(" ")
    named = {"firstname": first, "lastname": last} | {theirs: lead.get(ours) for ours, theirs in FIELDS.items()}
    if id_property not in FIELDS:
        named[id_property] = lead[id_property]
    return {name: str(value) for name, value in named.items() if value}


def taken(leads: Sequence[Document], answer: VendorResponse, id_property: str = "email") -> Upserted:
    """What of `leads` HubSpot took, by trace or by the unique property's value. What it does not name it has not
    taken: that is sent again, which an upsert bears."""
    by_trace = {str(lead["_id"]): lead["_id"] for lead in leads}
    by_value = {str(lead[id_property]).lower(): lead["_id"] for lead in leads}

    def whose(item: Any, *ways: Any) -> Any:
        found = by_trace.get(str(inside(item, "objectWriteTraceId")))
        return found or next((hit for way in ways if (hit := by_value.get(str(way).lower()) or by_trace.get(str(way)))),
                             None)  # fmt: skip

    said = Upserted()
    for item in _list(answer.at("results")):
        lead = whose(item, inside(item, "properties", id_property))
        if lead is not None and lead not in said.done:
            said.done.append(lead)
            said.new += inside(item, "new") is True
    done = set(said.done)
    for error in _list(answer.at("errors")):
        context = inside(error, "context")
        named = [one for value in context.values() for one in _list(value)] if isinstance(context, Mapping) else []
        for lead in {whose(None, one) for one in named} - done - {None}:
            said.errors[lead] = _word(error)
    for lead in leads:
        if lead["_id"] not in done:
            said.errors.setdefault(lead["_id"], "not confirmed")
    return said


def is_daily_limit(answer: VendorResponse) -> bool:
    """True when the day's calls are used up: waiting some seconds does not help."""
    return answer.status == 429 and answer.at("policyName") == "DAILY"


def missing_property(answer: VendorResponse) -> str:
    """Name of a property that HubSpot does not have, for which it refuses every contact; empty otherwise."""
    if answer.status != 400:
        return ""
    for error in _list(answer.at("errors")):
        if inside(error, "code") == "PROPERTY_DOESNT_EXIST":
            return next(iter(map(str, _list(inside(error, "context", "propertyName")))), "?")[:100]
    return ""


def refusal(answer: VendorResponse) -> str:
    """Why one contact was refused, in HubSpot's word for it; its message may hold personal data."""
    return f"{_word(answer.body)} ({answer.status})"


def _word(said: Any) -> str:
    word = inside(said, "category")
    return word[:100] if isinstance(word, str) and word else "refused"


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()
