"""Who is told at which level: addresses of the environment, and what stands in where a level has none."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from leadbook.alerts.records import CRITICAL, LEVELS, Channel
from leadbook.core.addresses import recipients
from leadbook.core.settings import Settings

NAMES = {1: "alert_level_1_env", 2: "alert_level_2_env", 3: "alert_level_3_env", CRITICAL: "alert_critical_env"}
"""The setting that names the variable of each level."""


@dataclass(frozen=True, kw_only=True)
class Recipients:
    """Channels by level, as the environment names them. notes: what stands in where a level has none, for people."""

    named: Mapping[int, tuple[Channel, ...]]
    notes: Mapping[int, str] = field(default_factory=dict)

    def of(self, level: int) -> tuple[Channel, ...]:
        """Who is told of an alert of this level when it begins: the level and those below; of a critical one all."""
        levels = sorted(self.named) if level >= CRITICAL else range(1, level + 1)
        found = {channel.name: channel for one in levels for channel in self.named.get(one, ())}
        return tuple(found.values()) or self.at(level)

    def at(self, level: int) -> tuple[Channel, ...]:
        """The channels of this very level; where it has none those of the next lower one that has, else of the next."""
        for one in sorted(LEVELS, key=lambda other: (other > level, abs(other - level))):
            if self.named.get(one):
                return self.named[one]
        return ()

    @property
    def all(self) -> dict[str, Channel]:
        """Every channel by its name."""
        return {channel.name: channel for channels in self.named.values() for channel in channels}


def recipients_of(settings: Settings) -> Recipients:
    """The channels of a profile, from the environment as it is now."""
    variables = {level: str(settings.__dict__[key]) for level, key in NAMES.items()}
    named = {level: tuple(map(channel_of, recipients(os.environ.get(name, "")))) for level, name in variables.items()}
    held = Recipients(named=named)
    notes = {}
    for level in (1, 2, 3):
        if not named[level]:
            instead = next((one for one in LEVELS if named[one] and named[one] == held.at(level)), None)
            who = f"{LEVELS[instead]} is told instead" if instead else "nobody can be told"
            notes[level] = f"{LEVELS[level]} has no address ({variables[level]} is empty): {who}"
    return Recipients(named=named, notes=notes)


def channel_of(url: str) -> Channel:
    """The channel of one address. http and https take Slack's form of message, unless apprise knows the address."""
    scheme = url.partition("://")[0].lower() if "://" in url else "unknown"
    kind = {"https": "webhook", "http": "webhook", "smtps": "smtp"}.get(scheme, scheme)
    if url.startswith("https://hooks.slack.com/"):
        kind = "slack"
    elif scheme == "https" and (known := _by_apprise(url)):
        kind = known
    return Channel(kind=kind, name=f"{kind} {hashlib.sha256(url.encode()).hexdigest()[:8]}", url=url)


def _by_apprise(url: str) -> str:
    """What apprise calls a web address that it knows, such as Discord's; empty where it knows none."""
    from leadbook.alerts.sending import by_apprise

    with_it = by_apprise(url)
    return "" if with_it is None else type(with_it).__name__.removeprefix("Notify").lower()
