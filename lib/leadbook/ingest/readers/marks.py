"""Which file was read, when its name is told and its path is nobody's business: digests of its content and its path."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from leadbook.core.errors import InputFileError
from leadbook.core.files import digest

DIGITS = 12
"""Hexadecimal digits of a digest that are kept."""


@dataclass(frozen=True, kw_only=True)
class FileMark:
    """A file before it is read. content, place: digests of what it holds and of its resolved path."""

    path: Path
    content: str
    place: str
    stat: tuple[int, ...]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Read it through, in blocks. Raises InputFileError where it cannot be read."""
        try:
            stat, content = _stat(path), digest(path)
            place = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()
        except OSError as error:
            raise InputFileError(path, f"cannot be read: {error.strerror or error}") from None
        return cls(path=path, content=content[:DIGITS], place=place[:DIGITS], stat=stat)

    @property
    def changed(self) -> str:
        """What to say where the file is not as it was before it was read: nobody knows what was read. Else empty."""
        try:
            same = _stat(self.path) == self.stat or digest(self.path)[:DIGITS] == self.content
        except OSError:
            same = False
        return "" if same else f"{self.path.name} was changed or moved while it was read"


def _stat(path: Path) -> tuple[int, ...]:
    """It is read anew only where this differs."""
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
