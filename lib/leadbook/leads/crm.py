"""Qualified leads to HubSpot, in batches that may be killed and run again."""

from __future__ import annotations

__all__: list[str] = []
