"""Sections that build on others: called too early, each says which cell comes first."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from leadbook.core.errors import LeadbookError
from leadbook.phases.section import Section

Method = Callable[[Any], Section]


def section(name: str, *after: str) -> Callable[[Method], Method]:
    """Mark a method as the section `name`, which builds on the sections `after` which it comes.

    Called before them it raises LeadbookError, naming those to run first.
    """

    def mark(method: Method) -> Method:
        @wraps(method)
        def run(self: Any) -> Section:
            ended: set[str] = vars(self).setdefault("_ended", set())
            if missing := [one for one in after if one not in ended]:
                raise LeadbookError(f"section {' and '.join(missing)} was not run: run its cell first, then this one")
            made = method(self)
            ended.add(name)
            return made

        return run

    return mark
