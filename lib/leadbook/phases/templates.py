"""Documents for people, from a phase's own Jinja templates: `*.md.j2` in its package."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from leadbook.page.prose import frame_table, number, pipe_table

__all__ = ["render"]


def render(package: str, name: str, **values: Any) -> str:
    """Markdown of `<name>.md.j2` in a package (its `__package__`); it knows `frame`, `rows` (tables) and `number`."""
    loader = PackageLoader(package, package_path="")
    environment = Environment(  # noqa: S701  (Markdown)
        loader=loader, undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(frame=frame_table, rows=pipe_table, number=number)
    return environment.get_template(f"{name}.md.j2").render(**values)
