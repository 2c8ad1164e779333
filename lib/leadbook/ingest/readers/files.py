"""An input file as UTF-8 chunks, whatever its compression and encoding, which are known by content, not by name."""

from __future__ import annotations

import codecs
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import zstandard

from leadbook.core.errors import InputFileError

CHUNK = 256 * 1024
"""Bytes read at once."""

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FOREIGN = {
    b"PK\x03\x04": "is a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook",
    b"%PDF": "is a PDF",
    b"PAR1": "is a Parquet file",
    b"\x89PNG": "is an image",
    b"BZh": "is compressed with bzip2",
    b"\xfd7zXZ": "is compressed with xz",
    b"SQLite format 3": "is an SQLite database",
}


def _cp1252(error: UnicodeError) -> tuple[str, int]:
    """Error handler: bytes that are no UTF-8 are read as Windows-1252, or Latin-1 where that has no character."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    raw = error.object[error.start : error.end]
    return "".join(_one(byte) for byte in raw), error.end


def _one(byte: int) -> str:
    try:
        return bytes((byte,)).decode("cp1252")
    except UnicodeDecodeError:
        return chr(byte)


codecs.register_error("leadbook_cp1252", _cp1252)


def _plain(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            yield block


def _gunzipped(path: Path) -> Iterator[bytes]:
    stream = zlib.decompressobj(31)
    with path.open("rb") as file:
        pending = file.read(CHUNK)
        while pending:
            block = stream.decompress(pending, CHUNK)
            if block:
                yield block
            pending = stream.unconsumed_tail
            if stream.eof:  # further members may follow; zero bytes are padding
                pending = stream.unused_data.lstrip(b"\0") or file.read(CHUNK).lstrip(b"\0")
                if pending:
                    if not pending.startswith(_GZIP[: len(pending)]):
                        break
                    stream = zlib.decompressobj(31)
            elif not pending:
                pending = file.read(CHUNK)
        if not stream.eof:
            raise EOFError("ends in the middle of the compressed data")


def _unzstd(path: Path) -> Iterator[bytes]:
    pending, stream, started = b"", zstandard.ZstdDecompressor().decompressobj(), False
    with path.open("rb") as file:
        while pending := pending or file.read(2048):  # small pieces bound what one of them can expand to
            if block := stream.decompress(pending):
                yield block
            pending, started = stream.unused_data, not stream.eof
            if stream.eof:
                stream = zstandard.ZstdDecompressor().decompressobj()
    if started:
        raise EOFError("ends in the middle of the compressed data")


def chunks(path: Path) -> Iterator[bytes]:
    """Decompressed bytes of `path`. Raises InputFileError: missing, a directory, unreadable, truncated, corrupt."""
    try:
        with path.open("rb") as file:
            magic = file.read(16)
        if not magic:
            raise InputFileError(path, "is empty")
        reader = _gunzipped if magic.startswith(_GZIP) else _unzstd if magic.startswith(_ZSTD) else _plain
        for start, what in _FOREIGN.items():
            if magic.startswith(start):
                raise InputFileError(path, what, hint="export it as CSV, JSON or JSON lines")
        yield from reader(path)
    except FileNotFoundError:
        raise InputFileError(path, "no such file") from None
    except IsADirectoryError:
        raise InputFileError(path, "is a directory", hint="name the files in it") from None
    except OSError as error:
        raise InputFileError(path, f"cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error, zstandard.ZstdError) as error:
        raise InputFileError(path, f"broken compression: {error}", hint="fetch the file again") from None


def _encoding(head: bytes) -> str:
    """utf-8-sig, or UTF-16/32 by byte order mark or by the zero bytes between its letters."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = head[:512]
    if len(sample) >= 4:
        half = len(sample) // 2
        if sample[1::2].count(0) > half * 0.8 and sample[::2].count(0) < half * 0.2:
            return "utf-16-le"
        if sample[::2].count(0) > half * 0.8 and sample[1::2].count(0) < half * 0.2:
            return "utf-16-be"
    return "utf-8-sig"


def text_chunks(path: Path) -> Iterator[bytes]:
    """`chunks` as UTF-8 without byte order mark. Bytes that are no UTF-8 pass unchanged, to be judged line by line.

    Raises InputFileError for binary content and for web pages.
    """
    stream = chunks(path)
    head = next(stream, b"")
    while len(head) < 4096 and (more := next(stream, b"")):
        head += more
    if not head.strip(b"\0 \r\n\t\xef\xbb\xbf"):
        raise InputFileError(path, "is empty")
    encoding = _encoding(head)
    whole: Iterator[bytes] = chain([head.removeprefix(codecs.BOM_UTF8)], stream)
    if encoding != "utf-8-sig":
        whole = (text.encode("utf-8", "replace") for text in decoded(chain([head], stream), encoding, "replace"))
    first = next(whole)
    _refuse_binary(path, first)
    yield first
    yield from whole


def decoded(blocks: Iterable[bytes], encoding: str = "utf-8", errors: str = "leadbook_cp1252") -> Iterator[str]:
    """Blocks as text, with characters that lie across their borders whole."""
    decoder = codecs.getincrementaldecoder(encoding)(errors=errors)
    for block in blocks:
        yield decoder.decode(block)
    yield decoder.decode(b"", final=True)


def _refuse_binary(path: Path, head: bytes) -> None:
    sample = head[:4096]
    control = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", sample))
    if control > max(8, len(sample) // 10):
        raise InputFileError(path, "is binary data", hint="export it as CSV, JSON or JSON lines")
    if re.match(rb"\s*<(?:!doctype|html|\?xml)", sample, re.IGNORECASE):
        raise InputFileError(path, "is a web page or XML, no export", hint="a login or error page was saved instead?")
