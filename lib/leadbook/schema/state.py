"""Desired and actual state of the collections: introspect, show what is pending, apply. Nothing is ever dropped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from bson import json_util
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from leadbook.core import connect, journal
from leadbook.core.settings import Settings
from leadbook.core.write_errors import DUPLICATE, duplicate_key
from leadbook.lead.fields import FIELDS
from leadbook.schema.indexes import INDEXES, STAGING_INDEXES, IndexSpec, lifetimes
from leadbook.schema.validator import validator

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class CollectionState:
    """What a collection is, or should be. `indexes` leaves out `_id_`. validator {} means none.

    kind: `collection`, `view` or `timeseries`.  is_capped: the oldest documents go when it is full.  expires_s: of a
    clustered collection, seconds after which MongoDB deletes a document; None where it never does.
    """

    name: str
    exists: bool = True
    validator: Mapping[str, Any]
    validation_level: str = "strict"
    validation_action: str = "error"
    indexes: tuple[IndexSpec, ...] = ()
    kind: str = "collection"
    is_capped: bool = False
    expires_s: int | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference between desired and actual state.

    kind: `create`, `validator` and `index` change the server when applied; a `finding` needs a person.
    line: for people.  command: the database command, None for a finding.  remedy: what to do about a finding.
    applied: whether `apply` ran it.  loses: records are deleted or refused as long as it is so.
    is_extra: an index beside those that are wanted, which loses nothing.
    """

    kind: Literal["create", "validator", "index", "finding"]
    collection: str
    line: str
    command: Mapping[str, Any] | None = None
    remedy: str = ""
    applied: bool = False
    loses: bool = False
    is_extra: bool = False

    @property
    def told(self) -> str:
        """The line, led by the collection where it does not begin with it."""
        return self.line if self.line.startswith(f"{self.collection} ") else f"{self.collection}: {self.line}"

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
    options, kind = found[0].get("options", {}), found[0].get("type", "collection")
    listed = () if kind == "view" else collection.list_indexes()  # a view has none, and is refused the question
    return CollectionState(
        name=collection.name,
        validator=options.get("validator", {}),
        validation_level=options.get("validationLevel", "strict"),
        validation_action=options.get("validationAction", "error"),
        indexes=tuple(IndexSpec.found(index) for index in listed if index["name"] != "_id_"),
        kind=kind,
        is_capped=bool(options.get("capped")),
        expires_s=options.get("expireAfterSeconds"),
    )


def pending(collection: Collection[Document], settings: Settings) -> list[Change]:
    """What `apply` would do to the leads (`collection`), and to staging and rejected beside them. Read-only."""
    leads, *others = desired(settings)
    states = [replace(leads, name=collection.name), *others]
    return [change for state in states for change in differing(state, actual(collection.database[state.name]))]


def everywhere(collection: Collection[Document], settings: Settings) -> list[Change]:
    """`pending`, and what a person should look at in the journal. Read-only.

    Raises PyMongoError. The right to read the database is enough."""
    entries = actual(collection.database[journal.COLLECTION])
    ledger = differing(CollectionState(name=entries.name, validator={}), entries)
    return [*pending(collection, settings), *(one for one in ledger if one.kind == "finding")]


def losing(collection: Collection[Document], settings: Settings) -> list[Change]:
    """What deletes or refuses by itself: leads, staged and rejected records, the journal. As `everywhere`."""
    return [change for change in everywhere(collection, settings) if change.loses]


def differing(wanted: CollectionState, found: CollectionState) -> list[Change]:
    """What makes `found` as `wanted`: commands, and findings for a person."""
    changes = list(_losing(wanted, found))
    if found.kind != "collection":
        return changes
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
    each = (index_change(wanted, index, found.indexes) for index in wanted.indexes)
    others = extra(wanted.indexes, found.indexes)
    return [*changes, *(one for one in each if one), *(_unexpected(wanted, index) for index in others)]


def _losing(wanted: CollectionState, found: CollectionState) -> Iterator[Change]:
    """How a collection, whatever its indexes, deletes or refuses what it is given, and what a person does about it."""
    name = found.name
    finding = partial(Change, kind="finding", collection=name)
    if found.kind != "collection":
        yield finding(
            line=f"{name} is a {found.kind}, not a collection: it does not keep what is inserted", loses=True,
            remedy=f"name another collection in the profile; or, where nobody needs it, db.{name}.drop(), "
            "then apply again",
        )  # fmt: skip
    if found.is_capped:
        yield finding(
            line=f"{name} is capped: its oldest records are deleted when it is full", loses=True,
            remedy=f'pause ingest and collectors; db.{name}.renameCollection("{name}_capped"), apply again, then '
            f'db.{name}_capped.aggregate([{{$merge: "{name}"}}])',
        )  # fmt: skip
    if found.expires_s is not None and found.kind == "collection":
        yield finding(
            line=f"{name} deletes its records {found.expires_s:,} s after the time in their _id", loses=True,
            remedy=_by_hand({"collMod": name, "expireAfterSeconds": "off"}),
        )  # fmt: skip
    if found.validator and not wanted.validator:
        yield finding(
            line=f"{name} has a validator ({found.validation_level} / {found.validation_action}), and should take all",
            loses=found.validation_level != "off" and found.validation_action != "warn",
            remedy=_by_hand({"collMod": name, "validator": {}}),
        )  # fmt: skip


