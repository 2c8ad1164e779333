"""One line of `leadbook doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One line. state: `ok`, `problem`, or `note` for what is fine either way.  todo: how a problem is mended."""

    state: Literal["ok", "problem", "note"]
    about: str
    text: str
    todo: str = ""


def ok(about: str, text: str) -> Diagnosis:
    """A finding that all is well."""
    return Diagnosis(state="ok", about=about, text=text)


def problem(about: str, text: str, todo: str) -> Diagnosis:
    """A finding that something is to be mended."""
    return Diagnosis(state="problem", about=about, text=text, todo=todo)


def note(about: str, text: str) -> Diagnosis:
    """A finding to know, and nothing to mend."""
    return Diagnosis(state="note", about=about, text=text)
