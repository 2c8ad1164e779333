"""The leads' schema: validator and indexes as data, desired against actual state, and what queries really do."""

from leadbook.schema.indexes import INDEXES, IndexSpec, index_named
from leadbook.schema.state import Change, CollectionState, actual, apply, create_like, desired, pending
from leadbook.schema.validator import DEFAULTS, FIELDS, REQUIRED, TIMESTAMPS, FieldSpec, validator

__all__ = [
    "DEFAULTS",
    "FIELDS",
    "INDEXES",
    "REQUIRED",
    "TIMESTAMPS",
    "Change",
    "CollectionState",
    "FieldSpec",
    "IndexSpec",
    "actual",
    "apply",
    "create_like",
    "desired",
    "index_named",
    "pending",
    "validator",
]
