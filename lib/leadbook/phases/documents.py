"""Documents for people: Markdown from Jinja templates that stand beside the phase's modules, and what they lack."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leadbook.page.prose import NOT_MEASURED, frame_table, number, pipe_table
from leadbook.phases.judging import Answered
from leadbook.phases.section import Document

EMPTY, UNMEASURED = pipe_table([], []), NOT_MEASURED.capitalize()


def render(beside: str, name: str, **values: Any) -> str:
    """The template `<name>.md.j2` in the folder of the module `beside` (its `__file__`), with `values`.

    Templates may call `table(headers, rows, missing)`, `frame(DataFrame, missing)` and `number(value, unit)`.
    """
    loader = FileSystemLoader(Path(beside).parent)
    environment = Environment(  # noqa: S701  (Markdown)
        loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(table=pipe_table, frame=frame_table, number=number)
    return environment.get_template(f"{name}.md.j2").render(**values)


def incomplete(documents: Iterable[Document]) -> Answered:
    """How many documents hold an empty table, or a section that says that it was not measured."""
    faults = {one.slug: found for one in documents if (found := _faults(one.markdown.splitlines()))}
    written = ", ".join(f"{one.slug} ({len(one.markdown):,} characters)" for one in documents)
    return Answered(len(faults), "; ".join(f"{slug}: {', '.join(found)}" for slug, found in faults.items()) or written)


def _faults(lines: list[str]) -> list[str]:
    unmeasured = any(line.startswith(UNMEASURED) for line in lines)
    return ["an empty table"] * (EMPTY in lines) + ["a section not measured"] * unmeasured
