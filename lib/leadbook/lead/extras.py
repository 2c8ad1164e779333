"""What no field knows, made storable: keys that are no operators, values that BSON can hold, sizes with a bound."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

MAX_TEXT = 4_000
"""Characters kept of one text."""
MAX_ITEMS = 200
"""Items kept of one list or mapping."""
MAX_DEPTH = 8
"""Levels of nesting kept."""
MAX_CHARACTERS = 250_000
"""Characters kept in all; with four bytes each this stays far below BSON's 16 MiB."""

_KEY_BAD = re.compile("[.\\0\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CUT = "…"


def safe_key(key: Any) -> str:
    """A key that no server takes for an operator or a path: no leading `$`, no dot, no NUL, never empty."""
    return _safe_key(key) if type(key) is str and len(key) < 1_000 else _safe_key(str(key)[:1_000])


@lru_cache(maxsize=8192)
def _safe_key(text: str) -> str:
    text = _KEY_BAD.sub("_", text)[:100].strip()
    if text[:1] == "$":
        text = "_" + text.lstrip("$")
    return text or "_"


def storable(value: Any) -> Any:
    """`value` within the bounds above, as types that BSON knows. Integers beyond 64 bits become text."""
    return _safe(value, 0, [MAX_CHARACTERS])


def _text(text: str, budget: list[int]) -> str:
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + _CUT
    budget[0] -= len(text) + 8
    if text.isascii():
        return text
    return _SURROGATE.sub("\ufffd", text)


def _safe(value: Any, depth: int, budget: list[int]) -> Any:
    kind = type(value)
    if budget[0] <= 0:
        return _CUT
    if kind is str:
        return _text(value, budget)
    budget[0] -= 8
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if _SMALLEST <= value <= _LARGEST else _long(value)
    if kind is dict:
        return _mapping(value, depth, budget) if depth < MAX_DEPTH else _CUT
    if kind is list:
        return [_safe(item, depth + 1, budget) for item in value[:MAX_ITEMS]] if depth < MAX_DEPTH else _CUT
    if isinstance(value, datetime):
        return value
    if isinstance(value, Mapping):
        return _safe(dict(value), depth, budget)
    if isinstance(value, list | tuple | set | frozenset):
        return _safe(list(value), depth, budget)
    return _text(str(value)[:MAX_TEXT], budget)


_SMALLEST, _LARGEST = -(2**63), 2**63 - 1


def _long(value: int) -> str:
    """An integer beyond 64 bits as text; in hexadecimal where decimals would take too long."""
    return str(value) if value.bit_length() <= 8_192 else hex(value)[:MAX_TEXT]


def _mapping(value: dict[Any, Any], depth: int, budget: list[int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for raw, item in value.items() if len(value) <= MAX_ITEMS else list(value.items())[:MAX_ITEMS]:
        key = safe_key(raw)
        if key in result:
            key = _free(key, result)
        budget[0] -= len(key)
        result[key] = _text(item, budget) if type(item) is str and budget[0] > 0 else _safe(item, depth + 1, budget)
    return result


def _free(key: str, taken: dict[str, Any]) -> str:
    copy = 2
    while f"{key}_{copy}" in taken:
        copy += 1
    return f"{key}_{copy}"
