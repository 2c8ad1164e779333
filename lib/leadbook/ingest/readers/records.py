"""Records of a vendor's file: JSON array, JSON lines, JSON objects in a row, or CSV, told apart by content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any

import orjson

from leadbook.core.errors import InputFileError
from leadbook.ingest.readers import files, tables
from leadbook.lead.vendors import RawRecord, Vendor, load_vendor, problem_of, vendor_names

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""A larger record is `too_large`: with its index entries it has to fit into a BSON document of 16 MiB."""

_PREVIEW = 500
_WRAPPED = re.compile(
    rb'\s*\{(?:\s*"[^"]*"\s*:\s*(?:"[^"]*"|[-\d.eE]+|true|false|null)\s*,)*'
    rb'\s*"(?:data|results|items|people|contacts|leads|records)"\s*:\s*(?=\[)'
)
_SPACE = re.compile(r"[\s,]*")


def read_records(path: Path | str, vendor: Vendor) -> Iterator[RawRecord]:
    """The records of a file (JSON, JSON lines or CSV; plain, gzip or zstd), streamed in constant memory.

    A broken record is counted and the rest goes on. Raises InputFileError for a file that is no data of this vendor:
    missing, empty, truncated, another format, or an answer that says the data are not ready.
    """
    path = Path(path)
    stream = files.text_chunks(path)
    head = next(stream)
    _refuse_not_ready(path, head, vendor)
    start = head.lstrip()
    blocks = chain([head], stream)
    wrapped = _WRAPPED.match(head)
    if start.startswith(b"["):
        return _values(path, blocks, vendor)
    if wrapped is not None:
        return _values(path, chain([head[wrapped.end() :]], stream), vendor, wrapped=True)
    if start.startswith(b"{"):
        return _lines(blocks, vendor) if _is_lines(start) else _values(path, blocks, vendor)
    return tables.read(path, blocks, vendor)


def checked_file(path: Path, name: str) -> tuple[Path, str]:
    """A vendor file, and its vendor's own name. Reads the first records only.

    Raises ParameterError (no such vendor) and InputFileError: no regular file, or first records without a LinkedIn
    address as this vendor names it, while another vendor finds one: all of them would be rejected.
    """
    vendor = load_vendor(name)
    if not path.is_file():
        raise InputFileError(
            path, ("is a directory" if path.is_dir() else "is no regular file") if path.exists() else "no such file"
        )
    first: list[dict[str, Any]] = []
    with suppress(InputFileError):  # what is wrong with the file is told when it is read
        first += [record.payload for record in islice(read_records(path, vendor), 50) if record.payload]

    def finds(one: Vendor) -> bool:
        return any(one.knows(payload) & {"linkedin_url", "linkedin_slug"} for payload in first)

    if first and not finds(vendor):
        others = [other for other in vendor_names() if finds(load_vendor(other))]
        if others:
            hint = f"did you mean {' or '.join(map(repr, others))}? There are {', '.join(vendor_names())}"
            raise InputFileError(path, f"holds no LinkedIn address where vendor {vendor.name!r} has it", hint=hint)
    return path, vendor.name


def _refuse_not_ready(path: Path, head: bytes, vendor: Vendor) -> None:
    if len(head) > 2048:
        return
    text = head.decode("utf-8", "replace")
    if any(re.search(pattern, text, re.IGNORECASE) for pattern in vendor.not_ready):
        raise InputFileError(path, f"{vendor.title} says the data are not ready yet", hint="fetch them again later")


def _is_lines(start: bytes) -> bool:
    """True unless the first object spans lines: some early line is a whole value, or there is one line only."""
    first, *others = start.split(b"\n", 20)
    if not others:
        return True
    if len(first) <= 2 and not first.rstrip().endswith(b"}"):
        return False
    early = (line for line in others[:-1] if line.lstrip().startswith(b"{"))
    return any(_loaded(line) is not _BROKEN for line in chain([first], early))


_BROKEN = object()


