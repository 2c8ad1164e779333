"""What a run left behind, as facts: phases, checks, documents, and where it broke. The report knows nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from leadbook.core.checks import LIVE, Check, blockers, tally
from leadbook.core.errors import InputFileError

PHASES = tuple(f"{number:02d}" for number in range(1, 10))
"""All phases."""
STAGES = {"ready": PHASES[:7], "live": (LIVE,), "close": (LIVE, "09")}
"""The stages of a sprint and their phases: each is judged by its own checks only."""


class Status(StrEnum):
    """Whether a phase ran. A phase that ran may still have failed checks."""

    RAN = "ran"
    BROKEN = "broken"
    NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Break:
    """Where and why a phase broke. `cell` counts from 1 in the executed copy; None when that cannot be known."""

    reason: str
    cell: int | None = None
    cells: int | None = None
    line: str = ""

    def __str__(self) -> str:
        if self.cell is None:
            return self.reason
        line = f" (`{self.line}`)" if self.line else ""
        return f"cell {self.cell} of {self.cells}{line}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class DocumentRecord:
    """A generated document: who it is for, and its Markdown file relative to the run's directory."""

    slug: str
    title: str
    audience: tuple[str, ...]
    path: str


@dataclass(frozen=True, kw_only=True)
class PhaseRecord:
    """One phase of a run. `notebook` is the executed copy and `page` its page, relative to the run's directory."""

    phase: str
    title: str
    status: Status
    asked: bool = True
    notebook: str = ""
    page: str = ""
    started_at: str = ""
    seconds: float | None = None
    checks: tuple[Check, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    documents: tuple[DocumentRecord, ...] = ()
    opened: Mapping[str, Any] | None = None
    broken: Break | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many checks have each verdict."""
        return tally(self.checks)

    @property
    def blocking(self) -> list[Check]:
        """Checks of this phase that forbid GO."""
        return blockers(self.checks)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PhaseRecord:
        """The record that `RunRecord.as_dict` wrote, checks included."""
        broken = values.get("broken")
        documents = [{**document, "audience": tuple(document["audience"])} for document in values["documents"]]
        return cls(**{
            **values,
            "status": Status(values["status"]),
            "checks": tuple(Check.from_dict(check) for check in values["checks"]),
            "documents": tuple(DocumentRecord(**document) for document in documents),
            "broken": Break(**broken) if broken else None,
        })  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run. `stage` is the one that it ran, empty for a rehearsal of all three and for a part of the chain; `asked`
    are the phases it was asked for; `interrupted` names the signal that ended it early; `broken` says why the run as a
    whole cannot be believed, whatever its phases found."""

    id: str
    profile: str
    started_at: str
    ended_at: str
    seconds: float
    asked: tuple[str, ...]
    phases: tuple[PhaseRecord, ...]
    stage: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    interrupted: str = ""
    broken: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def checks(self) -> list[Check]:
        """The checks of all phases, in order."""
        return [check for phase in self.phases for check in phase.checks]

    @property
    def attested(self) -> list[Check]:
        """Checks that pass on a person's word."""
        return [check for check in self.checks if check.kind == "attestation" and check.measured == "attested"]

    @property
    def by_api(self) -> list[Check]:
        """Checks that a person would sign for, had no API of Atlas or n8n answered them."""
        told = [check for check in self.checks if check.kind == "attestation" and check.measured is not None]
        return [check for check in told if check.measured != "attested"]

    @property
    def whole(self) -> bool:
        """Whether all phases of the stage were asked for, or of all three."""
        return set(self.asked) >= set(STAGES.get(self.stage, PHASES))

    @property
    def stages(self) -> tuple[str, ...]:
        """The stages that this run was asked for; none where it is a part of the chain."""
        return () if not self.whole else (self.stage,) if self.stage else tuple(STAGES)

    @property
    def target(self) -> Mapping[str, Any]:
        """The target that the phases recorded (replica_set, hosts, database, …); empty where none did."""
        told = (phase.opened.get("target") for phase in self.phases if phase.opened)
        return next((one for one in told if isinstance(one, Mapping) and one), {})

    @property
    def of_other_times(self) -> list[tuple[PhaseRecord, str]]:
        """Phases whose record is not of this run, each with the run or the time that it is of."""
        found = []
        for phase in self.phases:
            opened = phase.opened or {}
            run, at = str(opened.get("run") or ""), str(opened.get("started_at") or "")
            if run and Path(run).name != self.id:
                found.append((phase, f"run {run}" + (f", {at}" if at else "")))
            elif at and _earlier(at, self.started_at):
                found.append((phase, at))
        return found

    def phase(self, number: str) -> PhaseRecord | None:
        """One phase by number; None when the run does not know it."""
        return next((phase for phase in self.phases if phase.phase == number), None)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready: `run`, `phases` (without their checks) and one flat list `checks`; `from_dict` is its inverse."""
        run = {key: value for key, value in asdict(self).items() if key != "phases"}
        phases = [{**asdict(phase), "status": phase.status.value, "counts": phase.counts} for phase in self.phases]
        for phase in phases:
            del phase["checks"]
        made: dict[str, Any] = json.loads(json.dumps({
            "run": run, "phases": phases, "checks": [check.as_dict() for check in self.checks],
        }))  # fmt: skip
        return made

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RunRecord:
        """The record that `as_dict` wrote."""
        phases = []
        for phase in values["phases"]:
            own = [check for check in values["checks"] if check["phase"] == phase["phase"]]
            phases.append(PhaseRecord.from_dict({**_without(phase, "counts"), "checks": own}))
        run = values["run"]
        return cls(**{
            **run, "phases": tuple(phases), "asked": tuple(run["asked"]), "warnings": tuple(run["warnings"]),
        })  # fmt: skip


def _earlier(moment: str, than: str) -> bool:
    try:
        return datetime.fromisoformat(moment) < datetime.fromisoformat(than)
    except (ValueError, TypeError):
        return False


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def read_run(directory: Path) -> RunRecord:
    """The record of a finished run, from its `checks.json`. Raises InputFileError."""
    path = directory / "checks.json"
    try:
        return RunRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputFileError(path, f"not the results of a run ({error})") from error
