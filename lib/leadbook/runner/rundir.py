"""The directory of one run: made once, never written over, kept writable to the end, swept of secrets, sealed."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil

from leadbook.core import files
from leadbook.core.errors import UsageError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import PROJECT

BALLAST_BYTES = 6_000_000
"""Kept aside at the start and given back on a full disk: a report of nine pages with plots needs 2 to 4 MB."""

NOBODYS = "of a file that the run did not write"
"""Stands for the SHA-256 of a file that appeared among the evidence; no content ever has it."""

STRUCTURE = frozenset({
    "cells", "cell_type", "code", "data", "display_data", "execution_count", "id", "markdown", "metadata", "name",
    "nbformat", "output_type", "outputs", "source", "status", "stream", "tags", "text", "title", "phase", "phases",
    "check", "checks", "fact", "facts", "documents", "opened", "closed", "verdict", "run", "steps", "target",
    "measured", "unit", "evidence", "remedy", "kind",
})  # fmt: skip
"""Keys of our own files: a weak password that equals one of them must not tear a file apart."""

T = TypeVar("T")


class RunDirectory:
    """`<out>/<run id>/`; the run id is the UTC time and a random tail, so that no two runs share one."""

    def __init__(self, out: Path | None = None) -> None:
        """Make the directory and set the ballast aside. Raises UsageError when that is not possible."""
        base = (out or PROJECT / "reports").expanduser().absolute()
        self.id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
        self.path = base / self.id
        self._ballast = self.path / ".ballast"
        self._closed: dict[str, str] = {}
        self._spoilt: dict[str, str] = {}
        try:
            base.mkdir(parents=True, exist_ok=True)
            self.path.mkdir()
            for name in ("notebooks", "records", "documents"):
                (self.path / name).mkdir()
            self._ballast.write_bytes(os.urandom(1 << 16) * (BALLAST_BYTES >> 16))
        except OSError as error:
            shutil.rmtree(self.path, ignore_errors=True)
            raise UsageError(f"{base}: cannot keep a run here ({error.strerror}); choose another with --out") from error

    def release(self) -> bool:
        """Give the ballast back to the disk. True when there was any."""
        had = self._ballast.exists()
        with suppress(OSError):
            self._ballast.unlink(missing_ok=True)
        return had

    def insist(self, write: Callable[[], T]) -> T:
        """Do `write`; on a full disk give the ballast back and do it once more. Raises OSError."""
        try:
            return write()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or not self.release():
                raise
            return write()

    def begin(self, summary: dict[str, Any]) -> None:
        """Mark the run as running: whoever finds this mark later knows that there is no verdict. Raises OSError."""
        born = psutil.Process().create_time()
        files.seal(self.path, {**summary, "state": "running", "pid": os.getpid(), "process_started": born})

    def point(self, name: str) -> None:
        """`name` beside the run's directory leads to it (a link; a text file where links cannot be made)."""
        link, partial = self.path.parent / name, self.path.parent / f".{name}.{self.id}"
        with suppress(OSError):
            try:
                partial.symlink_to(self.id, target_is_directory=True)
            except OSError:
                partial.write_text(f"{self.id}\n", encoding="utf-8")
            partial.replace(link)

    def close(self, *paths: Path) -> None:
        """From now on these files, where they exist, may no longer change."""
        for path in paths:
            name = str(path.relative_to(self.path))
            self._closed.pop(name, None)
            with suppress(OSError):
                self._closed[name] = files.digest(path)

    def changes(self) -> dict[str, str]:
        """Closed files that changed or went away, and evidence that nobody closed; they stay spoilt when sealed."""
        found = files.changes(self.path, self._closed)
        self._spoilt = {name: self._closed.get(name, NOBODYS) for name in found}
        return found

    def sweep(self, redactor: Redactor, known: set[str]) -> list[str]:
        """Mask secrets that slipped through into any file. Returns the files where one was found."""
        needles = [secret.encode() for secret in known]
        found = []
        for path in files.files(self.path):
            content = path.read_bytes()
            if any(needle in content for needle in needles):
                cleaned = _cleaned(content, redactor, needles, path.suffix in (".json", ".ipynb"))
                if cleaned != content:
                    found.append(str(path.relative_to(self.path)))
                    path.write_bytes(cleaned)
        return found

    def seal(self, summary: dict[str, Any]) -> None:
        """Write `manifest.json`; see `files.seal`. Raises OSError."""
        files.seal(self.path, {**summary, "state": "ended"}, self._spoilt)


def _cleaned(content: bytes, redactor: Redactor, needles: list[bytes], structured: bool) -> bytes:
    if structured:
        with suppress(ValueError):
            clean = _without_secrets(json.loads(content), redactor)
            return json.dumps(clean, indent=1, ensure_ascii=False).encode()
    for needle in sorted(needles, key=len, reverse=True):
        content = content.replace(needle, Redactor.MASK.encode())
    return content


def _without_secrets(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, dict):
        return {key if key in STRUCTURE else redactor.text(key): _without_secrets(item, redactor)
                for key, item in value.items()}  # fmt: skip
    if isinstance(value, list):
        return [_without_secrets(item, redactor) for item in value]
    return value
