"""Enrichment of new leads by Hunter and Clearbit: fills what is missing, never overwrites, never loses a lead.

Runs after the duplicate check, so that duplicates cost nothing. Up to three questions a lead: its e-mail (by name and
company), whether an unverified e-mail can receive mail, and its company (by e-mail). Each question has one outcome,
counted. A lead whose person asked the vendor for erasure (451) is dropped, and its payload is not kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pymongo.collection import Collection

from leadbook.core.settings import Settings
from leadbook.enrich import clearbit, hunter
from leadbook.enrich.client import VendorClient
from leadbook.enrich.limits import Budget
from leadbook.enrich.response import Meaning, VendorResponse, inside
from leadbook.enrich.services import Services
from leadbook.lead import companies
from leadbook.lead.fields import LENGTHS
from leadbook.lead.texts import cut

ERASED = "erasure_request"
"""The ledger's reason for a lead that must not be stored."""

ENRICHED, NOT_FOUND, FAILED, SKIPPED = "enriched", "not found", "failed", "skipped"

_SKIPS = frozenset({Meaning.CAPPED, Meaning.UNSURE, Meaning.PAUSED, Meaning.SPENT, Meaning.DENIED})

COMPANY = ("company_website", "company_industry", "company_size")

FREE_MAIL = re.compile(
    r"(?:gmail|googlemail|hotmail|outlook|live|msn|yahoo|ymail|aol|icloud|me|mac|gmx|web|proton|protonmail|mail|yandex"
    r"|zoho|qq|163|126|orange|wanadoo|free|laposte|libero|t-online|comcast|verizon|att|rediffmail)"
    r"\.(?:com?|net|org|me|de|fr|it|es|nl|ch|at|in|ru|cn|br|ca|uk|au|jp)(?:\.[a-z]{2})?"
)
"""Domains that say nothing about a company."""


@dataclass(frozen=True, kw_only=True)
class Enrichment:
    """What enrichment did. erased: positions of leads to drop.  enriched: leads that gained something.

    questions: outcome -> questions; outcomes are `enriched`, `not found`, `failed: why`, `skipped: why` and `erased`,
    and every question has one.  spent_usd: at most.
    """

    erased: frozenset[int] = frozenset()
    enriched: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    spent_usd: float = 0.0


class Enricher:
    """Asks the services about leads. spending: MongoDB collection in which all workers share rate and budget.

    pause_s: first wait between attempts.
    """

    def __init__(
        self, services: Services, settings: Settings, spending: Collection[dict[str, Any]], *, pause_s: float = 0.5
    ) -> None:
        self.settings = settings
        self.budget = Budget(spending, cap_usd=settings.enrichment_budget_usd, prices=prices(settings))
        shared: dict[str, Any] = {
            "limit": self.budget, "pause_s": pause_s, "attempts": settings.enrichment_attempts,
            "timeout_s": settings.enrichment_timeout_s,
        }  # fmt: skip
        theirs, clear = services.hunter, services.clearbit
        self.hunter = VendorClient(theirs, hunter.MEANINGS, bills=hunter.bills, **shared) if theirs else None
        self.clearbit = VendorClient(clear, clearbit.MEANINGS, bills=clearbit.bills, **shared) if clear else None

    def close(self) -> None:
        """Close connections."""
        for caller in filter(None, (self.hunter, self.clearbit)):
            caller.close()

    def enrich(self, leads: Sequence[dict[str, Any]]) -> Enrichment:
        """Fill what `leads` lack, in place and concurrently. Never raises; what could not be asked stays as it was."""
        spent = self.budget.spent_usd
        pool = ThreadPoolExecutor(self.settings.enrichment_concurrency)
        try:
            asked = list(pool.map(self._one, leads))
        finally:
            pool.shutdown(cancel_futures=True)  # after Ctrl-C nobody else is asked
        questions = Counter(said for one in asked for said in one.said)
        return Enrichment(
            erased=frozenset(index for index, one in enumerate(asked) if one.erased),
            enriched=sum(1 for one in asked if one.gave and not one.erased), questions=questions,
            spent_usd=self.budget.spent_usd - spent,
        )  # fmt: skip

    def _one(self, lead: dict[str, Any]) -> _Asked:
        asked = _Asked(lead)
        for question in (self._email, self._verified, self._company):
            if not asked.erased:
                try:
                    question(asked)
                except Exception as error:  # noqa: BLE001  (never lost: whatever a vendor sent, the lead goes on)
                    asked.said.append(f"{FAILED}: {type(error).__name__}")
        if asked.gave:
            lead.setdefault("additional_data", {})["enriched_by"] = list(dict.fromkeys(asked.gave))
        return asked

    # ------------------------------------------------------------------------------------------- questions

    def _email(self, asked: _Asked) -> None:
        lead = asked.lead
        if lead.get("email") or self.hunter is None:
            return
        if not hunter.can_find(lead):
            asked.skip("too little to ask by")
            return
        answer = hunter.find(self.hunter, lead)
        found = hunter.email_of(answer) if answer.meaning is Meaning.FOUND else None
        if found is None:
            asked.without(answer)
            return
        status = found.status or self._status(found.email, asked)
        if asked.erased:
            return
        if status == "invalid":
            asked.said.append(NOT_FOUND)
            return
        extra = lead.setdefault("additional_data", {})
        extra |= {"email_source": "hunter", "email_score": found.score} | ({"email_status": status} if status else {})
        lead["email"], lead["email_verified"] = found.email, status == "valid"
        asked.take("hunter")

    def _verified(self, asked: _Asked) -> None:
        lead = asked.lead
        extra = lead.get("additional_data") or {}
        if not lead.get("email") or lead.get("email_verified") or extra.get("email_source") == "hunter":
            return
        status = self._status(lead["email"], asked)
        if status and not asked.erased:
            lead["email_verified"] = status == "valid"
            lead.setdefault("additional_data", {})["email_status"] = status
            asked.gave.append("hunter")

    def _status(self, email: str, asked: _Asked) -> str:
        """The verifier's verdict; counts the question."""
        if self.hunter is None or not self.settings.enrichment_verify:
            return ""
        answer = hunter.verify(self.hunter, email)
        status = hunter.status_of(answer) if answer.meaning is Meaning.FOUND else ""
        if status:
            asked.said.append(ENRICHED)
        else:
            asked.without(answer)
        return status

    def _company(self, asked: _Asked) -> None:
        lead = asked.lead
        if all(lead.get(name) for name in COMPANY):
            return
        vendor, caller = (clearbit, self.clearbit) if self.clearbit is not None else (hunter, self.hunter)
        if caller is None:
            return
        email = lead.get("email") or ""
        if not email or FREE_MAIL.fullmatch(email.rpartition("@")[2]):
            asked.skip("too little to ask by")
            return
        answer = vendor.look_up(caller, email)
        new = _additions(lead, vendor.company_of(answer)) if answer.meaning is Meaning.FOUND else {}
        if not new:
            asked.without(answer)
            return
        lead.update(new)
        asked.take(caller.service.name)


