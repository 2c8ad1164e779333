"""What is known of a set of rehearsal servers, written to one file that only its owner may read."""

from __future__ import annotations

import json
import os
import resource
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from leadbook.core import files
from leadbook.core.errors import ServerError
from leadbook.core.settings import PROJECT
from leadbook.rehearsal.servers import leash

OPEN_FILES = 64_000
"""Open files that a server may have: what MongoDB's manual asks for (UNIX ulimit settings)."""


def default_folder() -> Path:
    """`LEADBOOK_STATE`, or `.leadbook/servers` of this checkout: two checkouts never share servers."""
    named = os.environ.get("LEADBOOK_STATE", "").strip()
    return Path(named).absolute() if named else PROJECT / ".leadbook" / "servers"


@dataclass(frozen=True, kw_only=True)
class Owner:
    """A process for whose life the servers are needed; `created` tells it from a later one with the same pid."""

    pid: int
    created: str


@dataclass(frozen=True, kw_only=True)
class Process:
    """One server process. argv holds no secret; port is where it listens on 127.0.0.1."""

    name: str
    pid: int
    created: str
    port: int
    argv: tuple[str, ...]

    @property
    def alive(self) -> bool:
        """True while this very process runs."""
        return leash.alive(self.pid, self.created)


@dataclass(frozen=True, kw_only=True)
class State:
    """A set of rehearsal servers. Addresses hold passwords and are left out of the repr.

    kept: started to stay until `down`. owners: processes whose end ends the servers, unless kept.
    restarts: what had died and was started again, one line each.
    ready: False while starting; a set found unready is renewed. leash: pid of the watchdog, if any.
    """

    folder: Path
    processes: tuple[Process, ...] = ()
    databases: tuple[str, ...] = ()
    owners: tuple[Owner, ...] = ()
    kept: bool = False
    ready: bool = False
    leash: int | None = None
    restarts: tuple[str, ...] = ()
    mongodb_uri: str = field(default="", repr=False)
    admin_uri: str = field(default="", repr=False)
    reporting_uri: str = field(default="", repr=False)
    redis_url: str = field(default="", repr=False)
    started_at: str = ""

    @property
    def data(self) -> Path:
        """Folder of configuration, certificates, logs and data; `down` removes it."""
        return self.folder / "set"

    @property
    def ca_file(self) -> Path:
        """Certificate of the authority that signed the members' certificates."""
        return self.data / "ca.pem"

    @property
    def members(self) -> tuple[Process, ...]:
        """The replica set's processes."""
        return tuple(process for process in self.processes if process.name.startswith("mongod"))

    @property
    def redis(self) -> Process | None:
        """The Redis process, if this set has one."""
        return next((process for process in self.processes if process.name == "redis"), None)

    @property
    def dead(self) -> tuple[Process, ...]:
        """Processes that should run and do not."""
        return tuple(process for process in self.processes if not process.alive)

    @property
    def owned(self) -> bool:
        """True while started to stay, or while an owner lives; nobody needs the servers otherwise."""
        return self.kept or any(leash.alive(owner.pid, owner.created) for owner in self.owners)

    def with_processes(self, *processes: Process) -> State:
        """A copy in which these processes replace those of the same name, or are added."""
        named = {process.name: process for process in (*self.processes, *processes)}
        return replace(self, processes=tuple(named.values()))

    def save(self) -> State:
        """Write the file (0600) in one step; returns self."""
        text = json.dumps({**asdict(self), "folder": str(self.folder)}, indent=1)
        files.write(leash.state_path(self.folder), text, mode=0o600)
        return self

    @classmethod
    def load(cls, folder: Path) -> State | None:
        """The written state, or None where there is none, or one that cannot be read."""
        values = leash.read_state(folder)
        if values is None:
            return None
        try:
            return cls(**{
                **values,
                "folder": folder,
                "databases": tuple(values["databases"]),
                "restarts": tuple(values.get("restarts", ())),
                "owners": tuple(Owner(**owner) for owner in values["owners"]),
                "processes": tuple(Process(**{**entry, "argv": tuple(entry["argv"])}) for entry in values["processes"]),
            })  # fmt: skip
        except (KeyError, TypeError):
            return None


def spawn(argv: Sequence[str], output: Path) -> tuple[int, str]:
    """Start `argv` detached (own session, deaf to the terminal's Ctrl-C, no child of ours); (pid, its identity).

    The identity is what `leash.created_at` says of it.

    A shell between us and the server hands it over to init, so that it leaves no zombie with us when it ends. It also
    lets the server open as many files as this user may: mongod aborts at an ordinary user's usual 1,024.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    raised = f"ulimit -S -n {wanted}; " if resource.RLIM_INFINITY != soft < wanted else ""
    script = raised + '"$@" >>"$0" 2>&1 </dev/null & echo $!'
    # Without the run's mark: a server that a notebook starts anew belongs to its owners, not to that notebook's run.
    unwanted = ("COV_CORE", "LEADBOOK_RUN_ID")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
    started = subprocess.run(
        ["/bin/sh", "-c", script, str(output), *argv],
        capture_output=True, text=True, start_new_session=True, cwd="/", env=environment, check=False,
    )  # fmt: skip
    try:
        pid = int(started.stdout)
    except ValueError:
        raise ServerError(f"cannot start {argv[0]}: {started.stderr.strip()[:200]}") from None
    return pid, leash.created_at(pid)
