"""Ways to make a run look better than it was: each one breaks it, and says which file, check or parameter it was."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from tests.runner_book import definition
from tests.runner_notebooks import CLOSE, PASSES, make

from leadbook.core import definitions, files
from leadbook.core.errors import InputFileError, UsageError
from leadbook.phases import attestations
from leadbook.runner import chain, keep

EDIT = "import pathlib; told = pathlib.Path(run_dir, 'records', '01.json')\n"
FASTER = EDIT + "told.write_text(told.read_text().replace('12.5', '999999'))"
TARGET = {"replica_set": "rs", "hosts": ["a:1", "b:2"], "database": "d", "collection": "leads", "redis": "c:3"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three notebooks, and a catalogue that expects one check of each."""
    expected = {f"T-0{n}-001": definition(f"T-0{n}-001") for n in (1, 2, 3)}
    monkeypatch.setattr(definitions, "catalogue", lambda: expected)
    for phase in ("01", "02", "03"):
        make(tmp_path / "nb", phase, PASSES, CLOSE)
    return tmp_path


def go(folder: Path, values=None, **options) -> chain.RunResult:
    return chain.run(values or {}, out=folder / "out", notebooks=folder / "nb", **options)


def text_of(found: chain.RunResult) -> str:
    return f"{found.reason}\n{found.index.read_text() if found.index else ''}"


# ---------------------------------------------------------------------------------------- files of earlier phases


@pytest.mark.trust(
    way="The record of a phase is edited while a later phase runs", status=2,
    says=("records/01.json was changed after its phase had closed, as seen before phase 03 began", "BROKEN"),
    leaves="a report that says BROKEN; the manifest keeps the digest of the true record, so no reader takes the edited",
)  # fmt: skip
def test_a_record_edited_by_a_later_phase_ends_the_run(folder, trust):
    make(folder / "nb", "02", PASSES, CLOSE, FASTER)
    found = go(folder)
    trust.check(found.exit_status, text_of(found))
    assert "Not run: 03" in found.reason
    with pytest.raises(InputFileError, match=r"01\.json: was changed"):
        files.verify(found.directory)


@pytest.mark.trust(
    way="The record of a phase is deleted by the last phase of the run", status=2,
    says=("records/01.json is missing or cannot be read", "as seen at the end", "BROKEN"),
    leaves="a report that says BROKEN",
)  # fmt: skip
def test_a_record_deleted_in_the_last_phase_is_missed_at_the_end(folder, trust):
    make(folder / "nb", "03", PASSES, CLOSE, EDIT + "told.unlink()")
    found = go(folder)
    trust.check(found.exit_status, text_of(found))


@pytest.mark.trust(
    way="A phase writes the record of a phase that has not run", status=2,
    says=("records/03.json was put there by something else", "BROKEN"), leaves="a report that says BROKEN",
)  # fmt: skip
def test_a_record_nobody_of_the_run_left_ends_it(folder, trust):
    make(
        folder / "nb",
        "02",
        PASSES,
        CLOSE,
        EDIT + "shutil = __import__('shutil'); shutil.copy(told, told.parent / '03.json')",
    )
    found = go(folder)
    trust.check(found.exit_status, text_of(found))


@pytest.mark.parametrize("name", ["notebooks/01_phase.ipynb", "documents/guide.md"])
def test_executed_notebooks_and_documents_may_not_change_either(folder, name):
    make(folder / "nb", "01", PASSES, "book.document('guide', '# Guide')", CLOSE)
    make(folder / "nb", "03", PASSES, CLOSE, f"open(run_dir + '/{name}', 'a').write(' ')")
    found = go(folder)
    assert found.exit_status == 2 and f"{name} was changed" in found.reason


def test_a_document_that_is_not_there_breaks_its_phase(folder):
    make(
        folder / "nb",
        "02",
        PASSES,
        "book.document('guide', 'x'); __import__('os').remove(run_dir + '/documents/guide.md')",
        CLOSE,
    )
    found = go(folder, only="02")
    assert found.exit_status == 2 and "a document that is not there: documents/guide.md" in found.reason


# --------------------------------------------------------------------------------------------- verdicts, definitions

