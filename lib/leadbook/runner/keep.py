"""Keep a finished run as a sample: a copy that names no machine's folders and is small enough to commit."""

from __future__ import annotations

import shutil
from pathlib import Path

from leadbook import sealed
from leadbook.errors import UsageError
from leadbook.settings import PROJECT

__all__ = ["keep"]

LIMIT_BYTES = 6_000_000
LEFT_OUT = {"run.log"}


def keep(run: Path, target: Path) -> None:
    """Replace `target` by a copy of the run's directory, sealed anew; folder names of this machine become relative.

    Raises InputFileError when the run has not ended or a file of it changed since, UsageError when `target` holds
    something that is not a kept run or the copy would be over 6 MB.
    """
    summary = sealed.verify(run)
    if target.exists() and not (target / "manifest.json").exists():
        raise UsageError(f"{target}: is not a kept run, so it is not replaced; name another folder")
    files = [path for path in sealed.files(run) if path.name not in LEFT_OUT]
    size = sum(path.stat().st_size for path in files)
    if size > LIMIT_BYTES:
        raise UsageError(f"{run}: {size / 1e6:.1f} MB are too many for a sample ({LIMIT_BYTES / 1e6:.0f} MB)")
    shutil.rmtree(target, ignore_errors=True)
    for path in files:
        copy = target / path.relative_to(run)
        copy.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes()
        for folder, name in ((run, "."), (PROJECT, ".")):
            content = content.replace(str(folder).encode(), name.encode())
        copy.write_bytes(content)
    sealed.seal(target, summary)
