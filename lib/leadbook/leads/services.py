"""Vendors of enrichment and CRM: where they are, and what each answer of theirs means.

Keys come from environment variables. A rehearsal never speaks to the real vendors: it has a loopback sandbox
instead, so that made leads cost nothing and reach nobody.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from leadbook.errors import ParameterError
from leadbook.settings import Settings

__all__ = ["CLEARBIT_URL", "HUBSPOT_URL", "HUNTER_URL", "Pace", "Service", "Services"]

HUNTER_URL = "https://api.hunter.io"
CLEARBIT_URL = "https://person.clearbit.com"
HUBSPOT_URL = "https://api.hubapi.com"


@dataclass(frozen=True, kw_only=True)
class Service:
    """One vendor's address and key. per_second, per_minute: calls allowed, over all workers."""

    name: str
    url: str
    key: str = field(repr=False)
    per_second: float
    per_minute: float


@dataclass(frozen=True, kw_only=True)
class Services:
    """The vendors that a run may ask; None where one is not used. sandbox: they are not the real ones."""

    hunter: Service | None = None
    clearbit: Service | None = None
    hubspot: Service | None = None
    sandbox: bool = False

    def only(self, settings: Settings) -> Services:
        """Those that `enrichment` and `crm` ask for."""
        on = settings.enrichment
        return Services(
            hunter=self.hunter if on else None, clearbit=self.clearbit if on else None,
            hubspot=self.hubspot if settings.crm else None, sandbox=self.sandbox,
        )  # fmt: skip

    @classmethod
    def of(cls, settings: Settings) -> Services:
        """The real vendors, as far as `enrichment` and `crm` ask for them.

        Raises ParameterError for a missing key, and on a rehearsal, whose leads are made up.
        """
        if not (settings.enrichment or settings.crm):
            return cls()
        if settings.is_rehearsal:
            raise ParameterError("enrichment", "a rehearsal never asks the real vendors", "it uses the sandbox")
        hunter = clearbit = hubspot = None
        if settings.enrichment:
            hunter = Service(name="hunter", url=HUNTER_URL, key=_key(settings.hunter_api_key_env, "Hunter"),
                             per_second=15, per_minute=500)  # fmt: skip
            key = os.environ.get(settings.clearbit_api_key_env, "")
            if key:
                clearbit = Service(name="clearbit", url=CLEARBIT_URL, key=key, per_second=10, per_minute=600)
        if settings.crm:
            hubspot = Service(name="hubspot", url=HUBSPOT_URL, key=_key(settings.hubspot_token_env, "HubSpot"),
                              per_second=10, per_minute=500)  # fmt: skip
        return cls(hunter=hunter, clearbit=clearbit, hubspot=hubspot)


def _key(variable: str, vendor: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ParameterError(variable, f"environment variable is not set; it holds the key of {vendor}")
    return value


class Pace:
    """Lets so many calls through per second and per minute; callers wait their turn. Safe in threads."""

    def __init__(
        self, per_second: float, per_minute: float, *, clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:  # fmt: skip
        self._gap, self._per_minute = 1.0 / per_second, max(1, int(per_minute))
        self._clock, self._sleep = clock, sleep
        self._next = 0.0
        self._recent: deque[float] = deque()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the next call may be made."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next)
            if len(self._recent) >= self._per_minute:
                at = max(at, self._recent.popleft() + 60.0)
            self._next = at + self._gap
            self._recent.append(at)
        if at > now:
            self._sleep(at - now)

    def hold(self, seconds: float) -> None:
        """Let nobody through for so long (the vendor asked for it)."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
