"""Who works on a target now: a run has it alone, and who comes too learns who that is.

Two runs on one set of servers empty and fill each other's database, and both report nonsense. The lock is a file of
this checkout, held by the kernel's `flock`: it ends with its holder, however that ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from leadbook.core import addresses
from leadbook.core.errors import RefusedError
from leadbook.core.settings import PROJECT, Settings
from leadbook.rehearsal.servers.state import default_folder


class TargetLock:
    """The right to work on the settings' servers: `with TargetLock(settings, "leadbook run"): …`.

    shared: others that share may hold it too, a run may not. Raises RefusedError, naming the holder, and where the
    lock's folder cannot be written.
    """

    def __init__(self, settings: Settings, what: str, *, shared: bool = False) -> None:
        self.what, self.shared = what, shared
        self.path = _path(settings)
        self._file: TextIO | None = self._taken()

    def _taken(self) -> TextIO:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self.path.open("a+", encoding="utf-8")
        except OSError as error:
            raise RefusedError(
                f"cannot write {self.path} ({error.strerror}), which tells who works on the servers; let this "
                "user write there, or work in a checkout of your own"
            ) from None
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(self.path)
            file.close()
            raise RefusedError(
                f"{holder} works on these servers and this database; wait until it has ended, or end it"
            ) from None
        file.seek(0)
        file.truncate()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        json.dump({"what": self.what, "pid": os.getpid(), "since": at}, file)
        file.flush()
        return file

    def release(self) -> None:
        """Let others work there; does nothing the second time."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _holder(path: Path) -> str:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return f"{said['what']} (process {said['pid']}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another leadbook process"


def _path(settings: Settings) -> Path:
    """One file for the rehearsal servers of this checkout, one for each database on servers of others."""
    uri = os.environ.get(settings.mongodb_uri_env, "").strip()
    if not uri:
        return default_folder() / "use.lock"
    hosts = ",".join(sorted(host.lower() for host in addresses.shown(uri).split(",")))
    name = hashlib.sha256(f"{hosts}/{settings.database}".encode()).hexdigest()[:16]
    return PROJECT / ".leadbook" / "locks" / f"{name}.lock"
