"""Vendors of enrichment and CRM: where they are, and who may ask them.

Keys come from environment variables. A rehearsal never speaks to the real vendors: it has a loopback sandbox
instead, so that made leads cost nothing and reach nobody.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from leadbook.core.errors import ParameterError
from leadbook.core.settings import Settings

HUNTER_URL = "https://api.hunter.io"
CLEARBIT_URL = "https://person.clearbit.com"
HUBSPOT_URL = "https://api.hubapi.com"


@dataclass(frozen=True, kw_only=True)
class Service:
    """One vendor's address and key. per_second, per_minute: calls allowed to each of its endpoints, by all workers."""

    name: str
    url: str
    key: str = field(repr=False)
    per_second: float
    per_minute: float

    @property
    def gap_s(self) -> float:
        """Seconds between two calls that keep both limits."""
        return max(1.0 / self.per_second, 60.0 / self.per_minute)


@dataclass(frozen=True, kw_only=True)
class Services:
    """The vendors that a run may ask; None where one is not used. sandbox: they are not the real ones."""

    hunter: Service | None = None
    clearbit: Service | None = None
    hubspot: Service | None = None
    sandbox: bool = False

    @property
    def enriches(self) -> bool:
        """Whether there is anybody to ask about leads."""
        return self.hunter is not None or self.clearbit is not None

    def only(self, settings: Settings) -> Services:
        """Those that `enrichment` and `crm` ask for."""
        on = settings.enrichment
        return Services(
            hunter=self.hunter if on else None, clearbit=self.clearbit if on else None,
            hubspot=self.hubspot if settings.crm else None, sandbox=self.sandbox,
        )  # fmt: skip

    @classmethod
    def of(cls, settings: Settings) -> Services:
        """The real vendors, as far as `enrichment` and `crm` ask for them; limits as documented, or lower as set.

        Raises ParameterError for a missing key, and on a rehearsal, whose leads are made up.
        """
        if not (settings.enrichment or settings.crm):
            return cls()
        if settings.is_rehearsal:
            raise ParameterError("enrichment", "a rehearsal never asks the real vendors", "it uses the sandbox")
        hunter = clearbit = hubspot = None
        if settings.enrichment:
            rate = settings.enrichment_per_second
            hunter = Service(name="hunter", url=HUNTER_URL, key=_key(settings.hunter_api_key_env, "Hunter"),
                             per_second=min(rate, 15), per_minute=500)  # fmt: skip
            key = os.environ.get(settings.clearbit_api_key_env, "").strip()
            if key:
                clearbit = Service(name="clearbit", url=CLEARBIT_URL, key=key, per_second=min(rate, 10), per_minute=600)
        if settings.crm:
            hubspot = Service(name="hubspot", url=HUBSPOT_URL, key=_key(settings.hubspot_token_env, "HubSpot"),
                              per_second=10, per_minute=500)  # fmt: skip
        return cls(hunter=hunter, clearbit=clearbit, hubspot=hubspot)


def _key(variable: str, vendor: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ParameterError(variable, f"environment variable is not set; it holds the key of {vendor}")
    if not (value.isascii() and value.isprintable()):
        raise ParameterError(variable, "holds characters that no key has")
    return value
