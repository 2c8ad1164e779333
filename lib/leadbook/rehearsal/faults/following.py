"""A fault of the pipeline: the follower and its workers are killed, and nobody drains."""

from __future__ import annotations

from leadbook.rehearsal.faults.fault import Fault


class FollowerKilled(Fault):
    """The follower is killed; another one is started at the end."""

    name = "follower-killed"
    told = "the follower and its workers are killed"
    intervals = 30

    def inject(self) -> None:
        """By SIGKILL."""
        self.scene.follower.kill()

    def end(self) -> None:
        """Another one."""
        self.scene.follower.start()
