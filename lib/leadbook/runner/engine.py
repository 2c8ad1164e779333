"""papermill's engine with a record of its own: a cell counts as run only when the kernel itself said so.

papermill marks a killed cell, and every cell after it, `completed`. Here each cell carries `metadata.leadbook.reply`:
`ok` or `error` as the kernel replied, or null when it never did; papermill's own marks are made to agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, NotebookExecutionManager, papermill_engines
from papermill.log import logger as papermill_logger

from leadbook.core import files
from leadbook.core.redactor import Redactor
from leadbook.runner.kernels import Kernels

ENGINE = "leadbook"
SAVE_EVERY_S = 2.0
"""How much of a running notebook the death of the runner itself may cost, seconds."""
IOPUB_TIMEOUT_S = 60
"""How long a finished cell's last outputs may take to arrive; nbclient's 4 s is short for a busy machine."""


@dataclass(kw_only=True)
class Execution:
    """What the engine needs for one notebook, and what it leaves: the notebook as far as it got."""

    kernels: Kernels
    redactor: Redactor
    output: Path
    source: str
    timeout_s: int
    interrupted: Callable[[], str]
    on_cell: Callable[[int, int], None] = lambda done, total: None
    notebook: NotebookNode | None = None
    dead: bool = False


def write_notebook(notebook: NotebookNode, path: Path) -> None:
    """All or nothing: a full disk leaves the last whole copy. Raises OSError."""
    files.write(path, nbformat.writes(notebook))


class _Manager(NotebookExecutionManager):  # type: ignore[misc]
    def __init__(self, notebook: NotebookNode, execution: Execution) -> None:
        super().__init__(notebook, progress_bar=False, autosave_cell_every=0)
        self.execution = execution
        self._saved = datetime.min.replace(tzinfo=UTC)
        execution.notebook = notebook

    def notebook_start(self, **kwargs: Any) -> None:
        for cell in self.nb.cells:
            if cell.cell_type == "code":  # a heading's metadata names the steps that its section carries
                cell.metadata.pop("leadbook", None)
        self.nb.metadata.papermill["input_path"] = self.execution.source
        self.nb.metadata.papermill["output_path"] = self.execution.output.name
        super().notebook_start(**kwargs)

    def cell_complete(self, cell: NotebookNode, cell_index: int | None = None, **kwargs: Any) -> None:
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs, self.execution.redactor)
            if cell.source.strip() and cell.metadata.get("leadbook", {}).get("reply") != "ok":
                cell.metadata.papermill["status"] = self.FAILED
        super().cell_complete(cell, cell_index, **kwargs)
        self.execution.on_cell((cell_index or 0) + 1, len(self.nb.cells))

    def notebook_complete(self, **kwargs: Any) -> None:
        """Unlike papermill's: a cell that was never reached stays `pending`."""
        self.end_time = self.now()
        self.nb.metadata.papermill["end_time"] = self.end_time.isoformat()
        self.nb.metadata.papermill["duration"] = (self.end_time - self.start_time).total_seconds()
        self.save()

    def save(self, **kwargs: Any) -> None:
        """Now and then: writing after every cell would cost more than many a cell."""
        if self.end_time is not None or (self.now() - self._saved).total_seconds() >= SAVE_EVERY_S:
            write_notebook(self.nb, self.execution.output)
            self._saved = self.now()


def _joined(outputs: list[NotebookNode], redactor: Redactor) -> list[NotebookNode]:
    """Neighbouring pieces of one stream as one, then scrubbed: a secret may have come in two pieces."""
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    for output in joined:
        if output.output_type == "stream":
            output.text = redactor.text(output.text)
    return joined


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    def __init__(self, nb_man: _Manager, execution: Execution, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self.execution = execution
        self.force_raise_errors = True  # the tag `raises-exception` excuses nothing here
        self.on_cell_start = self._before
        self.on_cell_execute = self._begins
        self.on_cell_executed = self._replied

    def create_kernel_manager(self) -> Any:
        self.km = self.execution.kernels.manager()
        return self.km

    def start_new_kernel(self, **kwargs: Any) -> None:
        super().start_new_kernel(**self.execution.kernels.launch_options(), **kwargs)
        self.execution.kernels.started(self.km)

    def papermill_execute_cells(self) -> None:
        try:
            super().papermill_execute_cells()
        except BaseException as error:
            self.execution.dead = isinstance(error, DeadKernelError)
            self.execution.kernels.kill_all()  # else a hung cell is begged for five seconds to end
            raise

    def _before(self, cell: NotebookNode, cell_index: int) -> None:
        if signal_name := self.execution.interrupted():
            raise DeadKernelError(f"interrupted by {signal_name}")

    def _begins(self, cell: NotebookNode, cell_index: int) -> None:
        cell.metadata["leadbook"] = {"reply": None}

    def _replied(self, cell: NotebookNode, cell_index: int, execute_reply: dict[str, Any]) -> None:
        cell.metadata["leadbook"] = {"reply": execute_reply["content"]["status"]}

    def process_message(self, msg: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if isinstance(msg.get("content"), dict):
            msg["content"] = self.execution.redactor.tree(msg["content"])
        return super().process_message(msg, *args, **kwargs)


class _Engine(NBClientEngine):  # type: ignore[misc]
    @classmethod
    def execute_notebook(
        cls, nb: NotebookNode, kernel_name: str, output_path: Any = None, *, execution: Execution, **kwargs: Any
    ) -> NotebookNode:
        """papermill's hook: run `nb`, keep `execution.notebook` and the saved file true whatever happens."""
        manager = _Manager(nb, execution)
        manager.notebook_start()
        try:
            _Client(
                manager, execution, kernel_name=kernel_name, timeout=execution.timeout_s, startup_timeout=60,
                iopub_timeout=IOPUB_TIMEOUT_S, log=papermill_logger,
            ).execute()  # fmt: skip
        finally:
            execution.kernels.kill_all()
            manager.notebook_complete()
        return manager.nb


papermill_engines.register(ENGINE, _Engine)