class _Asked:
    """A lead and what was asked about it. said: outcomes of questions.  gave: vendors that filled something."""

    def __init__(self, lead: dict[str, Any]) -> None:
        self.lead = lead
        self.said: list[str] = []
        self.gave: list[str] = []
        self.erased = False

    def take(self, vendor: str) -> None:
        """The vendor filled something."""
        self.said.append(ENRICHED)
        self.gave.append(vendor)

    def skip(self, why: str) -> None:
        """Nobody was asked."""
        self.said.append(f"{SKIPPED}: {why}")

    def without(self, answer: VendorResponse) -> None:
        """The answer gave nothing."""
        if answer.meaning is Meaning.ERASE:
            self.erased = True
            self.said.append("erased")
        elif answer.meaning in (Meaning.FOUND, Meaning.NOTHING):
            self.said.append(NOT_FOUND)
        else:
            self.said.append(f"{SKIPPED if answer.meaning in _SKIPS else FAILED}: {answer.meaning}")


def batch_seconds(settings: Settings) -> float:
    """How long a batch may take at the set rate, s, with every worker asking three questions about each lead."""
    return 3.0 * settings.batch_size * settings.writers / settings.enrichment_per_second


def prices(settings: Settings) -> dict[str, float]:
    """Price in USD of each call that costs something."""
    return {
        "hunter/email-finder": settings.hunter_finder_usd, "hunter/email-verifier": settings.hunter_verifier_usd,
        "hunter/combined": settings.company_usd, "clearbit/combined": settings.company_usd,
    }  # fmt: skip


def _additions(lead: Mapping[str, Any], company: Any) -> dict[str, str]:
    """What `company` adds to a lead that works there; nothing when it is another company (a former employer's
    e-mail)."""
    if not _same(lead, company):
        return {}
    size = inside(company, "metrics", "employeesRange") or inside(company, "metrics", "employees")
    found = {
        "company_website": companies.website(inside(company, "domain")),
        "company_industry": companies.industry(_text(inside(company, "category", "industry"))),
        "company_size": companies.size(_text(size)),
    }
    return {name: cut(value, LENGTHS[name]) for name, value in found.items() if value and not lead.get(name)}


def _same(lead: Mapping[str, Any], company: Any) -> bool:
    ours, theirs = _host(lead.get("company_website")), _host(companies.website(inside(company, "domain")))
    if ours and theirs:
        return ours == theirs or ours.endswith(f".{theirs}") or theirs.endswith(f".{ours}")
    one, other = _plain(lead.get("company_name")), _plain(inside(company, "name"))
    return bool(one and other) and (one.startswith(other) or other.startswith(one))


def _host(address: Any) -> str:
    return (urlsplit(address).hostname or "").removeprefix("www.") if isinstance(address, str) else ""


def _plain(name: Any) -> str:
    return "".join(filter(str.isalnum, name.casefold())) if isinstance(name, str) else ""


def _text(value: Any) -> str:
    return str(value) if isinstance(value, str | int) else ""