FORGED = {
    "a pass below its target": ("book.check('T-02-001', 'pass', 9.0)", "recorded as pass with 9.0 against"),
    "a pass without a value": ("book.check('T-02-001', 'pass', None)", "recorded as pass with None against"),
    "a warning in place of a failure": ("book.check('T-02-001', 'warn', 9.0)", "recorded as warn with 9.0"),
    "a failure that is none": ("book.check('T-02-001', 'fail', 12.5)", "recorded as fail with 12.5"),
    "an easier target": ("book.check('T-02-001', 'pass', 9.0, target='>= 5 documents/s')", "its target is '>= 5"),
    "an easier comparison": ("book.check('T-02-001', 'pass', 9.0, target='<= 10 documents/s')", "its target is '<= 10"),
    "another title": ("book.check('T-02-001', 'pass', 12.5, title='cost')", "its title is 'cost'"),
    "other steps": ("book.check('T-02-001', 'pass', 12.5, steps=['9.9'])", "its steps is ('9.9',)"),
    "another kind": ("book.check('T-02-001', 'pass', 12.5, kind='attestation')", "its kind is 'attestation'"),
    "not applicable": ("book.check('T-02-001', 'not applicable')", "but applies to profile rehearsal"),
    "a risk that nobody accepted": (
        "book.check('T-02-001', 'fail', 9.0, accepted='accepted by Ada on 2026-11-01 until 2027-01-01: so be it')",
        "its risk is 'accepted by Ada",
    ),
    "an unknown check": ("book.check('T-02-777', 'pass', 12.5)", "it is not in the catalogue"),
}  # fmt: skip


@pytest.mark.parametrize("how", FORGED)
def test_a_verdict_that_does_not_follow_breaks_the_phase(folder, how):
    cell, reason = FORGED[how]
    make(folder / "nb", "02", cell, CLOSE if "accepted" not in cell else "book.close(verdict='pass')")
    found = go(folder, only="02")
    assert (found.verdict, found.exit_status) == ("BROKEN", 2) and reason in found.reason, found.reason


RISK = {"who": "Ada Lovelace", "why": "nine documents a second are enough for us", "target": "d on db.example"}


def told_risk(folder: Path, monkeypatch, change: str) -> chain.RunResult:
    """Run phase 02, whose check repeats the acceptance that the attestations file holds, or another one."""
    monkeypatch.setattr(attestations, "catalogue", definitions.catalogue)
    monkeypatch.setenv("MONGODB_URI", "mongodb://db.example/")
    today, later = (f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%d}" for days in (0, 9))
    risk = {**RISK, "when": today, "until": later}
    (folder / "a.yaml").write_text(yaml.safe_dump({"accepted": {"T-02-001": risk}}))
    told = f"accepted by Ada Lovelace on {today} until {later}: {risk['why']}"
    told = {"nine": told.replace("nine", "ten"), "until": told.replace(later, "2099-01-01")}.get(change, told)
    found = "'pass', 12.5" if change == "verdict" else "'fail', 9.0"
    make(folder / "nb", "02", f"book.check('T-02-001', {found}, accepted={told!r})", "book.close(verdict='pass')")
    return go(folder, {"database": "d", "attestations_file": str(folder / "a.yaml")}, only="02")


def test_a_risk_that_the_file_accepts_blocks_no_more(folder, monkeypatch):
    result = told_risk(folder, monkeypatch, "")
    assert (result.verdict, result.exit_status) == ("PARTIAL", 0), result.reason


@pytest.mark.parametrize("change", ["nine", "until", "verdict"])
@pytest.mark.trust(
    way="A notebook records a risk as accepted that the attestations file does not accept so", status=2,
    says=("the run's attestations file does not say so",), leaves="a report that says BROKEN and names the check",
)  # fmt: skip
def test_a_risk_counts_only_in_the_words_of_the_file(folder, monkeypatch, change, trust):
    result = told_risk(folder, monkeypatch, change)
    assert "check T-02-001 cannot be believed" in result.reason
    trust.check(result.exit_status, result.reason)


@pytest.mark.trust(
    way="A notebook records a check as pass with a value below its target", status=2,
    says=("check T-02-001 cannot be believed: it is recorded as pass with 9.0 against '>= 10 documents/s'",),
    leaves="a report that says BROKEN and names the check",
)  # fmt: skip
def test_a_false_pass_is_told(folder, trust):
    make(folder / "nb", "02", "book.check('T-02-001', 'pass', 9.0)", CLOSE)
    found = go(folder)
    trust.check(found.exit_status, found.reason)


def test_the_closing_verdict_must_be_that_of_the_checks(folder):
    make(folder / "nb", "02", "book.check('T-02-001', 'fail', 1.0)", "book.close(verdict='pass')")
    found = go(folder, only="02")
    assert found.exit_status == 2 and "it closed with 'pass' of {'fail': 1}" in found.reason


# ------------------------------------------------------------------------------------------ parameters and target


