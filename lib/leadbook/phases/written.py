"""What the documents of a phase must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from leadbook.page.prose import NOT_MEASURED, pipe_table
from leadbook.phases.section import Document
from leadbook.phases.told import Answered

EMPTY = pipe_table([], [])
UNMEASURED = f"{NOT_MEASURED}."


def incomplete(documents: Iterable[Document], wanted: Mapping[str, Sequence[str]]) -> Answered:
    """How many `documents` lack a section that is wanted of them (by slug), or hold an empty or an unmeasured one."""
    faults = {one.slug: found for one in documents if (found := _faults(one, wanted[one.slug]))}
    written = ", ".join(f"{one.slug} ({len(one.markdown):,} characters)" for one in documents)
    told = "; ".join(f"{slug}: {', '.join(found)}" for slug, found in faults.items())
    return Answered(len(faults), told or written)


def _faults(document: Document, wanted: Sequence[str]) -> list[str]:
    text = document.markdown.lower()
    lacking = [f"no {section!r}" for section in wanted if section.lower() not in text]
    lacking += ["an empty table"] * (EMPTY.lower() in text)
    return lacking + ["a section not measured"] * (UNMEASURED in text.splitlines())
