"""A server whose users hold custom roles only, and phases and commands of leadbook run there in this process, small.

What came of a run is kept as lines that a user would read: a check's verdict with its evidence and remedy, a cell's or
a command's one-line error, a reading that a watch could not take.
"""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError
from tests.conftest import SMALL, unmark_mongodb, unmark_redis

from leadbook.core import connect, write_errors
from leadbook.core.allowed import ACTIONS
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import PROJECT, Settings, load_profile
from leadbook.phases import kernel
from leadbook.provision.roles import ROLES, Privilege, Role
from leadbook.rehearsal import servers

DATABASE, PASSWORD = "lead_generation", "Secret-word"
SHORT: dict[str, Any] = {
    "min_pool_size": 0, "max_pool_size": 50, "server_selection_timeout_ms": 5_000,
    "bench_rounds": 2, "bench_documents": 100, "bench_leads": 1_000, "load_records": "200", "load_writers": "2",
    "duplicate_checks": 100, "trial_records": 1_000, "open_loop_percent": "50", "open_loop_seconds": 0.2,
    "load_processes": 1, "executor": "threads",
    "monitor_seconds": 1.0, "attestations_file": "", "validate_collection": "background",
}  # fmt: skip
NAMES = {"database": DATABASE, "collection": "performance_marketers", "staging_collection": "raw_leads"}
REFUSED = re.compile(r"(?i)not authori[sz]ed|\bmay not\b|\blacks |needs readWrite|refused: error 13")


@dataclass
class Outcome:
    """What a run told. lines: check id, cell or command to what stands there.  denied: commands that the server
    refused for want of a right."""

    lines: dict[str, str] = field(default_factory=dict)
    denied: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def refused(self) -> dict[str, str]:
        """Lines that tell of a missing right, where nothing should: in place of a value, or of all work."""
        return {
            about: line for about, line in self.lines.items()
            if REFUSED.search(line.partition(" -> ")[0]) and not line.startswith(("pass", "warn", "not applicable"))
        }  # fmt: skip


def complaints(before: Outcome, after: Outcome) -> dict[str, str]:
    """Lines that tell of a missing right after it was taken away, and did not before."""
    return {
        about: line for about, line in after.lines.items()
        if REFUSED.search(line.partition(" -> ")[0]) and not REFUSED.search(before.lines.get(about, ""))
    }  # fmt: skip


class Ground:
    """One server with authentication, whose users hold one custom role each. Made once, used for every trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = Settings.from_mapping({**SMALL, "database": DATABASE})
        self.state = servers.up(self.settings, owner_pid=os.getpid(), folder=folder / "servers")
        unmark_mongodb(self.state.admin_uri, self.settings)
        unmark_redis(self.state.redis_url, self.settings)
        self.root = connect.mongodb(self.state.admin_uri, self.settings)
        for role in ROLES.values():
            self.root.admin.command("createRole", role.name, privileges=role.granted(NAMES), roles=[])
            held = [{"role": role.name, "db": "admin"}]
            self.root.admin.command("createUser", f"a_{role.name}", pwd=PASSWORD, roles=held)
        self._log = next((folder / "servers").rglob("mongod*.log"))
        self._runs = 0

    def uri(self, role: str) -> str:
        """The address of the user who holds a role."""
        return re.sub(r"//[^@]+@", f"//a_{role}:{PASSWORD}@", self.state.admin_uri)

    def environment(self) -> dict[str, str]:
        """What that user exports."""
        users = {"MONGODB_URI": "leadbook_pipeline", "MONGODB_ADMIN_URI": "leadbook_dba",
                 "MONGODB_REPORTING_URI": "leadbook_reporting"}  # fmt: skip
        return {name: self.uri(role) for name, role in users.items()} | {"REDIS_URL": self.state.redis_url}

    @contextmanager
    def without(self, role: Role, privilege: Privilege) -> Iterator[None]:
        """A role lacks one privilege inside the block: at once, for those who are connected too."""
        less = replace(role, privileges=tuple(one for one in role.privileges if one is not privilege))
        self.root.admin.command("updateRole", role.name, privileges=less.granted(NAMES))
        try:
            yield
        finally:
            self.root.admin.command("updateRole", role.name, privileges=role.granted(NAMES))

    def close(self) -> None:
        """Stop the servers."""
        self.root.close()
        servers.down(self.folder / "servers")

    # ------------------------------------------------------------------------------------------------------- running

    def production(self, **changed: Any) -> dict[str, Any]:
        """Parameters of production, small, with every approval."""
        approve = ", ".join(f"{action} on {DATABASE}" for action in ACTIONS)
        own = {"approve": approve, "backup_dir": str(self.folder / "backups"), "watch_dir": str(self.folder / "watch")}
        return {**load_profile("production"), **SHORT, **own, **changed}

    def run(self, what: Callable[[], Iterator[tuple[str, str]]]) -> Outcome:
        """Do something that yields what it told, and add what the server refused meanwhile."""
        began, offset, outcome = time.monotonic(), self._log.stat().st_size, Outcome()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            for about, line in what():
                outcome.lines[about] = line
        outcome.seconds = time.monotonic() - began
        with self._log.open("rb") as log:
            log.seek(offset)
            for line in log:
                if b'"id":20436' in line or b"not authorized" in line:
                    outcome.denied.append(str(json.loads(line)["attr"].get("error", ""))[:400])
        return outcome

    def phase(self, number: str, *, only: Sequence[str] = (), **changed: Any) -> Outcome:
        """One notebook's cells. only: of those that show something, those that hold one of these words."""
        return self.run(lambda: self._cells(number, only, changed))

    def _cells(self, number: str, only: Sequence[str], changed: dict[str, Any]) -> Iterator[tuple[str, str]]:
        self._runs += 1
        out = self.folder / f"run-{self._runs}"
        (notebook,) = (PROJECT / "notebooks").glob(f"{number}_*.ipynb")
        cells = [c for c in json.loads(notebook.read_text())["cells"] if c["cell_type"] == "code"]
        namespace: dict[str, Any] = {"__name__": "notebook"}
        for place, cell in enumerate(cells):
            text = "".join(cell["source"])
            if only and "book.show(" in text and not any(word in text for word in only):
                continue
            try:
                exec(compile(text, f"cell {place}", "exec"), namespace)
            except Exception as error:  # noqa: BLE001  whatever a notebook shows
                yield f"cell {place}", kernel.told(error, number)
                break
            if place == 0:
                namespace.update(self.production(run_dir=str(out), **changed))
        book = namespace.get("book")
        for check in book.recorded if book is not None else ():
            yield check.id, f"{check.verdict.value}: {check.evidence}" + (f" -> {check.remedy}" if check.remedy else "")
        for line in getattr(book, "swept", ()):
            yield f"swept {line[:40]}", line
        with suppress(Exception):
            book.release()

    def command(self, name: str, do: Callable[[Settings], Iterator[tuple[str, str]]], **changed: Any) -> Outcome:
        """One command's work; its error is its line."""

        def told() -> Iterator[tuple[str, str]]:
            try:
                yield from do(Settings.from_mapping(self.production(**changed)))
            except LeadbookError as error:
                yield name, str(error)
            except PyMongoError as error:  # as the command line tells it
                yield name, f"MongoDB: {write_errors.described(error)}"

        return self.run(told)