def _loaded(line: bytes) -> Any:
    """The value of a line, or _BROKEN. The standard decoder takes NaN, lone surrogates and bytes that are not UTF-8."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(line.decode("utf-8", "leadbook_cp1252"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return _BROKEN


def _record(number: int, value: Any, vendor: Vendor) -> RawRecord:
    problem = problem_of(value, vendor)
    return RawRecord(number, {"value": value} if problem == "not_an_object" else value, problem)


def broken(number: int, raw: bytes | str, problem: str = "broken_json") -> RawRecord:
    """A record that cannot be decoded, with the beginning of its text."""
    text = raw[: _PREVIEW * 4].decode("utf-8", "leadbook_cp1252") if isinstance(raw, bytes) else raw
    return RawRecord(number, {"raw": text[:_PREVIEW].replace("\0", "\ufffd")}, problem)


def _lines(blocks: Iterator[bytes], vendor: Vendor) -> Iterator[RawRecord]:
    """JSON lines. A line over MAX_RECORD_BYTES is skipped without being held in memory."""
    number, rest, skipping = 0, b"", False
    for block in blocks:
        lines = (rest + block).split(b"\n")
        rest = lines.pop()
        for line in lines:
            number += 1
            if skipping:
                skipping = False
            elif line and not line.isspace():
                yield _line(number, line, vendor)
        if len(rest) > MAX_RECORD_BYTES:
            if not skipping:
                yield broken(number + 1, rest, "too_large")
            rest, skipping = b"", True
    if rest.strip() and not skipping:
        yield _line(number + 1, rest, vendor)


def _line(number: int, line: bytes, vendor: Vendor) -> RawRecord:
    if len(line) > MAX_RECORD_BYTES:
        return broken(number, line, "too_large")
    value = _loaded(line)
    return broken(number, line) if value is _BROKEN else _record(number, value, vendor)


class _Text:
    """A window on decoded text that grows at the end and is cut at the front."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self.text, self.position = files.decoded(blocks), "", 0

    def grow(self) -> bool:
        """Add a block; False at the end of the file."""
        block = next(self._blocks, None)
        if block is None:
            return False
        self.text, self.position = self.text[self.position :] + block, 0
        return True

    def skip(self) -> str:
        """Move past spaces and commas; the next character, or nothing at the end."""
        while True:
            match = _SPACE.match(self.text, self.position)
            self.position = match.end() if match else self.position
            if self.position < len(self.text) or not self.grow():
                return self.text[self.position : self.position + 1]


def _values(path: Path, blocks: Iterator[bytes], vendor: Vendor, *, wrapped: bool = False) -> Iterator[RawRecord]:
    """The items of a JSON array, or JSON values in a row, decoded as the text arrives."""
    decode = json.JSONDecoder(parse_constant=lambda _: None).raw_decode
    text, number, first_key, was_broken = _Text(blocks), 0, None, False
    in_array = text.skip() == "["
    text.position += in_array
    while (character := text.skip()) and not (in_array and character == "]"):
        number += 1
        try:
            value, text.position = decode(text.text, text.position)
        except (ValueError, RecursionError):
            if len(text.text) - text.position <= MAX_RECORD_BYTES and text.grow():
                number -= 1
                continue
            yield broken(number, text.text[text.position : text.position + _PREVIEW])
            _resynchronise(text, first_key)
            was_broken = True
            continue
        was_broken = False
        if type(value) is dict and value:
            first_key = next(iter(value))
        yield _record(number, value, vendor)
    if in_array and not character and not wrapped and not was_broken:  # truncated between two items
        yield broken(number + 1, "the file ends inside its array")


def _resynchronise(text: _Text, first_key: str | None) -> None:
    """Move to the next object that starts as the records before it did; to the end when there is none."""
    key = re.escape(json.dumps(first_key)) if first_key is not None else '"'
    following = re.compile(r"[}\]]?\s*,?\s*(\{\s*" + key + ")")
    text.position += 1
    while True:
        match = following.search(text.text, text.position)
        if match is not None:
            text.position = match.start(1)
            return
        text.position = max(text.position, len(text.text) - 200)
        if not text.grow():
            text.position = len(text.text)
            return
