"""Sections that build on others: run in any order, each says which cell comes first."""

from __future__ import annotations

from leadbook.core.errors import LeadbookError

__all__ = ["InOrder"]


class InOrder:
    """A notebook's sections as methods; each of them calls `begin`."""

    def __init__(self) -> None:
        self._begun: set[str] = set()

    def begin(self, section: str, *after: str) -> None:
        """Raises LeadbookError, naming the sections to run first, where one `after` which this one comes was not."""
        if missing := [one for one in after if one not in self._begun]:
            raise LeadbookError(f"section {' and '.join(missing)} was not run: run its cell first, then this one")
        self._begun.add(section)
