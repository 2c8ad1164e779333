"""Documents from the templates beside a phase's code, and what they must hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leadbook.page.prose import frame_table, number, pipe_table
from leadbook.phases.section import Document
from leadbook.phases.told import Answered

__all__ = ["incomplete", "rendered"]

EMPTY = pipe_table([], [])


def rendered(folder: Path, slug: str, **values: Any) -> str:
    """Markdown of the template `<slug>.md.j2`. It may use `frame` and `rows` (tables) and `number`."""
    loader = FileSystemLoader(folder)
    environment = Environment(  # noqa: S701  (Markdown)
        loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(frame=frame_table, rows=pipe_table, number=number)
    return environment.get_template(f"{slug}.md.j2").render(**values)


def incomplete(documents: Iterable[Document], wanted: Mapping[str, Sequence[str]]) -> Answered:
    """How many `documents` lack a section that is wanted of them (by slug), or hold an empty table."""
    faults = {one.slug: found for one in documents if (found := _faults(one, wanted[one.slug]))}
    written = ", ".join(f"{one.slug} ({len(one.markdown):,} characters)" for one in documents)
    told = "; ".join(f"{slug}: {', '.join(found)}" for slug, found in faults.items())
    return Answered(len(faults), told or written)


def _faults(document: Document, wanted: Sequence[str]) -> list[str]:
    text = document.markdown.lower()
    lacking = [f"no {section!r}" for section in wanted if section.lower() not in text]
    return lacking + ["an empty table"] * (EMPTY.lower() in text)
