"""Files that are written whole, and those of a run as they were closed: SHA-256 kept, and held against what lies there
when anybody reads them again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leadbook.core.errors import InputFileError
from leadbook.core.settings import PROJECT, Settings

MANIFEST = "manifest.json"
INTERACTIVE = ".leadbook/interactive"
"""Below it a folder for each profile: a rehearsal does not write over production's records."""
EVIDENCE = ("records", "notebooks")
"""Folders of a run in which nothing may lie that the run did not close itself."""


def write(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """All or nothing: readers see the old file or the new one, and a full disk leaves the old one.

    Makes the folder. `mode` as for `os.open`: the user's mask is taken off. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)
        partial.touch(mode=mode)
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal, read in blocks. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files(directory: Path) -> list[Path]:
    """All files of a run in order of their names, hidden ones left out."""
    return sorted(path for path in directory.rglob("*") if path.is_file() and not path.name.startswith("."))


def changes(directory: Path, closed: Mapping[str, str]) -> dict[str, str]:
    """What is not as it was closed, by name: changed, missing, or evidence that nobody of the run left.

    `closed` maps names relative to `directory` to their SHA-256.
    """
    found = {}
    for name, known in closed.items():
        try:
            if digest(directory / name) != known:
                found[name] = "was changed"
        except OSError:
            found[name] = "is missing or cannot be read"
    for folder in EVIDENCE:
        names = [str(path.relative_to(directory)) for path in files(directory / folder)]
        found |= {name: "was put there by something else" for name in names if name not in closed}
    return found


def seal(directory: Path, summary: Mapping[str, Any], closed: Mapping[str, str] | None = None) -> None:
    """Write the manifest: `summary`, and every file with its size in bytes and SHA-256. Raises OSError.

    Files in `closed` are listed with that SHA-256 instead of their own: so a spoilt file never comes to be believed.
    """
    listed: dict[str, dict[str, Any]] = {name: {"sha256": known} for name, known in (closed or {}).items()}
    for path in files(directory):
        name = str(path.relative_to(directory))
        if name != MANIFEST and name not in listed:
            listed[name] = {"bytes": path.stat().st_size, "sha256": digest(path)}
    text = json.dumps({**summary, "files": dict(sorted(listed.items()))}, indent=1, ensure_ascii=False)
    write(directory / MANIFEST, text + "\n")


def verify(run: Path) -> dict[str, Any]:
    """The manifest of a finished run, every file of which is as the run left it. Raises InputFileError, one line."""
    path = run / MANIFEST
    hint = "name the directory of a finished run"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        state = manifest.get("state", "ended")
        closed = {str(name): str(told["sha256"]) for name, told in manifest.get("files", {}).items()}
    except OSError:
        raise InputFileError(run, f"is not a finished run: it has no {MANIFEST}", hint=hint) from None
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise InputFileError(path, f"is not a run's manifest ({error})", hint=hint) from None
    if state != "ended":
        raise InputFileError(run, "this run has not ended, or was killed and has no verdict", hint=hint)
    if not closed:
        raise InputFileError(path, "names no file of the run, so nothing of it can be believed", hint=hint)
    for name, what in changes(run, closed).items():
        raise InputFileError(
            run / name, f"{what} since the run ended, so the run is not believed", hint="restore the file, or run again"
        )
    return dict(manifest)


def project_path(text: str) -> Path:
    """A path that a user named: below the checkout, unless it is absolute or begins at a home."""
    path = Path(text).expanduser()
    return path if path.is_absolute() else PROJECT / path


def run_dir(settings: Settings) -> Path:
    """Where records are kept: as the settings or LEADBOOK_RUN_DIR say, else the profile's interactive folder."""
    named = settings.run_dir or os.environ.get("LEADBOOK_RUN_DIR")
    return project_path(named) if named else PROJECT / INTERACTIVE / settings.profile
