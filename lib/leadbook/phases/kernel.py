"""The kernel that a notebook runs in: parameters that nothing knows, secrets in its messages, errors as one line."""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from IPython.core.getipython import get_ipython
from pymongo.errors import AutoReconnect, InvalidOperation, PyMongoError
from redis.exceptions import RedisError

from leadbook.core import write_errors
from leadbook.core.errors import DEBUG, LeadbookError, ParameterError, did_you_mean
from leadbook.core.redactor import Redactor
from leadbook.core.settings import PROJECT, Settings


def refuse_unknown(namespace: Mapping[str, Any]) -> None:
    """papermill only warns of a parameter that no cell declares; this makes a misspelt one an error."""
    for source in namespace.get("In", []):
        if not source.startswith("# Parameters\n"):
            continue
        for name in re.findall(r"(?m)^(\w+) = ", source):
            if name not in Settings.model_fields:
                raise ParameterError(name, "no notebook knows it", did_you_mean(name, Settings.model_fields))


def scrub_output(redactor: Redactor) -> None:
    """Replace secrets in every message that this kernel sends: prints, displays, results and tracebacks."""
    session = getattr(getattr(get_ipython(), "kernel", None), "session", None)
    if session is None:
        return
    serialize = getattr(session, "_leadbook_serialize", session.serialize)

    def scrubbed(msg: dict[str, Any], ident: Any = None) -> Any:
        if isinstance(msg.get("content"), dict):
            msg = {**msg, "content": redactor.tree(msg["content"])}
        return serialize(msg, ident=ident)

    session._leadbook_serialize = serialize
    session.serialize = scrubbed


def tell_errors_in_one_line(phase: str) -> None:
    """Show what a user can act on as one line instead of a traceback; a fault of leadbook keeps its traceback."""
    shell = get_ipython()
    if shell is None or os.environ.get(DEBUG):
        return

    def show(shell: Any, kind: type, error: BaseException, trace: TracebackType, tb_offset: int | None = None) -> None:
        line = told(error, phase)
        shell._showtraceback(kind, line, [line])

    shell.set_custom_exc((LeadbookError, PyMongoError, RedisError, NameError), show)


def told(error: BaseException, phase: str) -> str:
    """One line for people: what went wrong in a cell of `phase`, and which cell to run or what to look at."""
    first = write_errors.line(error)
    if isinstance(error, LeadbookError):
        return str(error)
    if isinstance(error, NameError):
        cell = _maker(phase, error.name or "")
        way = f"{cell} makes it; run that cell and those below it, then this one"
        return f"{first}: {way if cell else 'no cell of this notebook makes it'}"
    if isinstance(error, InvalidOperation):
        return f"phase {phase} is closed; run the notebook from its first code cell"
    if isinstance(error, AutoReconnect):
        return (
            f"MongoDB stopped answering: {first}; see that its members run (rehearsal: `leadbook up`), then run the "
            "notebook from its first code cell"
        )
    if isinstance(error, RedisError):
        return f"Redis stopped answering ({type(error).__name__}): see that it runs, then run this cell again"
    return f"MongoDB refused: {first} ({type(error).__name__})"


def _maker(phase: str, name: str) -> str:
    """Which cell of the phase's notebook makes `name`, told by its heading; empty where none does."""
    for path in (PROJECT / "notebooks").glob(f"{phase}_*.ipynb"):
        heading = "the notebook's first code cell"
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and name in _made_by(source):
                return heading
            if found := re.findall(r"(?m)^#{2,3} (.+)$", source):
                heading = f"the cell below “{found[-1]}”"
    return ""


def _made_by(source: str) -> set[str]:
    """Names that a cell's code assigns or imports."""
    nodes = list(ast.walk(ast.parse(source)))
    assigned = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return assigned | {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
