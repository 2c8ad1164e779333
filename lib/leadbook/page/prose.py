"""Text for people: Markdown tables and numbers with units."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NOT_MEASURED = "not measured"
_MARKUP = re.compile(r"[\\*`]|~(?=~)|(?<=~)~|(?<![^\W_])_|_(?![^\W_])|<(?=[A-Za-z/!?])|&(?=#?\w+;)|\](?=[(\[])")
"""What Markdown would read as more than itself within a line."""


def number(value: float | None, unit: str = "", digits: int | None = None, missing: str = NOT_MEASURED) -> str:
    """`1,234 ms`, `12.35 ms`, `0.004 ms`: whole ones and those from 1,000 without decimals, others to four significant
    digits, or with `digits` decimals. missing: what stands for None and NaN."""
    if value is None or math.isnan(value):
        return missing
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    whole = abs(value) >= 1000 or value == int(value)
    text = f"{value:,.0f}" if whole else f"{value:.4g}" if digits is None else f"{value:.{digits}f}"
    return f"{text} {unit}".strip()


_UNITS = {"per_s": "/s", "ms": ", ms", "us": ", µs", "s": ", s", "percent": ", %", "gb": ", GB", "days": ", days",
          "hours": ", hours", "bytes": ", bytes"}  # fmt: skip
_UNIT = re.compile(rf"(\w+?)_({'|'.join(_UNITS)})")
_NAMES = {"mongodb": "MongoDB", "redis": "Redis", "wiredtiger": "WiredTiger", "ram": "RAM", "cpu": "CPU", "ttl": "TTL",
          "p50": "median", "p999": "p99.9", "worst": "slowest", "tls": "TLS"}  # fmt: skip


def words(name: str) -> str:
    """A name of code for people: `round_trip_p50_ms` is `round trip median, ms`. A text is left as it is."""
    if not re.fullmatch(r"[a-z0-9_]+", name):
        return name
    found = _UNIT.fullmatch(name)
    base, unit = (found[1], _UNITS[found[2]]) if found else (name, "")
    return " ".join(_NAMES.get(one, one) for one in base.split("_")) + unit


def heading(name: str) -> str:
    """A column's name for people: `documents_per_s` is `documents/s`. Names without a unit are terms, and stay."""
    return "a second" if name == "per_s" else words(name) if _UNIT.fullmatch(name) else name


def when(text: str) -> str:
    """`2026-11-23 18:40 UTC` of an ISO time; another text as it is."""
    try:
        return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text


def absent(value: Any) -> bool:
    """Whether `value` is None, NaN, pandas' NaT or its NA (which is equal to nothing and true of nothing)."""
    return (
        value is None or type(value).__name__ == "NAType" or (isinstance(value, numbers.Real | date) and value != value)
    )


def shown(value: Any, missing: str = NOT_MEASURED) -> str:
    """A value's text: yes and no, numbers shortened, times to the second, nothing as `missing`."""
    if absent(value):
        return missing
    value = unboxed(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, numbers.Real):
        return number(value)  # type: ignore[arg-type]
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(shown(item, missing) for item in value)
    return str(value)


def unboxed(value: Any) -> Any:
    """A numpy scalar as Python's own; anything else as it is."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def ticks(text: str) -> str:
    """`text` as escaped HTML, with `code` in backticks shown as code."""
    return ticked(escape(text))


def ticked(escaped: str) -> str:
    """The same of text that is escaped already."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped)


def whose_data(profile: str, lead_files: str) -> tuple[str, str]:
    """What stands in front of all that is told to people: REAL DATA or MADE-UP DATA, and a sentence that says it."""
    files = "those of the files that lead_files names" if lead_files else "made up"
    if profile == "production":
        return "REAL DATA", f"Servers and leads are the sprint's own. Records of trials (03 to 06) are {files}."
    if lead_files:
        return "MADE-UP DATA", f"This is a rehearsal. Leads are made up; only the records of trials are {files}."
    return (
        "MADE-UP DATA",
        "This is a rehearsal: its leads, their quality and their cost say nothing of a sprint.",
    )


def with_profile(text: str, profile: str) -> str:
    """The same text, its leadbook commands naming the profile: pasted without, they would work on a rehearsal."""
    if profile == "rehearsal":
        return text
    verbs = (
        "run|ingest|replay|recover|erase|cleanup|status|doctor|settings|act|ack|alerts|watch|roles|n8n export|n8n check"
    )
    acts = rf"`((?:\.venv/bin/)?leadbook (?:{verbs})\b[^`]*)`"
    return re.sub(
        acts, lambda found: found[0] if "--profile" in found[1] else f"`{found[1]} --profile {profile}`", text
    )


def pipe_table(headers: Sequence[str], rows: Iterable[Sequence[Any]], missing: str = NOT_MEASURED) -> str:
    """A Markdown table; `nothing to show` where there are no rows. missing: what stands for None and NaN."""
    lines = ["| " + " | ".join(_escaped(shown(cell, missing)) for cell in row) + " |" for row in rows]
    if not lines:
        return "Nothing to show."
    head = ["| " + " | ".join(map(_escaped, headers)) + " |", "|" + " --- |" * len(headers)]
    return "\n".join(head + lines)


def frame_table(frame: pd.DataFrame, missing: str = "–") -> str:
    """A DataFrame as a Markdown table, without its index. missing: what stands for None and NaN."""
    return pipe_table([heading(str(name)) for name in frame.columns], frame.itertuples(index=False, name=None), missing)


def literal(text: str) -> str:
    """`text` as Markdown that shows it and nothing else; `code` in backticks stays code. Marks that would take no
    effect where they stand (`snake_case`, `< 50`) are left alone, so that the raw text stays readable."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(one if at % 2 else _MARKUP.sub(r"\\\g<0>", one) for at, one in enumerate(pieces))


def _escaped(text: str) -> str:
    return literal(text).replace("|", "\\|").replace("\n", " ")
