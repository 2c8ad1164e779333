"""Whole runs of tiny notebooks: the verdict, the report whatever happens, and that nothing is left behind."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.runner_book import definition
from tests.runner_notebooks import CLOSE, PASSES, make

from leadbook.core import definitions, files
from leadbook.core.errors import InputFileError, LeadbookError, UsageError
from leadbook.core.settings import PROJECT
from leadbook.report import site
from leadbook.report.records import PHASES
from leadbook.runner import chain, kernels
from leadbook.runner.kernels import RUN_ID

SLEEPS = "import time, pathlib; pathlib.Path(run_dir, 'asleep').touch(); time.sleep(120)"
EXPECTED = {f"T-0{n}-001": definition(f"T-0{n}-001") for n in (1, 2, 3)}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three notebooks, and a catalogue that expects one check of each."""
    monkeypatch.setattr(definitions, "catalogue", lambda: EXPECTED)
    for phase in ("01", "02", "03"):
        make(tmp_path / "nb", phase, PASSES, CLOSE)
    return tmp_path


def go(folder: Path, values=None, **options) -> chain.RunResult:
    return chain.run(values or {}, out=folder / "out", notebooks=folder / "nb", **options)


def results(run: chain.RunResult) -> dict:
    return json.loads((run.directory / "checks.json").read_text())


def test_one_phase_that_passes_is_partial_and_no_go(folder):
    found = go(folder, only="02", live=lambda: 1 / 0)
    assert (found.verdict, found.exit_status) == ("PARTIAL", 0)
    assert "1 of 9 phases" in found.reason
    names = {str(path.relative_to(found.directory)) for path in found.directory.rglob("*") if path.is_file()}
    wanted = {"index.html", "02_phase.html", "notebooks/02_phase.ipynb", "checks.json", "junit.xml", "manifest.json"}
    assert wanted <= names and not any(name.startswith(".") for name in names)
    assert (folder / "out" / "latest-partial").resolve() == found.directory
    assert not (folder / "out" / "latest").exists()
    states = {phase["phase"]: phase["status"] for phase in results(found)["phases"]}
    assert states["02"] == "ran" and states["01"] == states["03"] == "not run"


def test_a_failed_check_does_not_stop_the_chain_and_what_was_not_recorded_was_not_measured(folder, monkeypatch):
    monkeypatch.setattr(definitions, "catalogue", lambda: EXPECTED | {"T-02-009": definition("T-02-009")})
    make(folder / "nb", "02", "book.check('T-02-009', 'fail', 1.0)", CLOSE)
    found = go(folder, start="02")
    assert (found.verdict, found.exit_status) == ("PARTIAL", 1)
    verdicts = {check["id"]: check["verdict"] for check in results(found)["checks"]}
    assert verdicts["T-02-009"] == "fail" and verdicts["T-02-001"] == "not measured" and verdicts["T-03-001"] == "pass"


@pytest.mark.trust(
    way="The kernel of a phase dies (out of memory, for one)", status=2,
    says=("Phase 02, Title 02, broke: cell 6 of 7", "killed by SIGKILL", "Not run: 03"),
    leaves="a report that says BROKEN, names the cell, and shows the notebook as far as it got",
)  # fmt: skip
def test_a_broken_phase_stops_the_chain_and_the_report_is_written_all_the_same(folder, trust):
    make(folder / "nb", "02", PASSES, "import os; os.kill(os.getpid(), 9)", CLOSE)
    found = go(folder)
    assert found.verdict == "BROKEN"
    assert "Phase 02, Title 02, broke: cell 6 of 7 (`import os; os.kill(os.getpid(), 9)`)" in found.reason
    trust.check(found.exit_status, found.reason)
    index, page = found.index.read_text(), (found.directory / "02_phase.html").read_text()
    assert "BROKEN" in index and "killed by SIGKILL" in index
    assert "Stopped at cell 6 of 7" in page and 'id="stopped"' in page
    assert "killed by SIGKILL" in (found.directory / "junit.xml").read_text()


@pytest.mark.trust(
    way="a whole run while notebooks are missing", status=2,
    says=("04, 05, 06, 07, 08, 09",), leaves="a report that says BROKEN, never GO",
)  # fmt: skip
def test_nothing_but_nine_phases_can_be_go(folder, trust):
    found = go(folder)
    assert (found.verdict, found.decision.stages) == ("BROKEN", ())
    trust.check(found.exit_status, found.reason)


