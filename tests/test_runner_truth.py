"""Whatever a notebook does, the runner says what is true about it: one kernel for each way to break."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import nbformat
import psutil
import pytest
from tests.runner_book import definition
from tests.runner_notebooks import CLOSE, PASSES, make

from leadbook.core import definitions
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.report.records import PhaseRecord, Status
from leadbook.runner import engine, plan
from leadbook.runner.kernels import Kernels
from leadbook.runner.notebook import execute
from leadbook.runner.rundir import RunDirectory


@pytest.fixture(autouse=True)
def expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A catalogue of the one check that these notebooks record."""
    monkeypatch.setattr(definitions, "catalogue", lambda: {"T-02-001": definition("T-02-001")})


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
    given = {"cell_timeout_s": timeout_s, **(values or {})}
    try:
        (step,) = plan.discover(path.parent)
        return execute(
            step, parameters=step.parameters(given, directory.path), kernels=kernels, directory=directory,
            redactor=redactor or Redactor(), interrupted=lambda: "", settings=Settings.from_mapping(given), **kw,
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


BEFORE = "the checks recorded before it, and a notebook that begins with BROKEN"
UNCLOSED = "a phase that counts as broken, without a closing verdict"


@pytest.mark.parametrize("source", [
    pytest.param("import os; os.kill(os.getpid(), 9)", id="killed", marks=pytest.mark.trust(
        way="a cell whose kernel is killed", status=None, says=("killed by SIGKILL", "leadbook cleanup"),
        leaves=BEFORE)),
    pytest.param("import os; os._exit(0)", id="exits", marks=pytest.mark.trust(
        way="a cell that ends its kernel with status 0", status=None, says="exited with status 0", leaves=BEFORE)),
    pytest.param("import sys; sys.exit(0)", id="sys.exit", marks=pytest.mark.trust(
        way="a cell that calls sys.exit(0)", status=None, says="called sys.exit(0)", leaves=BEFORE)),
    pytest.param("1 / 0", id="raises", marks=pytest.mark.trust(
        way="a cell that raises an error", status=None, says="ZeroDivisionError: division by zero", leaves=BEFORE)),
    pytest.param("import time; time.sleep(60)", id="hangs", marks=pytest.mark.trust(
        way="a cell that hangs", status=None, says="ran longer than 5 s", leaves=BEFORE)),
])  # fmt: skip
def test_a_notebook_that_breaks_says_where_and_why(directory, source, trust):
    timeout_s = 5 if "sleep" in source else 60
    found = go(directory, PASSES, source, "print('later')", CLOSE, timeout_s=timeout_s)
    assert found.status is Status.BROKEN and found.broken is not None
    trust.check(None, found.broken.reason)
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
    assert sidecar(directory)["closed"] is None and trust.says[0] in sidecar(directory)["broken"]


@pytest.mark.parametrize("tag", [
    pytest.param("skip-execution", marks=pytest.mark.trust(
        way="a cell tagged `skip-execution`", status=None, says="and was not run",
        leaves="a phase that counts as broken")),
    pytest.param("raises-exception", marks=pytest.mark.trust(
        way="a failing cell tagged `raises-exception`", status=None, says="ZeroDivisionError",
        leaves="a phase that counts as broken")),
])  # fmt: skip
def test_no_tag_excuses_a_cell(directory, tag, trust):
    def prepare(notebook):
        notebook.cells[4].metadata["tags"] = [tag]

    found = go(directory, PASSES, "1 / 0", CLOSE, prepare=prepare)
    assert found.broken is not None and found.broken.cell == 6
    trust.check(None, found.broken.reason)


DEAD = "import pymongo; pymongo.MongoClient('127.0.0.1:1', serverSelectionTimeoutMS=200).x.x.find_one()"
KERNEL = "from leadbook.phases import kernel; kernel.tell_errors_in_one_line('02')"


@pytest.mark.trust(
    way="all members of MongoDB die in the middle of a phase", status=None,
    says=("ServerSelectionTimeoutError: MongoDB stopped answering: 127.0.0.1:1: [Errno 111] Connection refused",),
    leaves=BEFORE,
)  # fmt: skip
def test_what_the_driver_says_is_one_line_of_the_notebook(directory, trust):
    found = go(directory, KERNEL, PASSES, DEAD, CLOSE)
    assert found.broken is not None and found.broken.line == DEAD
    trust.check(None, found.broken.reason)
    (told,) = [one for cell in saved(directory).cells for one in cell.get("outputs", []) if one.output_type == "error"]
    assert "Topology" not in str(told) and len(told.traceback) == 1 and "\n" not in told.traceback[0] + told.evalue


FORGE = "book.record['facts']['x'] = 1; book.path.write_text(__import__('json').dumps(book.record))"


@pytest.mark.parametrize("cells", [
    pytest.param((PASSES,), id="no verdict", marks=pytest.mark.trust(
        way="a notebook that ends without its verdict", status=None, says="never stated its verdict", leaves=UNCLOSED)),
    pytest.param((CLOSE, PASSES), id="a check after the verdict", marks=pytest.mark.trust(
        way="a check recorded after the verdict", status=None, says="after the closing verdict", leaves=UNCLOSED)),
    pytest.param((PASSES, CLOSE, FORGE), id="a forged file", marks=pytest.mark.trust(
        way="a record file forged after the fact", status=None, says="disagree about facts", leaves=UNCLOSED)),
    pytest.param((PASSES, CLOSE, "book.path.unlink()"), id="no file", marks=pytest.mark.trust(
        way="a record file removed", status=None, says="missing or unreadable", leaves=UNCLOSED)),
    pytest.param(("book.phase = '03'", PASSES, CLOSE), id="a foreign phase", marks=pytest.mark.trust(
        way="another phase's records", status=None, says="does not belong to phase 02", leaves=UNCLOSED)),
])  # fmt: skip
def test_records_that_do_not_agree_break_the_phase(directory, cells, trust):
    found = go(directory, *cells)
    assert found.broken is not None
    trust.check(None, found.broken.reason)
    assert sidecar(directory)["closed"] is None


@pytest.mark.trust(
    way="a killed kernel that had started processes of its own", status=None,
    says=("killed by SIGKILL",), leaves="none of those processes",
)  # fmt: skip
def test_what_a_kernel_started_ends_with_it_even_when_it_was_killed(directory, trust):
    cell = (
        "import subprocess, os; c = subprocess.Popen(['sleep', '300']); open(run_dir + '/pid', 'w').write(str(c.pid))"
    )
    found = go(directory, cell, "os.kill(os.getpid(), 9)", CLOSE)
    assert found.broken is not None
    trust.check(None, found.broken.reason)
    pid = int((directory.path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_secrets_are_masked_before_anything_is_saved(directory):
    pieces = "print('say hun', end=''); sys.stdout.flush(); time.sleep(.3); print('ter22')"
    cells = ("import sys, time", pieces, "from IPython.display import HTML; HTML('<b>hunter22</b>')", CLOSE)
    found = go(directory, *cells, redactor=Redactor(["hunter22"]))
    assert found.broken is None
    text = (directory.path / "notebooks" / "02_phase.ipynb").read_text()
    assert "hunter22" not in text and "say •••" in text and "<b>•••</b>" in text


@pytest.mark.trust(
    way="the disk full while a notebook runs", status=None,
    says=("No space left on device: 02_phase.ipynb",),
    leaves="the notebook as far as it ran, and room for the report: a reserve kept for this is given up",
)  # fmt: skip
def test_a_full_disk_breaks_the_phase_and_the_ballast_saves_the_report(directory, monkeypatch, trust):
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
    assert found.broken is not None
    trust.check(None, found.broken.reason)
    assert saved(directory).cells[0].source.startswith("**BROKEN.**")
    assert not (directory.path / ".ballast").exists()
