"""What workflows and credentials are called in n8n, and which collector asks which vendor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LOOK_UP = "leadbook look-up"
"""Workflow that says whether a lead is stored already; others call it."""
ERRORS = "leadbook errors"
"""Workflow that reports failed executions; the collectors name it in their settings."""

MONGODB_CREDENTIAL = "leadbook MongoDB"
"""Type `mongoDb`: the application's user, and the profile's database."""
REDIS_CREDENTIAL = "leadbook Redis"
"""Type `redis`."""
VENDOR_CREDENTIAL = "leadbook vendor"
"""Type `httpHeaderAuth`: a vendor's API key. Each vendor has its own: see `vendor_credential`."""
WEBHOOK_CREDENTIAL = "leadbook webhook"
"""Type `httpHeaderAuth`: the header that whoever starts a collector by its webhook must send."""

VENDOR_ADDRESS = "https://vendor.invalid/"
"""Stands for a vendor's address, the vendor's name behind it, until an export or a person sets it."""
ALERTS_ADDRESS = "https://alerts.invalid/set-by-leadbook-n8n-export"
"""Stands for the alert channel's address. No credential type of n8n's can hold an address; it is a secret, so that the
committed workflow never holds it."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One of the ten collectors. number: 1 to 10.  stamp: `collector.workflow` of all that it stages."""

    number: int
    vendor: str
    stamp: str

    @property
    def workflow(self) -> str:
        """Its workflow's name in n8n."""
        return collector_name(self.number)


def collector_name(number: int) -> str:
    """`leadbook collector 01` to `leadbook collector 10`."""
    return f"leadbook collector {number:02}"


def vendor_credential(vendor: str) -> str:
    """Name of the header credential for a vendor of params/vendors: `leadbook vendor apollo`."""
    return f"{VENDOR_CREDENTIAL} {vendor}"


VENDORS: Mapping[str, Mapping[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("templates").joinpath("vendors.yaml").read_text(encoding="utf-8")
)
"""By vendor: how many collectors ask it, the header of its key, how its API turns pages."""
_EACH = [(vendor, f"{vendor}-{n}") for vendor, api in VENDORS.items() for n in range(1, api["collectors"] + 1)]
INSTANCES = tuple(Instance(number=n, vendor=vendor, stamp=stamp) for n, (vendor, stamp) in enumerate(_EACH, 1))
"""The task book's ten collectors; the first of Apollo's, number 3, stamps `apollo-1`."""
STAMPS = tuple(one.stamp for one in INSTANCES)
"""The ten values of `collector.workflow`."""
