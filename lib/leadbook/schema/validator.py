"""The leads' `$jsonSchema` validator, made from the table of their fields."""

from __future__ import annotations

from typing import Any

from leadbook.lead.fields import FIELDS, REQUIRED, Field


def validator() -> dict[str, Any]:
    """The leads' validator: the task book's `$jsonSchema`, which also accepts the nulls that its defaults write."""
    properties = {field.name: _rule(field) for field in FIELDS}
    return {"$jsonSchema": {"bsonType": "object", "required": list(REQUIRED), "properties": properties}}


def _rule(field: Field) -> dict[str, Any]:
    bounds = {"maxLength": field.length, "minimum": field.minimum, "maximum": field.maximum}
    rule: dict[str, Any] = {"bsonType": field.types[0] if len(field.types) == 1 else list(field.types)}
    rule |= {key: value for key, value in bounds.items() if value is not None}
    return rule | ({"description": f"{field.meaning} - required"} if field.required else {})
