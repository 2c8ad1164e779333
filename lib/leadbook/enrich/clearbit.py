"""Clearbit: the company of a person by e-mail. No new keys since 2023; who has one may use it.

From its API documentation: 202 is queued (ask again), 402 over quota, 404 unknown, 422 an invalid e-mail, 429 the rate
limit with X-RateLimit headers. Charged are 200, 202 and 404.
"""

from __future__ import annotations

from typing import Any

from leadbook.enrich.client import VendorClient
from leadbook.enrich.response import Meaning, VendorResponse

MEANINGS = {
    200: Meaning.FOUND, 202: Meaning.PENDING, 401: Meaning.DENIED, 402: Meaning.SPENT, 404: Meaning.NOTHING,
    422: Meaning.INVALID, 429: Meaning.AGAIN, 451: Meaning.ERASE,
}  # fmt: skip


def look_up(caller: VendorClient, email: str) -> VendorResponse:
    """Ask for the company of the person who has this e-mail."""
    return caller.get("/v2/combined/find", email=email)


def company_of(answer: VendorResponse) -> Any:
    """The company in the answer of `look_up`."""
    return answer.at("company")


def bills(call: str, answer: VendorResponse) -> bool:
    """Whether Clearbit charges for an answer. A queued one that is asked for again counts twice here, once there."""
    return answer.status in (200, 202, 404)
