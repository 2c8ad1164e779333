"""Whatever a notebook does, the runner says what is true about it: one kernel for each way to break."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import nbformat
import psutil
import pytest
from tests.runner_book import definition
from tests.runner_notebooks import CLOSE, PASSES, make

from leadbook import checks
from leadbook.report.records import PhaseRecord, Status
from leadbook.runner import engine, plan
from leadbook.runner.kernels import Kernels
from leadbook.runner.notebook import execute
from leadbook.runner.rundir import RunDirectory
from leadbook.settings import Redactor, Settings


@pytest.fixture(autouse=True)
def expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of the one check that these notebooks record."""
    monkeypatch.setattr(checks, "catalogue", lambda: {"T-02-001": definition("T-02-001")})


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    return RunDirectory(tmp_path / "out")


def go(
    directory: RunDirectory,
    *cells: str,
    redactor: Redactor | None = None,
    timeout_s: int = 60,
    prepare=None,
    values=None,
    **kw,
) -> PhaseRecord:
    """Execute one notebook of phase 02 with these cells."""
    path = make(directory.path.parent / "nb", "02", *cells)
    if prepare:
        notebook = nbformat.read(path, as_version=4)
        prepare(notebook)
        nbformat.write(notebook, path)
    kernels = Kernels(directory.id)
    try:
        (step,) = plan.discover(path.parent)
        return execute(
            step, parameters=step.parameters(values or {}, directory.path), kernels=kernels, directory=directory,
            redactor=redactor or Redactor(), interrupted=lambda: "",
            settings=Settings.from_mapping({"cell_timeout_s": timeout_s, **(values or {})}), **kw,
        )  # fmt: skip
    finally:
        kernels.close()


def saved(directory: RunDirectory):
    return nbformat.read(directory.path / "notebooks" / "02_phase.ipynb", as_version=4)


def sidecar(directory: RunDirectory):
    return json.loads((directory.path / "records" / "02.json").read_text())


def test_a_notebook_that_ran_to_its_end_is_believed(directory):
    cells = (PASSES, "book.fact('rate', 5.5)", "book.document('guide', '# Guide')", CLOSE)
    found = go(directory, *cells)
    assert (found.status, found.broken, found.title) == (Status.RAN, None, "Title 02")
    assert [check.id for check in found.checks] == ["T-02-001"] and found.facts == {"rate": 5.5}
    assert found.documents[0].path == "documents/guide.md"
    assert {cell.metadata.papermill.status for cell in saved(directory).cells} == {"completed"}


BREAKS = {
    "killed": ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL"),
    "exits": ("import os; os._exit(0)", "exited with status 0"),
    "sys.exit": ("import sys; sys.exit(0)", r"called sys\.exit\(0\)"),
    "raises": ("1 / 0", "ZeroDivisionError: division by zero"),
    "hangs": ("import time; time.sleep(60)", "ran longer than 5 s"),
}


@pytest.mark.parametrize("how", BREAKS)
def test_a_notebook_that_breaks_says_where_and_why(directory, how):
    source, reason = BREAKS[how]
    found = go(directory, PASSES, source, "print('later')", CLOSE, timeout_s=5 if how == "hangs" else 60)
    assert found.status is Status.BROKEN and found.broken is not None
    assert re.search(reason, found.broken.reason), found.broken.reason
    assert (found.broken.cell, found.broken.line) == (6, source)
    assert [check.id for check in found.checks] == ["T-02-001"]  # what was recorded before it broke is kept
    notebook = saved(directory)
    assert notebook.cells[0].source.startswith("**BROKEN.** Phase 02")
    assert [cell.metadata.papermill.status for cell in notebook.cells[5:]] == [
        "completed",
        "failed",
        "pending",
        "pending",
    ]
    assert notebook.metadata.papermill.exception is True
    assert sidecar(directory)["closed"] is None and reason.replace("\\", "") in sidecar(directory)["broken"]


@pytest.mark.parametrize("tag", ["skip-execution", "raises-exception"])
def test_no_tag_excuses_a_cell(directory, tag):
    def prepare(notebook):
        notebook.cells[4].metadata["tags"] = [tag]

    found = go(directory, PASSES, "1 / 0", CLOSE, prepare=prepare)
    assert found.broken is not None and found.broken.cell == 6


FORGE = "book.record['facts']['x'] = 1; book.path.write_text(__import__('json').dumps(book.record))"
RECORDS = {
    "no verdict": ((PASSES,), "never stated its verdict"),
    "a check after the verdict": ((CLOSE, PASSES), "after the closing verdict"),
    "a forged file": ((PASSES, CLOSE, FORGE), "disagree about facts"),
    "no file": ((PASSES, CLOSE, "book.path.unlink()"), "missing or unreadable"),
    "a foreign phase": (("book.phase = '03'", PASSES, CLOSE), "does not belong to phase 02"),
}


@pytest.mark.parametrize("how", RECORDS)
def test_records_that_do_not_agree_break_the_phase(directory, how):
    cells, reason = RECORDS[how]
    found = go(directory, *cells)
    assert found.broken is not None and reason in found.broken.reason
    assert sidecar(directory)["closed"] is None


def test_what_a_kernel_started_ends_with_it_even_when_it_was_killed(directory):
    cell = (
        "import subprocess, os; c = subprocess.Popen(['sleep', '300']); open(run_dir + '/pid', 'w').write(str(c.pid))"
    )
    go(directory, cell, "os.kill(os.getpid(), 9)", CLOSE)
    pid = int((directory.path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_secrets_are_masked_before_anything_is_saved(directory):
    pieces = "print('say hun', end=''); sys.stdout.flush(); time.sleep(.3); print('ter22')"
    cells = ("import sys, time", pieces, "from IPython.display import HTML; HTML('<b>hunter22</b>')", CLOSE)
    found = go(directory, *cells, redactor=Redactor(["hunter22"]))
    assert found.broken is None
    text = (directory.path / "notebooks" / "02_phase.ipynb").read_text()
    assert "hunter22" not in text and "say •••" in text and "<b>•••</b>" in text


def test_a_full_disk_breaks_the_phase_and_the_ballast_saves_the_report(directory, monkeypatch):
    """The disk of this test is full as long as the ballast lies on it."""
    real, calls = engine.write_notebook, []

    def full(notebook, path):
        calls.append(path)
        if len(calls) > 1 and (directory.path / ".ballast").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        real(notebook, path)

    monkeypatch.setattr("leadbook.runner.engine.write_notebook", full)
    monkeypatch.setattr("leadbook.runner.notebook.write_notebook", full)
    found = go(directory, PASSES, "'more'", CLOSE)
    assert found.broken is not None and "No space left on device: 02_phase.ipynb" in found.broken.reason
    assert saved(directory).cells[0].source.startswith("**BROKEN.**")
    assert not (directory.path / ".ballast").exists()
