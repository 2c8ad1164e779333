"""Who works on a target now: a run has it alone, and who comes too learns who that is.

Two runs on one set of servers empty and fill each other's database, and both report nonsense. The lock is files of
this checkout, held by the kernel's `flock`: it ends with its holder, however that ends.
"""

from __future__ import annotations

import fcntl
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

FOR = "LEADBOOK_FOR"
"""Environment variable: for whom a command works here, told to those that it keeps out."""


class TargetLock:
    """The right to work on the settings' servers: `with TargetLock(settings, "leadbook run"): …`.

    shared: others that share may hold it too, a run may not. Raises RefusedError, naming the holder, and where the
    lock's folder cannot be written.
    """

    def __init__(self, settings: Settings, what: str, *, shared: bool = False) -> None:
        self.what, self.shared = what, shared
        self.paths = _paths(settings)
        self._files: list[TextIO] = []
        try:
            self._files.extend(map(self._taken, self.paths))
        except RefusedError:
            self.release()
            raise

    def _taken(self, path: Path) -> TextIO:
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise RefusedError(
                f"cannot write {path} ({error.strerror}), which tells who works on the servers; let this "
                "user write there, or work in a checkout of your own"
            ) from None
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(path)
            file.close()
            raise RefusedError(
                f"{holder} works on these servers and this database; wait until it has ended, or end it"
            ) from None
        file.seek(0)
        file.truncate()
        at = datetime.now(UTC).isoformat(timespec="seconds")
        what = f"{told}, {self.what}" if (told := os.environ.get(FOR, "")) else self.what
        json.dump({"what": what, "pid": os.getpid(), "since": at}, file)
        file.flush()
        return file

    def release(self) -> None:
        """Let others work there; does nothing the second time."""
        files, self._files = self._files, []
        for file in files:
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


def _paths(settings: Settings) -> list[Path]:
    """One file for the rehearsal servers of this checkout; for a database on servers of others one for each host, so
    that who comes by another spelling of the address meets the holder too."""
    uri = os.environ.get(settings.mongodb_uri_env, "").strip()
    if not uri:
        return [default_folder() / "use.lock"]
    return [PROJECT / ".leadbook" / "locks" / f"{name}.lock" for name in addresses.places(uri, settings.database)]
