"""The gates of the task book: each target with the check that decides it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from leadbook.core.checks import GRAVEST, Check, Verdict, times_better
from leadbook.core.definitions import Definition, catalogue
from leadbook.core.settings import Settings
from leadbook.page.prose import number
from leadbook.page.tables import measured_text, target_text
from leadbook.report.records import PHASES, STAGES, RunRecord


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One row: `check` decides (the worst), `others` share the target; None and empty when nothing measures it. note:
    what is to be known of the value."""

    title: str
    target: str
    measured: str
    verdict: str
    check: Check | None
    others: tuple[Check, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class GateSource:
    """What decides a gate: every check with the parameter `target`, or `checks` by id; of one `stage`, or of all.
    asks, made_up: see `gates.yaml`."""

    target: str = ""
    checks: Sequence[str] = ()
    stage: str = ""
    asks: str = ""
    made_up: str = ""

    @property
    def entries(self) -> list[Definition]:
        """The catalogue's entries of these checks."""
        phases = STAGES.get(self.stage, PHASES)
        return [
            entry for entry in catalogue().values()
            if entry.phase in phases and (entry.id in self.checks or (self.target and entry.target == self.target))
        ]  # fmt: skip


@cache
def sources() -> dict[str, GateSource]:
    """Title of each gate -> what decides it (see `gates.yaml`)."""
    told = yaml.safe_load((Path(__file__).parent / "gates.yaml").read_text("utf-8"))
    return {title: GateSource(**values) for title, values in told.items()}


def gates(run: RunRecord) -> list[Gate]:
    """The gates that phases of this run decide, in order. One that no check answered is `not measured`."""
    return [gate for title, source in sources().items() if (gate := _gate(title, source, run)) is not None]


def _gate(title: str, source: GateSource, run: RunRecord) -> Gate | None:
    ids = {entry.id for entry in source.entries if entry.phase in run.asked}
    if not ids:
        return None
    found = _worst_first(check for check in run.checks if check.id in ids)
    if not found:
        target, missing = source.asks or _asked(source.target, run), Verdict.NOT_MEASURED.value
        return Gate(title=title, target=target, measured="–", verdict=missing, check=None, others=())
    first = found[0]
    note = source.made_up if run.profile != "production" and first.measured is not None else ""
    return Gate(title=title, target=source.asks or target_text(first), measured=measured_text(first),
                verdict=first.verdict.value, check=first, others=tuple(found[1:]), note=note)  # fmt: skip


def _asked(target: str, run: RunRecord) -> str:
    """The target of a gate that no check answered, from the parameters."""
    if not target:
        return "–"
    value = run.parameters.get(target, Settings.model_fields[target].default)
    return f"{number(float(value))} ({Settings.model_fields[target].description})"


def _worst_first(checks: Iterable[Check]) -> list[Check]:
    """By verdict; among equals the one nearest to its target first, so that the tightest measurement speaks."""
    return sorted(checks, key=lambda check: (GRAVEST.index(check.verdict), times_better(check) or math.inf))