def _by_hand(command: Document) -> str:
    return f"by hand: db.runCommand({json_util.dumps(command)})"


def _validation(state: CollectionState) -> Document:
    if not state.validator:
        return {}
    return {
        "validator": dict(state.validator),
        "validationLevel": state.validation_level,
        "validationAction": state.validation_action,
    }


def index_change(wanted: CollectionState, index: IndexSpec, found: Iterable[IndexSpec]) -> Change | None:
    """What makes one of the indexes of `wanted` as it should be; None where it is so, under whatever name."""
    rival = index.among(found)
    if rival is None:
        command = {"createIndexes": wanted.name, "indexes": [index.document()]}
        return Change(kind="index", collection=wanted.name, line=f"create index {index}", command=command)
    differences = index.differences(rival)
    return _differing(wanted, index, rival, differences) if differences else None


def extra(wanted: Iterable[IndexSpec], found: Iterable[IndexSpec]) -> list[IndexSpec]:
    """Those of `found` that neither are one of `wanted` nor stand in the way of one."""
    found = list(found)
    known = {rival.name for index in wanted if (rival := index.among(found))}
    return [index for index in found if index.name not in known]


def _differing(wanted: CollectionState, index: IndexSpec, rival: IndexSpec, differences: list[str]) -> Change:
    life = {key: value for key, value in (index.options or {}).items() if key == "expireAfterSeconds"}
    if rival.hidden and not index.differences(rival.shown()):
        remedy = f'db.{wanted.name}.unhideIndex("{rival.name}")'
    elif life and not index.differences(replace(rival, options={**(rival.options or {}), **life})):
        # of a TTL index, the one option that can be changed while the index stays
        remedy = _by_hand({"collMod": wanted.name, "index": {"name": rival.name, **life}})
    else:
        pause = "pause ingest and collectors first: meanwhile nothing refuses a double; " if index.unique else ""
        remedy = f"{pause}nothing is dropped here; by hand: {_drop(wanted, rival)}, then apply again"
    place = "" if rival.name == index.name else f", in place of {index.name},"
    line = f"index {rival.name}{place} differs: {'; '.join(differences)}"
    return Change(
        kind="finding", collection=wanted.name, line=line, remedy=remedy, loses=_index_loses(wanted, rival)
    )  # fmt: skip


def _drop(wanted: CollectionState, index: IndexSpec) -> str:
    return f'db.{wanted.name}.dropIndex("{index.name}")'


def _index_loses(wanted: CollectionState, index: IndexSpec) -> bool:
    """Whether an index, one of those that are wanted or another, deletes what should stay or refuses too much."""
    deletes = index.ends is not None and index.ends not in [one.ends for one in wanted.indexes]
    return deletes or _refuses(wanted, index)


def _refuses(wanted: CollectionState, index: IndexSpec) -> bool:
    """Whether an index refuses more than the unique ones that are wanted: what it refuses counts as a duplicate of a
    lead that is not there. Among leads a sparse or partial one on fields of others is theirs to judge."""
    if not index.unique:
        return False
    is_part = index.sparse or "partialFilterExpression" in (index.options or {})
    for one in wanted.indexes:
        narrower = not one.sparse or (is_part and len(index.keys) == 1)
        if one.unique and narrower and set(one.fields) <= set(index.fields):
            return False
    ours = {field.partition(".")[0] for field in index.fields} & {field.name for field in FIELDS}
    return not (wanted.validator and is_part and not ours)


def _unexpected(wanted: CollectionState, index: IndexSpec) -> Change:
    loses = _index_loses(wanted, index)
    if loses:
        does = "refuses records" if _refuses(wanted, index) else "deletes records"
        remedy = f"now: {_drop(wanted, index)}; hidden or not, it {does}"
        if index.ends and not wanted.validator and wanted.name != journal.COLLECTION:
            remedy += "; where personal data is to end, set staging_ttl_days or rejected_ttl_days in the profile"
    else:
        remedy = f'keep it, or hide it first and watch: db.{wanted.name}.hideIndex("{index.name}")'
    life = f", deletes after {index.ends[1]:,} s" if index.ends else ""
    line = f"index {index}{life} is not part of the desired state"
    return Change(
        kind="finding", collection=wanted.name, line=line, remedy=remedy, loses=loses, is_extra=not loses
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
