"""Is a backup whole and true to itself? Reads every byte; trusts nothing but the manifest's own digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bson import json_util

from leadbook.backup.archive import (
    DATA,
    MANIFEST,
    CollectionEntry,
    ContentHash,
    documents_in,
    read_manifest,
)
from leadbook.core import files
from leadbook.core.errors import InputFileError


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Outcome of `verify`. problems: one line each; none means sound.  documents: read and decoded."""

    problems: tuple[str, ...]
    documents: int

    @property
    def sound(self) -> bool:
        """Whether nothing was wrong."""
        return not self.problems


def verify(backup: Path) -> Verification:
    """Check sizes, SHA-256, decompression, that each document decodes, counts and content hashes. Raises nothing."""
    problems, documents = [], 0
    try:
        manifest = read_manifest(backup)
    except (InputFileError, OSError) as error:
        text = str(error).replace(f"{backup.parent}/", "")
        return Verification(problems=(text,), documents=0)
    for name, told in manifest.files.items():
        problems += _file_problems(backup / name, told["bytes"], told["sha256"])
    unknown = {path.name for path in backup.iterdir()} - {*manifest.files, MANIFEST}
    problems += [f"{name}: not named by the manifest" for name in sorted(unknown)]
    for entry in manifest.collections:
        count, found = _content_problems(backup / f"{entry.name}{DATA}", entry)
        documents += count
        problems += found
    return Verification(problems=tuple(problems), documents=documents)


def _file_problems(path: Path, size: int, sha256: str) -> list[str]:
    try:
        if path.stat().st_size != size:
            return [f"{path.name}: {path.stat().st_size:,} bytes, the manifest says {size:,}"]
        if files.digest(path) != sha256:
            return [f"{path.name}: SHA-256 differs from the manifest's"]
        if path.suffix == ".json":
            json_util.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return [f"{path.name}: {type(error).__name__}"]
    return []


def _content_problems(path: Path, entry: CollectionEntry) -> tuple[int, list[str]]:
    content = ContentHash()
    try:
        for document in documents_in(path):
            content.add(document.raw)
    except (OSError, InputFileError) as error:
        return content.documents, [f"{path.name}: {error}"]
    problems = []
    if content.documents != entry.documents:
        problems.append(f"{path.name}: {content.documents:,} documents, the manifest says {entry.documents:,}")
    if str(content) != entry.content:
        problems.append(f"{path.name}: content hash differs from the manifest's")
    return content.documents, problems
