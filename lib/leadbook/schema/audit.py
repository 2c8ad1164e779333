"""Checks of phase 02 on structure: collections, validator, indexes and stored leads against the desired state.

A function that talks to the server returns its facts beside its checks; a server error becomes `error` checks, never
a pass and never a stopped notebook.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core.checks import Check, errored, judge, not_applicable, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.lead.fields import TIMESTAMPS
from leadbook.schema.indexes import INDEXES, IndexSpec
from leadbook.schema.state import Change, CollectionState, actual, apply, desired, pending
from leadbook.schema.validator import validator

__all__ = [
    "INDEX_CHECKS", "apply_audit", "document_check", "dry_run", "stored_audit", "structure_audit",
]  # fmt: skip

Document = dict[str, Any]

UNAUTHORIZED = 13
NEEDS = "give the DBA's account dbAdmin on the database and name its address by mongodb_admin_uri_env"

INDEX_CHECKS = {index.name: f"MDB-IDX-{number:03d}" for number, index in enumerate(INDEXES, start=1)}
"""Check id of each desired index."""


def dry_run(leads: Collection[Document], settings: Settings) -> list[Change]:
    """What is pending, changing nothing; where the server does not tell, a finding that says what is missing."""
    try:
        return pending(leads, settings)
    except PyMongoError as error:
        why = "not authorised" if getattr(error, "code", None) == UNAUTHORIZED else type(error).__name__
        line = f"the actual state cannot be read: listCollections, {why}"
        return [Change(kind="finding", collection=leads.name, line=line, remedy=NEEDS)]


def apply_audit(
    leads: Collection[Document], admin: MongoClient[Document] | None, settings: Settings
) -> tuple[list[Change], list[Check]]:
    """Apply what is pending (unless `apply_schema` is false) and check that nothing is left."""
    try:
        changes = apply(leads, admin, settings)
        left = [change for change in pending(leads, settings) if change.kind != "finding"]
    except PyMongoError as error:
        return dry_run(leads, settings), [errored("MDB-SCH-005", error, remedy=NEEDS)]
    evidence = f"{sum(change.applied for change in changes)} changes applied in this run, {len(left)} left"
    remedy = ""
    if left and not settings.apply_schema:
        evidence += "; apply_schema is false, so they are only shown"
    elif left and not settings.approves("apply_schema"):
        evidence += "; they are not approved, so they are only shown"
        remedy = settings.how_to_approve("apply_schema")
    return changes, [judge("MDB-SCH-005", len(left), evidence=evidence, remedy=remedy)]


def structure_audit(leads: Collection[Document], settings: Settings) -> list[Check]:
    """Collection, validator, validation setting, side collections and each of the eleven indexes. Read-only."""
    ids = ("MDB-SCH-001", "MDB-SCH-002", "MDB-SCH-003", "MDB-SCH-004", *INDEX_CHECKS.values(), "MDB-IDX-012",
           "MDB-IDX-017")  # fmt: skip
    try:
        state = actual(leads)
        sides = [actual(leads.database[side.name]) for side in desired(settings)[1:]]
    except PyMongoError as error:
        return [errored(check_id, error) for check_id in ids]
    same = state.validator == validator()
    setting = f"{state.validation_level} / {state.validation_action}"
    guarded = [f"{side.name}.{index.name}" for side in sides for index in side.indexes if index.unique]
    missing = [side.name for side in sides if not side.exists]
    return [
        judge("MDB-SCH-001", state.exists, evidence=f"listCollections: {leads.full_name}"),
        judge("MDB-SCH-002", state.exists and same, evidence=_validator_evidence(state.validator)),
        judge("MDB-SCH-003", setting if state.exists else None, settings=settings, evidence="listCollections options"),
        judge("MDB-SCH-004", not missing and not guarded,
              evidence=f"missing: {', '.join(missing) or 'none'}; unique indexes: {', '.join(guarded) or 'none'}"),
        *_index_checks(state),
    ]  # fmt: skip


def _validator_evidence(found: Any) -> str:
    schema, wanted = found.get("$jsonSchema", {}), validator()["$jsonSchema"]
    properties = schema.get("properties", {})
    wrong = [name for name, rule in wanted["properties"].items() if properties.get(name) != rule]
    required = ", ".join(schema.get("required", [])) or "nothing"
    return f"{len(properties)} fields, requires {required}; differing: {', '.join(wrong) or 'none'}"


def _index_checks(state: CollectionState) -> list[Check]:
    found: Sequence[IndexSpec] = state.indexes
    by_name = {index.name: index for index in found}
    checks, right = [], 0
    for index in INDEXES:
        one = by_name.get(index.name)
        differences = index.differences(one) if one else ["it does not exist"]
        right += not differences
        evidence = "; ".join(differences) or f"listIndexes: {one}"
        checks.append(judge(INDEX_CHECKS[index.name], not differences, evidence=evidence))
    checks.append(judge("MDB-IDX-012", right, target=len(INDEXES), evidence=f"{len(found)} indexes besides _id_"))
    if not state.exists:
        return [
            *checks,
            not_measured("MDB-IDX-017", "the collection does not exist yet", remedy="apply the schema first"),
        ]
    names = {index.name for index in INDEXES}
    extra = [str(index) for index in found if index.name not in names]
    if extra:
        return [*checks, warned("MDB-IDX-017", len(extra), evidence="; ".join(extra))]
    return [*checks, judge("MDB-IDX-017", 0, evidence="every index belongs to the desired state")]


def stored_audit(leads: Collection[Document]) -> list[Check]:
    """Whether the stored leads obey the validator and carry timestamps and flags. Read-only; reads every lead once."""
    ids = ("MDB-SCH-006", "MDB-SCH-007")
    try:
        total = leads.count_documents({}, maxTimeMS=20_000)
        if not total:
            return [not_applicable(check_id, "no lead is stored yet") for check_id in ids]
        broken = leads.count_documents({"$nor": [validator()]}, maxTimeMS=20_000)
        wanted = (*TIMESTAMPS["insert"], "is_qualified", "email_verified", "crm_synced")
        lacking = leads.count_documents({"$or": [{name: {"$exists": False}} for name in wanted]}, maxTimeMS=20_000)
    except PyMongoError as error:
        return [errored(check_id, error) for check_id in ids]
    return [
        judge("MDB-SCH-006", broken, evidence=f"{total:,} leads matched against the validator by query"),
        judge("MDB-SCH-007", lacking, evidence=f"{total:,} leads searched for {', '.join(wanted)}"),
    ]


def document_check(check_id: str, path: Path) -> Check:
    """That a document was written and is not empty."""
    return judge(check_id, path.is_file() and path.stat().st_size > 0, evidence=f"documents/{path.name}")