@pytest.mark.trust(
    way="a notebook prints, writes and records the passwords of the servers", status=0,
    says=("leak.txt",), leaves="a finished run in which no file holds them; the file that did is named in a warning",
)  # fmt: skip
def test_no_secret_reaches_any_file(folder, monkeypatch, trust):
    password = 'p"ä&s<s 22'
    monkeypatch.setenv("MONGODB_URI", "mongodb://app:hunter%4022@example.invalid/db")
    monkeypatch.setenv("CRM_API_KEY", "key-12345678")
    leaks = (
        "import os; uri = os.environ['MONGODB_URI']; print(uri, 'hunter@22')",
        "open(run_dir + '/leak.txt', 'w').write(uri)",
        "book.document('guide', '# Guide\\n' + os.environ['CRM_API_KEY'] + ' hunter%4022')",
        f"book.fact('x', {password!r}); os.write(2, b'raw key-12345678')",
        PASSES, CLOSE, "import warnings; warnings.warn('hunter@22')",
    )  # fmt: skip
    make(folder / "nb", "02", *leaks)
    found = go(folder, only="02", secrets=[password])
    escaped = (json.dumps(password)[1:-1], "p&quot;ä")
    for path in found.directory.rglob("*"):
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            for secret in ("hunter@22", "hunter%4022", "key-12345678", password, *escaped):
                assert secret not in text, (path.name, secret)
    trust.check(found.exit_status, " ".join(found.record.warnings))


@pytest.mark.trust(
    way="a run directory that cannot be made", status=2,
    says=("choose another with --out",), leaves="nothing; no notebook is started",
)  # fmt: skip
def test_a_run_directory_that_cannot_be_made_is_one_clear_line(folder, trust):
    (folder / "out").write_text("a file")
    with pytest.raises(UsageError) as caught:
        go(folder, only="01")
    trust.check(caught.value.exit_status, str(caught.value))


def test_a_part_of_the_chain_does_not_move_latest(folder):
    whole = go(folder)
    part = go(folder, start="02")
    assert (folder / "out" / "latest").resolve() == whole.directory
    assert (folder / "out" / "latest-partial").resolve() == part.directory


def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "index.html")


@pytest.mark.trust(
    way="The disk is full when the report is to be written", status=2,
    says=("BROKEN", "The report could not be written", "No space left on device"),
    leaves="what fits: a page with verdict and reason alone, never a GO; a path is told only of a page that is there",
)  # fmt: skip
@pytest.mark.parametrize("worse", [False, True])
def test_a_report_that_cannot_be_written_is_no_success(folder, monkeypatch, trust, worse):
    monkeypatch.setattr(site, "write", full)
    if worse:
        begin = site.begin
        monkeypatch.setattr(site, "begin", lambda *given: (begin(*given), monkeypatch.setattr(site, "say", full))[0])
    found = go(folder, only="02")
    page = next((folder / "out").glob("2*/index.html")).read_text()
    assert found.index is None if worse else found.index is not None and "BROKEN" in page
    assert "RUNNING" in page if worse else "could not be written" in page
    trust.check(found.exit_status, f"{found.verdict} {found.reason}")


def test_a_manifest_that_cannot_be_written_is_no_success(folder, monkeypatch):
    seal = files.seal
    monkeypatch.setattr(
        files, "seal", lambda where, told, *more: full() if told["state"] == "ended" else seal(where, told)
    )
    found = go(folder, only="02")
    assert (found.verdict, found.exit_status) == ("BROKEN", 2) and "No space left" in found.reason


def test_a_fault_of_the_runner_itself_is_broken_and_has_its_report(folder, monkeypatch):
    monkeypatch.setattr("leadbook.runner.chain.execute", lambda *_, **__: 1 / 0)
    found = go(folder, only="02")
    assert (found.verdict, found.exit_status) == ("BROKEN", 2)
    assert "The runner itself failed: ZeroDivisionError" in found.index.read_text()


# ------------------------------------------------------------------------------------------------------------ stages


@pytest.fixture
def sprint(folder, monkeypatch):
    """The notebooks of the live sprint and of its close, and a catalogue of all nine phases."""
    expected = {f"T-0{n}-001": definition(f"T-0{n}-001") for n in range(1, 10)}
    monkeypatch.setattr(definitions, "catalogue", lambda: expected)
    for path in (folder / "nb").iterdir():
        path.unlink()
    for phase in ("08", "09"):
        make(folder / "nb", phase, PASSES, CLOSE)
    return folder


def test_a_stage_is_judged_by_itself_and_has_a_link_of_its_own(sprint):
    make(sprint / "nb", "09", "book.check('T-09-001', 'fail', 1.0)", CLOSE)
    found = {stage: go(sprint, {"profile": "rehearsal"}, stage=stage) for stage in ("live", "close")}
    assert {stage: run.verdict for stage, run in found.items()} == {"live": "HEALTHY", "close": "NOT ACCEPTED"}
    for stage, run in found.items():
        assert (sprint / "out" / f"latest-{stage}").resolve() == run.directory
        manifest = files.verify(run.directory)
        assert (manifest["stage"], manifest["stages"]) == (stage, {stage: run.verdict})
    assert [phase["phase"] for phase in results(found["close"])["phases"]] == ["08", "09"]
    assert not (sprint / "out" / "latest").exists()


