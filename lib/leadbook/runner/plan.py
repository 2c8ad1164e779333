"""What a run will do: which notebooks, in which order, with which parameters."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.settings import PROJECT, Settings
from leadbook.report.records import PHASES

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
    values: Mapping[str, Any], *, only: str | None = None, start: str | None = None, notebooks: Path | None = None
) -> list[Step]:
    """The steps of a run, checked before anything is started or written.

    Raises ParameterError for an unknown key, a wrong type, or a secret given as a parameter; UsageError for a phase
    that does not exist.
    """
    steps = discover(notebooks)
    Settings.from_mapping(values)
    if only is not None and start is not None:
        raise UsageError("--only and --from exclude each other")
    named = only if only is not None else start
    wanted = _phase(named, steps) if named is not None else None
    chosen = []
    for step in steps:
        asked = wanted is None or (step.phase == wanted if only is not None else step.phase >= wanted)
        chosen.append(Step(**{**step.__dict__, "asked": asked}))
    return chosen


def _phase(text: str, steps: list[Step]) -> str:
    """`3`, `03` and `03_benchmarks` all name phase 03."""
    match = re.fullmatch(r"0?(\d)(_\w+)?", text.strip())
    wanted = f"0{match[1]}" if match else ""
    numbers = [step.phase for step in steps]
    if wanted not in numbers:
        beyond = " (its notebook is missing)" if wanted in PHASES else ""
        raise UsageError(f"there is no phase {text!r}{beyond}; there are {', '.join(numbers)}")
    return wanted
