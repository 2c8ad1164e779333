"""What phase 02 judges of the structure: collections, validator, indexes and stored leads against the desired state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core.checks import Check, Inapplicable, Unmeasured, judge
from leadbook.core.settings import Settings
from leadbook.lead.fields import DEFAULTS, TIMESTAMPS
from leadbook.phases.judging import Finding, Missing, attempt, checks_of, got, reason_of
from leadbook.provision.asked import UNAUTHORIZED
from leadbook.schema.indexes import INDEXES, IndexSpec, lifetimes
from leadbook.schema.state import Change, CollectionState, actual, apply, desired, pending
from leadbook.schema.validator import validator

Document = dict[str, Any]
Leads = Collection[Document]

NEEDS = "give the DBA's user dbAdmin on the database and name its address in MONGODB_ADMIN_URI"
ENDS = "then MongoDB deletes them"
NOT_YET = Unmeasured("the collection does not exist yet", "apply the schema first")
MOST_MS = 20_000
"""Longest that the server may search the stored leads, ms."""


def dry_run(leads: Leads, settings: Settings) -> list[Change]:
    """What is pending, changing nothing; where the server does not tell, a finding that says what is missing."""
    try:
        return pending(leads, settings)
    except PyMongoError as error:
        why = "not authorised" if getattr(error, "code", None) == UNAUTHORIZED else type(error).__name__
        line = f"the actual state cannot be read: listCollections, {why}"
        return [Change(kind="finding", collection=leads.name, line=line, remedy=NEEDS)]


def apply_pending(leads: Leads, admin: MongoClient[Document] | None, settings: Settings) -> tuple[list[Change], Check]:
    """Apply what is pending (unless `apply_schema` is false or not approved) and check that nothing is left."""
    evidence, remedy, left = "", "", 0
    found: int | Unmeasured | Exception
    try:
        changes = apply(leads, admin, settings)
        found = left = sum(change.kind != "finding" for change in pending(leads, settings))
        evidence = f"{sum(change.applied for change in changes)} changes applied in this run, {left} left"
    except PyMongoError as error:
        changes, found, remedy = dry_run(leads, settings), reason_of(error), NEEDS
    if left and not settings.apply_schema:
        evidence += "; apply_schema is false, so they are only shown"
    elif left and not settings.approves("apply_schema"):
        evidence += "; they are not approved, so they are only shown"
        remedy = settings.how_to_approve("apply_schema")
    return changes, judge("MDB-SCH-005", found, evidence=evidence, remedy=remedy)


def structure(leads: Leads, settings: Settings) -> tuple[Check, ...]:
    """Collection, validator, validation setting, side collections and each of the eleven indexes. Read-only."""
    found = attempt(lambda: actual(leads))

    def setting() -> Finding:
        state = got(found)
        if not state.exists:
            raise Missing(NOT_YET)
        return f"{state.validation_level} / {state.validation_action}", "listCollections options"

    def sides() -> Finding:
        states = [actual(leads.database[side.name]) for side in desired(settings)[1:]]
        unique = [f"{side.name}.{index.name}" for side in states for index in side.indexes if index.unique]
        missing = [side.name for side in states if not side.exists]
        said = f"missing: {', '.join(missing) or 'none'}; unique indexes: {', '.join(unique) or 'none'}"
        return not missing and not unique, said

    def ends() -> Finding:
        asked, sides = lifetimes(settings), desired(settings)[1:]
        told = [f"{side.name}: {_life(asked.get(side.name), actual(leads.database[side.name]))}" for side in sides]
        return all(line.endswith(ENDS) for line in told), "; ".join(told)

    asked: dict[str, Callable[[], Finding]] = {
        "MDB-SCH-001": lambda: (got(found).exists, f"listCollections: {leads.full_name}"),
        "MDB-SCH-002": lambda: _validator(got(found)),
        "MDB-SCH-003": setting,
        "MDB-SCH-004": sides,
        "MDB-SCH-010": ends,
        **{f"MDB-IDX-{number:03d}": partial(_index, index, found) for number, index in enumerate(INDEXES, start=1)},
        "MDB-IDX-012": lambda: _right(got(found)),
        "MDB-IDX-017": lambda: _extra(got(found)),
    }
    return checks_of(asked, settings)


def _validator(state: CollectionState) -> Finding:
    if not state.exists:
        return False, NOT_YET.why
    schema, wanted = state.validator.get("$jsonSchema", {}), validator()["$jsonSchema"]
    properties = schema.get("properties", {})
    wrong = [name for name, rule in wanted["properties"].items() if properties.get(name) != rule]
    required = ", ".join(schema.get("required", [])) or "nothing"
    said = f"{len(properties)} fields, requires {required}; differing: {', '.join(wrong) or 'none'}"
    return state.validator == validator(), said


def _differences(index: IndexSpec, state: CollectionState) -> list[str]:
    one = next((one for one in state.indexes if one.name == index.name), None)
    return index.differences(one) if one else ["it does not exist"]


def _life(wanted: IndexSpec | None, state: CollectionState) -> str:
    """How long the records of a collection live, in words that end with ENDS where that is as asked."""
    if wanted is None:
        return "its records are kept until somebody deletes them"
    differences = _differences(wanted, state)
    if differences:
        return f"{wanted.name}: {'; '.join(differences)}"
    days = (wanted.options or {})["expireAfterSeconds"] / 86_400
    return f"{days:g} days, {ENDS}"


def _index(index: IndexSpec, found: CollectionState | Unmeasured | Exception) -> Finding:
    differences = _differences(index, got(found))
    return not differences, "; ".join(differences) or f"listIndexes: {index}"


def _right(state: CollectionState) -> Finding:
    right = sum(not _differences(index, state) for index in INDEXES)
    return right, f"{len(state.indexes)} indexes besides _id_"


def _extra(state: CollectionState) -> Finding:
    if not state.exists:
        raise Missing(NOT_YET)
    names = {index.name for index in INDEXES}
    extra = [str(index) for index in state.indexes if index.name not in names]
    return len(extra), "; ".join(extra) or "every index belongs to the desired state"


def stored(leads: Leads, settings: Settings) -> tuple[Check, ...]:
    """Whether the stored leads obey the validator and carry timestamps and flags. Read-only; reads every lead once."""
    total = attempt(lambda: leads.count_documents({}, maxTimeMS=MOST_MS))
    wanted: Sequence[str] = (*TIMESTAMPS["insert"], *DEFAULTS)

    def counted(query: Document, evidence: str) -> Finding:
        if not got(total):
            return Inapplicable("no lead is stored yet"), ""
        return leads.count_documents(query, maxTimeMS=MOST_MS), f"{total:,} leads {evidence}"

    lacking = {"$or": [{name: {"$exists": False}} for name in wanted]}
    return checks_of({
        "MDB-SCH-006": lambda: counted({"$nor": [validator()]}, "matched against the validator by query"),
        "MDB-SCH-007": lambda: counted(lacking, f"searched for {', '.join(wanted)}"),
    }, settings)  # fmt: skip