@pytest.mark.trust(
    way="A cell changes the profile before the phase is opened", status=2,
    says=("it worked with profile 'ci', the run's is 'rehearsal'",), leaves="a report that says BROKEN",
)  # fmt: skip
def test_a_cell_that_sets_the_profile_is_noticed(folder, trust):
    make(folder / "nb", "02", PASSES, CLOSE)
    path = folder / "nb" / "02_phase.ipynb"
    path.write_text(path.read_text().replace("from tests.runner_book", "profile = 'ci'\\nfrom tests.runner_book"))
    found = go(folder, only="02")
    trust.check(found.exit_status, found.reason)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("database = 'other'\\n", "it worked with database = 'other', the run gave it 'mine'"),
     ("__doc__ = ''\\n", ""),
     ("run_dir_was, run_dir = run_dir, run_dir + '/.'\\n", "it worked with run_dir =")],
)  # fmt: skip
def test_a_cell_that_sets_any_parameter_is_noticed(folder, cell, reason):
    path = folder / "nb" / "02_phase.ipynb"
    path.write_text(path.read_text().replace("from tests.runner_book", f"{cell}from tests.runner_book"))
    found = go(folder, {"database": "mine"}, only="02")
    assert (found.exit_status, reason in found.reason) == (2 if reason else 0, True), found.reason


def test_a_record_that_does_not_tell_its_parameters_is_not_believed(folder):
    path = folder / "nb" / "02_phase.ipynb"
    path.write_text(path.read_text().replace(", parameters=given", ""))
    assert "does not say with which parameters" in go(folder, only="02").reason


def open_on(folder: Path, phase: str, target) -> None:
    path = folder / "nb" / f"{phase}_phase.ipynb"
    path.write_text(path.read_text().replace("parameters=given)", f"parameters=given, target={target!r})"))


@pytest.mark.trust(
    way="The server is swapped for another in the middle of a run", status=2,
    says=("Phase 01 worked on replica_set rs, phase 02 on other: not one target", "BROKEN"),
    leaves="a report that says BROKEN; later phases are not run",
)  # fmt: skip
def test_a_server_swapped_between_two_phases_ends_the_run(folder, trust):
    open_on(folder, "01", TARGET)
    open_on(folder, "02", {**TARGET, "replica_set": "other"})
    found = go(folder)
    trust.check(found.exit_status, text_of(found))
    assert "Not run: 03" in found.reason


@pytest.mark.parametrize(
    ("second", "reason"),
    [({**TARGET, "hosts": ["b:2", "a:1"], "collection_uuid": "u"}, ""), ({**TARGET, "database": "e"}, "database d"),
     ({**TARGET, "collection": "x"}, "collection leads"), ({**TARGET, "hosts": ["a:1"]}, "hosts"),
     (None, "Phase 02 does not say on which target")],
)  # fmt: skip
def test_all_phases_must_tell_one_target(folder, second, reason):
    (folder / "nb" / "03_phase.ipynb").unlink()
    open_on(folder, "01", {**TARGET, "collection_uuid": None})
    open_on(folder, "02", second)
    found = go(folder, start="01")
    assert reason in found.reason if reason else "worked on" not in found.reason, found.reason
    assert "replica set rs at a:1, b:2; database d, collection leads; Redis c:3" in found.index.read_text()


# ---------------------------------------------------------------------------------------- readers of a finished run


def test_a_kept_run_is_sealed_anew_and_a_changed_one_is_not_kept(folder):
    found = go(folder, only="02")
    kept = folder / "kept"
    keep.keep(found.directory, kept)
    assert files.verify(kept)["run"] == found.record.id and not (kept / "run.log").exists()
    (kept / "records" / "02.json").write_text("{}")
    with pytest.raises(InputFileError, match=r"02\.json: was changed since the run ended"):
        files.verify(kept)
    (found.directory / "checks.json").write_text("{}")
    with pytest.raises(InputFileError, match=r"checks\.json: was changed"):
        keep.keep(found.directory, kept)
    shutil.rmtree(kept)
    kept.mkdir()
    with pytest.raises(UsageError, match="not a kept run"):
        keep.keep(go(folder, only="02").directory, kept)


def test_a_manifest_names_its_state_and_every_file(folder):
    found = go(folder, only="02")
    manifest = json.loads((found.directory / "manifest.json").read_text())
    assert manifest["state"] == "ended" and {"index.html", "records/02.json"} <= set(manifest["files"])
    assert all(re.fullmatch(r"[0-9a-f]{64}", told["sha256"]) for told in manifest["files"].values())
