"""Text for people: Markdown tables and numbers with units."""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NOT_MEASURED = "not measured"


def number(value: float | None, unit: str = "", digits: int = 2) -> str:
    """`1,234 ms`, `12.35 ms`, `0.004 ms`; whole numbers without decimals; None and NaN are `not measured`."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return NOT_MEASURED
    whole = value == int(value) or abs(value) >= 1000
    digits = digits if abs(value) >= 0.1 or not value else digits + 2
    return f"{value:,.0f} {unit}".strip() if whole else f"{value:,.{digits}f} {unit}".strip()


def absent(value: Any) -> bool:
    """Whether `value` is None, NaN, pandas' NaT or its NA (which is equal to nothing and true of nothing)."""
    return (
        value is None or type(value).__name__ == "NAType" or (isinstance(value, numbers.Real | date) and value != value)
    )


def shown(value: Any, missing: str = NOT_MEASURED) -> str:
    """A cell's text: yes and no, numbers shortened, nothing as `missing`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if absent(value):
        return missing
    if isinstance(value, numbers.Real):
        return number(value)  # type: ignore[arg-type]
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)


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
    head = ["| " + " | ".join(headers) + " |", "|" + " --- |" * len(headers)]
    return "\n".join(head + lines)


def frame_table(frame: pd.DataFrame, missing: str = NOT_MEASURED) -> str:
    """A DataFrame as a Markdown table, without its index. missing: what stands for None and NaN."""
    return pipe_table([str(name) for name in frame.columns], frame.itertuples(index=False, name=None), missing)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
