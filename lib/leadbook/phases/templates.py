"""Documents for people: Markdown from Jinja templates that stand beside the phase's modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from leadbook.page.prose import frame_table, number, pipe_table


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
