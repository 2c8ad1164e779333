"""A lead in the making: the vendor's values by what they mean, and what has been found out so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from leadbook.lead.extras import safe_key, storable
from leadbook.lead.fields import LENGTHS
from leadbook.lead.texts import cut, is_placeholder
from leadbook.lead.vendors import Vendor

RESERVED = frozenset(
    {
        *("flags", "quality_points", "email_conflict", "linkedin_member_id", "linkedin_url_others", "email_in_title"),
        *("email_original", "email_status", "other_emails", "other_phones", "location_original", "full_name_original"),
        *("job_title_original", "company_name_original", "company_industry_original", "company_size_original"),
        *("invalid_email", "invalid_phone", "invalid_website", "invalid_linkedin_url"),
    }
)
"""Keys of additional_data that the pipeline writes; a vendor's column of that name is kept as `vendor_<name>`."""


class LeadBuilder:
    """A record being cleaned. `lead` and `extra` (additional_data) grow; so do flags and problems."""

    __slots__ = ("blanks", "extra", "fields", "flags", "lead", "payload", "plan", "problems", "vendor")

    def __init__(self, payload: Mapping[str, Any], vendor: Vendor) -> None:
        self.payload, self.vendor, self.plan = payload, vendor, vendor.plan(payload)
        self.fields, self.blanks = self.plan.fields, vendor.blanks
        self.lead: dict[str, Any] = {"data_source": vendor.data_source}
        self.extra: dict[str, Any] = {}
        self.flags: list[str] = []
        self.problems: list[str] = []

    def values(self, target: str) -> list[Any]:
        """The values of a target's columns that say something, best first."""
        paths = self.fields.get(target)
        if paths is None:
            return []
        found: list[Any] = []
        for path in paths:
            value = self.payload[path[0]]
            if len(path) > 1:
                value = _inside(value, path)
            if value and value not in found and not self.is_blank(value):
                found.append(value)
        return found

    def value(self, target: str) -> Any:
        """The best value of a target, or an empty string. A lone column's placeholder may come through."""
        paths = self.fields.get(target)
        if paths is None:
            return ""
        if len(paths) == 1 and len(paths[0]) == 1:
            value = self.payload[paths[0][0]]
            if value is None or (self.blanks and type(value) is str and value.casefold() in self.blanks):
                return ""
            return value
        found = self.values(target)
        return found[0] if found else ""

    def is_blank(self, value: Any) -> bool:
        """True when a text stands for "no value", here or anywhere."""
        if type(value) is not str:
            return False
        text = value.strip()
        return not text or is_placeholder(text) or text.casefold() in self.blanks

    def put(self, field: str, text: str) -> None:
        """Set a text field; over its length it is cut, and the whole text kept beside."""
        if len(text) > LENGTHS[field]:
            self.keep(f"{field}_original", text)
            text = cut(text, LENGTHS[field])
        self.lead[field] = text

    def cased(self, text: str, capitalised: Callable[[str], str]) -> str:
        """`text` as `capitalised` writes it, where a vendor lower-cased it."""
        return capitalised(text) if self.vendor.lower_case and text.islower() else text

    def keep(self, key: str, value: Any) -> None:
        """Put a value of any kind into additional_data, made storable."""
        self.extra[key] = storable(value)

    def keep_rest(self) -> None:
        """Put unknown columns, and what nested ones hold besides the known parts, into additional_data."""
        payload, json_cells = self.payload, self.vendor.json_cells
        left: dict[str, Any] = {}
        for key in self.plan.unknown:
            value = payload[key]
            if value is None or value == "" or value == [] or value == {}:
                continue
            if type(value) is str:
                if json_cells and value[0] in "[{":
                    value = _decoded(value)
                elif len(value) <= 40 and is_placeholder(value.strip()):
                    continue
            left[key] = value
        for head, used in self.plan.heads.items():
            value = payload[head]
            if type(value) is dict:
                rest = {key: item for key, item in value.items() if key not in used and item not in _NOTHING}
                if rest:
                    left[safe_key(head)] = rest
        if left:
            for key, value in storable(left).items():
                self.extra[f"vendor_{key}" if key in RESERVED else key] = value


_NOTHING: tuple[Any, ...] = (None, "", [], {})


def _inside(value: Any, path: tuple[str, ...]) -> Any:
    """The value at path[1:] inside nested JSON (or JSON in a cell); None when the way is blocked."""
    if type(value) is str:
        if value[:1] not in ("{", "["):
            return None
        value = _decoded(value)
    for key in path[1:]:
        if type(value) is dict:
            value = value.get(key)
        elif type(value) is list and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _decoded(cell: str) -> Any:
    try:
        return orjson.loads(cell)
    except ValueError:
        return cell
