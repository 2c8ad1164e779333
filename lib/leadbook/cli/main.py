"""The entry point: every error becomes one line and the right exit status."""

from __future__ import annotations

import os
import sys
import traceback

import typer

from leadbook.cli import (
    acting,
    alerting,
    care,
    leads,
    measurements,
    n8n,
    recovery,
    rehearsing,
    runs,
    servers,
    watching,
)
from leadbook.cli.app import app, fail
from leadbook.core.errors import DEBUG, LeadbookError, missing_package
from leadbook.core.redactor import Redactor

COMMANDS = (runs, servers, leads, watching, acting, alerting, rehearsing, recovery, care, measurements, n8n)
"""Modules whose functions are commands: loaded, they are known to the application."""
CTRL_C = 130
"""What Typer (`typer/core.py`) makes of a KeyboardInterrupt, without a word."""


def main() -> None:
    """Entry point: every error becomes one line and the right exit status."""
    try:
        status = app(standalone_mode=False)
    except LeadbookError as error:
        fail(Redactor.from_environment().text(str(error)), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        fail("interrupted", 2)
    except ImportError as error:
        fail(missing_package(error), 2)
    except Exception as error:  # noqa: BLE001  an exit status of 1 would say NO-GO
        fail(_one_line(error), 2)
    if status == CTRL_C:
        fail("interrupted", 2)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: Exception) -> str:
    """A wrong word on the command line, a machine that refuses, or a fault of leadbook, and what to do."""
    if hasattr(error, "format_message"):  # what typer raises
        problem = error.format_message().rstrip(".")
        if not problem:  # no command at all: the help has been shown
            sys.exit(2)
        return f"{problem}; `leadbook --help` lists commands and options"
    from pymongo.errors import PyMongoError

    from leadbook.core import write_errors

    if isinstance(error, PyMongoError):
        said = Redactor.from_environment().text(write_errors.described(error))
        return f"MongoDB: {said}; look at the server, and at the rights of the user in the address, then try again"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; make room or give access there, then try again"
    if os.environ.get(DEBUG):
        sys.stderr.write(Redactor.from_environment().text("".join(traceback.format_exception(error))))
    where = Redactor.from_environment().text(write_errors.described(error))
    return f"a fault of leadbook itself, {where}; {DEBUG}=1 shows where, please report it"
