"""Desired and actual state of the collections: introspect, show what is pending, apply. Nothing is ever dropped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bson import json_util
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.core.write_errors import DUPLICATE, duplicate_key
from leadbook.schema.indexes import INDEXES, STAGING_INDEXES, IndexSpec, lifetimes
from leadbook.schema.validator import validator

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CollectionState:
    """What a collection is, or should be. `indexes` leaves out `_id_`. validator {} means none."""

    name: str
    exists: bool = True
    validator: Mapping[str, Any]
    validation_level: str = "strict"
    validation_action: str = "error"
    indexes: tuple[IndexSpec, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between desired and actual state.

    kind: `create`, `validator` and `index` change the server when applied; a `finding` needs a person.
    line: for people.  command: the database command, None for a finding.  remedy: what to do about a finding.
    applied: whether `apply` ran it.  is_extra: an index beside those that are wanted.
    """

    kind: Literal["create", "validator", "index", "finding"]
    collection: str
    line: str
    command: Mapping[str, Any] | None = None
    remedy: str = ""
    applied: bool = False
    is_extra: bool = False

    def shell(self) -> str:
        """The command as mongosh takes it; empty for a finding."""
        return f"db.runCommand({json_util.dumps(self.command)})" if self.command else ""


def desired(settings: Settings) -> tuple[CollectionState, ...]:
    """The three collections: leads with validator and eleven indexes; staging with one that is not unique; rejected.
    Both have one more where their records have a lifetime."""
    leads = CollectionState(
        name=settings.collection, validator=validator(), validation_level=settings.validation_level,
        validation_action=settings.validation_action, indexes=INDEXES,
    )  # fmt: skip
    ends = lifetimes(settings)
    sides = {settings.staging_collection: STAGING_INDEXES, settings.rejected_collection: ()}
    return leads, *(
        CollectionState(name=name, validator={}, indexes=(*indexes, *([ends[name]] if name in ends else [])))
        for name, indexes in sides.items()
    )


def actual(collection: Collection[Document]) -> CollectionState:
    """What the server says of `collection`. Read-only."""
    found = list(collection.database.list_collections(filter={"name": collection.name}))
    if not found:
        return CollectionState(name=collection.name, exists=False, validator={})
    options = found[0].get("options", {})
    indexes = tuple(IndexSpec.found(index) for index in collection.list_indexes() if index["name"] != "_id_")
    return CollectionState(
        name=collection.name,
        validator=options.get("validator", {}),
        validation_level=options.get("validationLevel", "strict"),
        validation_action=options.get("validationAction", "error"),
        indexes=indexes,
    )


def pending(collection: Collection[Document], settings: Settings) -> list[Change]:
    """What `apply` would do to the leads (`collection`), and to staging and rejected beside them. Read-only."""
    leads, *others = desired(settings)
    states = [replace(leads, name=collection.name), *others]
    return [change for state in states for change in _changes(state, actual(collection.database[state.name]))]


def _changes(wanted: CollectionState, found: CollectionState) -> list[Change]:
    changes: list[Change] = []
    if not found.exists:
        command = {"create": wanted.name, **_validation(wanted)}
        changes.append(Change(kind="create", collection=wanted.name, line=f"create collection {wanted.name}",
                              command=command))  # fmt: skip
    elif wanted.validator and _validation(wanted) != _validation(found):
        parts = [key for key, value in _validation(wanted).items() if value != _validation(found).get(key)]
        changes.append(Change(
            kind="validator", collection=wanted.name, line=f"change {', '.join(parts)} of {wanted.name}",
            command={"collMod": wanted.name, **_validation(wanted)},
        ))  # fmt: skip
    return changes + _index_changes(wanted, found)


def _validation(state: CollectionState) -> Document:
    if not state.validator:
        return {}
    return {
        "validator": dict(state.validator),
        "validationLevel": state.validation_level,
        "validationAction": state.validation_action,
    }


def _index_changes(wanted: CollectionState, found: CollectionState) -> list[Change]:
    changes, accounted = [], set()
    for index in wanted.indexes:
        rival = next((one for one in found.indexes if one.name == index.name), None) or next(
            (one for one in found.indexes if one.keys == index.keys), None
        )
        if rival is None:
            command = {"createIndexes": wanted.name, "indexes": [index.document()]}
            changes.append(Change(kind="index", collection=wanted.name, line=f"create index {index}", command=command))
            continue
        accounted.add(rival.name)
        differences = index.differences(rival)
        if rival.name != index.name:
            differences.append(f"name is {rival.name}, wanted {index.name}")
        if differences:
            changes.append(_differing(wanted.name, index, rival, differences))
    extra = [index for index in found.indexes if index.name not in accounted]
    return changes + [_unexpected(wanted.name, index) for index in extra]


