"""What phase 02 judges of the probe inserts, and the sentence that recommends a validation setting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection

from leadbook.core.checks import Check, Unmeasured
from leadbook.core.settings import Settings
from leadbook.phases.judging import Finding, attempt, checks_of, got
from leadbook.schema.probes import INVALID, STORED, ProbeRun, logged_documents, probe_modes

STRICT = "strict / error"
_CONFIGURED = {
    "MDB-PRB-001": "good lead",
    "MDB-PRB-002": "duplicate URL",
    "MDB-PRB-003": "duplicate e-mail",
    "MDB-PRB-004": "no e-mail twice",
    "MDB-PRB-007": "null e-mail twice",
    "MDB-PRB-009": "null defaults",
}
_STRICTLY = {"MDB-PRB-005": "missing field", "MDB-PRB-006": "wrong type"}
PROBES = "write probe documents into scratch collections and remove both again"
_UNAPPROVED = "probes make scratch collections in this database, and nothing is approved there"


def probes(
    leads: Collection[dict[str, Any]], settings: Settings, admin: MongoClient[dict[str, Any]] | None = None
) -> tuple[list[ProbeRun], tuple[Check, ...]]:
    """Run the probes under each validation setting and judge what the server did. Leaves nothing behind.

    `admin` reads the server's log, where a warning validator puts whole documents. Production probes scratch
    collections that it makes in the leads' database, and only where `apply_schema` is approved.
    """
    runs: list[ProbeRun] | Unmeasured | Exception
    if settings.approves("apply_schema"):
        runs = attempt(lambda: probe_modes(leads, settings))
    else:
        runs = Unmeasured(_UNAPPROVED, settings.how_to_approve("apply_schema", PROBES))

    def run(mode: str) -> ProbeRun:
        return next(one for one in got(runs) if one.mode == mode)

    def outcome(mode: str, name: str) -> Finding:
        result = run(mode).outcome(name)
        detail = f" ({result.detail})" if result.detail else ""
        said = f"under {mode}: {result.probe.question} {result.outcome}{detail}; expected: {result.expected}"
        return result.as_expected, said

    def left() -> Finding:
        made = got(runs)
        return sum(one.remaining for one in made), f"counted in {', '.join(one.subject for one in made)}"

    configured = f"{settings.validation_level} / {settings.validation_action}"
    asked: dict[str, Callable[[], Finding]] = {
        **{check_id: partial(outcome, configured, name) for check_id, name in _CONFIGURED.items()},
        **{check_id: partial(outcome, STRICT, name) for check_id, name in _STRICTLY.items()},
        "MDB-PRB-008": left,
        "MDB-SCH-009": lambda: _let_in(run(configured), admin),
    }
    return runs if isinstance(runs, list) else [], checks_of(asked, settings)


def _let_in(run: ProbeRun, admin: MongoClient[dict[str, Any]] | None) -> Finding:
    let_in = [name for name in _STRICTLY.values() if run.outcome(name).outcome == STORED]
    if not let_in:
        return 0, f"under {run.mode} the server refused every invalid probe"
    logged = logged_documents(admin, run)
    told = "not read" if logged is None else f"holds {logged} of the probe leads whole"
    return len(let_in), f"under {run.mode} the server stored: {', '.join(let_in)}; its log {told}"


def recommendation(runs: Sequence[ProbeRun], settings: Settings) -> str:
    """One sentence: what the configured setting does, and which one to use."""
    if not runs:
        return "The probes did not run, so nothing is recommended."
    mode = f"{settings.validation_level} / {settings.validation_action}"
    found = {run.mode: [one.probe.name for one in run.results if one.outcome == INVALID] for run in runs}
    said = f"Under **{mode}** the validator refused {_count(found[mode])}; under **{STRICT}** it refused "
    said += f"{_count(found[STRICT])}."
    if mode == STRICT:
        return f"{said} Keep it: an invalid lead is refused with error 121, and the pipeline keeps it as rejected."
    return (
        f"{said} Recommended: `validation_level: strict` and `validation_action: error`. A warning lets the invalid "
        "lead in and writes the whole document, personal data included, to the server's log; `moderate` still checks "
        "every insert and spares only updates of leads that were invalid before."
    )


def _count(names: Sequence[str]) -> str:
    return f"{len(names)} kinds of lead ({', '.join(names)})" if names else "nothing"
