"""The eleven indexes of the leads, each with the query that it serves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pymongo import IndexModel

from leadbook.core.settings import Settings
from leadbook.lead.fields import INDEXED

_COMPARED = ("unique", "sparse", "hidden", "partialFilterExpression", "collation", "expireAfterSeconds")
_IGNORED = ("v", "key", "name", "ns", "background", "textIndexVersion", "2dsphereIndexVersion")


@dataclass(frozen=True, kw_only=True)
class IndexSpec:
    """One index, desired or found.

    keys: (field, direction) in order; direction is 1, -1 or a name such as "hashed".
    unique, sparse: as in createIndexes.  options: any further option (`hidden`, `partialFilterExpression`, ...).
    serves: the query that it is for.
    """

    name: str
    keys: tuple[tuple[str, int | str], ...]
    unique: bool = False
    sparse: bool = False
    options: Mapping[str, Any] | None = None
    serves: str = ""

    @classmethod
    def found(cls, document: Mapping[str, Any]) -> IndexSpec:
        """The index that one document of `listIndexes` describes."""
        keys = tuple(
            (field, int(direction) if isinstance(direction, int | float) else str(direction))
            for field, direction in document["key"].items()
        )
        known = (*_IGNORED, "unique", "sparse")
        options = {key: value for key, value in document.items() if key not in known}
        return cls(
            name=document["name"], keys=keys, unique=bool(document.get("unique")), sparse=bool(document.get("sparse")),
            options=options or None,
        )  # fmt: skip

    @property
    def hidden(self) -> bool:
        """Whether no query is planned with it; it stays unique, and as a TTL index it goes on deleting."""
        return bool((self.options or {}).get("hidden"))

    @property
    def ends(self) -> tuple[Any, ...] | None:
        """Of a TTL index, what it deletes, and after how many seconds: two that are equal delete alike. Else None."""
        options = self.options or {}
        seconds = options.get("expireAfterSeconds")
        return None if seconds is None else (self.keys, seconds, options.get("partialFilterExpression"))

    def shown(self) -> IndexSpec:
        """The same index, not hidden."""
        return replace(self, options={key: value for key, value in (self.options or {}).items() if key != "hidden"})

    def among(self, found: Iterable[IndexSpec]) -> IndexSpec | None:
        """The one of `found` that is this index, under whatever name; else what stands in its way: the one of its name,
        or the first on its keys. None where it can be created."""
        candidates = list(found)
        alike = (one for one in candidates if not self.differences(one))
        named = (one for one in candidates if one.name == self.name)
        return next(alike, None) or next(named, None) or next((o for o in candidates if o.keys == self.keys), None)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the key fields, in order."""
        return tuple(field for field, _ in self.keys)

    def document(self) -> dict[str, Any]:
        """The index as `createIndexes` takes it."""
        flags = {"unique": self.unique, "sparse": self.sparse}
        return {"key": dict(self.keys), "name": self.name, **{k: v for k, v in flags.items() if v},
                **(self.options or {})}  # fmt: skip

    def model(self) -> IndexModel:
        """The index as PyMongo's `create_indexes` takes it."""
        options = {key: value for key, value in self.document().items() if key != "key"}
        return IndexModel(list(self.keys), **options)

    def differences(self, other: IndexSpec) -> list[str]:
        """How `other` differs from this index: key, unique, sparse and other options (not the name)."""
        mine, theirs = self.document(), other.document()
        found = []
        if self.keys != other.keys:
            found.append(f"key is {theirs['key']}, wanted {mine['key']}")
        for option in _COMPARED:
            if mine.get(option) != theirs.get(option):
                found.append(f"{option} is {theirs.get(option, False)}, wanted {mine.get(option, False)}")
        return found

    def __str__(self) -> str:
        keys = ", ".join(f"{field}: {direction}" for field, direction in self.keys)
        flags = "".join(f", {name}" for name in ("unique", "sparse") if getattr(self, name))
        return f"{self.name} {{{keys}}}{flags}"


def _index(serves: str, *keys: tuple[str, int]) -> IndexSpec:
    """An index named after its fields; one on a single field has the options that the table of fields says."""
    options = INDEXED.get(keys[0][0], frozenset()) if len(keys) == 1 else frozenset()
    unique, sparse = "unique" in options, "sparse" in options
    name = "_".join(("idx", *(field for field, _ in keys), *(["unique"] if unique else []))).replace(".", "_")
    return IndexSpec(name=name, keys=keys, unique=unique, sparse=sparse, serves=serves)


INDEXES: tuple[IndexSpec, ...] = (
    _index("duplicate check by profile URL; refuses a second lead with the same URL", ("linkedin_url", 1)),
    _index("duplicate check by e-mail; refuses a second lead with the same e-mail", ("email", 1)),
    _index("leads of a company", ("company_name", 1)),
    _index("leads of a state", ("location_state", 1)),
    _index("leads with a job title", ("job_title", 1)),
    _index("leads collected between two dates", ("data_collected_date", 1)),
    _index("qualified leads", ("is_qualified", 1)),
    _index("leads still to be sent to the CRM", ("crm_synced", 1)),
    _index("leads with a job title in a state", ("location_state", 1), ("job_title", 1)),
    _index("leads of a company in a state", ("company_name", 1), ("location_state", 1)),
    _index("a vendor's latest leads", ("data_source", 1), ("data_collected_date", -1)),
)
"""The task book's indexes (tasks 1.1.2 and 1.1.3), in its order."""

STAGING_INDEXES: tuple[IndexSpec, ...] = (_index("staged records that no worker has taken yet", ("pipeline.state", 1)),)
"""Not unique, ever: what n8n stages must always be taken."""


def lifetimes(settings: Settings) -> dict[str, IndexSpec]:
    """The TTL indexes by which personal data ends, by collection; only those that are asked for.

    Of staged records those alone that are done, and by us: what waits, or a collector calls done, has no end.
    """
    done = {"pipeline.state": "done", "pipeline.token": {"$type": "objectId"}}
    asked = {
        settings.staging_collection: ("pipeline.ended_at", settings.staging_ttl_days, done),
        settings.rejected_collection: ("rejected_at", settings.rejected_ttl_days, None),
    }
    return {
        collection: IndexSpec(
            name=f"idx_{field.replace('.', '_')}_ttl", keys=((field, 1),), serves="the end of personal data",
            options={"expireAfterSeconds": max(1, round(days * 86_400)),
                     **({"partialFilterExpression": only} if only else {})},
        )
        for collection, (field, days, only) in asked.items()
        if days
    }  # fmt: skip
