"""The exception tree. Every error is one clear line: what was wrong, where, and what to do.

LeadbookError
├── UsageError            the command or a parameter was wrong
│   ├── ParameterError    one parameter: unknown, of the wrong type, or out of range
│   └── InputFileError    one input file: missing, unreadable, or broken at a line
├── RefusedError          the profile forbids the action (production refuses rehearsal actions)
├── ServerError
│   ├── UnreachableError  nobody answers at the address, or the credentials are refused
│   └── BinaryNotFoundError  mongod or redis-server is not installed
└── BrokenRunError        the run itself broke: a kernel died, a disk is full, a cell hung
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

DEBUG = "LEADBOOK_DEBUG"
"""Environment variable: set, an error shows its whole traceback, in a notebook and on the command line."""


class LeadbookError(Exception):
    """Base of all errors that a user should see as one line. `exit_status` is that of the command line."""

    exit_status = 2

    def _render_traceback_(self) -> list[str]:
        """IPython's hook: a notebook shows the one line instead of a stack of frames."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(LeadbookError):
    """The command was wrongly used."""


class ParameterError(UsageError):
    """A parameter is unknown, of the wrong type, or out of range. Carries `name`."""

    def __init__(self, name: str, problem: str, hint: str = "") -> None:
        self.name = name
        super().__init__(f"parameter {name!r}: {problem}" + (f"; {hint}" if hint else ""))


class InputFileError(UsageError):
    """An input file is missing or broken. Carries `path` and, where known, `line` (counted from 1)."""

    def __init__(self, path: Path | str, problem: str, *, line: int | None = None, hint: str = "") -> None:
        self.path, self.line = Path(path), line
        where = f"{path}:{line}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}" + (f"; {hint}" if hint else ""))


class RefusedError(LeadbookError):
    """The profile forbids this action."""


class ServerError(LeadbookError):
    """A server could not be started, found or used."""


class UnreachableError(ServerError):
    """Nobody answers, or the credentials are refused. `address` never contains credentials."""

    def __init__(self, service: str, address: str, problem: str, hint: str = "") -> None:
        self.service, self.address = service, address
        super().__init__(f"{service} at {address}: {problem}" + (f"; {hint}" if hint else ""))


class BinaryNotFoundError(ServerError):
    """A server binary is not installed."""


class BrokenRunError(LeadbookError):
    """The run itself broke, whatever the notebooks say."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`did you mean 'x'?`, or an empty string when nothing is close."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def missing_package(error: ImportError) -> str:
    """What to say of an import that failed: which package, and how to get it."""
    name = (error.name or "").partition(".")[0]
    what = f"the package {name!r} is missing or broken" if name else f"a package is broken ({error})"
    return f"{what}; run `make setup`, then use .venv/bin/leadbook"
