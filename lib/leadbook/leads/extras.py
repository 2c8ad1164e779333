"""What no field knows, made storable: keys that are no operators, values that BSON can hold, sizes with a bound."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_ITEMS", "MAX_TEXT", "safe_key", "storable"]

MAX_TEXT = 4_000
"""Characters kept of one text."""
MAX_ITEMS = 100
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
    text = key if type(key) is str else str(key)
    if text.isalnum() and len(text) <= 100:
        return text
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
    if kind is str:
        return _text(value, budget) if budget[0] > 0 else _CUT
    budget[0] -= 8
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**63 else hex(value)[:1_000] if value.bit_length() > 8_192 else str(value)
    if kind is dict or kind is list:
        if depth >= MAX_DEPTH or budget[0] <= 0:
            return _CUT
        return (
            _mapping(value, depth, budget)
            if kind is dict
            else [_safe(item, depth + 1, budget) for item in value[:MAX_ITEMS]]
        )
    if isinstance(value, datetime):
        return value
    if isinstance(value, list | tuple | set):
        return _safe(list(value), depth, budget)
    return _text(str(value), budget)


def _mapping(value: dict[Any, Any], depth: int, budget: list[int]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for position, (raw, item) in enumerate(value.items()):
        if position >= MAX_ITEMS or budget[0] <= 0:
            break
        key = base = safe_key(raw)
        copy = 2
        while key in result:
            key, copy = f"{base}_{copy}", copy + 1
        budget[0] -= len(key)
        result[key] = _safe(item, depth + 1, budget)
    return result
