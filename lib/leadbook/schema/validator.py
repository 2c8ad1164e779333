"""The lead document: its fields, its `$jsonSchema` validator, its defaults and timestamps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["DEFAULTS", "FIELDS", "REQUIRED", "TIMESTAMPS", "FieldSpec", "validator"]


@dataclass(frozen=True, kw_only=True)
class FieldSpec:
    """One field of a lead.

    types: BSON type aliases that the validator accepts, the first being what this project writes.
    max_length: characters.  minimum, maximum: bounds of a number.
    default: set on insert; None where the field is left out.
    """

    name: str
    types: tuple[str, ...]
    meaning: str
    required: bool = False
    max_length: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    default: Any = None

    def rule(self) -> dict[str, Any]:
        """The field's entry in `$jsonSchema.properties`."""
        rule: dict[str, Any] = {"bsonType": self.types[0] if len(self.types) == 1 else list(self.types)}
        bounds = {"maxLength": self.max_length, "minimum": self.minimum, "maximum": self.maximum}
        rule |= {key: value for key, value in bounds.items() if value is not None}
        if self.required:
            rule["description"] = f"{self.meaning} - required"
        return rule


def _text(name: str, length: int, meaning: str, *, required: bool = False) -> FieldSpec:
    return FieldSpec(name=name, types=("string",), max_length=length, meaning=meaning, required=required)


def _flag(name: str, meaning: str) -> FieldSpec:
    return FieldSpec(name=name, types=("bool",), meaning=meaning, default=False)


def _date(name: str, meaning: str, *, nullable: bool = False) -> FieldSpec:
    return FieldSpec(name=name, types=("date", "null") if nullable else ("date",), meaning=meaning)


FIELDS: tuple[FieldSpec, ...] = (
    _text("linkedin_url", 500, "LinkedIn profile URL, canonical and unique", required=True),
    _text("full_name", 255, "Full name", required=True),
    _text("job_title", 255, "Job title", required=True),
    _text("company_name", 255, "Company name", required=True),
    _text("location_city", 100, "City"),
    _text("location_state", 50, "State or region"),
    _text("location_country", 50, "Country"),
    _text("email", 255, "E-mail, unique where present; left out when unknown, never null"),
    _text("phone", 50, "Phone number"),
    _text("company_website", 255, "Company website"),
    _text("company_industry", 100, "Company industry"),
    _text("company_size", 50, "Company size"),
    _text("data_source", 50, "Vendor the lead came from"),
    _date("data_collected_date", "When the lead was collected"),
    FieldSpec(
        name="data_quality_score", types=("int", "null"), minimum=0, maximum=100,
        meaning="Quality score; left out until it is computed, null accepted from other writers",
    ),
    _flag("is_qualified", "Passes the qualification rule"),
    _flag("email_verified", "E-mail verified by a vendor"),
    _flag("crm_synced", "Sent to the CRM"),
    _date("crm_sync_date", "When it was sent to the CRM; left out until then, null accepted from other writers",
          nullable=True),
    _date("created_at", "When the document was inserted"),
    _date("updated_at", "When the document was last changed"),
    FieldSpec(name="additional_data", types=("object",), meaning="Vendor fields that have no place above"),
)  # fmt: skip
"""The lead document in the task book's order (task 1.1.2). `null` is accepted only where the task book writes it."""

REQUIRED: tuple[str, ...] = tuple(field.name for field in FIELDS if field.required)
"""Fields that every lead has."""

DEFAULTS: Mapping[str, Any] = {field.name: field.default for field in FIELDS if field.default is not None}
"""Values set on insert where the record says nothing. `data_quality_score` and `crm_sync_date` are left out instead."""

TIMESTAMPS: Mapping[str, tuple[str, ...]] = {
    "insert": ("created_at", "updated_at", "data_collected_date"),
    "update": ("updated_at",),
}
"""Fields set to the current UTC time on insert and on update."""


def validator() -> dict[str, Any]:
    """The leads' validator: the task book's `$jsonSchema`, which also accepts the nulls that its defaults write."""
    return {
        "$jsonSchema": {
            "bsonType": "object",
            "required": list(REQUIRED),
            "properties": {field.name: field.rule() for field in FIELDS},
        }
    }
