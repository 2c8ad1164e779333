"""The leads' schema: validator and indexes as data, desired against actual state, and what queries really do."""

from leadbook.schema.audit import apply_audit, document_check, dry_run, stored_audit, structure_audit
from leadbook.schema.contracts import contracts, example_lead, measure_contracts, realistic
from leadbook.schema.explain import Contract, PlanFacts, QueryResult, explain_query, measure, read_plan
from leadbook.schema.frames import (
    COLUMNS,
    advice_frame,
    changes_frame,
    fields_frame,
    index_frame,
    probe_frame,
    query_frame,
)
from leadbook.schema.index_advice import Advice, IndexUsage, advise, index_sizes, index_usage, redundant, selectivity
from leadbook.schema.indexes import INDEXES, IndexSpec, index_named
from leadbook.schema.probe_audit import probe_audit, recommendation
from leadbook.schema.probes import PROBES, ProbeRun, probe, probe_modes, sample_lead
from leadbook.schema.scratch import SCRATCH_PREFIX, drop_scratch, is_scratch, scratch, scratch_name, sweep
from leadbook.schema.state import Change, CollectionState, actual, apply, by_hand, create_like, desired, pending
from leadbook.schema.studies import IndexReview, Study, query_checks, study
from leadbook.schema.validator import DEFAULTS, FIELDS, REQUIRED, TIMESTAMPS, FieldSpec, validator
from leadbook.schema.written import index_document, schema_document

__all__ = [
    "COLUMNS",
    "DEFAULTS",
    "FIELDS",
    "INDEXES",
    "PROBES",
    "REQUIRED",
    "SCRATCH_PREFIX",
    "TIMESTAMPS",
    "Advice",
    "Change",
    "CollectionState",
    "Contract",
    "FieldSpec",
    "IndexReview",
    "IndexSpec",
    "IndexUsage",
    "PlanFacts",
    "ProbeRun",
    "QueryResult",
    "Study",
    "actual",
    "advice_frame",
    "advise",
    "apply",
    "apply_audit",
    "by_hand",
    "changes_frame",
    "contracts",
    "create_like",
    "desired",
    "document_check",
    "drop_scratch",
    "dry_run",
    "example_lead",
    "explain_query",
    "fields_frame",
    "index_document",
    "index_frame",
    "index_named",
    "index_sizes",
    "index_usage",
    "is_scratch",
    "measure",
    "measure_contracts",
    "pending",
    "probe",
    "probe_audit",
    "probe_frame",
    "probe_modes",
    "query_checks",
    "query_frame",
    "read_plan",
    "realistic",
    "recommendation",
    "redundant",
    "sample_lead",
    "schema_document",
    "scratch",
    "scratch_name",
    "selectivity",
    "stored_audit",
    "structure_audit",
    "study",
    "sweep",
    "validator",
]
