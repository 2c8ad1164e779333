"""What a run will do: which notebooks, in which order, each with the parameters that it declares."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from leadbook.errors import InputFileError, ParameterError, UsageError, did_you_mean
from leadbook.report.records import PHASES
from leadbook.settings import PROJECT, Settings

__all__ = ["RUNNER_KEYS", "Step", "discover", "make"]

RUNNER_KEYS = frozenset({"cell_timeout_s"})
"""Parameters that the runner itself uses; no notebook needs to declare them."""

_NAME = re.compile(r"^(\d\d)_(\w+)\.ipynb$")


@dataclass(frozen=True, kw_only=True)
class Step:
    """One notebook of the chain. `defaults` are its parameters cell's; `asked` whether this run wants it."""

    phase: str
    title: str
    path: Path
    defaults: Mapping[str, Any]
    asked: bool = True

    @property
    def declared(self) -> frozenset[str]:
        """The keys of its parameters cell."""
        return frozenset(self.defaults)

    def parameters(self, values: Mapping[str, Any], run_dir: Path) -> dict[str, Any]:
        """What this notebook is given: only keys that it declares, and where its records go.

        That is told relative to the project where it lies inside, so that a report shows no path of this machine.
        """
        given = {key: value for key, value in values.items() if key in self.declared}
        where = run_dir.relative_to(PROJECT) if run_dir.is_relative_to(PROJECT) else run_dir
        return {**given, "run_dir": str(where)}


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
        steps.append(Step(phase=match[1], title=title, path=path, defaults=_defaults(path)))
    if not steps:
        raise UsageError(f"{folder}: holds no notebook called NN_name.ipynb")
    return steps


def _defaults(path: Path) -> dict[str, Any]:
    """Values of the cell tagged `parameters`. Read as Python: papermill's own reader skips lines that it cannot parse
    (an `=` in a comment is enough), and what it skips would silently keep its default."""
    try:
        cells = nbformat.read(path, as_version=4).cells
        tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
        tree = ast.parse("\n".join(tagged))
        pairs = [(node.targets[0] if isinstance(node, ast.Assign) else node.target, node.value)
                 for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AnnAssign)]  # fmt: skip
        defaults = {name.id: ast.literal_eval(value) for name, value in pairs if isinstance(name, ast.Name) and value}
    except (OSError, ValueError, AttributeError, SyntaxError) as error:
        raise InputFileError(path, f"not a notebook with a parameters cell of plain values ({error})") from error
    if "run_dir" not in defaults:
        raise InputFileError(path, "its parameters cell does not declare run_dir, so its records would be lost")
    return defaults


def make(
    values: Mapping[str, Any], *, only: str | None = None, start: str | None = None, notebooks: Path | None = None
) -> list[Step]:
    """The steps of a run, checked before anything is started or written.

    Raises ParameterError for a key that no notebook declares, a wrong type, or a secret given as a parameter;
    UsageError for a phase that does not exist.
    """
    steps = discover(notebooks)
    _check_parameters(values, frozenset().union(*(step.declared for step in steps)))
    if only is not None and start is not None:
        raise UsageError("--only and --from exclude each other")
    named = only if only is not None else start
    wanted = _phase(named, steps) if named is not None else None
    chosen = []
    for step in steps:
        asked = wanted is None or (step.phase == wanted if only is not None else step.phase >= wanted)
        chosen.append(Step(**{**step.__dict__, "asked": asked}))
    return chosen


def _check_parameters(values: Mapping[str, Any], declared: frozenset[str]) -> None:
    Settings.from_mapping(values)
    known = declared | RUNNER_KEYS
    for key, value in values.items():
        if key not in known and value != Settings.model_fields[key].default:
            raise ParameterError(
                key, "no notebook declares it, so it would change nothing", did_you_mean(key, declared)
            )


def _phase(text: str, steps: list[Step]) -> str:
    """`3`, `03` and `03_benchmarks` all name phase 03."""
    match = re.fullmatch(r"0?(\d)(_\w+)?", text.strip())
    wanted = f"0{match[1]}" if match else ""
    numbers = [step.phase for step in steps]
    if wanted not in numbers:
        beyond = " (its notebook is missing)" if wanted in PHASES else ""
        raise UsageError(f"there is no phase {text!r}{beyond}; there are {', '.join(numbers)}")
    return wanted
