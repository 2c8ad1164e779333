"""Keep a finished run as a sample: a copy that names no machine's folders and is small enough to commit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from secrets import token_hex
from typing import Any

from leadbook.core import files
from leadbook.core.errors import UsageError
from leadbook.core.settings import PROJECT

LIMIT_BYTES = 6_000_000
LEFT_OUT = {"run.log", ".ballast", files.MANIFEST}
KIND = "leadbook kept run"
"""What a kept run's manifest says it is. A run's own folder does not say so: it is a record, not a sample."""
BACKUP = "leadbook-backup/"


def keep(run: Path, target: Path) -> None:
    """Put a copy of the run's directory at `target`, in place of an earlier one; folder names of this machine become
    relative, and the copy is sealed anew.

    Raises InputFileError when the run has not ended or a file of it changed since, UsageError where `refuse_target`
    does, or the copy would be over 6 MB. An accident leaves what was there.
    """
    summary = {key: value for key, value in files.verify(run).items() if key not in ("files", "kind")}
    refuse_target(target)
    kept = [path for path in files.files(run) if path.name not in LEFT_OUT]
    size = sum(path.stat().st_size for path in kept)
    if size > LIMIT_BYTES:
        raise UsageError(f"{run}: {size / 1e6:.1f} MB are too many for a sample ({LIMIT_BYTES / 1e6:.0f} MB)")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{token_hex(4)}")
    partial.mkdir()
    try:
        for path in kept:
            _copy(path, partial / path.relative_to(run), run)
        files.seal(partial, {"kind": KIND, **json.loads(_portable(json.dumps(summary).encode(), run))})
        _exchange(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def refuse_target(target: Path) -> None:
    """Raise UsageError unless `target` is free for a kept run: nothing is there, or a kept run and nothing else."""
    around = [target.absolute(), *target.absolute().parents]
    if any(_holds_backups(folder) for folder in around):
        raise UsageError(f"{target}: there are backups, which a kept run must not lie among; name another folder")
    if not target.exists() and not target.is_symlink():
        return
    problem = "is a link" if target.is_symlink() else _no_kept_run(target)
    if problem:
        raise UsageError(f"{target}: {problem}, so it is not replaced; name another folder")


def _no_kept_run(target: Path) -> str:
    """Why the folder is not a kept run and nothing else; empty where it is."""
    manifest = _manifest(target)
    if manifest.get("kind") != KIND or not isinstance(manifest.get("files"), dict):
        return "is not a kept run"
    there = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_symlink() or not path.is_dir()}
    strange = sorted(there - {*manifest["files"], files.MANIFEST})
    return f"holds {strange[0]}, which its manifest does not name" if strange else ""


def _holds_backups(folder: Path) -> bool:
    """Whether the folder is a backup, or one lies in it."""
    manifests = [folder / files.MANIFEST, *folder.glob("leads-*/manifest.json")]
    return any(str(_manifest(path.parent).get("format", "")).startswith(BACKUP) for path in manifests)


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        told = json.loads((folder / files.MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _copy(path: Path, copy: Path, run: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(_portable(path.read_bytes(), run))


def _portable(content: bytes, run: Path) -> bytes:
    for folder in (run, PROJECT):
        content = content.replace(str(folder).encode(), b".")
    return content


def _exchange(partial: Path, target: Path) -> None:
    """`partial` takes the place of `target` by renames; the old one goes only when the new one stands."""
    if not target.exists():
        partial.rename(target)
        return
    old = partial.with_name(f"{partial.name}.old")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)
