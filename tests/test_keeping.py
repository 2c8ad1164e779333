"""What a person keeps is never deleted: by `make clean`, or by keeping a run in another one's place."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from leadbook.core.errors import UsageError
from leadbook.core.settings import PROJECT
from leadbook.runner import keep


def a_run(folder: Path, text: str = "report", **summary: object) -> Path:
    """A finished run as `RunDirectory.seal` leaves it."""
    (folder / "records").mkdir(parents=True)
    (folder / "index.html").write_text(f"{text} in {folder}")
    (folder / "records" / "06.json").write_text("{}")
    (folder / "run.log").write_text("log")
    names = ("index.html", "records/06.json", "run.log")
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": _sha(folder / name)} for name in names}
    told = {"run": "r1", "profile": "rehearsal", "verdict": "GO", "exit_status": 0, "versions": {}, **summary}
    (folder / "manifest.json").write_text(json.dumps({**told, "files": files}))
    return folder


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_kept_run_may_replace_a_kept_run(tmp_path):
    target = tmp_path / "sample"
    keep.keep(a_run(tmp_path / "one", "first"), target)
    manifest = json.loads((target / "manifest.json").read_text())
    assert manifest["kind"] == keep.KIND
    assert all(_sha(target / name) == told["sha256"] for name, told in manifest["files"].items())
    assert names(target) == {*manifest["files"], "manifest.json"} and "run.log" not in names(target)
    keep.keep(a_run(tmp_path / "two", "second"), target)
    assert "second" in (target / "index.html").read_text() and str(tmp_path) not in (target / "index.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "sample"}, "nothing is left beside it"


def _backup(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"format": "leadbook-backup/1", "collections": [], "files": {}}))


def _noted(folder: Path) -> None:
    keep.keep(a_run(folder.parent / "other"), folder)
    (folder / "my notes.txt").write_text("precious")


def _empty(folder: Path) -> None:
    folder.mkdir()


def _link(folder: Path) -> None:
    keep.keep(a_run(folder.parent / "other"), folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


def _broken(folder: Path) -> None:
    folder.mkdir()
    (folder / "manifest.json").write_text("[")


def _file(folder: Path) -> None:
    folder.write_text("precious")


@pytest.mark.trust(
    way="--keep-as names a folder that is a backup, a raw run, or holds anything else", status=2,
    says=("name another folder",), leaves="That folder, as it was.",
)  # fmt: skip
@pytest.mark.parametrize("made", [_backup, a_run, _noted, _empty, _link, _broken, _file])
def test_nothing_but_a_kept_run_is_replaced(made, tmp_path, trust):
    target = tmp_path / "precious"
    made(target)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError) as refused:
        keep.keep(a_run(tmp_path / "run"), target)
    trust.check(refused.value.exit_status, str(refused.value))
    assert {path: path.read_bytes() for path in before} == before


def test_a_run_is_never_kept_among_backups(tmp_path):
    folder = tmp_path / "backups"
    backup = folder / "leads-20250101T000000Z-abcdef"
    _backup(backup)
    run = a_run(tmp_path / "run")
    for target in (folder / "sample", folder, backup, backup / "x"):
        with pytest.raises(UsageError, match="backups"):
            keep.keep(run, target)
    assert names(folder) == {f"{backup.name}/manifest.json"}


def test_a_copy_that_breaks_off_leaves_the_old_one(tmp_path, monkeypatch):
    target = tmp_path / "sample"
    keep.keep(a_run(tmp_path / "one", "first"), target)
    second = a_run(tmp_path / "two", "second")
    monkeypatch.setattr(keep.files, "seal", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        keep.keep(second, target)
    assert "first" in (target / "index.html").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", "sample"}


@pytest.mark.trust(
    way="make clean after runs that took backups", status=0,
    says=("kept: .leadbook/backups", "kept: .leadbook/interactive", "kept: reports"),
    leaves="Backups, records and reports; only the environment, caches and rehearsal servers go.",
)  # fmt: skip
def test_make_clean_keeps_backups_and_records(tmp_path, trust):
    shutil.copy(PROJECT / "Makefile", tmp_path)
    kept = [".leadbook/backups/leads-1/manifest.json", ".leadbook/interactive/records/06.json",
            ".leadbook/locks/x", "reports/r1/index.html", "params/attestations.yaml"]  # fmt: skip
    gone = [".venv/bin/python", ".leadbook/servers/state.json", ".leadbook/nbval/run/records/01.json",
            ".pytest_cache/x", ".mypy_cache/x", ".ruff_cache/x"]  # fmt: skip
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    done = subprocess.run(["make", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False)
    trust.check(done.returncode, done.stdout)
    assert [name for name in kept if not (tmp_path / name).exists()] == []
    assert [name for name in gone if (tmp_path / name).exists()] == []
