"""Checks of the probe inserts, and the sentence that recommends a validation setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core.checks import Check, errored, judge, not_measured, warned
from leadbook.core.settings import Settings
from leadbook.schema.probes import ProbeRun, logged_documents, probe_modes

__all__ = ["probe_audit", "recommendation"]

_CONFIGURED = {
    "MDB-PRB-001": "good lead",
    "MDB-PRB-002": "duplicate URL",
    "MDB-PRB-003": "duplicate e-mail",
    "MDB-PRB-004": "no e-mail twice",
    "MDB-PRB-007": "null e-mail twice",
    "MDB-PRB-009": "null defaults",
}
_STRICT = {"MDB-PRB-005": "missing field", "MDB-PRB-006": "wrong type"}
_UNAPPROVED = "probes make scratch collections in this database, and nothing is approved there"
_WHOLE, _REFUSES = "MDB-PRB-008", "MDB-SCH-009"


def probe_audit(
    leads: Collection[dict[str, Any]], settings: Settings, admin: MongoClient[dict[str, Any]] | None = None
) -> tuple[list[ProbeRun], list[Check]]:
    """Run the probes under each validation setting and check what the server did. Leaves nothing behind.

    `admin` reads the server's log, where a warning validator puts whole documents. Production probes scratch
    collections that it makes in the leads' database, and only where `apply_schema` is approved.
    """
    ids = (*_CONFIGURED, *_STRICT, _WHOLE, _REFUSES)
    if not settings.approves("apply_schema"):
        remedy = settings.how_to_approve("apply_schema")
        return [], [not_measured(check_id, _UNAPPROVED, remedy=remedy) for check_id in ids]
    try:
        runs = probe_modes(leads, settings)
    except (PyMongoError, LookupError) as error:
        return [], [errored(check_id, error) for check_id in ids]
    mode = f"{settings.validation_level} / {settings.validation_action}"
    configured = next(run for run in runs if run.mode == mode)
    strict = next(run for run in runs if run.mode == "strict / error")
    checks = [_outcome(check_id, configured, name) for check_id, name in _CONFIGURED.items()]
    checks += [_outcome(check_id, strict, name) for check_id, name in _STRICT.items()]
    remaining = sum(run.remaining for run in runs)
    checks.append(judge(_WHOLE, remaining, evidence=f"counted in {', '.join(run.subject for run in runs)}"))
    return runs, [*checks, _refuses(configured, logged_documents(admin, configured))]


def _outcome(check_id: str, run: ProbeRun, name: str) -> Check:
    result = run.outcome(name)
    detail = f" ({result.detail})" if result.detail else ""
    evidence = f"under {run.mode}: {result.probe.question} {result.outcome}{detail}; expected: {result.expected}"
    return judge(check_id, result.as_expected, evidence=evidence)


def _refuses(run: ProbeRun, logged: int | None) -> Check:
    let_in = [name for name in ("missing field", "wrong type") if run.outcome(name).outcome == "stored"]
    if let_in:
        told = "not read" if logged is None else f"holds {logged} of the probe leads whole"
        stored = f"under {run.mode} the server stored: {', '.join(let_in)}; its log {told}"
        return warned(_REFUSES, len(let_in), evidence=stored)
    return judge(_REFUSES, 0, evidence=f"under {run.mode} the server refused every invalid probe")


def recommendation(runs: Sequence[ProbeRun], settings: Settings) -> str:
    """One sentence: what the configured setting does, and which one to use."""
    if not runs:
        return "The probes did not run, so nothing is recommended."
    mode = f"{settings.validation_level} / {settings.validation_action}"
    found = {run.mode: [one.probe.name for one in run.results if one.outcome == "refused: failed validation"]
             for run in runs}  # fmt: skip
    said = f"Under **{mode}** the validator refused {_count(found[mode])}; under **strict / error** it refused "
    said += f"{_count(found['strict / error'])}."
    if mode == "strict / error":
        return f"{said} Keep it: an invalid lead is refused with error 121, and the pipeline keeps it as rejected."
    return (
        f"{said} Recommended: `validation_level: strict` and `validation_action: error`. A warning lets the invalid "
        "lead in and writes the whole document, personal data included, to the server's log; `moderate` still checks "
        "every insert and spares only updates of leads that were invalid before."
    )


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} kinds of lead ({', '.join(names)})" if names else "nothing"
