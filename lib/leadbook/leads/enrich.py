"""Enrichment of new leads by Hunter and Clearbit: fills what is missing, never overwrites, never loses a lead.

Runs after the duplicate check, so that duplicates cost nothing. A lead whose person asked the vendor for erasure
(451) is dropped, and its payload is not kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from leadbook.leads import companies, emails
from leadbook.leads.calls import Answer, Budget, Caller, Meaning
from leadbook.leads.draft import LENGTHS
from leadbook.leads.services import Services

__all__ = ["CLEARBIT_MEANINGS", "ERASED", "HUNTER_MEANINGS", "Enricher", "Enrichment"]

ERASED = "erasure_request"
"""The ledger's reason for a lead that must not be stored."""

HUNTER_MEANINGS = {
    200: Meaning.FOUND, 202: Meaning.PENDING, 222: Meaning.AGAIN, 400: Meaning.INVALID, 401: Meaning.DENIED,
    403: Meaning.AGAIN, 404: Meaning.NOTHING, 422: Meaning.INVALID, 429: Meaning.SPENT, 451: Meaning.ERASE,
}  # fmt: skip
"""Hunter's own sense of 403 (rate limit: wait) and 429 (quota spent: stop), of its API documentation."""

CLEARBIT_MEANINGS = {
    200: Meaning.FOUND, 202: Meaning.PENDING, 401: Meaning.DENIED, 402: Meaning.SPENT, 404: Meaning.NOTHING,
    422: Meaning.INVALID, 429: Meaning.AGAIN, 451: Meaning.ERASE,
}  # fmt: skip

CONCURRENT = 8


@dataclass(frozen=True, kw_only=True)
class Enrichment:
    """What enrichment did to a batch. erased: positions of leads to drop.  enriched: leads that gained something.
    answers: `vendor: meaning (status)` -> calls."""

    erased: frozenset[int] = frozenset()
    enriched: int = 0
    answers: Counter[str] = field(default_factory=Counter)


class Enricher:
    """Asks the services about leads. max_calls and workers: this worker's share of the run's budget and of the rate."""

    def __init__(self, services: Services, *, max_calls: int, workers: int = 1, pause_s: float = 0.5) -> None:
        budget = Budget(max_calls // workers)
        shared: dict[str, Any] = {"budget": budget, "workers": workers, "pause_s": pause_s}
        self.hunter = Caller(services.hunter, HUNTER_MEANINGS, **shared) if services.hunter else None
        self.clearbit = Caller(services.clearbit, CLEARBIT_MEANINGS, **shared) if services.clearbit else None

    def close(self) -> None:
        """Close connections."""
        for caller in (self.hunter, self.clearbit):
            if caller is not None:
                caller.close()

    def enrich(self, leads: Sequence[dict[str, Any]]) -> Enrichment:
        """Fill what `leads` lack, in place and concurrently. Never raises; what could not be asked stays as it was."""
        before = self._counts()
        with ThreadPoolExecutor(CONCURRENT) as pool:
            results = list(pool.map(self._one, leads))
        return Enrichment(
            erased=frozenset(index for index, said in enumerate(results) if said is None),
            enriched=sum(1 for said in results if said), answers=self._counts() - before,
        )  # fmt: skip

    def _counts(self) -> Counter[str]:
        callers = [caller for caller in (self.hunter, self.clearbit) if caller is not None]
        return Counter({f"{one.service.name}: {said}": n for one in callers for said, n in one.counts.items()})

    def _one(self, lead: dict[str, Any]) -> list[str] | None:
        """Vendors that gave this lead something; None when it must be dropped."""
        gave: list[str] = []
        if self.hunter is not None:
            answers = [self._find_email(lead)] if "email" not in lead else [self._verify(lead)]
            if any(answer is not None and answer.meaning is Meaning.ERASE for answer in answers):
                return None
            if lead.pop("_enriched", False):
                gave.append("hunter")
        if self.clearbit is not None and "email" in lead and _lacks_company(lead):
            answer = self.clearbit.get("/v2/combined/find", email=lead["email"])
            if answer.meaning is Meaning.ERASE:
                return None
            if answer.meaning is Meaning.FOUND and _take_company(lead, answer.body):
                gave.append("clearbit")
        if gave:
            lead.setdefault("additional_data", {})["enriched_by"] = gave
        return gave

    def _find_email(self, lead: dict[str, Any]) -> Answer | None:
        assert self.hunter is not None  # noqa: S101
        host = urlsplit(lead.get("company_website", "")).hostname
        company = {"domain": host.removeprefix("www.")} if host else {"company": lead["company_name"]}
        answer = self.hunter.get("/v2/email-finder", full_name=lead["full_name"], **company)
        data = _data(answer)
        good, _ = emails.parse(str(data.get("email") or ""))
        if answer.meaning is Meaning.FOUND and good:
            lead["email"], lead["_enriched"] = good[0].key, True
            extra = lead.setdefault("additional_data", {})
            extra["email_source"], extra["email_score"] = "hunter", data.get("score")
            lead["email_verified"] = (data.get("verification") or {}).get("status") == "valid"
        return answer

    def _verify(self, lead: dict[str, Any]) -> Answer | None:
        if lead.get("email_verified"):
            return None
        assert self.hunter is not None  # noqa: S101
        answer = self.hunter.get("/v2/email-verifier", email=lead["email"])
        status = _data(answer).get("status")
        if answer.meaning is Meaning.FOUND and isinstance(status, str):
            lead["email_verified"], lead["_enriched"] = status == "valid", True
            lead.setdefault("additional_data", {})["email_status"] = status[:50]
        return answer


def _data(answer: Answer) -> dict[str, Any]:
    data = answer.body.get("data") if isinstance(answer.body, dict) else None
    return data if isinstance(data, dict) else {}


def _lacks_company(lead: dict[str, Any]) -> bool:
    return any(name not in lead for name in ("company_website", "company_industry", "company_size"))


def _take_company(lead: dict[str, Any], body: Any) -> bool:
    """Company fields of Clearbit's answer that the lead lacks; whether there was one."""
    company = body.get("company") if isinstance(body, dict) else None
    if not isinstance(company, dict):
        return False
    category, metrics = company.get("category") or {}, company.get("metrics") or {}
    found = {
        "company_website": companies.website(str(company.get("domain") or "")),
        "company_industry": companies.industry(str(category.get("industry") or "")),
        "company_size": companies.size(str(metrics.get("employeesRange") or metrics.get("employees") or "")),
    }
    new = {name: value[: LENGTHS[name]] for name, value in found.items() if value and name not in lead}
    lead.update(new)
    return bool(new)
