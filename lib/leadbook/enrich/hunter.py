"""Hunter: e-mails of people by name and company, whether an e-mail can receive mail, a person's company.

From its API documentation, v2: 403 is the rate limit (wait), 429 the quota (stop), 451 a person's request for
erasure, 202 and 222 a verification that is not done yet. Charged is what was found, never what was not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from leadbook.enrich.client import VendorClient
from leadbook.enrich.response import Meaning, VendorResponse, inside
from leadbook.lead import emails
from leadbook.lead.companies import SELF_EMPLOYED

MEANINGS = {
    200: Meaning.FOUND, 202: Meaning.PENDING, 222: Meaning.AGAIN, 400: Meaning.INVALID, 401: Meaning.DENIED,
    403: Meaning.AGAIN, 404: Meaning.NOTHING, 422: Meaning.INVALID, 429: Meaning.SPENT, 451: Meaning.ERASE,
}  # fmt: skip

STATUSES = frozenset({"valid", "invalid", "accept_all", "webmail", "disposable", "unknown"})


class Found(NamedTuple):
    """An e-mail of the finder. score: Hunter's confidence, 0 to 100.  status: of STATUSES, empty if not verified."""

    email: str
    score: int
    status: str


def can_find(lead: Mapping[str, Any]) -> bool:
    """Whether there is enough to ask the finder by: a name of two parts, and a company that is one."""
    company = lead.get("company_website") or lead.get("company_name", SELF_EMPLOYED) != SELF_EMPLOYED
    return bool(company) and " " in lead.get("full_name", "")


def find(caller: VendorClient, lead: Mapping[str, Any]) -> VendorResponse:
    """Ask for the e-mail of a lead that `can_find`."""
    host = urlsplit(lead.get("company_website") or "").hostname
    company = {"domain": host.removeprefix("www.")} if host else {"company": lead["company_name"]}
    return caller.get("/v2/email-finder", full_name=lead["full_name"], **company)


def email_of(answer: VendorResponse) -> Found | None:
    """The e-mail in the finder's answer, None when there is none."""
    text = answer.at("data", "email")
    good, _ = emails.parse(text) if isinstance(text, str) else ([], [])
    if not good:
        return None
    score = answer.at("data", "score")
    known = isinstance(score, int) and 0 <= score <= 100
    return Found(good[0].key, score if known else 0, _status(answer.at("data", "verification", "status")))


def verify(caller: VendorClient, email: str) -> VendorResponse:
    """Ask whether an e-mail can receive mail."""
    return caller.get("/v2/email-verifier", email=email)


def status_of(answer: VendorResponse) -> str:
    """The verifier's verdict, one of STATUSES; empty when there is none."""
    return _status(answer.at("data", "status"))


def look_up(caller: VendorClient, email: str) -> VendorResponse:
    """Ask for the company of the person who has this e-mail."""
    return caller.get("/v2/combined/find", email=email)


def company_of(answer: VendorResponse) -> Any:
    """The company in the answer of `look_up`."""
    return inside(answer.body, "data", "company")


def bills(call: str, answer: VendorResponse) -> bool:
    """Whether Hunter charges for an answer: for an e-mail or a company found, and for a verdict."""
    if answer.meaning is not Meaning.FOUND:
        return False
    return call != "email-finder" or email_of(answer) is not None


def _status(said: Any) -> str:
    return said if isinstance(said, str) and said in STATUSES else ""
