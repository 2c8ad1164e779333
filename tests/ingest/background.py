"""`leadbook` as a process in the background, which tests stop, kill and listen to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from leadbook.core.settings import PROJECT


class Command:
    """`leadbook` as a shell starts it in the background: with SIGINT ignored by inheritance where asked."""

    def __init__(self, words, endpoints, settings, *, ignored=(), redis_url=None, **parameters):
        parameters |= {"database": settings.database, "members": 1}
        argv = [sys.executable, "-m", "leadbook.cli", *words, "--profile", "production"]
        for name, value in parameters.items():
            argv += ["-p", f"{name}={value}"]
        environment = dict(os.environ) | {
            "MONGODB_URI": endpoints.mongodb_uri, "MONGODB_ADMIN_URI": endpoints.admin_uri,
            "REDIS_URL": redis_url or endpoints.redis_url,
        }  # fmt: skip
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=PROJECT,
            preexec_fn=lambda: self.hears(ignored),
        )  # fmt: skip

    @staticmethod
    def hears(ignored):
        """Signals as a shell leaves them, however the tests themselves were started (by nohup, in the background)."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    def ended(self, timeout=60):
        out, err = self.process.communicate(timeout=timeout)
        return self.process.returncode, out, err

    def kill(self):
        self.process.kill()
        self.process.wait()


def until(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until `what()`; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not what() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert what()


def settled(collection) -> None:
    """Wait until the server works on nothing of the collection: what a killed client had sent is still carried out."""
    busy = [{"$currentOp": {}}, {"$match": {"ns": collection.full_name}}]
    for _ in range(2):
        until(lambda: not list(collection.database.client.admin.aggregate(busy)))
        time.sleep(0.1)
