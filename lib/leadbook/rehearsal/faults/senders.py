"""Faults of who sends and who drains: collectors fall silent, repeat themselves or send what nobody can read; the
follower is killed."""

from __future__ import annotations

from leadbook.rehearsal.faults.fault import Fault, Repeated

TIMES = 4.0
"""A storm sends so many times what all collectors together send."""


class SilentCollector(Fault):
    """One collector stops, the others go on."""

    name = "silent-collector"
    told = "the collector apollo-3 stops sending"
    intervals = 100

    def inject(self) -> None:
        """It holds back what it has."""
        self.scene.crew.silence("apollo-3")

    def end(self) -> None:
        """It sends what it held back, and goes on."""
        self.scene.crew.resume("apollo-3")


class NothingCollected(Fault):
    """All collectors stop."""

    name = "nothing-collected"
    told = "all ten collectors stop sending"
    intervals = 40

    def inject(self) -> None:
        """They hold back what they have."""
        self.scene.crew.silence(*self.scene.crew.names)

    def end(self) -> None:
        """They send what they held back, and go on."""
        self.scene.crew.resume(*self.scene.crew.names)


class _Storm(Repeated):
    """A collector that sends far more than it should."""

    def prepare(self) -> None:
        """Records that are sent at each step."""
        self.sent = 0
        self.count = max(5, round(TIMES * self.scene.crew.per_s * self.pause * self.scene.interval_s))


class DuplicateStorm(_Storm):
    """A collector sends again what it has sent before."""

    name = "duplicate-storm"
    told = f"apollo-1 sends known leads again, {TIMES:.0f} times what all collectors send"

    def step(self) -> None:
        """Once more."""
        self.scene.crew.repeat("apollo-1", self.count, skip=self.sent)
        self.sent += self.count


class RejectStorm(_Storm):
    """A collector sends payloads that are cut off."""

    name = "reject-storm"
    told = f"brightdata-1 sends broken JSON, {TIMES:.0f} times what all collectors send"

    def step(self) -> None:
        """Once more."""
        self.scene.crew.break_payloads("brightdata-1", self.count)


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
