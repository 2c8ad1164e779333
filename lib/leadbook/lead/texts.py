"""Text as people meant it: no HTML entities, no invisible characters, one Unicode form, no placeholders.

Vendors write "no value" in many ways (`--`, `none`, `. at .`, `#N/A`); each of them reads as absent here.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

from leadbook.lead import lexicon

T = TypeVar("T")

PLACEHOLDERS = frozenset(lexicon.phrases("placeholders"))
"""Whole values, case-folded, that mean "no value" in every column. Values without a letter or digit do too."""

MEMORABLE = 300
"""Characters up to which a repeated value (a title, a company, a place) is worth remembering."""

MOST = 2_000
"""Characters of a value that cleaning looks at; additional_data keeps more."""

_INVISIBLE = dict.fromkeys(
    [
        *(0x00AD, 0x061C, 0x180E, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)),
        *(*range(0xFFF9, 0xFFFC), *range(0xE0000, 0xE0080)),
    ]
)
_JOINERS = {0x200C, 0x200D}
_INVISIBLE_BUT_JOINERS = {code: None for code in _INVISIBLE if code not in _JOINERS}
# Joiners carry meaning inside Persian and Indic words and nowhere else in these fields.
_STRAY_JOINER = re.compile("(?<![\u0600-\u0fff])[\u200c\u200d]|[\u200c\u200d](?![\u0600-\u0fff])")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_CONTROL_OR_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST = max(map(len, PLACEHOLDERS))
_EMPTY_AT = re.compile(r"[\W_]*\bat\b[\W_]*", re.IGNORECASE)


def remembered(read: Callable[..., T]) -> Callable[..., T]:
    """`read`, with a memory for values worth remembering: all of them texts, and none longer than MEMORABLE."""
    known = lru_cache(maxsize=32_768)(read)

    @wraps(read)
    def once(*values: Any) -> T:
        for value in values:
            if type(value) is not str or len(value) > MEMORABLE:
                return read(*values)
        return known(*values)

    return once


def visible(text: str) -> str:
    """`text` without zero-width, bidirectional and other invisible characters."""
    return text if text.isascii() else text.translate(_INVISIBLE)


def _uncoded(text: str) -> str:
    for _ in range(2):  # exports encode twice: &amp;#39;
        text = _ENTITY.sub(lambda match: html.unescape(match.group()), text)
    return text


def tidy(value: Any) -> str:
    """`value` as clean text, possibly empty: entities decoded, invisible characters gone, NFC, single spaces.

    Plain ASCII text passes almost untouched, which is the common case and the fast one. No more than MOST characters
    are looked at: no field is as long, and hostile text must not cost time.
    """
    text = value if type(value) is str else _scalar(value)
    if len(text) > MOST:
        text = text[:MOST]
    if text.isascii() and text.isprintable() and "&" not in text and "  " not in text:
        return text.strip()
    text = _uncoded(text.translate(_INVISIBLE_BUT_JOINERS)).translate(_INVISIBLE_BUT_JOINERS)
    text = _STRAY_JOINER.sub("", _SURROGATE.sub("\ufffd", text))
    return _CONTROL_OR_SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()


def _scalar(value: Any) -> str:
    if isinstance(value, bool) or (isinstance(value, int) and value.bit_length() > 256):
        return ""
    return str(value) if isinstance(value, int | float | str) else ""


def is_placeholder(text: str) -> bool:
    """True when tidy `text` stands for "no value": empty, in PLACEHOLDERS, or without a letter or digit."""
    if len(text) > 40 or (len(text) > _LONGEST and text[0].isalnum()):
        return False
    if text.casefold() in PLACEHOLDERS:
        return True
    if text[:1].isalnum():
        return False
    return not any(map(str.isalnum, text)) or _EMPTY_AT.fullmatch(text) is not None


def cut(text: str, length: int) -> str:
    """`text` shortened to at most `length` characters, at a word's end where one is near, marked with an ellipsis."""
    if len(text) <= length:
        return text
    head = text[: length - 1]
    space = head.rfind(" ")
    if space > length * 3 // 4:
        head = head[:space]
    return head.rstrip(" ,;-|") + "…"