def test_a_rehearsal_lives_through_its_sprint_around_08_only_even_when_it_is_no_go(sprint):
    for phase in PHASES[:7]:
        make(sprint / "nb", phase, "book.check('T-{phase}-001', 'fail', 1.0)", CLOSE)
    told = []

    @contextmanager
    def live():
        (run,) = (sprint / "out").glob("2*")
        told.append(sorted(path.stem for path in (run / "records").iterdir()))
        yield
        told.append(sorted(path.stem for path in (run / "records").iterdir()))

    found = go(sprint, live=live)
    assert [len(records) for records in told] == [7, 8]
    assert (found.verdict, found.exit_status, found.decision.told) == ("NO-GO", 1, "NO-GO, HEALTHY, ACCEPTED")
    assert (sprint / "out" / "latest").resolve() == found.directory


@pytest.mark.trust(
    way="The live sprint of a rehearsal goes wrong, at its beginning or at its end", status=2,
    says=("BROKEN", "The live sprint failed: 3 records wait still", "Not run:"), leaves="a report that says BROKEN",
)  # fmt: skip
@pytest.mark.parametrize("at", ["beginning", "end"])
def test_a_live_sprint_that_goes_wrong_breaks_the_run(sprint, trust, at):
    @contextmanager
    def live():
        if at == "end":
            yield
        raise LeadbookError("3 records wait still")

    found = go(sprint, live=live)
    assert found.reason.endswith("07, 09." if at == "end" else "07, 08, 09.")
    trust.check(found.exit_status, f"{found.verdict}: {found.reason}")


def test_a_live_sprint_is_ended_at_once_when_its_phase_breaks(sprint):
    make(sprint / "nb", "08", "1 / 0", CLOSE)
    waited, ended = [], []

    @contextmanager
    def live():
        try:
            yield
            waited.append(1)
        finally:
            ended.append(1)

    found = go(sprint, live=live)
    assert (waited, ended) == ([], [1]) and "Phase 08" in found.reason and "division" in found.reason


def test_a_signal_ends_the_wait_for_the_end_of_the_live_sprint(sprint):
    ended = []

    @contextmanager
    def live():
        try:
            yield
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            ended.append(1)

    found = go(sprint, live=live)
    assert ended and "interrupted by SIGTERM" in found.reason and found.record.seconds < 60


# ------------------------------------------------------------------------------------------------ signals, leftovers


def start(folder: Path) -> subprocess.Popen[str]:
    """A runner of its own whose second notebook sleeps; returned once it does."""
    make(folder / "nb", "01", PASSES, SLEEPS, CLOSE)
    code = (
        "import sys; from pathlib import Path; from leadbook.runner import chain\n"
        "from leadbook.core import definitions; definitions.catalogue = dict\n"
        "found = chain.run({}, out=Path(sys.argv[1], 'out'), notebooks=Path(sys.argv[1], 'nb'))\n"
        "print(found.reason); sys.exit(found.exit_status)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, cwd=PROJECT
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("out/*/asleep")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    return process


def alive(folder: Path) -> list[psutil.Process]:
    """Processes that still bear the mark of a run in this folder."""
    marks = {path.name for path in (folder / "out").iterdir()}
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(RUN_ID) in marks and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.trust(
    way="The run is interrupted (Ctrl-C, a CI job that is cancelled)", status=2,
    says=("interrupted by SIG",), leaves="a report that says BROKEN; no process",
)  # fmt: skip
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_kernel_and_leaves_a_report(folder, number, trust):
    process = start(folder)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    trust.check(process.returncode, said)
    assert f"interrupted by {number.name}" in said
    assert not alive(folder)
    (index,) = folder.glob("out/2*/index.html")
    assert f"interrupted by {number.name}" in index.read_text()


@pytest.mark.trust(
    way="The run itself is killed (SIGKILL, out of memory, power) after an earlier run had ended", status=-9,
    says=("RUNNING", "ended without a verdict: nothing of it counts"),
    leaves="`latest` leads to the killed run, whose page says that it has no verdict; its manifest says running; the "
    "earlier run stays in its own directory; no process is left",
)  # fmt: skip
def test_a_killed_run_leaves_no_process_and_hides_no_missing_verdict_behind_the_earlier_run(folder, trust):
    earlier = go(folder)
    assert (folder / "out" / "latest").resolve() == earlier.directory
    process = start(folder)
    assert alive(folder)
    os.kill(process.pid, signal.SIGKILL)
    status = process.wait()
    latest = (folder / "out" / "latest").resolve()
    assert latest != earlier.directory and not (latest / "checks.json").exists()
    assert json.loads((latest / "manifest.json").read_text())["state"] == "running"
    with pytest.raises(InputFileError, match="has not ended, or was killed"):
        files.verify(latest)
    trust.check(status, (latest / "index.html").read_text())
    deadline = time.monotonic() + 30
    while alive(folder):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_step_of_the_clock_does_not_spare_a_kernel(monkeypatch):
    """psutil tells a process's start by the time of day, which moves with the clock; its identity does not."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
    try:
        born = psutil.Process(child.pid)
        assert born.create_time() > 0
        monkeypatch.setattr(psutil.Process, "create_time", lambda _: 1.7e9)
        assert [one.pid for one in kernels._family(child.pid, born)] == [child.pid]
        assert kernels._family(child.pid, psutil.Process()) == [], "a number given again is another process"
    finally:
        child.kill()
        child.communicate()
