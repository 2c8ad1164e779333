"""What phase 02 judges of the structure: collections, validator, indexes and stored leads against the desired state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core.checks import Check, Inapplicable, Unmeasured, judge
from leadbook.core.settings import Settings
from leadbook.lead.fields import DEFAULTS, TIMESTAMPS
from leadbook.phases.judging import Answered, Finding, Tell, attempt, checks_of, got, of_each, reason_of
from leadbook.provision.asked import UNAUTHORIZED
from leadbook.schema.indexes import INDEXES, IndexSpec, lifetimes
from leadbook.schema.state import (
    Change,
    CollectionState,
    actual,
    apply,
    desired,
    differing,
    extra,
    index_change,
    losing,
    pending,
)
from leadbook.schema.validator import validator

Document = dict[str, Any]
Leads = Collection[Document]

NEEDS = "give the DBA's user dbAdmin on the database and name its address in MONGODB_ADMIN_URI"
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
        after = pending(leads, settings)
        found = left = sum(change.kind != "finding" for change in after)
        evidence = f"{sum(change.applied for change in changes)} changes applied in this run, {left} left"
        evidence += f"; {len(after) - left} findings need a person" if left < len(after) else ""
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
    wanted, *others = desired(settings)
    design = replace(wanted, name=leads.name)
    found = attempt(lambda: actual(leads))
    sides = attempt(lambda: [(side, actual(leads.database[side.name])) for side in others])
    differ = attempt(lambda: [one for side, state in got(sides) for one in differing(side, state)])
    loses = attempt(lambda: losing(leads, settings))
    numbered = enumerate(INDEXES, start=1)
    told: dict[str, Tell[CollectionState]] = {
        "MDB-SCH-001": partial(_exists, leads),
        "MDB-SCH-002": _validator,
        "MDB-SCH-003": _setting,
        **{f"MDB-IDX-{number:03d}": partial(_index, design, index, settings) for number, index in numbered},
        "MDB-IDX-012": partial(_right, design),
        "MDB-IDX-017": _extra,
    }
    return checks_of({
        **of_each(told, found),
        **of_each({"MDB-SCH-004": partial(_sides, settings)}, differ),
        **of_each({"MDB-SCH-010": partial(_ends, lifetimes(settings))}, sides),
        **of_each({"MDB-SCH-011": partial(_loses, settings)}, loses),
    }, settings)  # fmt: skip


def _remedy(changes: Sequence[Change], settings: Settings) -> str:
    """What a person does about changes that are left; empty where what the catalogue says is all."""
    told = [one.remedy for one in changes if one.remedy]
    if len(told) < len(changes) and not settings.approves("apply_schema"):
        told.append(settings.how_to_approve("apply_schema"))
    return "; ".join(dict.fromkeys(told))


def _exists(leads: Leads, state: CollectionState) -> Answered:
    kind = "" if state.kind == "collection" else f" is a {state.kind}"
    return Answered(state.exists and not kind, f"listCollections: {leads.full_name}{kind}")


def _setting(state: CollectionState) -> Answered:
    if not state.exists:
        return Answered(NOT_YET)
    return Answered(f"{state.validation_level} / {state.validation_action}", "listCollections options")


def _sides(settings: Settings, differ: Sequence[Change]) -> Answered:
    wrong = [one for one in differ if not one.is_extra]
    said = "; ".join(one.line for one in wrong) or "both are as designed"
    return Answered(not wrong, said, _remedy(wrong, settings))


def _loses(settings: Settings, loses: Sequence[Change]) -> Answered:
    said = "; ".join(one.told for one in loses)
    return Answered(
        not loses, said or "listCollections and listIndexes of all three and the journal", _remedy(loses, settings)
    )


def _ends(asked: Mapping[str, IndexSpec], sides: Sequence[tuple[CollectionState, CollectionState]]) -> Answered:
    told = [(side.name, *_life(asked.get(side.name), state)) for side, state in sides]
    return Answered(all(right for _, right, _ in told), "; ".join(f"{name}: {said}" for name, _, said in told))


def _validator(state: CollectionState) -> Answered:
    if not state.exists:
        return Answered(False, NOT_YET.why)
    schema, wanted = state.validator.get("$jsonSchema", {}), validator()["$jsonSchema"]
    properties = schema.get("properties", {})
    wrong = [name for name, rule in wanted["properties"].items() if properties.get(name) != rule]
    required = ", ".join(schema.get("required", [])) or "nothing"
    said = f"{len(properties)} fields, requires {required}; differing: {', '.join(wrong) or 'none'}"
    return Answered(state.validator == validator(), said)


def _life(wanted: IndexSpec | None, state: CollectionState) -> tuple[bool, str]:
    """Whether the records of a collection live as long as they should, and what really ends them."""
    life = wanted.ends if wanted is not None else None
    right = life is not None and life in [index.ends for index in state.indexes]
    others = [
        f"{one.ends[1]:,} s after {one.fields[0]} ({one.name}{', part of them' if one.ends[2] else ''})"
        for one in state.indexes
        if one.ends and one.ends != life
    ]
    if state.expires_s is not None:
        others.append(f"{state.expires_s:,} s after the time in their _id (clustered)")
    said = [f"MongoDB deletes them {when}" for when in others]
    if state.is_capped:
        said.append("MongoDB deletes the oldest when it is full (capped)")
    if life is not None:
        said.insert(0, f"{life[1] / 86_400:g} days, {'then MongoDB deletes them' if right else 'and no index does it'}")
    return right and len(said) == 1, "; ".join(said) or "its records are kept until somebody deletes them"


def _index(design: CollectionState, index: IndexSpec, settings: Settings, state: CollectionState) -> Answered:
    change = index_change(design, index, state.indexes)
    if change is None:
        return Answered(True, f"listIndexes: {index.among(state.indexes)}")
    said = change.line if change.kind == "finding" else "it does not exist"
    return Answered(False, said, _remedy([change], settings))


def _right(design: CollectionState, state: CollectionState) -> Answered:
    right = sum(index_change(design, index, state.indexes) is None for index in INDEXES)
    return Answered(right, f"{len(state.indexes)} indexes besides _id_")


def _extra(state: CollectionState) -> Answered:
    if not state.exists:
        return Answered(NOT_YET)
    others = [str(index) for index in extra(INDEXES, state.indexes)]
    return Answered(len(others), "; ".join(others) or "every index belongs to the desired state")


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
