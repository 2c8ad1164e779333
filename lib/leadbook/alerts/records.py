"""A message to people before it is sent, where it goes, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

LEVELS = {1: "level 1", 2: "level 2", 3: "level 3", 4: "critical"}
"""The task book's escalation levels: 1 the DBA, 2 the Technical Lead, 3 the Project Manager, 4 everybody, at once."""
CRITICAL = 4


@dataclass(frozen=True, kw_only=True)
class Alert:
    """Something that people must know. key: the same for the same trouble, such as `LIVE-DISK-001` or
    `LIVE-COL-001/apollo-2`.  level: of LEVELS.  lines: what was seen, what it means, what to do; no personal data."""

    key: str
    level: int
    title: str
    lines: Sequence[str]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Where messages go. kind: `slack`, `smtp`, or a scheme that apprise knows.  name: the kind and eight digits of the
    address's digest, fit to be shown and kept.  url: the address itself, a secret."""

    kind: str
    name: str
    url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of one attempt. reason: why not, or for whom not though it arrived; it holds nothing of the address.

    retry_after_s: how long the receiver asked not to be asked again, s.
    """

    delivered: bool
    reason: str = ""
    retry_after_s: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it arrived for everybody."""
        return self.delivered and not self.reason
