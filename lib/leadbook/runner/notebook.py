"""One notebook: executed by papermill, then judged by what it really did."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError

from leadbook.core import write_errors
from leadbook.core.redactor import Redactor
from leadbook.core.settings import PROJECT, Settings
from leadbook.report.records import Break, PhaseRecord, Status
from leadbook.runner.engine import ENGINE, Execution, write_notebook
from leadbook.runner.kernels import Kernels, exit_reason
from leadbook.runner.plan import Step
from leadbook.runner.rundir import RunDirectory
from leadbook.runner.truth import Examiner, condemn_sidecar, examine, mark_broken, without_banners

logging.getLogger("papermill").setLevel(logging.ERROR)
"""It warns of every parameter that no cell declares; `Settings` knows them all, and refuses the others."""

STAYS = (
    "what it had not removed yet, copies of a drill too, stays until the next notebook is opened or `leadbook cleanup` "
    "is run"
)
"""What a kernel that was killed could not say any more."""


def execute(
    step: Step,
    *,
    parameters: Mapping[str, Any],
    settings: Settings,
    kernels: Kernels,
    directory: RunDirectory,
    redactor: Redactor,
    interrupted: Callable[[], str],
    on_cell: Callable[[int, int], None] = lambda done, total: None,
) -> PhaseRecord:
    """Execute one notebook and return what is true about it. Never raises for anything the notebook does.

    A phase that broke leaves a banner on top of its executed copy, and a record file that no later reader trusts.
    Its record, its executed copy and its documents are closed in `directory`: they may not change any more.
    `settings` are the run's, by which its checks are judged once more; one cell may run as long as `cell_timeout_s`.
    """
    output = directory.path / "notebooks" / step.path.name
    execution = Execution(
        kernels=kernels, redactor=redactor, output=output, source=_source(step.path),
        timeout_s=settings.cell_timeout_s,
        interrupted=interrupted, on_cell=on_cell,
    )  # fmt: skip
    started_at, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    known = _papermill(step.path, dict(parameters), execution)
    if signal_name := interrupted():
        known = f"interrupted by {signal_name}"
    seconds = round(time.monotonic() - clock, 2)
    _keep(execution, directory)
    sidecar = directory.path / "records" / f"{step.phase}.json"
    directory.close(output, sidecar)
    judge = Examiner(settings=settings, run_dir=str(parameters["run_dir"]), redactor=redactor)
    found = examine(output, sidecar, step.phase, known=redactor.text(known), judge=judge)
    broken = found.broken
    if broken is not None:
        _condemn(step, broken, output, sidecar, directory)
        directory.close(output, sidecar)
    directory.close(*(directory.path / document.path for document in found.documents))
    return PhaseRecord(
        phase=step.phase, title=str((found.opened or {}).get("title") or step.title),
        status=Status.BROKEN if broken else Status.RAN, notebook=f"notebooks/{output.name}" if output.exists() else "",
        page=f"{output.stem}.html", started_at=started_at, seconds=seconds, checks=found.checks, facts=found.facts,
        documents=found.documents, opened=found.opened, broken=broken,
    )  # fmt: skip


def _source(path: Path) -> str:
    with suppress(ValueError):
        return str(path.resolve().relative_to(PROJECT))
    return path.name


def _papermill(path: Path, parameters: dict[str, Any], execution: Execution) -> str:
    """Run it. Returns the runner's own knowledge of why it stopped; empty when the notebook tells it best."""
    try:
        papermill.execute_notebook(
            nbformat.read(path, as_version=4), None, parameters=parameters, engine_name=ENGINE, kernel_name="python3",
            progress_bar=False, log_output=False, cwd=str(PROJECT), execution=execution,
        )  # fmt: skip
    except PapermillExecutionError:
        return ""
    except CellTimeoutError:
        return f"the cell ran longer than {execution.timeout_s} s and was stopped"
    except DeadKernelError:
        return f"{exit_reason(execution.kernels.exit_status)}; {STAYS}"
    except OSError as error:
        what = error.strerror or str(error)
        return f"{what}: {Path(str(error.filename)).name}" if error.filename else what
    except Exception as error:  # noqa: BLE001  papermill and its parts may raise anything; none of it is a pass
        if execution.kernels.exit_status is not None and "ernel" in str(error):
            return f"{exit_reason(execution.kernels.exit_status)} before it was ready"
        return write_errors.described(error)
    return ""


def _keep(execution: Execution, directory: RunDirectory) -> None:
    """Save the executed copy as far as it got, giving the ballast back where the disk was full."""
    if execution.notebook is not None:
        notebook = without_banners(execution.notebook)  # papermill adds its own, which would shift the cells' numbers
        for cell in notebook.cells:
            cell.source = execution.redactor.text(cell.source)
        marks = notebook.metadata.get("papermill", {})
        marks["parameters"] = execution.redactor.tree(dict(marks.get("parameters", {})))
        with suppress(OSError):
            directory.insist(lambda: write_notebook(notebook, execution.output))


def _condemn(step: Step, broken: Break, output: Path, sidecar: Path, directory: RunDirectory) -> None:
    with suppress(OSError):
        directory.insist(lambda: condemn_sidecar(sidecar, step.phase, broken))
    with suppress(OSError, ValueError):
        node = nbformat.read(output, as_version=4)
        marked = mark_broken(node, step.phase, step.title, broken)
        directory.insist(lambda: write_notebook(marked, output))
