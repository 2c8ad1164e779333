"""A section of a notebook: what it says, shows, judges and leaves, as one frozen record that `Phase.show` puts down."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from leadbook.core.checks import Check
from leadbook.core.errors import LeadbookError


@dataclass(frozen=True)
class Table:
    """A table: rows, title, and what each column means (name -> meaning, unit)."""

    frame: pd.DataFrame
    title: str
    columns: Mapping[str, str] = field(default_factory=dict)


def rows_table(title: str, columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table of rows whose values stand in the order of `columns`."""
    return Table(pd.DataFrame(list(rows), columns=list(columns)), title, columns)


@dataclass(frozen=True)
class Plot:
    """A plot with its caption, which is its alternative text too."""

    figure: Figure
    caption: str


@dataclass(frozen=True)
class Document:
    """A Markdown document for people. slug: its file's name; audience: who reads it."""

    slug: str
    title: str
    markdown: str
    audience: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section's answer, shown in this order: sentences, tables, plots, documents, checks; then facts are left.

    attested: ids of checks that only a person can make.  found: the plain record that the section was made from.
    """

    says: tuple[str, ...] | str = ()
    tables: tuple[Table, ...] = ()
    plots: tuple[Plot, ...] = ()
    documents: tuple[Document, ...] = ()
    checks: tuple[Check, ...] = ()
    attested: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    found: Any = None

    @property
    def sentences(self) -> tuple[str, ...]:
        """What it says, sentence by sentence."""
        said = (self.says,) if isinstance(self.says, str) else self.says
        return tuple(filter(None, said))

    @property
    def frame(self) -> pd.DataFrame:
        """The first table's rows, for a cell of one's own. Empty where the section has no table."""
        return self.tables[0].frame if self.tables else pd.DataFrame()


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
