"""What a run will do: which notebooks, in which order, with which parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat

from leadbook.core.errors import InputFileError, UsageError, did_you_mean
from leadbook.core.settings import PROJECT, Settings
from leadbook.report.records import PHASES, STAGES

_NAME = re.compile(r"^(\d\d)_(\w+)\.ipynb$")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One notebook of the chain. `preset`: what its own parameters cell sets; `asked` whether this run wants it."""

    phase: str
    title: str
    path: Path
    preset: frozenset[str] = frozenset()
    asked: bool = True

    def parameters(self, values: Mapping[str, Any], run_dir: Path) -> dict[str, Any]:
        """What this notebook is given: the run's values, also where its own cell says otherwise, and `run_dir`.

        That is told relative to the project where it lies inside, so that a report shows no path of this machine.
        """
        in_force = Settings.from_mapping(values).model_dump()
        where = run_dir.relative_to(PROJECT) if run_dir.is_relative_to(PROJECT) else run_dir
        return {**{key: in_force[key] for key in self.preset}, **values, "run_dir": str(where)}


def discover(notebooks: Path | None = None) -> list[Step]:
    """The notebooks `NN_name.ipynb` in order. Raises UsageError when there is none or two share a number."""
    folder = notebooks or PROJECT / "notebooks"
    steps: list[Step] = []
    for path in sorted(folder.glob("*.ipynb")):
        match = _NAME.match(path.name)
        if not match:
            continue
        if steps and steps[-1].phase == match[1]:
            raise UsageError(f"two notebooks have the number {match[1]}: {steps[-1].path.name} and {path.name}")
        title = match[2].replace("_", " ").capitalize()
        steps.append(Step(phase=match[1], title=title, path=path, preset=_preset(path)))
    if not steps:
        raise UsageError(f"{folder}: holds no notebook called NN_name.ipynb")
    return steps


def _preset(path: Path) -> frozenset[str]:
    """Keys that the cell tagged `parameters` sets to anything but None. Read as Python: papermill's own reader skips
    lines that it cannot parse (an `=` in a comment is enough)."""
    try:
        cells = nbformat.read(path, as_version=4).cells
        tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
        tree = ast.parse("\n".join(tagged))
    except (OSError, ValueError, AttributeError, SyntaxError) as error:
        raise InputFileError(path, f"not a notebook with a parameters cell of plain values ({error})") from error
    pairs = [(node.targets[0] if isinstance(node, ast.Assign) else node.target, node.value)
             for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]  # fmt: skip
    unset = ast.dump(ast.Constant(None))
    set_here = {name.id for name, value in pairs if isinstance(name, ast.Name) and value and ast.dump(value) != unset}
    return frozenset(set_here & set(Settings.model_fields))


def make(
    values: Mapping[str, Any], *, stage: str = "", only: str | None = None, start: str | None = None,
    notebooks: Path | None = None,
) -> list[Step]:  # fmt: skip
    """The steps of a run, checked before anything is started or written: those of a stage, or all, of which some are
    asked for.

    Raises ParameterError for an unknown key, a wrong type, or a secret given as a parameter; UsageError for a stage or
    a phase that does not exist, and for production without one.
    """
    settings = Settings.from_mapping(values)
    if stage and stage not in STAGES:
        hint = did_you_mean(stage, STAGES) or f"there are {', '.join(STAGES)}"
        raise UsageError(f"there is no stage {stage!r}; {hint}")
    named = {"--stage": stage or None, "--only": only, "--from": start}
    given = [option for option, value in named.items() if value is not None]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other")
    steps = [step for step in discover(notebooks) if not stage or step.phase in STAGES[stage]]
    asked = _asked(steps, only, start)
    if settings.is_production and not stage and only is None and len(asked) == len(steps):
        raise UsageError(
            "production goes stage by stage: say --stage ready before the sprint, --stage live while collectors work, "
            "--stage close when they have ended"
        )
    return [replace(step, asked=step.phase in asked) for step in steps]


def _asked(steps: list[Step], only: str | None, start: str | None) -> set[str]:
    numbers = {step.phase for step in steps}
    if only is not None:
        return {_phase(only, steps)}
    first = "" if start is None else _phase(start, steps)
    return {number for number in numbers if number >= first}


def _phase(text: str, steps: list[Step]) -> str:
    """`3`, `03` and `03_benchmarks` all name phase 03."""
    match = re.fullmatch(r"0?(\d)(_\w+)?", text.strip())
    wanted = f"0{match[1]}" if match else ""
    numbers = [step.phase for step in steps]
    if wanted not in numbers:
        beyond = " (its notebook is missing)" if wanted in PHASES else ""
        raise UsageError(f"there is no phase {text!r}{beyond}; there are {', '.join(numbers)}")
    return wanted
