"""What a lead must have. Each refusal has a stable code; the first one is the ledger's reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leadbook.ingest.normalize.clean import Cleaned
from leadbook.lead.fields import REQUIRED

REASONS = {
    "broken_json": "the record is no JSON",
    "broken_csv": "a quote in the row is never closed",
    "not_an_object": "the record is JSON, but no object with columns",
    "too_large": "the record is larger than a document can be",
    "blank_record": "every column is empty",
    "vendor_error": "the vendor reports an error instead of a person",
    "invalid_linkedin_url": "the address is no LinkedIn profile",
    "not_a_person": "a company's page or name",
    "missing_linkedin_url": "no LinkedIn address",
    "missing_full_name": "no name",
    "missing_job_title": "no job title, and no headline that holds one",
    "missing_company_name": "no company, and no headline that names one",
}
"""Every reason code, with its meaning; in order of precedence."""


def reject_reasons(lead: Mapping[str, Any], cleaned: Cleaned) -> tuple[str, ...]:
    """Why `lead` cannot be stored, most telling first; empty when it can. An invalid e-mail or phone is no reason."""
    if not cleaned.problems and all(lead.get(field) for field in REQUIRED):
        return ()
    missing = {f"missing_{field}" for field in REQUIRED if not lead.get(field)}
    if cleaned.problems:
        missing.discard("missing_linkedin_url")
    reasons = {*cleaned.problems, *missing}
    return tuple(code for code in REASONS if code in reasons)
