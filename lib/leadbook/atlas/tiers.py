"""Atlas's dedicated tiers with vCPU and memory: a table as data (`tiers.yaml`), because the API does not tell them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml


@cache
def _table() -> dict[str, Any]:
    table: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("tiers.yaml").read_text(encoding="utf-8"))
    return table


def size_of(provider: str, tier: str) -> tuple[int | None, float | None]:
    """vCPU and memory in GB of one server of a tier; (None, None) for one that the table does not hold."""
    found = _table().get(provider.upper(), {}).get(tier.upper())
    return (int(found[0]), float(found[1])) if found else (None, None)


def known_tiers(provider: str) -> tuple[str, ...]:
    """The tiers of a provider whose size the table holds, smallest first."""
    return tuple(_table().get(provider.upper(), {}))


def all_tiers() -> tuple[str, ...]:
    """instanceSize of every dedicated tier, whichever provider has it."""
    return tuple(dict.fromkeys(tier for part in _table().values() for tier in part))
