"""What a run says while it runs: a live line on a terminal, one line a phase elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from leadbook.report.records import PhaseRecord, Status
from leadbook.runner.plan import Step


class Teller:
    """Tells the progress of a run on `console`; silent without one."""

    def __init__(self, console: Console | None) -> None:
        self.console = console
        self._live: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Teller:
        if self.console is not None and self.console.is_terminal:
            self._live = Progress(
                SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[cells]}"),
                TimeElapsedColumn(), console=self.console, transient=True,
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begins(self, what: str) -> None:
        """A phase, or the report, begins."""
        if self._live is not None:
            self._clear()
            self._task = self._live.add_task(what, total=None, cells="")

    def cell(self, done: int, total: int) -> None:
        """So many cells of the phase are done."""
        if self._live is not None and self._task is not None:
            self._live.update(self._task, completed=done, total=total, cells=f"cell {done}/{total}")

    def ended(self, step: Step, phase: PhaseRecord) -> None:
        """A phase ended: one line that stays."""
        self._clear()
        if self.console is None:
            return
        counts = ", ".join(f"{count} {name}" for name, count in phase.counts.items())
        colour = "red" if phase.status is Status.BROKEN else "yellow" if phase.blocking else "green"
        what = f"broke: {phase.broken}" if phase.broken else counts or "no checks"
        line = Text.assemble((f"{step.phase} {step.title:<22}", "bold"), f"{phase.seconds or 0:6.1f} s  ",
                             (what, colour))  # fmt: skip
        self.console.print(line, soft_wrap=True)

    def _clear(self) -> None:
        if self._live is not None and self._task is not None:
            self._live.remove_task(self._task)
        self._task = None
