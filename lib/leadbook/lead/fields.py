"""The lead's fields, once: what each holds, its BSON types, its bounds, whether it is required, and how it is indexed.

The validator, the indexes on single fields, the pipeline's required fields and its lengths are all taken from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a lead.

    types: BSON type aliases that the validator accepts, the first being what this project writes.
    length: most characters of a text.  minimum, maximum: bounds of a number.
    index: options of the index on this field alone, `plain` for none; empty where it has no such index.
    default: set on insert; None where the field is left out.  now: the writes that set it to the current UTC time.
    """

    name: str
    types: tuple[str, ...]
    meaning: str
    required: bool = False
    length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    index: str = ""
    default: Any = None
    now: tuple[str, ...] = ()


def _text(name: str, length: int, meaning: str, *, required: bool = False, index: str = "") -> Field:
    return Field(name=name, types=("string",), length=length, meaning=meaning, required=required, index=index)


def _flag(name: str, meaning: str, *, index: str = "") -> Field:
    return Field(name=name, types=("bool",), meaning=meaning, default=False, index=index)


def _date(name: str, meaning: str, *now: str, types: tuple[str, ...] = ("date",), index: str = "") -> Field:
    return Field(name=name, types=types, meaning=meaning, index=index, now=now)


MAX_SCORE = 100
"""Most of `data_quality_score`."""

FIELDS: tuple[Field, ...] = (
    _text("linkedin_url", 500, "LinkedIn profile URL, canonical and unique", required=True, index="unique"),
    _text("full_name", 255, "Full name", required=True),
    _text("job_title", 255, "Job title", required=True, index="plain"),
    _text("company_name", 255, "Company name", required=True, index="plain"),
    _text("location_city", 100, "City"),
    _text("location_state", 50, "State or region", index="plain"),
    _text("location_country", 50, "Country"),
    _text("email", 255, "E-mail, unique where present; left out when unknown, never null", index="unique sparse"),
    _text("phone", 50, "Phone number"),
    _text("company_website", 255, "Company website"),
    _text("company_industry", 100, "Company industry"),
    _text("company_size", 50, "Company size"),
    _text("data_source", 50, "Vendor the lead came from"),
    _date("data_collected_date", "When the lead was collected", "insert", index="plain"),
    Field(
        name="data_quality_score", types=("int", "null"), minimum=0, maximum=MAX_SCORE,
        meaning="Quality score; left out until it is computed, null accepted from other writers",
    ),
    _flag("is_qualified", "Passes the qualification rule", index="plain"),
    _flag("email_verified", "E-mail verified by a vendor"),
    _flag("crm_synced", "Sent to the CRM", index="plain"),
    _date("crm_sync_date", "When it was sent to the CRM; left out until then, null accepted from other writers",
          types=("date", "null")),
    _date("created_at", "When the document was inserted", "insert"),
    _date("updated_at", "When the document was last changed", "insert", "update"),
    Field(name="additional_data", types=("object",), meaning="Vendor fields that have no place above"),
)  # fmt: skip
"""The lead document in the task book's order (task 1.1.2). `null` is accepted only where the task book writes it."""

REQUIRED: tuple[str, ...] = tuple(field.name for field in FIELDS if field.required)
"""Fields that every lead has."""

LENGTHS: Mapping[str, int] = {field.name: field.length for field in FIELDS if field.length}
"""Most characters of each text field."""

INDEXED: Mapping[str, frozenset[str]] = {
    field.name: frozenset(field.index.split()) - {"plain"} for field in FIELDS if field.index
}
"""Fields with an index of their own, and its options: unique, sparse."""

DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in FIELDS if field.default is not None}
"""Values set on insert where the record says nothing. `data_quality_score` and `crm_sync_date` are left out instead."""

TIMESTAMPS: Mapping[str, tuple[str, ...]] = {
    write: tuple(field.name for field in FIELDS if write in field.now) for write in ("insert", "update")
}
"""Fields set to the current UTC time on insert and on update."""