def _differing(collection: str, index: IndexSpec, rival: IndexSpec, differences: list[str]) -> Change:
    if rival.options == {"hidden": True} and not index.differences(replace(rival, options=None)):
        remedy = f'db.{collection}.unhideIndex("{rival.name}")'
    elif not index.differences(replace(rival, options={**(rival.options or {}), **_lifetime(index)})):
        command = {"collMod": collection, "index": {"name": rival.name, **_lifetime(index)}}
        remedy = f"by hand: db.runCommand({json_util.dumps(command)})"
    else:
        remedy = f'nothing is dropped here; by hand: db.{collection}.dropIndex("{rival.name}"), then apply again'
    line = f"index {rival.name} differs: {'; '.join(differences)}"
    return Change(kind="finding", collection=collection, line=line, remedy=remedy)


def _lifetime(index: IndexSpec) -> Document:
    """Of a TTL index, as collMod takes it: the one option that can be changed while the index stays."""
    return {key: value for key, value in (index.options or {}).items() if key == "expireAfterSeconds"}


def _unexpected(collection: str, index: IndexSpec) -> Change:
    guards = "it is unique, so writers may rely on it; " if index.unique else ""
    return Change(
        kind="finding", collection=collection, line=f"index {index} is not part of the desired state", is_extra=True,
        remedy=f'{guards}keep it, or hide it first and watch: db.{collection}.hideIndex("{index.name}")',
    )  # fmt: skip


def apply(collection: Collection[Document], admin: MongoClient[Document] | None, settings: Settings) -> list[Change]:
    """Make what is pending true, and return it with `applied` set. Idempotent; drops nothing; findings stay findings.

    `admin` (a client with dbAdmin rights) runs the commands; None uses the application's own
    connection, whose readWrite role does not include collMod. With `apply_schema` false, or in production
    without `approve`, nothing is changed.
    A unique index that the data contradicts becomes a finding. Raises pymongo's OperationFailure for missing rights.
    """
    changes = pending(collection, settings)
    if not (settings.apply_schema and settings.approves("apply_schema")):
        return changes
    database = collection.database if admin is None else admin[collection.database.name]
    first = [change for change in changes if change.kind in ("create", "validator")]
    done = [_run(database, change) for change in first]
    done += _create_indexes(database, [change for change in changes if change.kind == "index"])
    return done + [change for change in changes if change.kind == "finding"]


def _run(database: Database[Document], change: Change, **options: Any) -> Change:
    database.command({**(change.command or {}), **options})
    return replace(change, applied=True)


def _create_indexes(database: Database[Document], changes: Sequence[Change]) -> list[Change]:
    """One command per collection, so that it is scanned once; one by one when the data contradicts a unique index."""
    done: list[Change] = []
    for name in dict.fromkeys(change.collection for change in changes):
        mine = [change for change in changes if change.collection == name]
        try:
            indexes = [index for change in mine for index in (change.command or {})["indexes"]]
            database.command({"createIndexes": name, "indexes": indexes, **connect.commit_quorum(database)})
            done += [replace(change, applied=True) for change in mine]
        except OperationFailure as error:
            if error.code != DUPLICATE:
                raise
            done += [_create_index(database, change) for change in mine]
    return done


def _create_index(database: Database[Document], change: Change) -> Change:
    try:
        return _run(database, change, **connect.commit_quorum(database))
    except OperationFailure as error:
        if error.code != DUPLICATE:
            raise
        key = duplicate_key(error.details or {}) or "the key"
        return Change(
            kind="finding", collection=change.collection, line=f"could not {change.line}: duplicate values exist",
            remedy=f"find and merge the leads that share {key}, then apply again",
        )  # fmt: skip


def create_like(
    database: Database[Document],
    name: str,
    settings: Settings,
    *,
    indexes: Iterable[IndexSpec] = INDEXES,
    level: str | None = None,
    action: str | None = None,
) -> Collection[Document]:
    """A new empty collection with the leads' validator and `indexes`; for scratch collections. The caller drops it.

    `level` and `action` default to the settings'. Raises CollectionInvalid when `name` exists.
    """
    collection: Collection[Document] = database.create_collection(
        name, validator=validator(), validationLevel=level or settings.validation_level,
        validationAction=action or settings.validation_action,
    )  # fmt: skip
    models = [index.model() for index in indexes]
    if models:
        collection.create_indexes(models)
    return collection
