"""Records of a CSV file: delimiter and header variants found out, ragged rows kept, a lost quote contained."""

from __future__ import annotations

import csv
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from leadbook.core.errors import InputFileError
from leadbook.ingest.readers import files
from leadbook.lead import vendors
from leadbook.lead.vendors import RawRecord, Vendor, problem_of

EXTRA_COLUMNS = "extra_columns"
"""Key under which cells beyond the header are kept."""

MAX_ROW_CHARACTERS = 1024 * 1024
"""A longer row is a quote that was never closed; its lines are then read one by one."""

_DELIMITERS = ",;\t|"


class _Lines:
    """Lines of a file with their numbers; remembers those of the row being read and can take them back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = files.decoded(blocks)
        self._ready: deque[str] = deque()
        self._rest, self._ended = "", False
        self.number, self.size = 0, 0
        self.row: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        while not self._ready:
            self._fill()
        if self.size > MAX_ROW_CHARACTERS:
            raise csv.Error("a row without end")
        line = self._ready.popleft()
        self.number += 1
        self.row.append(line)
        self.size += len(line)
        return line

    def _fill(self) -> None:
        if self._ended:
            raise StopIteration
        block = next(self._blocks, None)
        self._ended = block is None
        lines = _joined(self._rest + (block or ""))
        self._rest = "" if self._ended else lines.pop()[: 4 * MAX_ROW_CHARACTERS]
        self._ready.extend(line for line in lines if line)

    @property
    def at_end(self) -> bool:
        """True when no line is left."""
        while not self._ready and not self._ended:
            self._fill()
        return not self._ready

    def begin(self) -> None:
        """Forget the lines of the row before."""
        self.row.clear()
        self.size = 0

    def take_back(self) -> str:
        """Return all lines of this row but the first, to be read again. The first one."""
        first, *others = self.row
        self._ready.extendleft(reversed(others))
        self.number -= len(others)
        return first


def _joined(text: str) -> list[str]:
    """Lines with their ends, split at line feeds only (or carriage returns where there are no line feeds)."""
    mark = "\n" if "\n" in text or "\r" not in text else "\r"
    lines = text.split(mark)
    return [line + mark for line in lines[:-1]] + [lines[-1]]


def _header(path: Path, lines: _Lines) -> tuple[list[str], str]:
    """The column names, made unique, and the delimiter."""
    first = ""
    for line in lines:
        first = line.strip("\r\n")
        if first.lower().startswith("sep=") and len(first) == 5:
            continue
        if first.strip(' ,;\t|"'):
            break
    outside = "".join(first.split('"')[::2])
    counts = Counter(character for character in outside if character in _DELIMITERS)
    delimiter = max(_DELIMITERS, key=lambda character: counts[character])
    try:
        cells = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True))
    except (csv.Error, StopIteration):
        raise InputFileError(path, "has no readable header", line=lines.number) from None
    names: dict[str, None] = {}
    for position, cell in enumerate(cells, start=1):
        base = name = cell.strip().strip("\ufeff\0").strip("'\"") or f"column_{position}"
        copy = 2
        while name in names:
            name, copy = f"{base} ({copy})", copy + 1
        names[name] = None
    return list(names), delimiter


def _refuse_foreign(path: Path, columns: list[str], vendor: Vendor) -> None:
    """A table without a single column that could name a lead is another file."""
    if vendor.knows(columns) & {"linkedin_url", "linkedin_slug", "full_name", "first_name", "email"}:
        return
    shown = ", ".join(column[:30] for column in columns[:6])
    better = [name for name in vendors.vendor_names() if "linkedin_url" in vendors.load_vendor(name).knows(columns)]
    hint = f"it looks like {better[0]}" if better else "is it another vendor's file?"
    raise InputFileError(path, f"no column of {vendor.title} in its first line ({shown})", line=1, hint=hint)


def read(path: Path, blocks: Iterator[bytes], vendor: Vendor) -> Iterator[RawRecord]:
    """The rows of a CSV as records. Raises InputFileError when the header names nothing that this vendor exports."""
    lines = _Lines(blocks)
    columns, delimiter = _header(path, lines)
    _refuse_foreign(path, columns, vendor)
    return _rows(lines, columns, delimiter, vendor)


def _rows(lines: _Lines, columns: list[str], delimiter: str, vendor: Vendor) -> Iterator[RawRecord]:
    csv.field_size_limit(8 * MAX_ROW_CHARACTERS)
    rows, width = csv.reader(lines, delimiter=delimiter), len(columns)
    while True:
        lines.begin()
        start = lines.number + 1
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            cells = None
        if cells is None or (len(lines.row) > 1 and lines.at_end and _unclosed(lines.row)):
            first = lines.take_back()
            yield RawRecord(start, {"raw": first[:500].replace("\0", "\ufffd")}, "broken_csv")
            rows = csv.reader(lines, delimiter=delimiter)
            continue
        if not cells:
            continue
        payload: dict[str, Any] = dict(zip(columns, cells, strict=False))
        if len(cells) > width and any(cells[width:]):
            payload[EXTRA_COLUMNS] = cells[width:]
        yield RawRecord(start, payload, problem_of(payload, vendor))


def _unclosed(lines: list[str]) -> bool:
    return sum(line.count('"') for line in lines) % 2 == 1
