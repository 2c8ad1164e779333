"""The vendors' answers in their documented shapes. Everything in them follows from what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadbook.rehearsal.sandbox.faults import part

Reply = tuple[int, dict[str, str], Any]
"""Status, headers, JSON."""

INDUSTRIES = ("Internet Software & Services", "Retailing", "Media", "Hotels, Restaurants & Leisure")
SIZES = ("1-10", "11-50", "51-250", "251-1K")

_HUNTER = {
    202: "verification_in_progress", 222: "verification_failed", 400: "wrong_params", 401: "authentication_failed",
    403: "too_many_requests", 404: "not_found", 422: "invalid_email", 429: "usage_limit_reached", 451: "claimed_email",
}  # fmt: skip
_CLEARBIT = {202: "queued", 401: "auth_required", 402: "over_quota", 404: "unknown_record", 422: "email_invalid",
             429: "rate_limit"}  # fmt: skip
_HUBSPOT = {
    400: "VALIDATION_ERROR", 401: "INVALID_AUTHENTICATION", 403: "MISSING_SCOPES", 409: "CONFLICT", 423: "LOCKED",
    429: "RATE_LIMITS", 477: "MIGRATION_IN_PROGRESS",
}  # fmt: skip


def error(vendor: str, status: int, details: str = "made by the sandbox") -> Reply:
    """A vendor's error in its own shape."""
    if vendor == "hunter":
        return status, {}, {"errors": [{"id": _HUNTER.get(status, "server_error"), "code": status, "details": details}]}
    if vendor == "clearbit":
        limit = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "0", "Retry-After": "0.05"}
        body = {"error": {"type": _CLEARBIT.get(status, "server_error"), "message": details}}
        return status, limit if status == 429 else {}, body
    said = {"status": "error", "message": details, "correlationId": f"sandbox-{status}",
            "category": _HUBSPOT.get(status, "SERVER_ERROR")}  # fmt: skip
    if status == 429:
        said |= {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}
    return status, {"Retry-After": "0.05"} if status in (429, 477) else {}, said


def found(query: Mapping[str, str]) -> Reply:
    """Hunter's email-finder: seven of ten people have an e-mail, most of them verified already."""
    name, company = query.get("full_name", ""), query.get("company") or ""
    domain = query.get("domain") or f"{_slug(company)}.example"
    if not name or not (query.get("domain") or company):
        return error("hunter", 400, "full_name and domain or company are needed")
    share = part("finder", name, domain)
    first, _, last = name.partition(" ")
    local = ".".join(word for word in map(_slug, (first, last)) if word)
    email = f"{local}@{domain}" if local and share < 0.7 else None
    data: dict[str, Any] = {
        "first_name": first, "last_name": last, "email": email, "domain": domain, "accept_all": False,
        "score": round(100 * (1 - share)) if email else None, "position": None, "twitter": None, "linkedin_url": None,
        "phone_number": None, "company": company or None, "sources": [],
        "verification": {"date": None, "status": "valid" if share < 0.4 else None},
    }  # fmt: skip
    return 200, {}, {"data": data, "meta": {"params": dict(query)}}


def verified(query: Mapping[str, str]) -> Reply:
    """Hunter's email-verifier."""
    email = query.get("email", "")
    if "@" not in email:
        return error("hunter", 400, "email is needed")
    share = part("verifier", email)
    status = "valid" if share < 0.7 else "accept_all" if share < 0.85 else "unknown" if share < 0.9 else "invalid"
    data = {"status": status, "score": round(100 * (1 - share)), "email": email, "regexp": True, "gibberish": False,
            "disposable": False, "webmail": False, "mx_records": True, "smtp_check": status == "valid"}  # fmt: skip
    return 200, {}, {"data": data, "meta": {"params": dict(query)}}


def _company(query: Mapping[str, str]) -> dict[str, Any]:
    domain = query.get("email", "@none.example").rpartition("@")[2]
    share = part("company", domain)
    return {
        "name": domain.partition(".")[0].replace("-", " ").title(), "domain": domain,
        "category": {"sector": "Information Technology", "industry": INDUSTRIES[int(share * 4)]},
        "metrics": {"employees": round(share * 900) + 1, "employeesRange": SIZES[int(share * 4)]},
    }  # fmt: skip


def hunter_combined(query: Mapping[str, str]) -> Reply:
    """Hunter's combined enrichment."""
    company = _company(query)
    company["metrics"] = {"employees": company["metrics"]["employeesRange"]}
    return 200, {}, {"data": {"person": {"email": query.get("email")}, "company": company}, "meta": {}}


def clearbit_combined(query: Mapping[str, str]) -> Reply:
    """Clearbit's combined look-up."""
    limit = {"X-RateLimit-Limit": "600", "X-RateLimit-Remaining": "599"}
    return 200, limit, {"person": {"email": query.get("email")}, "company": _company(query)}


def _slug(text: str) -> str:
    word = "-".join("".join(filter(lambda c: c.isascii() and c.isalnum(), part)) for part in text.lower().split())
    return word.strip("-")
