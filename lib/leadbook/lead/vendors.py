"""Vendors as data: `params/vendors/<name>.yaml` says which column means what. A new vendor needs a file and no code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leadbook.core.allowed import text_of
from leadbook.core.errors import InputFileError, ParameterError, did_you_mean
from leadbook.core.settings import PROJECT
from leadbook.lead.fields import LENGTHS
from leadbook.lead.texts import is_placeholder

VENDORS = PROJECT / "params" / "vendors"

TARGETS = (
    *("linkedin_url", "linkedin_slug", "member_id", "full_name", "first_name", "last_name", "job_title", "headline"),
    *("company_name", "company_website", "company_industry", "company_size", "email", "email_status", "phone"),
    *("company_phone", "place", "location_city", "location_state", "location_country", "country_code", "collected_at"),
)
"""What a vendor's columns can mean."""


class RawRecord(NamedTuple):
    """One record as read. `number` counts lines in line formats and CSV (where the record starts), items elsewhere.

    `problem` is a reason code when the record cannot be used at all; it still counts as read.  `collected_at` is when
    its collector says that it was collected, where it was staged.
    """

    number: int
    payload: dict[str, Any]
    problem: str | None
    collected_at: Any = None


Path_ = tuple[str, ...]


class Plan(NamedTuple):
    """How records with one set of keys are read: paths per target, and keys that no target knows."""

    fields: dict[str, tuple[Path_, ...]]
    heads: dict[str, frozenset[str]]
    unknown: tuple[str, ...]


@lru_cache(maxsize=8192)
def _plain(key: str) -> str:
    """A header without case, spaces and punctuation: "Company Name" and `company_name` are one."""
    return "".join(filter(str.isalnum, key.casefold()))


class Vendor(BaseModel):
    """One vendor's export: which columns mean what, and how its error rows and refusals look."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    title: str
    data_source: str = Field(max_length=LENGTHS["data_source"], description="value of a lead's data_source")
    aliases: tuple[str, ...] = ()
    fields: dict[str, tuple[str, ...]] = Field(description="target -> columns, best first; dots lead into nested JSON")
    ignored: tuple[str, ...] = Field((), description="columns that are never kept, such as other people's data")
    error_keys: tuple[str, ...] = Field((), description="columns whose value says that this row is an error")
    not_ready: tuple[str, ...] = Field((), description="patterns in an answer that is not the data yet")
    placeholders: tuple[str, ...] = Field((), description="values that mean nothing here, besides the common ones")
    verified_statuses: tuple[str, ...] = Field((), description="values of email_status that mean verified")
    guessed_statuses: tuple[str, ...] = Field((), description="values of email_status that mean extrapolated")
    lower_case: bool = Field(False, description="the vendor lower-cases names, titles and companies")
    json_cells: bool = Field(False, description="CSV cells may hold JSON")

    @cached_property
    def blanks(self) -> frozenset[str]:
        """Placeholders of this vendor besides the common ones, case-folded."""
        return frozenset(text.casefold() for text in self.placeholders if not is_placeholder(text))

    @cached_property
    def _ignored(self) -> frozenset[str]:
        return frozenset(map(_plain, (*self.ignored, *self.error_keys)))

    @cached_property
    def _plans(self) -> dict[tuple[str, ...], Plan]:
        return {}

    def plan(self, payload: Mapping[str, Any]) -> Plan:
        """The plan for records with the keys of `payload`; made once for each set of keys."""
        keys = tuple(payload)
        plan = self._plans.get(keys)
        if plan is None:
            if len(self._plans) >= 2048:  # hostile input: every record with other keys
                self._plans.clear()
            plan = self._plans[keys] = self._make_plan(keys)
        return plan

    def _make_plan(self, keys: tuple[str, ...]) -> Plan:
        index: dict[str, str] = {}
        for key in keys:
            index.setdefault(_plain(key), key)
        fields: dict[str, tuple[Path_, ...]] = {}
        heads: dict[str, set[str]] = {}
        for target, sources in self.fields.items():
            paths = [path for source in sources if (path := self._path(source, index))]
            if paths:
                fields[target] = tuple(dict.fromkeys(paths))
                for path in paths:
                    heads.setdefault(path[0], set()).add(path[1] if len(path) > 1 else "")
        unknown = tuple(key for key in keys if key not in heads and _plain(key) not in self._ignored)
        nested = {key: frozenset(used) for key, used in heads.items() if "" not in used}
        return Plan(fields, nested, unknown)

    @staticmethod
    def _path(source: str, index: dict[str, str]) -> Path_ | None:
        whole = index.get(_plain(source))
        head, dot, rest = source.partition(".")
        if whole is not None and (not dot or "." in whole or "/" in whole):  # flattened: company.name, company/name
            return (whole,)
        key = index.get(_plain(head)) if dot else None
        return (key, *rest.split(".")) if key is not None else None

    def knows(self, keys: Mapping[str, Any] | list[str]) -> set[str]:
        """The targets that columns named `keys` can fill."""
        return set(self._make_plan(tuple(keys)).fields)


def vendor_names() -> list[str]:
    """The vendors that have a file, sorted."""
    return sorted(path.stem for path in VENDORS.glob("*.yaml"))


def load_vendor(name: str) -> Vendor:
    """The vendor called `name` (case, spaces and hyphens do not count; aliases do). Raises ParameterError."""
    wanted = _plain(name)
    names = vendor_names()
    for candidate in names:
        if _plain(candidate) == wanted:
            return _load(VENDORS / f"{candidate}.yaml")
    vendors = [_load(VENDORS / f"{candidate}.yaml") for candidate in names]
    for vendor in vendors:
        if wanted in map(_plain, (vendor.title, vendor.data_source, *vendor.aliases)):
            return vendor
    known = [*names, *(alias for vendor in vendors for alias in vendor.aliases)]
    hint = did_you_mean(name.lower(), known) or f"there are {', '.join(names)}"
    raise ParameterError("vendor", f"no vendor {name!r} in params/vendors", hint)


@lru_cache(maxsize=64)
def _load(path: Path) -> Vendor:
    try:
        values = yaml.safe_load(text_of(path))
        vendor = Vendor(name=path.stem, **values)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputFileError(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise InputFileError(path, f"not a vendor's description: {str(error).splitlines()[0]}") from None
    for target in vendor.fields:
        if target not in TARGETS:
            raise InputFileError(path, f"unknown field {target!r}", hint=did_you_mean(target, TARGETS))
    for pattern in vendor.not_ready:
        re.compile(pattern)
    return vendor


def problem_of(payload: Any, vendor: Vendor) -> str | None:
    """Why `payload` is no lead's record at all: not_an_object, vendor_error, blank_record; None when it may be one."""
    if type(payload) is not dict:
        return "not_an_object"
    for key in vendor.error_keys:
        value = payload.get(key)
        if value and not (isinstance(value, str) and is_placeholder(value)):
            return "vendor_error"
    if not any(payload.values()):
        return "blank_record"
    return None
